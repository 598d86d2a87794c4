"""Events as senders write them, and beside each the fact that it must become."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from attrs import frozen
from hypothesis import strategies as st

from dora.domain.facts import (
    ChangeMerged,
    DeploymentFinished,
    DeploymentMarkedFailed,
    DeploymentRecovered,
    DeploymentStarted,
    Environment,
    Fact,
    IncidentOpened,
    IncidentResolved,
    Kind,
    Repository,
    Result,
    SentChange,
)
from dora.domain.instant import Instant, instant

RECEIVED = datetime(2026, 6, 1, 12, tzinfo=UTC)
RECEIVED_AT: Instant = instant(RECEIVED)
SHA = "0123456789abcdef0123456789abcdef01234567"

MINIMAL: dict[str, dict[str, Any]] = {
    "deployment.started": {"deployment_id": "d1"},
    "deployment.succeeded": {"deployment_id": "d1", "sha": SHA},
    "deployment.failed": {"deployment_id": "d1"},
    "deployment.marked_failed": {"deployment_id": "d1"},
    "deployment.recovered": {"deployment_id": "d1"},
    "incident.opened": {"incident_id": "i1"},
    "incident.resolved": {"incident_id": "i1"},
    "change.merged": {"sha": SHA},
}
"""What each type needs beside what all need."""

MARKS: dict[str, type[DeploymentStarted | DeploymentMarkedFailed | DeploymentRecovered]] = {
    "started": DeploymentStarted,
    "marked_failed": DeploymentMarkedFailed,
    "recovered": DeploymentRecovered,
}
"""The facts that a deployment's event without a result is."""


