from __future__ import annotations

import pytest

from dora.adapters.http.bodies import LARGEST_DELIVERY, Intake
from dora.domain.outcome import Outcome, Status
from dora.ports import Malformed, Problem, Unavailable
from tests.unit.adapters.http.fakes import (
    FACT,
    NOW,
    SIGNATURE,
    FakeDelivery,
    FakeReceiver,
    FakeWebhookDoor,
    World,
    call,
    piece,
)

PATH = "/webhooks/github"
GENUINE = {"content-type": "application/json", "x-hub-signature-256": SIGNATURE, "x-github-event": "deployment_status"}


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in GENUINE.items() if key != name}


@pytest.mark.parametrize("status", [Status.COUNTED, Status.STORED])
async def test_a_fact_that_was_counted_or_stored_is_accepted(status: Status) -> None:
    world = World(receiver=FakeReceiver(outcomes=(Outcome(status),)))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert (response.status_code, response.json()) == (202, {"status": "accepted"})
    assert world.receiver.entries == [(FACT,)]
    assert world.internals.events == [("acme/api", "github", "deployment_status", status.value)]


async def test_a_fact_seen_before_is_a_duplicate() -> None:
    world = World(receiver=FakeReceiver(outcomes=(Outcome(Status.DUPLICATE),)))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert (response.status_code, response.json()) == (200, {"status": "duplicate"})


async def test_what_the_core_ignores_is_answered_with_its_reason() -> None:
    world = World(receiver=FakeReceiver(outcomes=(Outcome(Status.IGNORED, "limit"),)))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert (response.status_code, response.json()) == (200, {"status": "ignored", "reason": "limit"})


async def test_an_ignored_delivery_may_still_register_series() -> None:
    world = World(
        webhook_door=FakeWebhookDoor(delivery=FakeDelivery(event="ping", ignored="ping")),
        receiver=FakeReceiver(outcomes=(Outcome(Status.STORED),)),
    )
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert (response.status_code, response.json()) == (200, {"status": "ignored", "reason": "ping"})
    assert world.receiver.entries == [(FACT,)]
    assert world.internals.events == [("acme/api", "github", "ping", "ignored")]


async def test_an_unwatched_repository_reaches_neither_the_core_nor_a_label() -> None:
    delivery = FakeDelivery(repository=None, facts=(), ignored="repository")
    world = World(webhook_door=FakeWebhookDoor(delivery=delivery))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert (response.status_code, response.json()) == (200, {"status": "ignored", "reason": "repository"})
    assert world.receiver.entries == []
    assert world.internals.events == []


async def test_of_several_facts_the_last_ones_outcome_is_the_answer() -> None:
    world = World(
        webhook_door=FakeWebhookDoor(delivery=FakeDelivery(facts=(FACT, FACT))),
        receiver=FakeReceiver(outcomes=(Outcome(Status.STORED), Outcome(Status.DUPLICATE))),
    )
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert response.json() == {"status": "duplicate"}
    assert world.receiver.entries == [(FACT, FACT)]


@pytest.mark.parametrize("signature", [None, "sha256=bad", "sha1=abc", ""])
async def test_a_missing_or_wrong_signature_is_a_401_with_a_challenge(signature: str | None) -> None:
    headers = without("x-hub-signature-256") | ({} if signature is None else {"x-hub-signature-256": signature})
    world = World()
    response = await world.request("POST", PATH, headers=headers, content=b"{}")
    assert response.status_code == 401
    assert response.headers["www-authenticate"]
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == 401
    assert world.internals.refused == ["unauthenticated"]


async def test_the_signature_is_checked_over_the_raw_bytes_before_they_are_read() -> None:
    world = World()
    await world.request("POST", PATH, headers=without("x-hub-signature-256"), content=b"\xff{not json")
    assert world.webhook_door.bodies == [b"\xff{not json"]
    assert world.webhook_door.read_with == []


async def test_a_delivery_without_an_event_name_is_a_400() -> None:
    response = await World().request("POST", PATH, headers=without("x-github-event"), content=b"{}")
    assert response.status_code == 400
    assert "X-GitHub-Event" in response.json()["errors"][0]["detail"]


async def test_a_missing_event_name_is_told_only_to_who_has_signed() -> None:
    headers = {"content-type": "application/json"}
    response = await World().request("POST", PATH, headers=headers, content=b"{}")
    assert response.status_code == 401


async def test_all_problems_of_a_delivery_are_named_by_path() -> None:
    error = Malformed(Problem("/deployment/id", "is missing"), Problem("/deployment/sha", "is no text"))
    world = World(webhook_door=FakeWebhookDoor(error=error))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert response.status_code == 400
    assert response.json()["errors"] == [
        {"pointer": "/deployment/id", "detail": "is missing"},
        {"pointer": "/deployment/sha", "detail": "is no text"},
    ]
    assert world.internals.refused == ["malformed"]


