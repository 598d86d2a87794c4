from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.events import Batch, PushedEvents, parse_clients
from dora.domain.facts import IdempotencyKey
from dora.policy import Policy
from dora.ports import Forbidden, Invalid, Malformed, Problem
from tests.unit.adapters.events.samples import (
    ATTRIBUTES,
    CDEVENT,
    MINIMAL,
    RECEIVED_AT,
    Sent,
    body,
    envelope,
    event,
    json_values,
    near_envelopes,
    near_events,
    sent_events,
    without,
)

CI, LIMITED = parse_clients("ci:token,limited:other-token:other/*")
DOOR = PushedEvents((CI, LIMITED), (), Policy())
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"


def structured(sent: object, *, key: str | None = None) -> Batch:
    return DOOR.read(CI, body(sent), media=STRUCTURED, idempotency_key=key, received_at=RECEIVED_AT)


def batched(sent: object, *, key: str | None = None) -> Batch:
    return DOOR.read(CI, body(sent), media=BATCHED, idempotency_key=key, received_at=RECEIVED_AT)


def binary(data: object, **attributes: str) -> Batch:
    headers = list((ATTRIBUTES | attributes).items())
    return DOOR.read(CI, body(data), attributes=headers, idempotency_key=None, received_at=RECEIVED_AT)


def plain(sent: object) -> Batch:
    return DOOR.read(CI, body(sent), idempotency_key=None, received_at=RECEIVED_AT)


