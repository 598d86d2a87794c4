"""What the project sends to and expects of GitHub, against the descriptions that GitHub publishes.

`make contract-octokit` brings them; `DORA_OCTOKIT` names the folder that npm installed into.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import evolve
from graphql import (
    DocumentNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    execute_sync,
    get_named_type,
    parse,
    validate,
)
from jsonschema import Draft202012Validator

from dora.adapters.github import queries
from tests.contract.fake_github import hooks, rest
from tests.contract.fake_github.graph import Graph
from tests.contract.fake_github.world import NOW
from tests.contract.recordings.exchanges import Exchange, load
from tests.contract.recordings.scenarios import SCENARIOS

pytestmark = pytest.mark.octokit

HERE = Path(__file__).parent
PLACES = (HERE / "octokit", HERE.parents[1] / ".cache" / "octokit")


def packages() -> Path:
    given = os.environ.get("DORA_OCTOKIT")
    for place in (Path(given),) if given else PLACES:
        found = place / "node_modules" / "@octokit"
        if (found / "graphql-schema").is_dir() and (found / "openapi").is_dir():
            return found
    pytest.fail("@octokit/graphql-schema and @octokit/openapi are not installed: make contract-octokit")


@cache
def github() -> GraphQLSchema:
    text = (packages() / "graphql-schema" / "schema.graphql").read_text(encoding="utf-8")
    # One of its types declares two fields twice.
    return build_schema(text, assume_valid_sdl=True, assume_valid=True)


@cache
def openapi() -> dict[str, Any]:
    described: dict[str, Any] = orjson.loads((packages() / "openapi/generated/api.github.com.json").read_bytes())
    return described


@pytest.mark.parametrize(
    "document",
    [
        queries.DEPLOYMENTS,
        queries.changes(["a" * 40], [], pulls=5)[0],
        queries.changes([], [1], pulls=5)[0],
        queries.changes(["a" * 40, "abcdef0", "b" * 40], [1, 2], pulls=50)[0],
    ],
)
def test_our_queries_fit_githubs_schema(document: str) -> None:
    assert validate(github(), parse(document)) == []


def test_the_fakes_schema_is_a_part_of_githubs() -> None:
    fake = build_schema((HERE / "fake_github" / "schema.graphql").read_text(encoding="utf-8"))
    for name, kind in fake.type_map.items():
        if name.startswith("__") or name == "BigInt":
            continue
        theirs = github().type_map[name]
        assert type(theirs) is type(kind), name
        if isinstance(kind, GraphQLEnumType) and isinstance(theirs, GraphQLEnumType):
            assert kind.values.keys() <= theirs.values.keys(), name
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            assert isinstance(theirs, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType)
            for field, declared in kind.fields.items():
                there = theirs.fields[field]
                # GitHub sends deployment ids that its own Int cannot hold.
                assert str(declared.type).replace("BigInt", "Int") == str(there.type), f"{name}.{field}"
                if isinstance(declared, GraphQLField) and isinstance(there, GraphQLField):
                    for argument, wanted in declared.args.items():
                        assert str(wanted.type) == str(there.args[argument].type), f"{name}.{field}({argument})"


REST = {
    r"/repos/[^/]+/[^/]+/compare/[^/]+|/repositories/\d+/compare/[^/]+": "/repos/{owner}/{repo}/compare/{basehead}",
    r"/repos/[^/]+/[^/]+/commits/[^/]+": "/repos/{owner}/{repo}/commits/{ref}",
    r"/repos/[^/]+/[^/]+": "/repos/{owner}/{repo}",
    r"/repos/[^/]+/[^/]+/installation": "/repos/{owner}/{repo}/installation",
    r"/app/installations/\d+/access_tokens": "/app/installations/{installation_id}/access_tokens",
}


def exchanges() -> list[tuple[str, Exchange]]:
    return [(scenario.name, exchange) for scenario in SCENARIOS for exchange in load(scenario.name)[1]]


def operation(exchange: Exchange) -> dict[str, Any]:
    path, _, query = exchange.request.path.partition("?")
    template = next(template for pattern, template in REST.items() if re.fullmatch(pattern, path))
    described: dict[str, Any] = openapi()["paths"][template][exchange.request.method.lower()]
    if query:
        names = {
            openapi()["components"]["parameters"][one["$ref"].rpartition("/")[2]]["name"]
            if "$ref" in one
            else one["name"]
            for one in described["parameters"]
        }
        assert {part.partition("=")[0] for part in query.split("&")} <= names
    return described


def json_schema(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Return an OpenAPI 3.0 schema as JSON Schema: `nullable` is the one word that differs here."""
    if isinstance(schema, list):
        return [json_schema(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    inner = {name: json_schema(value) for name, value in schema.items() if name not in {"example", "nullable"}}
    return {"anyOf": [inner, {"type": "null"}]} if schema.get("nullable") is True else inner


@cache
def components() -> dict[str, Any]:
    schemas = {name: json_schema(schema) for name, schema in openapi()["components"]["schemas"].items()}
    return {"components": {"schemas": schemas}}


def problems(schema: dict[str, Any], body: object) -> list[str]:
    validator = Draft202012Validator({**json_schema(schema), **components()})
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body)]


