from __future__ import annotations

import gzip
from typing import Any

import jsonschema
import pytest

from tests.unit.adapters.http.fakes import World

READ = ["/metrics", "/internal/metrics", "/healthz", "/readyz", "/openapi.json", "/"]


@pytest.mark.parametrize("path", READ)
async def test_what_is_read_answers_get_and_head_alike(path: str) -> None:
    world = World()
    got, head = await world.request("GET", path), await world.request("HEAD", path)
    assert got.status_code == head.status_code == 200
    assert got.content
    assert head.content == b""
    assert head.headers == got.headers


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_what_is_read_takes_no_other_method(path: str, method: str) -> None:
    response = await World().request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/nothing", "/webhooks", "/webhooks/github/", "/api/event/", "/metrics/x"])
async def test_unknown_paths_are_404_problems(path: str) -> None:
    response = await World().request("GET", path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == "about:blank"
    assert problem["title"] == "Not Found"
    assert problem["status"] == 404
    assert problem["detail"]


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/webhooks/github/", 404), ("/", 405)])
async def test_a_delivery_to_another_path_is_told_the_right_one(path: str, status: int) -> None:
    response = await World().request("POST", path, headers={"x-github-event": "push"}, content=b"{}")
    assert response.status_code == status
    assert "/webhooks/github" in response.json()["detail"]


async def test_a_scraper_gets_exactly_what_it_negotiated() -> None:
    world = World()
    response = await world.request("GET", "/metrics", headers={"accept": "text/plain", "accept-encoding": "br"})
    assert response.text == "one 1\ntwo 2\n"
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["vary"] == "Accept, Accept-Encoding"
    assert "content-encoding" not in response.headers
    assert world.metrics.asked == [("text/plain", "br")]


async def test_a_compressed_scrape_says_so() -> None:
    world = World()
    compressed = gzip.compress(b"one 1\ntwo 2\n")
    world.metrics.body = (compressed[:7], compressed[7:])
    world.metrics.content_encoding = "gzip"
    response = await world.request("GET", "/metrics")
    assert response.headers["content-encoding"] == "gzip"
    assert response.text == "one 1\ntwo 2\n"


@pytest.mark.parametrize("path", ["/metrics", "/internal/metrics"])
async def test_metrics_want_their_token_if_there_is_one(path: str) -> None:
    world = World(metrics_token="metrics-token")
    for authorization in (None, "Bearer wrong", "Basic metrics-token", "Bearer metrics-token2", "Bearer"):
        headers: dict[str, str] = {} if authorization is None else {"authorization": authorization}
        response = await world.request("GET", path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
    response = await world.request("GET", path, headers={"authorization": "bearer metrics-token"})
    assert response.status_code == 200


async def test_readiness_follows_the_stages_and_the_state_and_health_does_not() -> None:
    world = World()
    ready = []
    for stage in ("starting", "open", "unwritable", "draining"):
        world.gate.restored = stage != "starting"
        world.receiver.ready = stage != "unwritable"
        world.gate.draining = stage == "draining"
        response = await world.request("GET", "/readyz")
        ready.append((stage, response.status_code, "retry-after" in response.headers))
        assert (await world.request("GET", "/healthz")).status_code == 200
    assert ready == [
        ("starting", 503, True),
        ("open", 200, False),
        ("unwritable", 503, True),
        ("draining", 503, True),
    ]


async def test_nothing_is_shown_to_scrapers_before_the_state_is_restored() -> None:
    world = World()
    world.gate.restored = False
    assert (await world.request("GET", "/metrics")).status_code == 503
    assert (await world.request("GET", "/internal/metrics")).status_code == 200


async def test_a_process_that_lost_its_state_shows_no_numbers_beside_those_of_its_successor() -> None:
    world = World()
    world.receiver.lost = True
    assert (await world.request("GET", "/metrics")).status_code == 503
    assert (await world.request("GET", "/internal/metrics")).status_code == 200


async def test_requests_are_counted_by_route_and_status() -> None:
    world = World()
    await world.request("GET", "/healthz")
    await world.request("GET", "/healthz?token=secret")
    await world.request("GET", "/some/secret")
    await world.request("POST", "/webhooks/github", headers={"content-type": "text/plain"}, content=b"x")
    assert world.internals.requests == [
        ("/healthz", "GET", 200),
        ("/healthz", "GET", 200),
        ("other", "GET", 404),
        ("/webhooks/github", "POST", 415),
    ]


async def test_the_description_names_every_route_and_answer() -> None:
    description = (await World().request("GET", "/openapi.json")).json()
    assert description["openapi"].startswith("3.1.")
    assert description["info"]["version"] == "1.2.3"
    assert set(description["paths"]) == {*READ, "/webhooks/github", "/api/event"}
    assert description["components"]["schemas"]["Event"] == {"type": "object"}
    event = description["paths"]["/api/event"]["post"]
    assert {"200", "201", "400", "401", "403", "413", "415", "422", "503"} <= set(event["responses"])


async def test_every_reference_and_schema_of_the_description_is_sound() -> None:
    description = (await World().request("GET", "/openapi.json")).json()

    def walk(value: object) -> None:
        if isinstance(value, list):
            for item in value:
                walk(item)
        if isinstance(value, dict):
            reference = value.get("$ref")
            if reference is not None:
                target: Any = description
                for name in reference.removeprefix("#/").split("/"):
                    target = target[name]
            for item in value.values():
                walk(item)

    walk(description)
    for schema in description["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


async def test_problems_fit_their_own_description() -> None:
    world = World()
    description = (await world.request("GET", "/openapi.json")).json()
    validator = jsonschema.Draft202012Validator(description["components"]["schemas"]["Problem"])
    for path in ("/nothing", "/webhooks/github", "/api/event"):
        validator.validate((await world.request("POST", path, content=b"")).json())
