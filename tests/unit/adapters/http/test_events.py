from __future__ import annotations

import pytest
from attrs import evolve

from dora.adapters.http.bodies import LARGEST_EVENT
from dora.domain.facts import Repository
from dora.domain.outcome import Outcome, Status
from dora.ports import Forbidden, Invalid, Malformed, Problem, Unavailable
from tests.unit.adapters.http.fakes import (
    FACT,
    NOW,
    SIGNATURE,
    TOKEN,
    FakeBatch,
    FakeEvent,
    FakeEventDoor,
    FakeReceiver,
    World,
)

PATH = "/api/event"
GENUINE = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
SIGNED = {"content-type": "application/json", "x-hub-signature-256": SIGNATURE}


@pytest.mark.parametrize("status", [Status.COUNTED, Status.STORED])
async def test_a_new_event_is_a_201_that_says_what_became_of_it(status: Status) -> None:
    world = World(receiver=FakeReceiver(outcomes=(Outcome(status),)))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert (response.status_code, response.json()) == (201, {"status": status.value})
    assert world.internals.events == [("acme/api", "api", "deployment.succeeded", status.value)]


async def test_a_duplicate_is_a_200() -> None:
    world = World(receiver=FakeReceiver(outcomes=(Outcome(Status.DUPLICATE),)))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert (response.status_code, response.json()) == (200, {"status": "duplicate"})


async def test_an_event_of_no_interest_is_ignored_with_its_reason() -> None:
    batch = FakeBatch(events=(FakeEvent(repository=None, fact=None, ignored="repository"),))
    world = World(event_door=FakeEventDoor(batch=batch))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert (response.status_code, response.json()) == (201, {"status": "ignored", "reason": "repository"})
    assert world.receiver.entries == []
    assert world.internals.events == []


async def test_what_is_kept_but_not_counted_is_ignored_with_the_doors_reason() -> None:
    world = World(
        event_door=FakeEventDoor(batch=FakeBatch(events=(FakeEvent(ignored="too_old"),))),
        receiver=FakeReceiver(outcomes=(Outcome(Status.STORED),)),
    )
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert response.json() == {"status": "ignored", "reason": "too_old"}
    assert world.receiver.entries == [(FACT,)]


async def test_a_batch_is_applied_by_time_and_answered_in_the_order_sent() -> None:
    first, second, third = (evolve(FACT, repository=Repository(f"acme/{name}")) for name in "abc")
    batch = FakeBatch(
        single=False,
        events=(
            FakeEvent(fact=first, at=NOW + 2),
            FakeEvent(fact=None, ignored="environment", at=NOW),
            FakeEvent(fact=second, at=NOW + 1),
            FakeEvent(fact=third, at=NOW + 1),
        ),
    )
    outcomes = (Outcome(Status.COUNTED), Outcome(Status.STORED), Outcome(Status.DUPLICATE))
    world = World(event_door=FakeEventDoor(batch=batch), receiver=FakeReceiver(outcomes=outcomes))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"[]")
    assert response.status_code == 200
    assert response.json() == {
        "results": [
            {"status": "duplicate"},
            {"status": "ignored", "reason": "environment"},
            {"status": "counted"},
            {"status": "stored"},
        ]
    }
    assert world.receiver.entries == [(second, third, first)]


async def test_what_is_wrong_with_an_event_of_a_batch_is_told_where_it_was_sent() -> None:
    events = (
        FakeEvent(at=NOW + 2, pointer="/0"),
        FakeEvent(at=NOW + 1, pointer="/1/data"),
        FakeEvent(fact=None, at=NOW, pointer="/2"),
    )
    batch = FakeBatch(single=False, events=events)
    error = Invalid(Problem("/0/id", "was used with other content"))
    world = World(event_door=FakeEventDoor(batch=batch), receiver=FakeReceiver(error=error))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"[]")
    assert response.status_code == 422
    assert [problem["pointer"] for problem in response.json()["errors"]] == ["/1/data/id"]


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic abc", ""])
async def test_who_is_not_known_gets_a_401_before_the_content_type_counts(authorization: str | None) -> None:
    headers = {"content-type": "text/plain"} | ({} if authorization is None else {"authorization": authorization})
    response = await World().request("POST", PATH, headers=headers, content=b"{}")
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_signature_does_as_well_as_a_token() -> None:
    world = World()
    response = await world.request("POST", PATH, headers=SIGNED, content=b"{}")
    assert response.status_code == 201
    assert world.event_door.read_with == [("webhook", b"{}", None)]


async def test_an_authorization_decides_even_beside_a_good_signature() -> None:
    response = await World().request("POST", PATH, headers=SIGNED | {"authorization": "Bearer wrong"}, content=b"{}")
    assert response.status_code == 401


async def test_a_wrong_signature_is_a_401_before_the_content_type_counts() -> None:
    headers = {"content-type": "text/plain", "x-hub-signature-256": "sha256=bad"}
    response = await World().request("POST", PATH, headers=headers, content=b"{}")
    assert response.status_code == 401


