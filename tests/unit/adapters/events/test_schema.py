from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dora.adapters.events import EVENT_SCHEMA, SCHEMAS, cdevents, cloudevents
from dora.adapters.events.places import Place, Unwrapped
from dora.adapters.events.shapes import READERS, read_event
from dora.ports import Invalid
from tests.unit.adapters.events.samples import (
    CDEVENT,
    MINIMAL,
    RECEIVED_AT,
    Sent,
    envelope,
    event,
    json_values,
    near_envelopes,
    near_events,
    sent_events,
    without,
)

VALIDATOR = Draft202012Validator(EVENT_SCHEMA)


def accepts(raw: object) -> bool:
    """Return whether the reader takes the event."""
    try:
        read_event(raw, received_at=RECEIVED_AT)
    except Invalid:
        return False
    return True


def test_the_schema_is_a_schema_and_plain_data() -> None:
    Draft202012Validator.check_schema(EVENT_SCHEMA)
    assert orjson.loads(orjson.dumps(EVENT_SCHEMA)) == EVENT_SCHEMA
    assert "$ref" not in json.dumps(EVENT_SCHEMA)


def test_the_schema_describes_every_field_of_the_reader() -> None:
    described = {name: schema for form in EVENT_SCHEMA["oneOf"] for name, schema in form["properties"].items()}
    assert set(described) == set(READERS)
    assert all(schema["description"] for schema in described.values())


@given(sent_events())
def test_the_schema_accepts_every_valid_event(sent: Sent) -> None:
    assert accepts(sent.raw)
    VALIDATOR.validate(sent.raw)


@given(near_events())
def test_the_schema_accepts_what_the_reader_accepts(raw: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(raw) or not accepts(raw)


@pytest.mark.parametrize(
    "raw",
    [
        without(event(), "sha"),
        without(event(), "repository"),
        event("deployment.failed", kind="hotfix"),
        event("deployment.failed", changes=[]),
        event("incident.opened", sha="abcdef0"),
        event("change.merged", deployment_id="d"),
        event(type_="deployment.deleted"),
        event(extra=1),
        event(sha="abcdef"),
        event(sha="x" * 40),
        event(environment=""),
        event(environment="a" * 65),
        event(environment="a:b"),
        event(service="ü"),
        event(repository="shop"),
        event(repository="https://git.example/a/b/c"),
        event(deployment_id=""),
        event(deployment_id="d" * 129),
        event(deployment_id=1.5),
        event(deployment_id=True),
        event(changes=[{"merged_at": "2026-01-01T00:00:00Z"}]),
        event(changes=[{"id": "x", "extra": 1}]),
        event(changes=[{"id": str(number)} for number in range(501)]),
        event(kind="urgent"),
        event(fixes=None),
        event(id=""),
        event(id="k" * 256),
        event(id=7),
        [event()],
    ],
)
def test_both_refuse_the_same(raw: object) -> None:
    assert not accepts(raw)
    assert not VALIDATOR.is_valid(raw)


@pytest.mark.parametrize("raw", [event(type_) for type_ in MINIMAL])
def test_both_accept_the_least_of_every_type(raw: object) -> None:
    assert accepts(raw)
    VALIDATOR.validate(raw)


@pytest.mark.parametrize(
    "raw",
    [
        event(occurred_at="2030-01-01T00:00:00Z"),
        event(occurred_at="soon"),
        event(deployment_id="7", fixes="7"),
        event(repository="acme/.."),
        event(deployment_id=10**128),
        event(deployment_id=1.0),
    ],
)
def test_where_the_schema_cannot_say_it_the_reader_is_stricter(raw: object) -> None:
    assert not accepts(raw)
    VALIDATOR.validate(raw)


def takes(sent: Unwrapped) -> bool:
    """Return whether what was unwrapped is taken."""
    if sent.ignored is not None:
        return not sent.problems
    try:
        sent.read(received_at=RECEIVED_AT)
    except Invalid:
        return False
    return True


@given(near_envelopes)
def test_the_schema_of_envelopes_accepts_what_the_reader_accepts(raw: dict[str, Any]) -> None:
    assert Draft202012Validator(SCHEMAS["CloudEvent"]).is_valid(raw) or not takes(cloudevents.structured(raw, Place()))


@given(st.dictionaries(st.sampled_from(["context", "subject", "customData"]), json_values), st.booleans())
def test_the_schema_of_cdevents_accepts_what_is_taken_as_one(raw: dict[str, Any], near: bool) -> None:  # noqa: FBT001 - hypothesis draws it
    sent = CDEVENT | raw if near else raw
    assert Draft202012Validator(SCHEMAS["CDEvent"]).is_valid(sent) == cdevents.is_bare(sent)


def test_every_form_has_a_schema_that_is_one() -> None:
    assert set(SCHEMAS) == {"Event", "CloudEvent", "CDEvent"}
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    assert takes(cloudevents.structured(envelope(CDEVENT, type=CDEVENT["context"]["type"]), Place()))