def refused(read: Any, *arguments: Any, **named: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - one of the above
    with pytest.raises(Invalid) as raised:
        read(*arguments, **named)
    return [(problem.pointer, problem.detail) for problem in raised.value.problems]


@given(sent_events(), st.sampled_from(["", "com.example.", "https://example.com/types/", "urn:acme:"]))
def test_an_event_is_the_same_however_it_is_wrapped(sent: Sent, prefix: str) -> None:
    type_ = prefix + sent.raw["type"]
    expected = plain(sent.raw)
    for batch in (
        structured(envelope(sent.raw, type=type_)),
        structured(envelope(without(sent.raw, "type"), type=type_)),
        structured(envelope(without(sent.raw, "occurred_at"), type=type_, time=sent.raw["occurred_at"])),
        binary(sent.raw, type=quote(type_)),
        binary(without(sent.raw, "type", "occurred_at"), type=type_, time=sent.raw["occurred_at"]),
    ):
        assert batch == expected
        assert batch.events[0].fact == sent.fact
    batch = batched([envelope(sent.raw, type=type_)])
    assert (batch.single, batch.events) == (False, expected.events)


@pytest.mark.parametrize("type_", sorted(MINIMAL))
def test_the_envelope_tells_the_type(type_: str) -> None:
    (pushed,) = structured(envelope(without(event(type_), "type"), type=f"com.example.{type_}")).events
    assert pushed.type == type_


@pytest.mark.parametrize(
    "type_",
    ["deployment.exploded", "com.example", "xdeployment.succeeded", "pre-deployment.failed", "Deployment.Failed"],
)
def test_a_type_that_does_not_end_in_ours_is_refused(type_: str) -> None:
    ((pointer, detail),) = refused(structured, envelope(type=type_))
    assert pointer == "/type"
    assert "deployment.marked_failed" in detail
    ((pointer, detail),) = refused(binary, event(), type=type_)
    assert pointer == ""
    assert detail.startswith("the header ce-type must end in")


def test_a_type_inside_that_is_another_is_refused() -> None:
    told = refused(structured, envelope(event() | {"type": "deployment.failed"}))
    assert told == [("/data/type", "must be deployment.succeeded, as the envelope says")]
    assert refused(binary, event() | {"type": None}) == [
        ("/type", "must be deployment.succeeded, as the envelope says")
    ]


def test_the_time_inside_wins_over_thenear_envelopes() -> None:
    assert structured(envelope(time="1999-01-01T00:00:00Z")) == plain(event())
    assert structured(envelope(time="nonsense")) == plain(event())


@pytest.mark.parametrize(
    ("time", "detail"),
    [
        ("2026-06-01T11:00:00", "must be an RFC 3339 time with an offset"),
        ("2026-06-01T13:00:00Z", "lies more than 5 minutes ahead"),
        (5, "must be a string"),
    ],
)
def test_what_is_wrong_with_a_time_that_counts_is_told_at_the_envelope(time: object, detail: str) -> None:
    data = without(event(), "occurred_at")
    assert refused(structured, envelope(data, time=time)) == [("/time", detail)]
    assert refused(batched, [envelope(), envelope(data, time=time)]) == [("/1/time", detail)]
    if isinstance(time, str):
        assert refused(binary, data, time=time) == [("", f"the header ce-time {detail}")]


def test_without_any_time_it_is_missing_inside() -> None:
    data = without(event(), "occurred_at")
    assert refused(structured, envelope(data)) == [("/data/occurred_at", "is required")]
    assert refused(structured, envelope(data, time=None)) == [("/data/occurred_at", "is required")]


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_each_attribute_is_needed(name: str) -> None:
    assert refused(structured, without(envelope(), name)) == [(f"/{name}", "is required")]
    assert refused(structured, envelope(**{name: None})) == [(f"/{name}", "is required")]
    assert refused(structured, envelope(**{name: ""})) == [(f"/{name}", "must be a string that is not empty")]
    assert refused(structured, envelope(**{name: 1})) == [(f"/{name}", "must be a string that is not empty")]
    headers = [(key, value) for key, value in ATTRIBUTES.items() if key != name]
    with pytest.raises(Invalid) as raised:
        DOOR.read(CI, body(event()), attributes=headers, idempotency_key=None, received_at=RECEIVED_AT)
    assert raised.value.problems == (Problem("", f"the header ce-{name} is required"),)


@pytest.mark.parametrize("version", ["0.3", "1.1", "1.0.2", "2.0"])
def test_another_version_is_refused(version: str) -> None:
    assert refused(structured, envelope(specversion=version)) == [("/specversion", "must be 1.0")]
    assert refused(binary, event(), specversion=version) == [("", "the header ce-specversion must be 1.0")]


def test_extensions_and_the_other_attributes_are_not_looked_at() -> None:
    more = {"subject": 5, "dataschema": "http://127.0.0.1:1/x", "traceparent": [], "Odd Name": {}, "deployment_id": "x"}
    assert structured(envelope(**more)) == plain(event())
    assert binary(event(), subject="%C0%A0", dataschema="%", traceparent='"', datacontenttype="text/plain") == plain(
        event()
    )


def test_the_form_inside_is_as_strict_as_ever() -> None:
    data = event(surprise=1, sha="x", changes=[{}])
    told = [pointer for pointer, _ in refused(structured, envelope(data))]
    assert told == ["/data/sha", "/data/surprise", "/data/changes/0/id"]
    assert [pointer for pointer, _ in refused(binary, data)] == ["/sha", "/surprise", "/changes/0/id"]


@pytest.mark.parametrize("data", [[], [event()], "text", 5, True])
def test_data_that_is_no_object_is_refused(data: object) -> None:
    assert refused(structured, envelope(data)) == [("/data", "must be an object")]
    assert refused(binary, data) == [("", "must be an object")]


def test_data_must_be_there() -> None:
    assert refused(structured, without(envelope(), "data")) == [("/data", "is required")]
    assert refused(structured, ATTRIBUTES | {"data": None}) == [("/data", "is required")]


def test_what_is_wrong_with_the_envelope_and_inside_is_told_together() -> None:
    told = refused(structured, without(envelope(event(sha="x")), "id"))
    assert [pointer for pointer, _ in told] == ["/id", "/data/sha"]
    told = refused(
        batched, [envelope(), 5, envelope(type="x"), without(envelope(), "source"), envelope(event(sha="x"))]
    )
    assert [pointer for pointer, _ in told] == ["/1", "/2/type", "/3/source", "/4/data/sha"]


def test_a_cloudevent_in_a_cloudevent_is_none_of_ours() -> None:
    told = refused(structured, envelope(envelope(type="deployment.succeeded")))
    assert {"/data/specversion", "/data/source", "/data/data"} <= {pointer for pointer, _ in told}


@pytest.mark.parametrize("type_", ["application/json", "application/vnd.acme+json; charset=utf-8", "TEXT/JSON", None])
def test_data_may_be_called_json_in_any_way(type_: str | None) -> None:
    assert structured(envelope(datacontenttype=type_)) == plain(event())


@pytest.mark.parametrize("type_", ["text/plain", "application/xml", "json", "", 5, "application/jsonp", "text/x;+json"])
def test_data_of_another_type_is_refused(type_: object) -> None:
    assert refused(structured, envelope(datacontenttype=type_)) == [("/datacontenttype", "must be JSON's")]


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_data_may_be_json_in_base64() -> None:
    sent = ATTRIBUTES | {"data_base64": encoded(body(event()))}
    assert structured(sent) == plain(event())
    assert refused(structured, ATTRIBUTES | {"data_base64": encoded(body(event(sha="x", y=[])))}) == [
        ("/data_base64", "the JSON in it at /sha must be 7 to 64 hexadecimal digits"),
        ("/data_base64", "the JSON in it at /y is no field of the form"),
    ]
    assert refused(structured, ATTRIBUTES | {"data_base64": encoded(b"[]")}) == [
        ("/data_base64", "the JSON in it must be an object")
    ]


@pytest.mark.parametrize(
    "text", ["", "?", "e30", "e 30=", encoded(b"{"), encoded(b"\xff"), encoded(b'{"a":1,"a":1}'), encoded(b"[" * 9999)]
)
def test_base64_that_is_no_json_is_refused(text: str) -> None:
    assert refused(structured, ATTRIBUTES | {"data_base64": text}) == [("/data_base64", "must be JSON in base64")]


def test_base64_must_be_a_text_and_alone() -> None:
    assert refused(structured, ATTRIBUTES | {"data_base64": 5}) == [("/data_base64", "must be a string")]
    told = refused(structured, envelope(data_base64=encoded(b"{}")))
    assert told == [("/data_base64", "must not stand beside data")]


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("com.example.deployment.succeeded", True),
        ("com.example.deployment%2esucceeded", True),
        ("%63om%20%E2%82%AC.deployment.succeeded", True),
        ('"com.example.deployment.succeeded"', True),
        ('"com.\\example.deployment\\.succeeded"', True),
        ("com.example.deployment%252Esucceeded", False),
        ("com.example.deployment.succeeded%", False),
    ],
)
def test_headers_are_unquoted_and_percent_decoded_once(sent: str, meant: bool) -> None:  # noqa: FBT001 - a table's column
    if meant:
        assert binary(event(), type=sent) == plain(event())
    else:
        assert refused(binary, event(), type=sent)[0][1].startswith("the header ce-type must end in")