@pytest.mark.parametrize("credentials", [GENUINE, SIGNED])
@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/cloudevents"},
        {"content-type": "application/cloudevents+xml"},
        {"content-type": "application/cloudevents+json; charset=utf-16"},
        {"content-type": "application/problem+json"},
        {"content-type": "text/plain", "ce-specversion": "1.0"},
        {"content-type": "application/cloudevents+avro", "ce-specversion": "1.0"},
        {"content-encoding": "gzip"},
    ],
)
async def test_another_content_type_is_a_415(credentials: dict[str, str], headers: dict[str, str]) -> None:
    response = await World().request("POST", PATH, headers=credentials | headers, content=b"{}")
    assert response.status_code == 415


@pytest.mark.parametrize("credentials", [GENUINE, SIGNED])
async def test_a_body_over_a_mebibyte_is_a_413(credentials: dict[str, str]) -> None:
    response = await World().request("POST", PATH, headers=credentials, content=b"x" * (LARGEST_EVENT + 1))
    assert response.status_code == 413


async def test_a_wrong_content_type_is_told_before_a_large_body() -> None:
    headers = GENUINE | {"content-type": "text/plain"}
    response = await World().request("POST", PATH, headers=headers, content=b"x" * (LARGEST_EVENT + 1))
    assert response.status_code == 415


async def test_what_is_no_json_is_a_400() -> None:
    world = World(event_door=FakeEventDoor(error=Malformed(Problem("", "is no JSON"))))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{")
    assert response.status_code == 400
    assert world.internals.refused == ["malformed"]


async def test_an_event_that_breaks_rules_is_a_422_with_all_of_them() -> None:
    error = Invalid(Problem("/sha", "is missing"), Problem("/occurred_at", "is no time"))
    world = World(event_door=FakeEventDoor(error=error))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["errors"] == [
        {"pointer": "/sha", "detail": "is missing"},
        {"pointer": "/occurred_at", "detail": "is no time"},
    ]


async def test_a_key_used_with_other_content_is_a_422() -> None:
    world = World(receiver=FakeReceiver(error=Invalid(Problem("/0/id", "was used with other content"))))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert response.status_code == 422


async def test_a_repository_that_is_not_the_clients_is_a_403() -> None:
    world = World(event_door=FakeEventDoor(error=Forbidden("not this repository")))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert response.status_code == 403
    assert world.internals.refused == ["forbidden"]


async def test_what_cannot_be_kept_now_is_a_503() -> None:
    world = World(receiver=FakeReceiver(error=Unavailable("no")))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0


async def test_while_starting_nothing_is_taken() -> None:
    world = World()
    world.gate.restored = False
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert response.status_code == 503
    assert world.receiver.entries == []


async def test_the_idempotency_key_is_handed_on() -> None:
    world = World()
    await world.request("POST", PATH, headers=GENUINE | {"idempotency-key": "k-1"}, content=b"{}")
    assert world.event_door.read_with == [("ci", b"{}", "k-1")]


async def test_while_nobody_can_tell_who_sends_it_is_a_503_before_anything_else_counts() -> None:
    world = World(event_door=FakeEventDoor(unknown=Unavailable("no keys", retry_after=8.5)))
    response = await world.request("POST", PATH, headers={"content-type": "text/plain"}, content=b"{")
    assert (response.status_code, response.headers["retry-after"]) == (503, "9")


@pytest.mark.parametrize("credentials", [GENUINE, SIGNED])
@pytest.mark.parametrize("media", ["application/cloudevents+json", "application/cloudevents-batch+json"])
async def test_an_envelope_is_handed_on_as_one_whatever_headers_stand_beside_it(
    credentials: dict[str, str], media: str
) -> None:
    world = World()
    for more in ({}, {"ce-specversion": "1.0", "ce-type": "another"}):
        headers = credentials | more | {"content-type": f"{media}; charset=UTF-8"}
        assert (await world.request("POST", PATH, headers=headers, content=b"{}")).status_code == 201
    assert world.event_door.forms == [(media, None)] * 2


@pytest.mark.parametrize("name", ["ce-specversion", "ce-id", "CE-Source", "ce-type"])
@pytest.mark.parametrize("media", ["application/json", "application/cdevents+json; charset=utf-8", "text/json"])
async def test_with_a_cloudevents_header_the_body_is_data_of_any_json_type(name: str, media: str) -> None:
    world = World()
    headers = GENUINE | {"content-type": media, name: "a%20b", "ce-extension": "c"}
    assert (await world.request("POST", PATH, headers=headers, content=b"{}")).status_code == 201
    ((media, attributes),) = world.event_door.forms
    assert media == "application/json"
    assert attributes == [(name.lower().removeprefix("ce-"), "a%20b"), ("extension", "c")]


async def test_a_header_that_only_looks_like_a_cloudevents_changes_nothing() -> None:
    world = World()
    await world.request("POST", PATH, headers=GENUINE | {"ce-extension": "c", "cent": "1"}, content=b"{}")
    assert world.event_door.forms == [("application/json", None)]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
async def test_another_method_is_a_405_even_for_strangers(method: str) -> None:
    response = await World().request(method, PATH)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