def event(type_: str = "deployment.succeeded", **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON can say
    """Return a valid event of the type, with the fields given in place of its own."""
    return {
        "type": type_,
        "repository": "acme/shop",
        "occurred_at": "2026-06-01T11:00:00Z",
        **MINIMAL.get(type_, {}),
        **fields,
    }


def without(raw: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the event without some of its fields."""
    return {name: value for name, value in raw.items() if name not in names}


def body(raw: object) -> bytes:
    """Return the value as a sender may write it: with spaces and escapes."""
    return json.dumps(raw).encode()


@frozen
class Sent:
    """A valid event, and the fact that it is under the default settings."""

    raw: dict[str, Any]
    fact: Fact


_ids = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128),
    st.integers(min_value=-(10**20), max_value=10**127),
)
_shas = st.text(string.hexdigits, min_size=7, max_size=64)
_names = st.text(string.ascii_letters + string.digits + "._/ -", min_size=1, max_size=64)
_words = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=20)


@st.composite
def _repositories(draw: st.DrawFn) -> tuple[str, str]:
    name = f"{draw(_words)}/{draw(_words)}"
    forms = (
        "{}",
        "https://git.example/{}.git",
        "https://bot:secret@git.example:8443/{}/",
        "ssh://git@git.example/{}.git",
    )
    return draw(st.sampled_from([*forms, "git@git.example:{}.git", "git@git.example:{}"])).format(name), name


@st.composite
def _times(draw: st.DrawFn) -> tuple[str, Instant]:
    moment = draw(st.datetimes(datetime(1971, 1, 1), RECEIVED.replace(tzinfo=None)))  # noqa: DTZ001 - hypothesis adds the zone
    zone = timezone(timedelta(minutes=draw(st.integers(-23 * 60, 23 * 60))))
    text = moment.replace(tzinfo=UTC).astimezone(zone).isoformat()
    return draw(st.sampled_from([text, text.replace("T", "t"), text.replace("+00:00", "Z")])), instant(
        moment.replace(tzinfo=UTC)
    )


@st.composite
def sent_events(draw: st.DrawFn) -> Sent:
    """Return any valid event without an idempotency key."""
    type_ = draw(st.sampled_from(sorted(MINIMAL)))
    sent_repository, name = draw(_repositories())
    sent_at, at = draw(_times())
    raw: dict[str, Any] = {"type": type_, "repository": sent_repository, "occurred_at": sent_at}

    def maybe(field: str, values: st.SearchStrategy[Any], *, needed: bool = False) -> Any:  # noqa: ANN401 - any field
        if needed or draw(st.booleans()):
            raw[field] = draw(values)
        return raw.get(field)

    environment = maybe("environment", _names) or "production"
    service = maybe("service", st.one_of(st.just(""), _names)) or ""
    known: dict[str, Any] = {"repository": Repository(name), "received_at": RECEIVED_AT}
    place = Environment(name=environment, label=environment, service=service, listed=environment == "production")
    subject, _, verb = type_.partition(".")
    fact: Fact
    if subject == "change":
        sha = maybe("sha", _shas, needed=True).lower()
        committed_at = None
        if draw(st.booleans()):
            raw["committed_at"], committed_at = draw(_times())
        fact = ChangeMerged(**known, sha=sha, merged_at=at, committed_at=committed_at)
    elif subject == "incident":
        incident_id = str(maybe("incident_id", _ids, needed=True))
        deployment = maybe("deployment_id", _ids)
        shape: type[IncidentOpened | IncidentResolved] = IncidentOpened if verb == "opened" else IncidentResolved
        fact = shape(
            **known,
            incident_id=incident_id,
            at=at,
            environment=place,
            deployment_id=None if deployment is None else str(deployment),
        )
    else:
        known |= {"environment": place, "at": at, "deployment_id": str(maybe("deployment_id", _ids, needed=True))}
        sha = maybe("sha", _shas, needed=verb == "succeeded")
        if verb == "succeeded":
            fact = DeploymentFinished(**known, result=Result.SUCCESS, sha=sha.lower(), **draw(_claims(raw)))
        elif verb == "failed":
            fact = DeploymentFinished(**known, result=Result.FAILURE, sha=sha and sha.lower())
        else:
            fact = MARKS[verb](**known)
    return Sent(raw, fact)


@st.composite
def _claims(draw: st.DrawFn, raw: dict[str, Any]) -> dict[str, Any]:
    """Add what only a success may claim to the event; return it as the fact's fields."""
    claims: dict[str, Any] = {}
    if draw(st.booleans()):
        raw["kind"] = draw(st.sampled_from(["planned", "hotfix", "revert", "rollback"]))
        claims["kind"] = Kind(raw["kind"])
    if draw(st.booleans()):
        raw["fixes"] = draw(_ids.filter(lambda fixes: str(fixes) != str(raw["deployment_id"])))
        claims["fixes"] = str(raw["fixes"])
    if draw(st.booleans()):
        raw["changes"], read = [], []
        for change in draw(st.lists(_ids, max_size=3)):
            times = {name: draw(_times()) for name in ("merged_at", "committed_at") if draw(st.booleans())}
            raw["changes"].append({"id": change, **{name: text for name, (text, _) in times.items()}})
            read.append(SentChange(id=str(change), **{name: at for name, (_, at) in times.items()}))
        claims["changes"] = tuple(read)
    return claims


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
"""Any JSON."""


@st.composite
def near_events(draw: st.DrawFn) -> dict[str, Any]:
    """Return an event with the right names and any values, a valid event with one field changed, or one of each."""
    fields = [*event(), "environment", "service", "id", "changes", "kind", "fixes", "incident_id", "committed_at", "x"]
    raw = dict(draw(sent_events()).raw)
    for name in draw(st.lists(st.sampled_from(fields), max_size=3)):
        if draw(st.booleans()):
            raw.pop(name, None)
        else:
            raw[name] = draw(json_values)
    return raw


ATTRIBUTES = {"specversion": "1.0", "id": "e-1", "source": "/ci/7", "type": "com.example.deployment.succeeded"}


def envelope(data: object = None, **members: object) -> dict[str, Any]:
    """Return a CloudEvent around the data, or around a valid deployment."""
    return {**ATTRIBUTES, "data": event() if data is None else data, **members}


CDEVENT: dict[str, dict[str, object]] = {
    "context": {
        "specversion": "0.5.1",
        "id": "c-1",
        "source": "/ci",
        "type": "dev.cdevents.service.deployed.0.3.0",
        "timestamp": "2026-06-01T11:00:00Z",
    },
    "subject": {
        "id": "web",
        "content": {"environment": {"id": "production"}, "artifactId": f"pkg:github/acme/shop@{'a' * 40}"},
    },
}
_members = st.dictionaries(
    st.sampled_from([*ATTRIBUTES, "data", "data_base64", "datacontenttype", "time", "x"]),
    json_values | st.sampled_from([*ATTRIBUTES.values(), "text/plain", "e30=", CDEVENT["context"], CDEVENT]),
    max_size=4,
)
near_envelopes = st.builds(
    lambda data, members: {**ATTRIBUTES, "data": data, **members}, near_events() | st.just(CDEVENT), _members
)
"""Envelopes around what may be an event or a CDEvent, with some attributes changed."""