def test_the_recorded_rest_answers_have_githubs_shape() -> None:
    judged = 0
    for name, exchange in exchanges():
        if exchange.request.path.startswith("/graphql") or not isinstance(exchange.response.body, dict):
            continue
        if exchange.request.headers.get("accept") == "application/vnd.github.sha" and exchange.response.status < 300:
            continue
        responses = operation(exchange)["responses"]
        known = responses.get(str(exchange.response.status))
        if known is None:
            # Every endpoint answers 401, 403, 429 and 5xx; few descriptions say so.
            known = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/basic-error"}}}}
        elif "$ref" in known:
            known = openapi()["components"]["responses"][known["$ref"].rpartition("/")[2]]
        schema = known["content"]["application/json"]["schema"]
        assert problems(schema, exchange.response.body) == [], f"{name} {exchange.request.path}"
        judged += 1
    assert judged > 20


def test_the_judge_of_rest_answers_finds_faults() -> None:
    _, recorded, _ = load("one-page")
    body = recorded[0].response.body
    assert isinstance(body, dict)
    schema = {"$ref": "#/components/schemas/commit-comparison"}
    assert problems(schema, body) == []
    assert problems(schema, {**body, "status": "sideways"})
    assert problems(schema, {**body, "total_commits": "3"})
    assert problems(schema, {name: value for name, value in body.items() if name != "merge_base_commit"})


def test_the_fakes_webhooks_have_githubs_shape() -> None:
    """`dora check` reads them; nothing recorded holds any."""
    one = hooks.Hook(deliveries=[hooks.Sent("0b989ba4-242f-11e5-81e1-c7b6966d2516", 1_700_000_000_000_000, 502)])
    api = "https://api.github.com"
    unused = evolve(one, last_code=None, secret=False, insecure_ssl=1)
    for schema, bodies in {
        "hook": [hooks.hook(hook, f"{api}/repos/acme/shop", "Repository") for hook in (one, unused)],
        "org-hook": [hooks.hook(one, f"{api}/orgs/acme", "Organization")],
        "webhook-config": [hooks.config(hook) for hook in (one, unused)],
        "hook-delivery-item": [hooks.delivery(one.deliveries[0])],
        "integration": [hooks.app(1, ["contents=read", "metadata=read"], one.events, api)],
    }.items():
        for body in bodies:
            assert problems({"$ref": f"#/components/schemas/{schema}"}, body) == [], schema
    paths = openapi()["paths"]
    for path in (
        "/repos/{owner}/{repo}/hooks",
        "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries",
        "/orgs/{org}/hooks",
        "/orgs/{org}/hooks/{hook_id}/deliveries",
        "/app",
        "/app/hook/config",
        "/app/hook/deliveries",
    ):
        assert "get" in paths[path], path


