"""GitHub's GraphQL endpoint over a graph: a real engine on a part of GitHub's schema, with GitHub's limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from attrs import define, field, frozen
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from tests.contract.fake_github import rest
from tests.contract.fake_github.graph import Commit, Deployment, Graph, PullRequest, Status

Json: TypeAlias = dict[str, object]

MOST_NODES = 500_000
_LONGEST_PAGE = 100
_STATES = {"success": "ACTIVE"}


@frozen
class Connection:
    nodes: Sequence[object]
    start: int
    total: int

    @property
    def more(self) -> bool:
        return self.start + len(self.nodes) < self.total


@frozen
class _Of:
    """A node, and the graph it belongs to."""

    graph: Graph
    value: Any


@define
class Refusal(Exception):
    """A part of the query that the token may not read."""

    permission: str


@frozen
class Context:
    find: Callable[[str], Graph | None]
    permissions: frozenset[str]
    remaining: int

    def want(self, permission: str) -> None:
        if permission not in self.permissions:
            raise Refusal(permission)


@define
class Engine:
    """Answers GraphQL requests."""

    schema: GraphQLSchema = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.schema = _schema()

    def cost(self, document: str, variables: Mapping[str, object]) -> tuple[int, int]:
        """Return points and nodes of a query by GitHub's published formula, 0 if it cannot be read."""
        try:
            tree = parse(document)
        except GraphQLError:
            return 1, 0
        fragments = {known.name.value: known for known in tree.definitions if isinstance(known, FragmentDefinitionNode)}
        calls = nodes = 0
        for operation in tree.definitions:
            if isinstance(operation, OperationDefinitionNode):
                more_calls, more_nodes = _count(operation.selection_set, 1, variables, fragments)
                calls, nodes = calls + more_calls, nodes + more_nodes
        return max(1, round(calls / 100)), nodes

    def answer(self, document: str, variables: dict[str, Any], context: Context) -> Json:
        """Return the answer's body; GitHub's HTTP status is 200 whatever it says."""
        try:
            tree = parse(document)
        except GraphQLError as error:
            return {"errors": [{"message": error.message}]}
        problems = validate(self.schema, tree)
        if problems:
            return {"errors": [{"message": problem.message} for problem in problems]}
        if self.cost(document, variables)[1] > MOST_NODES:
            return {"errors": [{"type": "MAX_NODE_LIMIT_EXCEEDED", "message": "This query requests too many nodes"}]}
        result = execute_sync(self.schema, tree, variable_values=variables, context_value=context)
        answer: Json = {"data": result.data}
        if result.errors:
            answer["errors"] = [_error(error) for error in result.errors]
        return answer


def _error(error: GraphQLError) -> Json:
    body: Json = {"path": list(error.path or ()), "message": error.message}
    if isinstance(error.original_error, Refusal):
        return {"type": "FORBIDDEN", **body, "message": "Resource not accessible by personal access token"}
    if isinstance(error.original_error, LookupError):
        return {"type": "NOT_FOUND", **body}
    return body


def _count(
    selections: SelectionSetNode | None,
    times: int,
    variables: Mapping[str, object],
    fragments: Mapping[str, FragmentDefinitionNode],
) -> tuple[int, int]:
    """Return calls and nodes: each connection is one call for every node above it."""
    calls = nodes = 0
    for selection in () if selections is None else selections.selections:
        if isinstance(selection, FragmentSpreadNode):
            inner = _count(fragments[selection.name.value].selection_set, times, variables, fragments)
        elif isinstance(selection, InlineFragmentNode):
            inner = _count(selection.selection_set, times, variables, fragments)
        elif isinstance(selection, FieldNode):
            first = _first(selection, variables)
            inner = _count(selection.selection_set, times * (first or 1), variables, fragments)
            if first is not None:
                inner = inner[0] + times, inner[1] + times * first
        else:
            continue
        calls, nodes = calls + inner[0], nodes + inner[1]
    return calls, nodes