@pytest.mark.parametrize("value", ["%C0%A0deployment.succeeded", "\xff.deployment.succeeded", "%ED%A0%80"])
def test_a_header_that_is_no_utf_8_is_refused(value: str) -> None:
    assert refused(binary, event(), type=value) == [("", "the header ce-type is not percent-encoded UTF-8")]
    assert refused(binary, event(), id=value) == [("", "the header ce-id is not percent-encoded UTF-8")]
    data = without(event(), "occurred_at")
    assert refused(binary, data, time=value)[0] == ("", "the header ce-time is not percent-encoded UTF-8")


def test_an_attribute_twice_is_refused() -> None:
    headers = [*ATTRIBUTES.items(), ("type", "com.example.deployment.failed")]
    with pytest.raises(Invalid) as raised:
        DOOR.read(CI, body(event()), attributes=headers, idempotency_key=None, received_at=RECEIVED_AT)
    assert Problem("", "the header ce-type is there twice") in raised.value.problems


def test_a_batch_is_an_array_of_1_to_100_and_an_envelope_is_none() -> None:
    assert refused(batched, envelope()) == [("", "must be an array")]
    for count in (0, 101):
        assert refused(batched, [envelope()] * count) == [("", "an array must hold 1 to 100 events")]
    assert len(batched([envelope()] * 100).events) == 100
    assert refused(structured, [envelope()]) == [("", "must be an object")]


def test_an_event_without_an_envelope_is_none_and_an_envelope_is_no_event() -> None:
    assert {pointer for pointer, _ in refused(structured, event())} >= {"/specversion", "/source", "/data"}
    assert {pointer for pointer, _ in refused(plain, envelope())} >= {"/specversion", "/source", "/data"}


def keys(batch: Batch) -> list[IdempotencyKey | None]:
    return [getattr(pushed.fact, "key", None) for pushed in batch.events]


def test_keys_are_those_of_the_form_and_the_header_and_not_thenear_envelopes() -> None:
    assert keys(structured(envelope())) == [None]
    (own,) = keys(structured(envelope(event(id="k"))))
    (header,) = keys(structured(envelope(), key="k"))
    assert own == header == keys(plain(event(id="k")))[0]
    found = keys(batched([envelope(), envelope(event(id="k"))], key="KEY"))
    assert [key and key.key for key in found] == ["KEY/0", "k"]


