from __future__ import annotations

from typing import Any

import pytest

from dora.adapters.events.shapes import READERS, read_event
from dora.ports import Invalid
from tests.unit.adapters.events.samples import MINIMAL, RECEIVED_AT, SHA, event, without

POSSIBLE = {
    "environment": ("staging", set(MINIMAL)),
    "service": ("web", set(MINIMAL)),
    "id": ("key", set(MINIMAL)),
    "deployment_id": ("d2", {type_ for type_ in MINIMAL if type_ != "change.merged"}),
    "sha": (SHA, {type_ for type_ in MINIMAL if not type_.startswith("incident.")}),
    "changes": ([], {"deployment.succeeded"}),
    "kind": ("hotfix", {"deployment.succeeded"}),
    "fixes": ("d0", {"deployment.succeeded"}),
    "incident_id": ("i2", {"incident.opened", "incident.resolved"}),
    "committed_at": ("2026-06-01T10:00:00Z", {"change.merged"}),
}


def pointers(raw: object) -> list[str]:
    """Return where the event is wrong."""
    with pytest.raises(Invalid) as raised:
        read_event(raw, received_at=RECEIVED_AT)
    return [problem.pointer for problem in raised.value.problems]


@pytest.mark.parametrize("type_", sorted(MINIMAL))
def test_every_type_is_read_with_no_more_than_it_needs(type_: str) -> None:
    read = read_event(event(type_), received_at=RECEIVED_AT)
    assert (read.type, read.repository, read.environment, read.service) == (type_, "acme/shop", "production", None)


@pytest.mark.parametrize("type_", sorted(MINIMAL))
def test_every_field_that_a_type_needs_is_missed(type_: str) -> None:
    for name in ("repository", "occurred_at", *MINIMAL[type_]):
        assert pointers(without(event(type_), name)) == [f"/{name}"]
    assert set(pointers({"type": type_})) == {"/repository", "/occurred_at", *(f"/{name}" for name in MINIMAL[type_])}


@pytest.mark.parametrize("type_", sorted(MINIMAL))
@pytest.mark.parametrize("name", sorted(POSSIBLE))
def test_a_field_belongs_to_some_types_and_is_refused_with_others(name: str, type_: str) -> None:
    value, types = POSSIBLE[name]
    raw = event(type_, **{name: value})
    if type_ in types:
        assert read_event(raw, received_at=RECEIVED_AT).type == type_
    else:
        assert pointers(raw) == [f"/{name}"]


@pytest.mark.parametrize("name", [name for name in READERS if name != "type"])
def test_null_is_no_value(name: str) -> None:
    type_ = next(
        (type_ for type_ in sorted(MINIMAL) if name in POSSIBLE and type_ in POSSIBLE[name][1]), "change.merged"
    )
    assert pointers(event(type_, **{name: None})) == [f"/{name}"]


@pytest.mark.parametrize("type_", [None, 1, [], {}, "", "deployment", "Deployment.succeeded", "deployment.success"])
def test_an_unknown_type_is_refused_and_the_rest_still_checked(type_: Any) -> None:  # noqa: ANN401 - any JSON
    raw = without(event(), "type", "repository") | {"type": type_, "sha": "x", "committed_at": "2026-06-01T10:00:00Z"}
    assert pointers(raw) == ["/sha", "/type", "/repository"]


def test_the_type_is_needed() -> None:
    assert pointers({}) == ["/occurred_at", "/repository", "/type"]


@pytest.mark.parametrize("raw", [None, True, 1, 1.5, "x", [], [event()]])
def test_an_event_is_an_object(raw: object) -> None:
    assert pointers(raw) == [""]


def test_all_problems_are_told_at_once_and_none_repeats_what_was_sent() -> None:
    raw = event(
        repository="SECRET",
        occurred_at="SECRET",
        sha="SECRET",
        kind="SECRET",
        changes=[{"id": "x"}, {"id": ""}],
        extra=1,
    )
    with pytest.raises(Invalid) as raised:
        read_event(without(raw, "deployment_id"), received_at=RECEIVED_AT)
    assert [problem.pointer for problem in raised.value.problems] == [
        "/repository",
        "/occurred_at",
        "/sha",
        "/kind",
        "/changes/1/id",
        "/extra",
        "/deployment_id",
    ]
    assert "SECRET" not in str(raised.value)


def test_an_unknown_field_is_named_unless_its_name_is_too_long_to_be_one() -> None:
    assert pointers(event() | {"a/b~c": 1}) == ["/a~1b~0c"]
    assert pointers(event() | {"x" * 129: 1}) == [""]


@pytest.mark.parametrize("type_", sorted(MINIMAL))
def test_an_event_may_lie_five_minutes_ahead_and_no_more(type_: str) -> None:
    assert read_event(event(type_, occurred_at="2026-06-01T12:05:00Z"), received_at=RECEIVED_AT).type == type_
    assert pointers(event(type_, occurred_at="2026-06-01T12:05:00.000001Z")) == ["/occurred_at"]


def test_a_deployment_does_not_fix_itself() -> None:
    assert pointers(event(deployment_id="7", fixes=7)) == ["/fixes"]
    assert read_event(event(deployment_id="7", fixes=8), received_at=RECEIVED_AT).fixes == "8"