def _first(selection: FieldNode, variables: Mapping[str, object]) -> int | None:
    for argument in selection.arguments or ():
        if argument.name.value == "first":
            if isinstance(argument.value, IntValueNode):
                return int(argument.value.value)
            if isinstance(argument.value, VariableNode):
                given = variables.get(argument.value.name.value)
                return given if isinstance(given, int) else None
    return None


def _page(values: Sequence[object], first: int | None, after: str | None = None) -> Connection:
    if first is None or not 1 <= first <= _LONGEST_PAGE:
        raise GraphQLError("You must provide a `first` or `last` value between 1 and 100")
    start = int(after.removeprefix("cursor:")) if after else 0
    return Connection(nodes=values[start : start + first], start=start, total=len(values))


_Info: TypeAlias = GraphQLResolveInfo


def _repository(_: object, info: _Info, *, owner: str, name: str, **__: object) -> Graph:
    found: Graph | None = info.context.find(f"{owner}/{name}")
    if found is None:
        raise LookupError(f"Could not resolve to a Repository with the name '{owner}/{name}'.")
    return found


def _object(graph: Graph, info: _Info, *, oid: str | None = None, expression: str | None = None) -> _Of | None:
    info.context.want("contents=read")
    sha = graph.resolve(expression) if expression is not None else oid
    return _Of(graph, graph.commits[sha]) if sha in graph.commits else None


def _numbered(graph: Graph, info: _Info, *, number: int) -> _Of:
    info.context.want("pull_requests=read")
    if number not in graph.pull_requests:
        raise LookupError(f"Could not resolve to a PullRequest with the number of {number}.")
    return _Of(graph, graph.pull_requests[number])


def _deployments(
    graph: Graph,
    info: _Info,
    *,
    first: int | None = None,
    after: str | None = None,
    environments: list[str] | None = None,
    orderBy: Mapping[str, str],  # noqa: N803 - GitHub's name
) -> Connection:
    info.context.want("deployments=read")
    found = graph.newest_deployments(environments)
    if orderBy["direction"] == "ASC":
        found.reverse()
    return _page([_Of(graph, known) for known in found], first, after)


def _introduced_by(of: _Of, info: _Info, *, first: int | None = None, **_: object) -> Connection:
    info.context.want("pull_requests=read")
    commit: Commit = of.value
    return _page([_Of(of.graph, known) for known in of.graph.introduced_by(commit.sha)], first)


def _own_commits(of: _Of, _: _Info, *, first: int | None = None, **__: object) -> Connection:
    pull_request: PullRequest = of.value
    commits = [_Of(of.graph, of.graph.commits[sha]) for sha in pull_request.own if sha in of.graph.commits]
    return _page([{"commit": commit} for commit in commits], first)


def _merge_commit(of: _Of, _: _Info) -> _Of | None:
    pull_request: PullRequest = of.value
    sha = pull_request.merge_commit
    return _Of(of.graph, of.graph.commits[sha]) if sha is not None and sha in of.graph.commits else None


def _state(deployment: Deployment) -> str:
    if deployment.state == "inactive" and deployment.transient:
        return "DESTROYED"
    return _STATES.get(deployment.state, deployment.state.upper())


def _commit(read: Callable[[Commit], object]) -> Callable[..., object]:
    return lambda of, _info, **_: read(of.value)


def _pull(read: Callable[[PullRequest], object]) -> Callable[..., object]:
    return lambda of, _info, **_: read(of.value)


def _deployment(read: Callable[[Deployment], object]) -> Callable[..., object]:
    return lambda of, _info, **_: read(of.value)


def _pull_state(pull_request: PullRequest) -> str:
    return "OPEN" if pull_request.merged_at is None else "MERGED"


def _page_info(page: Connection, _: _Info) -> Json:
    return {"hasNextPage": page.more, "endCursor": f"cursor:{page.start + len(page.nodes)}" if page.nodes else None}


