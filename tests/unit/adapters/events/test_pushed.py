from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from attrs import Factory, frozen
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.events import Batch, Client, PushedEvents, parse_clients
from dora.domain.facts import IdempotencyKey
from dora.policy import Policy, environment_rules
from dora.ports import Forbidden, Invalid, Malformed, Unauthenticated
from tests.unit.adapters.events.samples import (
    MINIMAL,
    RECEIVED_AT,
    Sent,
    body,
    event,
    json_values,
    near_events,
    sent_events,
    without,
)

CI, LIMITED = parse_clients("ci:first-token,deployer:second-token:acme/*")
DOOR = PushedEvents((CI, LIMITED), (b"new secret", b"old secret"), Policy())


def read(raw: object, *, client: Client = CI, key: str | None = None, door: PushedEvents = DOOR) -> Batch:
    """Return the batch of a body."""
    return door.read(client, body(raw), idempotency_key=key, received_at=RECEIVED_AT)


def pointers(raw: object, *, client: Client = CI, key: str | None = None) -> list[str]:
    """Return where the body is wrong."""
    with pytest.raises(Invalid) as raised:
        read(raw, client=client, key=key)
    return [problem.pointer for problem in raised.value.problems]


def keys(batch: Batch) -> list[str | None]:
    """Return the idempotency keys of the facts."""
    found = [getattr(pushed.fact, "key", None) for pushed in batch.events]
    return [key and key.key for key in found]


def signature(secret: bytes, content: bytes) -> str:
    return "sha256=" + hmac.new(secret, content, hashlib.sha256).hexdigest()


async def test_a_token_and_a_signature_prove_a_client() -> None:
    assert await DOOR.client("Bearer second-token") == LIMITED
    for secret in DOOR.secrets:
        assert DOOR.signed(signature(secret, b"\xff"), b"\xff").name == "webhook"


@frozen
class Forge:
    """Knows one workflow's token, and notes which tokens it was asked about."""

    asked: list[str] = Factory(list)

    async def repository(self, token: str) -> str:
        self.asked.append(token)
        if token != "workflow-token":
            raise Unauthenticated("the OIDC token is unfit")
        return "Acme/Shop"


async def test_a_workflow_is_a_client_of_its_repository_beside_those_with_tokens() -> None:
    forge = Forge()
    door = PushedEvents((CI, LIMITED), (), Policy(), workflows=forge)
    assert await door.client("Bearer second-token") == LIMITED
    assert forge.asked == []
    client = await door.client("Bearer workflow-token")
    assert (client.name, client.globs) == ("oidc:acme/shop", ("acme/shop",))
    with pytest.raises(Unauthenticated, match="unfit"):
        await door.client("Bearer other")
    with pytest.raises(Unauthenticated, match="needed"):
        await door.client("Basic workflow-token")
    assert forge.asked == ["workflow-token", "other"]


async def test_where_no_workflow_is_known_no_token_of_one_is() -> None:
    with pytest.raises(Unauthenticated, match="not known"):
        await DOOR.client("Bearer workflow-token")


@pytest.mark.parametrize(
    "header", [None, "", "sha256=", "sha256=00", signature(b"new secret", b"other"), signature(b"", b"{}"), "sha256=é"]
)
def test_a_missing_or_wrong_signature_proves_nothing(header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        DOOR.signed(header, b"{}")


def test_without_secrets_nothing_is_signed() -> None:
    with pytest.raises(Unauthenticated):
        PushedEvents((), (), Policy()).signed(signature(b"", b"{}"), b"{}")


def test_the_door_shows_no_secret() -> None:
    assert "secret" not in repr(DOOR)
    assert "token" not in repr(DOOR)


def test_one_event_is_a_single_and_an_array_of_one_is_not() -> None:
    assert read(event()).single
    assert not read([event()]).single
    assert read(event()).events == read([event()]).events


def test_an_event_tells_its_type_repository_and_time() -> None:
    (pushed,) = read(event("change.merged", repository="git@git.example:Acme/Shop.git")).events
    assert (pushed.type, pushed.repository, pushed.at) == ("change.merged", "Acme/Shop", RECEIVED_AT - 3_600_000_000)


def test_an_unwatched_repository_is_not_named() -> None:
    (pushed,) = read(event(), door=PushedEvents((), (), Policy(repositories=("other/*",)))).events
    assert (pushed.repository, pushed.fact, pushed.ignored) == (None, None, "repository")


def test_an_environment_without_interest_is_named_as_it_was_sent() -> None:
    door = PushedEvents((), (), Policy(environments=environment_rules("production")))
    (pushed,) = read(event(environment="qa"), door=door).events
    assert (pushed.ignored, pushed.about) == ("environment", "qa")
    (pushed,) = read(event(environment="production"), door=door).events
    assert (pushed.ignored, pushed.about) == (None, None)


def test_an_array_keeps_the_order_sent() -> None:
    times = ["2026-06-01T11:00:00Z", "2026-06-01T09:00:00Z", "2026-06-01T10:00:00Z"]
    batch = read([event(occurred_at=time) for time in times])
    assert [pushed.at for pushed in batch.events] == [RECEIVED_AT - hours * 3_600_000_000 for hours in (1, 3, 2)]


@pytest.mark.parametrize("count", [0, 101])
def test_an_array_holds_1_to_100_events(count: int) -> None:
    assert pointers([event()] * count) == [""]
    assert len(read([event()] * 100).events) == 100


@pytest.mark.parametrize("raw", [None, True, 1, "text"])
def test_json_that_is_neither_object_nor_array_is_invalid(raw: object) -> None:
    assert pointers(raw) == [""]


def test_all_problems_of_all_events_are_told_with_their_places() -> None:
    raw = [
        event(),
        event(sha="x"),
        [],
        without(event("incident.opened"), "incident_id"),
        event(changes=[{"id": 1}, {}]),
    ]
    assert pointers(raw) == ["/1/sha", "/2", "/3/incident_id", "/4/changes/1/id"]


def test_no_more_problems_are_told_than_anybody_reads() -> None:
    assert len(pointers([{f"x{number}": 1 for number in range(1000)}] * 100)) == 200


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"{'a':1}", b'{"a":NaN}', b'{"a":1,"a":1}', b'"\\ud800"', b"{}{}"]
)
def test_bytes_that_are_no_json_are_malformed(content: bytes) -> None:
    with pytest.raises(Malformed) as raised:
        DOOR.read(CI, content, idempotency_key=None, received_at=RECEIVED_AT)
    assert not isinstance(raised.value, Invalid)