def test_the_fakes_lists_have_githubs_shape() -> None:
    """What was missed is read from them; nothing recorded holds any."""
    api = "https://api.github.com"
    graph = Graph("acme/shop")
    graph.deployment(3_900_000_001, "a" * 40, at=NOW)
    graph.pull_request(7, "a" * 40, created_at=NOW, labels=("hotfix",))
    graph.pull_request(8, "b" * 40, created_at=NOW)
    merged, closed = (
        graph.pull_requests[graph.merged(7, "c" * 40, at=NOW)],
        graph.pull_requests[graph.closed(8, at=NOW)],
    )
    for schema, body in (
        ("deployment", rest.deployment(graph, graph.deployments[3_900_000_001], api)),
        ("pull-request-simple", rest.pull_request(graph, merged, api)),
        ("pull-request-simple", rest.pull_request(graph, closed, api)),
    ):
        assert problems({"$ref": f"#/components/schemas/{schema}"}, body) == [], schema
    for path, query in (("deployments", {"per_page"}), ("pulls", {"state", "sort", "direction", "per_page"})):
        described = openapi()["paths"][f"/repos/{{owner}}/{{repo}}/{path}"]["get"]["parameters"]
        shared = openapi()["components"]["parameters"]
        assert query <= {
            one["name"] if "name" in one else shared[one["$ref"].rpartition("/")[2]]["name"] for one in described
        }


def answered(document: DocumentNode, variables: dict[str, Any], data: object) -> list[str]:
    """Return what is wrong with the data of an answer: GitHub's own schema completes it from itself, or fails to."""
    schema = github()

    def resolve(source: Any, info: Any, **_: object) -> Any:  # noqa: ANN401 - JSON
        key = info.path.key
        value = source[key]
        # Ids beyond what GraphQL's Int holds, as GitHub sends them.
        return 1 if info.field_name == "databaseId" and isinstance(value, int) else value

    def kind(value: Any, _: object, abstract: GraphQLInterfaceType | GraphQLUnionType) -> str:  # noqa: ANN401 - JSON
        assert abstract.name == "GitObject"
        return "Commit" if "oid" in value else "Tree"

    result = execute_sync(
        schema,
        document,
        root_value=data,
        variable_values=variables,
        field_resolver=resolve,
        type_resolver=kind,
    )
    assert get_named_type(schema.type_map["Query"]) is schema.query_type
    wrong = [f"{error.path}: {error.message}" for error in result.errors or ()]
    if not wrong and orjson.dumps(result.data, option=orjson.OPT_SORT_KEYS) != orjson.dumps(
        _without_ids(data), option=orjson.OPT_SORT_KEYS
    ):
        wrong.append("the answer holds what was not asked for")
    return wrong


def _without_ids(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {
            name: 1 if name == "databaseId" and inner is not None else _without_ids(inner)
            for name, inner in value.items()
        }
    return [_without_ids(inner) for inner in value] if isinstance(value, list) else value


def test_the_recorded_graphql_answers_have_githubs_shape() -> None:
    judged = 0
    for name, exchange in exchanges():
        body = exchange.response.body
        if not exchange.request.path.startswith("/graphql") or not isinstance(body, dict) or not body.get("data"):
            continue
        asked = exchange.request.body
        assert isinstance(asked, dict)
        assert answered(parse(asked["query"]), asked["variables"], body["data"]) == [], name
        judged += 1
    assert judged > 10


def test_the_judge_of_graphql_answers_finds_faults() -> None:
    _, recorded, _ = load("squash")
    asked, body = recorded[1].request.body, recorded[1].response.body
    assert isinstance(asked, dict)
    assert isinstance(body, dict)
    document = parse(asked["query"])
    text = orjson.dumps(body["data"])
    for fault in (
        text.replace(b'"merged":true', b'"merged":"yes"'),
        text.replace(b'"number":7', b'"number":null'),
        text.replace(b'"totalCount":1', b'"totalCount":"1"'),
        text.replace(b'"headRefName"', b'"headName"'),
    ):
        assert fault != text
        assert answered(document, asked["variables"], orjson.loads(fault))