def _rate_limit(_: object, info: _Info) -> Json:
    left = info.context.remaining
    return {"cost": 1, "limit": 5000, "remaining": left, "resetAt": "2030-01-01T00:00:00Z", "used": 5000 - left}


@cache
def _schema() -> GraphQLSchema:
    """Return the schema with its resolvers."""
    schema = build_schema(Path(__file__).with_name("schema.graphql").read_text(encoding="utf-8"))
    resolvers: dict[str, dict[str, Callable[..., object]]] = {
        "Query": {"repository": _repository, "rateLimit": _rate_limit},
        "Repository": {
            "databaseId": lambda graph, _: graph.id,
            "nameWithOwner": lambda graph, _: graph.name,
            "defaultBranchRef": lambda graph, _: {"name": graph.default_branch, "prefix": "refs/heads/"},
            "object": _object,
            "pullRequest": _numbered,
            "deployments": _deployments,
        },
        "Commit": {
            "oid": _commit(lambda commit: commit.sha),
            "abbreviatedOid": _commit(lambda commit: commit.sha[:7]),
            "authoredDate": _commit(lambda commit: rest.stamp(commit.authored_at)),
            "committedDate": _commit(lambda commit: rest.stamp(commit.committed_at)),
            "parents": lambda of, _, first=None, **__: _page(
                [_Of(of.graph, of.graph.commits[sha]) for sha in of.value.parents if sha in of.graph.commits], first
            ),
            "associatedPullRequests": _introduced_by,
        },
        "PullRequest": {
            "number": _pull(lambda pull: pull.number),
            "state": _pull(_pull_state),
            "merged": _pull(lambda pull: pull.merged_at is not None),
            "createdAt": _pull(lambda pull: rest.stamp(pull.created_at)),
            "mergedAt": _pull(lambda pull: None if pull.merged_at is None else rest.stamp(pull.merged_at)),
            "baseRefName": _pull(lambda pull: pull.base),
            "headRefName": _pull(lambda pull: pull.head),
            "mergeCommit": _merge_commit,
            "labels": lambda of, _, first=None, **__: _page([{"name": label} for label in of.value.labels], first),
            "commits": _own_commits,
        },
        "Deployment": {
            "id": _deployment(lambda deployment: f"DE_{deployment.id}"),
            "databaseId": _deployment(lambda deployment: deployment.id),
            "commitOid": _deployment(lambda deployment: deployment.sha),
            "environment": _deployment(lambda deployment: deployment.environment),
            "latestEnvironment": _deployment(lambda deployment: deployment.environment),
            "originalEnvironment": _deployment(lambda deployment: deployment.environment),
            "state": _deployment(_state),
            "createdAt": _deployment(lambda deployment: rest.stamp(deployment.created_at)),
            "updatedAt": _deployment(lambda deployment: rest.stamp(deployment.updated_at)),
            # Newest first, as REST has them.
            "statuses": lambda of, _, first=None, **__: _page(
                [_status(status, of.value) for status in reversed(of.value.statuses)], first
            ),
        },
    }
    for kind, fields in resolvers.items():
        declared = schema.type_map[kind]
        assert isinstance(declared, GraphQLObjectType)
        for name, resolve in fields.items():
            declared.fields[name].resolve = resolve
        if kind == "Commit":
            declared.is_type_of = lambda value, _: isinstance(value, _Of)
    for kind, declared in schema.type_map.items():
        if isinstance(declared, GraphQLObjectType) and kind.endswith("Connection") and not kind.startswith("__"):
            declared.fields["totalCount"].resolve = lambda page, _: page.total
            declared.fields["nodes"].resolve = lambda page, _: page.nodes
            declared.fields["pageInfo"].resolve = _page_info
    return schema


def _status(status: Status, deployment: Deployment) -> Json:
    return {
        "state": status.state.upper(),
        "environment": status.environment or deployment.environment,
        "createdAt": rest.stamp(status.at),
        "updatedAt": rest.stamp(status.at),
    }