def test_case_50_a_depth_of_100000_is_malformed() -> None:
    for content in (b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000):
        with pytest.raises(Malformed):
            DOOR.read(CI, content, idempotency_key=None, received_at=RECEIVED_AT)


def test_a_repository_beyond_the_clients_globs_is_forbidden() -> None:
    assert read(event(repository="ACME/web"), client=LIMITED).events
    for raw in (event(repository="other/shop"), [event(), event(repository="https://git.example/other/shop")]):
        with pytest.raises(Forbidden):
            read(raw, client=LIMITED)


def test_rules_are_checked_before_rights_over_the_whole_array() -> None:
    assert pointers([event(repository="other/shop"), event(sha="x")], client=LIMITED) == ["/1/sha"]


def test_rights_are_checked_before_interest() -> None:
    door = PushedEvents((), (), Policy(repositories=("acme/*",)))
    assert read(event(repository="x/y"), door=door).events[0].ignored == "repository"
    with pytest.raises(Forbidden):
        read(event(repository="x/y"), client=LIMITED, door=door)


def test_whoever_signs_may_write_every_repository() -> None:
    client = DOOR.signed(signature(b"old secret", b"{}"), b"{}")
    assert read(event(repository="any/thing"), client=client).events


def test_the_header_names_a_single_event_and_each_of_an_array() -> None:
    assert keys(read(event(), key="KEY")) == ["KEY"]
    assert keys(read([event(), event()], key="KEY")) == ["KEY/0", "KEY/1"]
    assert keys(read([event(), event()])) == [None, None]


def test_an_events_own_id_wins_over_the_header() -> None:
    assert keys(read(event(id="own"), key="KEY")) == ["own"]
    assert keys(read([event(id="own"), event()], key="KEY")) == ["own", "KEY/1"]


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_header_that_is_no_key_is_invalid_together_with_all_else(key: str) -> None:
    assert pointers(event(), key=key) == [""]
    assert pointers([event(sha="x")], key=key) == ["", "/0/sha"]


@pytest.mark.parametrize("type_", sorted(MINIMAL))
def test_a_key_belongs_to_its_client_and_to_the_content(type_: str) -> None:
    def key(raw: dict[str, object], *, client: Client = CI, header: str | None = None) -> IdempotencyKey:
        found = getattr(read(raw, client=client, key=header).events[0].fact, "key", None)
        assert isinstance(found, IdempotencyKey)
        return found

    sent = event(type_, id="k")
    assert key(sent).client == "ci"
    assert key(sent, client=LIMITED).client == "deployer"
    assert key(sent).digest == key(sent, client=LIMITED).digest
    # The order of members, and whether the key is in the body or in the header, is not content.
    assert key(dict(reversed(sent.items()))) == key(sent)
    assert key(event(type_), header="k") == key(sent)
    assert key(sent | {"occurred_at": "2026-06-01T11:00:01Z"}).digest != key(sent).digest
    assert key(sent | {"service": "web"}).digest != key(sent).digest


def test_an_integer_of_any_length_can_be_content() -> None:
    assert keys(read(event(id="k", deployment_id=10**128 - 1))) == ["k"]


def test_one_key_names_one_content_within_an_array() -> None:
    assert keys(read([event(id="k"), event(id="k")])) == ["k", "k"]
    assert pointers([event(id="k"), event(id="k2"), event(id="k", service="web")]) == ["/2/id"]


@given(st.lists(sent_events(), min_size=1, max_size=5))
def test_a_valid_array_is_its_events_one_by_one(sent: list[Sent]) -> None:
    batch = read([one.raw for one in sent])
    assert [pushed.fact for pushed in batch.events] == [one.fact for one in sent]
    assert batch.events == tuple(read(one.raw).events[0] for one in sent)
    assert all(pushed.ignored is None for pushed in batch.events)


ANSWERS = st.one_of(
    st.binary(max_size=200),
    json_values.map(lambda raw: json.dumps(raw).encode("utf-8", "surrogatepass")),
    near_events().map(body),
    st.lists(near_events(), max_size=3).map(body),
)


@given(ANSWERS, st.none() | st.text(max_size=300), st.sampled_from([CI, LIMITED]))
def test_case_50_any_bytes_are_a_batch_or_refused_for_a_declared_reason(
    content: bytes, key: str | None, client: Client
) -> None:
    answer: Batch | Malformed | Forbidden
    try:
        answer = DOOR.read(client, content, idempotency_key=key, received_at=RECEIVED_AT)
    except (Malformed, Forbidden) as refused:
        answer = refused
    if isinstance(answer, Malformed):
        assert answer.problems
    elif isinstance(answer, Forbidden):
        assert client is LIMITED
    else:
        assert 1 <= len(answer.events) <= 100
        assert all(pushed.fact is not None for pushed in answer.events)