@pytest.mark.parametrize(
    ("content_type", "form"),
    [
        ("application/json", False),
        ("Application/JSON; charset=UTF-8", False),
        ("application/x-www-form-urlencoded", True),
        ('application/x-www-form-urlencoded; charset="utf-8"', True),
    ],
)
async def test_both_of_githubs_content_types_are_taken(content_type: str, *, form: bool) -> None:
    world = World()
    response = await world.request("POST", PATH, headers=GENUINE | {"content-type": content_type}, content=b"{}")
    assert response.status_code == 202
    assert world.webhook_door.read_with == [("deployment_status", form, NOW)]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"content-type": "application/json; charset=utf-16"},
        {"content-encoding": "gzip"},
    ],
)
async def test_another_content_type_or_coding_is_a_415_before_the_signature(headers: dict[str, str]) -> None:
    unsigned = without("x-hub-signature-256")
    response = await World().request("POST", PATH, headers=unsigned | headers, content=b"{}")
    assert response.status_code == 415


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_another_method_is_a_405_before_anything_else(method: str) -> None:
    response = await World().request(method, PATH, headers={"content-type": "text/plain"})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


async def test_a_body_that_says_to_be_too_large_is_refused_unread_and_before_its_signature() -> None:
    world = World()
    sent = await call(
        world.app,
        path=PATH,
        headers=without("x-hub-signature-256") | {"content-length": str(LARGEST_DELIVERY + 1)},
        messages=[piece(b"x", more=False)],
    )
    assert sent[0]["status"] == 413
    assert world.webhook_door.bodies == []


async def test_a_body_without_a_length_is_refused_once_it_is_too_large() -> None:
    million = b"x" * 1_000_000
    sent = await call(
        World().app,
        path=PATH,
        headers=without("x-hub-signature-256") | {"transfer-encoding": "chunked"},
        messages=[*[piece(million, more=True)] * 27, piece(b"", more=False)],
    )
    assert sent[0]["status"] == 413
    assert sent[-1]["more_body"] is False


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    response = await World().request("POST", PATH, headers=GENUINE, content=b"x" * LARGEST_DELIVERY)
    assert response.status_code == 202


async def test_what_cannot_be_kept_now_is_a_503_that_says_when_to_come_again() -> None:
    world = World(receiver=FakeReceiver(error=Unavailable("the disk is full")))
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert "disk" not in response.text
    assert world.internals.refused == ["unavailable"]


@pytest.mark.parametrize("stage", ["starting", "draining"])
async def test_while_starting_and_draining_nothing_is_taken(stage: str) -> None:
    world = World()
    world.gate.restored = stage != "starting"
    world.gate.draining = stage == "draining"
    response = await world.request("POST", PATH, headers=GENUINE, content=b"{}")
    assert response.status_code == 503
    assert "retry-after" in response.headers
    assert world.receiver.entries == []


async def test_large_bodies_together_are_bounded_and_small_ones_pass_all_the_same() -> None:
    world = World(intake=Intake(together=100_000))
    large = await world.request("POST", PATH, headers=GENUINE, content=b"x" * 100_001)
    assert large.status_code == 503
    assert "retry-after" in large.headers
    world.app.intake.taken = 100_000
    small = await world.request("POST", PATH, headers=GENUINE, content=b"x" * 60_000)
    assert small.status_code == 202


async def test_the_memory_of_a_body_is_free_again_after_its_answer() -> None:
    world = World(intake=Intake(together=150_000))
    for _ in range(3):
        response = await world.request("POST", PATH, headers=GENUINE, content=b"x" * 100_000)
        assert response.status_code == 202
    assert world.app.intake.taken == 0


async def test_a_client_that_goes_away_is_not_answered() -> None:
    world = World()
    messages = [piece(b"{", more=True), {"type": "http.disconnect"}]
    sent = await call(world.app, path=PATH, headers=GENUINE | {"content-length": "2"}, messages=messages)
    assert sent == []
    assert world.internals.refused == ["gone"]


async def test_a_refusal_is_sent_before_the_rest_of_the_body_is_read_and_forgotten() -> None:
    messages = [piece(b"x", more=True), piece(b"y", more=True), piece(b"z", more=False)]
    sent = await call(
        World().app, path=PATH, headers={"content-type": "text/plain", "content-length": "3"}, messages=messages
    )
    assert [message.get("more_body") for message in sent] == [None, True, False]
    assert sent[0]["status"] == 415