def test_a_key_with_other_content_is_told_where_it_stands() -> None:
    told = refused(batched, [envelope(event(id="k")), envelope(event(id="k", service="web"))])
    assert told == [("/1/data/id", "is the key of an earlier event here with other content")]
    (pushed,) = structured(envelope(event(id="k"))).events
    assert pushed.as_sent(Problem("/id", "was used")) == Problem("/data/id", "was used")
    (pushed,) = binary(event(id="k")).events
    assert pushed.as_sent(Problem("/id", "was used")) == Problem("/id", "was used")


def test_the_clients_rights_hold_over_the_whole_batch() -> None:
    sent = body([envelope(event(repository="other/x")), envelope(event(repository="acme/x"))])
    with pytest.raises(Forbidden):
        DOOR.read(LIMITED, sent, media=BATCHED, idempotency_key=None, received_at=RECEIVED_AT)


WRAPPING = {"type": "dev.cdevents.service.deployed.0.3.0", "source": "/ci", "id": "c-1"}


def test_a_cdevent_is_the_same_with_and_without_an_envelope() -> None:
    expected = plain(CDEVENT)
    assert structured(envelope(CDEVENT, **WRAPPING, datacontenttype="application/cdevents+json")) == expected
    assert binary(CDEVENT, **WRAPPING) == expected


def test_a_cdevents_problems_are_told_inside_the_envelope() -> None:
    sent = {"context": CDEVENT["context"] | {"type": "dev.cdevents.service.removed.0.3.0"}, "subject": {}}
    told = [pointer for pointer, _ in refused(batched, [envelope(), envelope(sent, **WRAPPING)])]
    assert told[0] == "/1/data/context/type"
    assert set(told[1:]) == {
        *("/1/data/subject/id", "/1/data/subject/content/environment/id"),
        *("/1/data/customData/dora/repository", "/1/data/customData/dora/sha"),
    }
    assert refused(structured, envelope([], **WRAPPING)) == [("/data", "must be an object")]
    assert ("/data/context/type", "is required") in refused(structured, envelope({}, **WRAPPING))


def test_an_envelope_around_a_cdevent_of_no_interest_must_be_one_all_the_same() -> None:
    type_ = "dev.cdevents.pipelinerun.finished.0.2.0"
    data = {"context": {"type": type_}}
    batch = batched([envelope(), envelope(data, type=type_)])
    assert [pushed.ignored for pushed in batch.events] == [None, "type"]
    assert refused(structured, without(envelope(data, type=type_), "id")) == [("/id", "is required")]
    assert refused(structured, envelope({"context": {"type": "another"}}, type=type_)) == [
        ("/data/context/type", "must be the type of the CloudEvent around it")
    ]


_headers = st.lists(
    st.tuples(st.sampled_from([*ATTRIBUTES, "time", "x"]), st.text(st.characters(codec="latin-1"), max_size=40)),
    max_size=3,
).map(lambda more: [*ATTRIBUTES.items(), *more])


@given(
    st.binary(max_size=100)
    | (near_envelopes | near_events() | json_values | st.lists(near_envelopes, max_size=3)).map(
        lambda sent: json.dumps(sent).encode("utf-8", "surrogatepass")
    ),
    st.sampled_from([STRUCTURED, BATCHED, "application/json"]),
    st.none() | _headers,
    st.sampled_from([CI, LIMITED]),
)
def test_any_bytes_and_headers_are_a_batch_or_refused_for_a_declared_reason(
    content: bytes,
    media: str,
    headers: list[tuple[str, str]] | None,
    client: Any,  # noqa: ANN401 - one of two
) -> None:
    answer: Batch | Malformed | Forbidden
    try:
        answer = DOOR.read(
            client, content, media=media, attributes=headers, idempotency_key=None, received_at=RECEIVED_AT
        )
    except (Malformed, Forbidden) as refusal:
        answer = refusal
    if isinstance(answer, Malformed):
        assert answer.problems
    elif isinstance(answer, Batch):
        assert 1 <= len(answer.events) <= 100
        assert all(pushed.fact is not None or pushed.ignored == "type" for pushed in answer.events)
