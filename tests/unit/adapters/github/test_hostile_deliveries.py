"""Any bytes at the door give a delivery or `Malformed`, and what is read of them keeps the rules."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import quote_plus

from hypothesis import given, settings
from hypothesis import strategies as st

from dora.adapters.github.webhooks import EVENTS, OTHER, Delivery, Webhooks
from dora.domain.facts import CommitsPushed, DeploymentFinished, PullRequestMerged
from dora.policy import Policy, environment_rules
from dora.ports import Malformed
from dora.wire import rfc3339
from tests.contract import make_deliveries as github

NOW: Final = rfc3339("2026-01-05T11:00:05Z")
LAST: Final = rfc3339("9999-12-31T23:59:59.999999Z")
FIRST: Final = rfc3339("0001-01-01T00:00:00Z")

EVENT = st.sampled_from(["deployment_status", "deployment", "pull_request", "push", "issues", "ping", "installation"])
POLICY = st.sampled_from(
    [
        Policy(),
        Policy(environments=environment_rules("production={service}-prod,production=prod*")),
        Policy(repositories=("acme/*",), branches=("release/*",), max_event_age=1, lookups=True),
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(2**63), 10**300, 0]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        ["success", "created", "closed", "2026-01-05T11:00:00", "2026-01-05T11:00:00Z", "0" * 40, "x" * 300]
    ),
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
BODIES = st.sampled_from([(name.split(".")[0], body) for name, body in github.deliveries().items()])


def read(event: str, body: bytes, policy: Policy, *, form: bool = False) -> Delivery | None:
    """Return what the door makes of the body, checked; None if it is malformed. Any other exception is a failure."""
    try:
        delivery = Webhooks((b"secret",), policy).read(event=event, body=body, form=form, received_at=NOW)
    except Malformed:
        return None
    assert delivery.event in EVENTS | {OTHER}
    for fact in delivery.facts:
        assert fact.received_at == NOW
        assert policy.watches(fact.repository.name)
        if isinstance(fact, DeploymentFinished):
            assert fact.deployment_id.isdecimal()
            assert fact.sha
            assert FIRST <= fact.at <= LAST
            assert policy.environment(fact.environment.name) == fact.environment
        elif isinstance(fact, PullRequestMerged):
            assert 0 <= fact.number < 2**63
            assert FIRST <= fact.created_at <= LAST
            assert FIRST <= fact.merged_at <= LAST
        elif isinstance(fact, CommitsPushed):
            assert fact.commits
            assert all(FIRST <= commit.committed_at <= LAST for commit in fact.commits)
    return delivery


@given(st.text() | EVENT, st.binary(), st.booleans(), POLICY)
def test_any_bytes(event: str, body: bytes, form: bool, policy: Policy) -> None:  # noqa: FBT001 - drawn
    read(event, body, policy, form=form)


@given(
    EVENT, st.dictionaries(st.sampled_from(["action", "repository", "deployment", "issue", "commits"]), JSON), POLICY
)
def test_any_object(event: str, body: dict[str, object], policy: Policy) -> None:
    read(event, json.dumps(body).encode(), policy)


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, github.Json]:
    """Return a delivery with a few values, at any depth, gone or replaced."""
    event, body = draw(BODIES)
    copy = json.loads(json.dumps(body))
    for _ in range(draw(st.integers(1, 3))):
        inner = copy
        for _ in range(draw(st.integers(0, 3))):
            # Most of a body are addresses that nobody reads: aim at the rest.
            keys = range(len(inner)) if isinstance(inner, list) else [key for key in inner if not key.endswith("_url")]
            deeper = [key for key in keys if isinstance(inner[key], dict | list) and inner[key]]
            if not deeper:
                break
            inner = inner[draw(st.sampled_from(deeper))]
        keys = list(
            range(len(inner)) if isinstance(inner, list) else [key for key in inner if not key.endswith("_url")]
        )
        if keys:
            key = draw(st.sampled_from(keys))
            if draw(st.booleans()):
                inner[key] = draw(JSON)
            else:
                del inner[key]
    return event, copy


@settings(max_examples=300)
@given(spoiled(), POLICY)
def test_deliveries_with_anything_wrong(delivery: tuple[str, github.Json], policy: Policy) -> None:
    event, body = delivery
    encoded = json.dumps(body).encode()
    as_json = read(event, encoded, policy)
    assert read(event, f"payload={quote_plus(encoded)}".encode(), policy, form=True) == as_json


@given(BODIES, st.data())
def test_case_50_deliveries_cut_short_or_with_bytes_changed(
    delivery: tuple[str, github.Json], data: st.DataObject
) -> None:
    event, body = delivery
    encoded = bytearray(github.text(body).encode())
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] = data.draw(st.integers(0, 255))
    read(event, bytes(encoded), Policy())
    assert read(event, github.text(body).encode()[:place], Policy()) is None


@given(BODIES, st.sampled_from(['"x":1,"x":2', '"x":"\\udfff"', '"x":' + "[" * 100_000 + "]" * 100_000, '"x":1e999']))
def test_case_50_deliveries_with_what_no_json_holds_are_malformed(
    delivery: tuple[str, github.Json], poison: str
) -> None:
    event, body = delivery
    encoded = f"{{{poison},{github.text(body)[1:]}".encode()
    assert read(event, encoded, Policy()) is None


@given(BODIES, st.dictionaries(st.text(min_size=1).map("new_{}".format), JSON, min_size=1))
def test_case_49_new_fields_change_nothing(delivery: tuple[str, github.Json], more: dict[str, object]) -> None:
    event, body = delivery
    grown = {key: value | more if isinstance(value, dict) else value for key, value in (more | body).items()}
    assert read(event, json.dumps(grown).encode(), Policy()) == read(event, json.dumps(body).encode(), Policy())
