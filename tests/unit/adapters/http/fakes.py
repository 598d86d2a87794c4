"""Small stand-ins for what the http room needs from others, and ways to call an ASGI application."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
from attrs import Factory, define, field, frozen

from dora.adapters.http import About, Application, Gate, application
from dora.domain.facts import Fact, Repository, RepositorySeen
from dora.domain.outcome import Outcome, Status
from dora.ports import DoraError, Entry, Problem, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from starlette.types import Message

    from dora.adapters.http.bodies import Intake
    from dora.domain.instant import Instant

NOW = 1_700_000_000_000_000
SIGNATURE = "sha256=good"
TOKEN = "client-token"
FACT = RepositorySeen(repository=Repository("acme/api"), received_at=NOW)


@frozen(kw_only=True)
class FakeDelivery:
    event: str = "deployment_status"
    repository: str | None = "acme/api"
    facts: tuple[Fact, ...] = (FACT,)
    ignored: str | None = None
    about: str | None = None


@define
class FakeWebhookDoor:
    delivery: FakeDelivery = Factory(FakeDelivery)
    error: DoraError | None = None
    bodies: list[bytes] = Factory(list)
    read_with: list[tuple[str, bool, Instant]] = Factory(list)

    def verify(self, signature: str | None, body: bytes) -> None:
        self.bodies.append(body)
        if signature != SIGNATURE:
            raise Unauthenticated("the signature is missing or wrong")

    def read(self, *, event: str, body: bytes, form: bool, received_at: Instant) -> FakeDelivery:
        del body
        self.read_with.append((event, form, received_at))
        if self.error is not None:
            raise self.error
        return self.delivery


@frozen(kw_only=True)
class FakeEvent:
    type: str = "deployment.succeeded"
    repository: str | None = "acme/api"
    fact: Fact | None = FACT
    ignored: str | None = None
    about: str | None = None
    at: Instant = NOW
    pointer: str = ""
    """Where it stands in what was sent."""

    def as_sent(self, problem: Problem) -> Problem:
        return Problem(self.pointer + problem.pointer, problem.detail)


@frozen(kw_only=True)
class FakeBatch:
    single: bool = True
    events: tuple[FakeEvent, ...] = (FakeEvent(),)


@define
class FakeEventDoor:
    batch: FakeBatch = Factory(FakeBatch)
    error: DoraError | None = None
    unknown: DoraError | None = None
    """What asking for the client ends in."""
    read_with: list[tuple[str, bytes, str | None]] = Factory(list)
    forms: list[tuple[str, list[tuple[str, str]] | None]] = Factory(list)

    async def client(self, authorization: str | None) -> str:
        if self.unknown is not None:
            raise self.unknown
        if authorization != f"Bearer {TOKEN}":
            raise Unauthenticated("a bearer token is needed")
        return "ci"

    def signed(self, signature: str | None, body: bytes) -> str:
        del body
        if signature != SIGNATURE:
            raise Unauthenticated("the signature is missing or wrong")
        return "webhook"

    def read(
        self,
        client: str,
        body: bytes,
        *,
        media: str,
        attributes: Sequence[tuple[str, str]] | None,
        idempotency_key: str | None,
        received_at: Instant,
    ) -> FakeBatch:
        del received_at
        self.forms.append((media, None if attributes is None else list(attributes)))
        self.read_with.append((client, body, idempotency_key))
        if self.error is not None:
            raise self.error
        return self.batch


@define
class FakeReceiver:
    outcomes: tuple[Outcome, ...] = (Outcome(Status.COUNTED),)
    error: DoraError | None = None
    ready: bool = True
    lost: bool = False
    entries: list[Entry] = Factory(list)

    async def receive(self, entry: Entry) -> tuple[Outcome, ...]:
        self.entries.append(entry)
        if self.error is not None:
            raise self.error
        return self.outcomes


@define
class FakeInternals:
    body: tuple[bytes, ...] = (b"three 3\n",)
    events: list[tuple[str, str, str, str]] = Factory(list)
    refused: list[str] = Factory(list)
    requests: list[tuple[str, str, int]] = Factory(list)

    def event(self, *, repository: str, source: str, type_: str, outcome: str) -> None:
        self.events.append((repository, source, type_, outcome))

    def rejected(self, reason: str) -> None:
        self.refused.append(reason)

    def rejections(self) -> Counter[str]:
        return Counter(self.refused)

    def request(self, *, route: str, method: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((route, method, status))

    def answer(self, *, accept: str | None, accept_encoding: str | None) -> FakeScrape:
        del accept, accept_encoding
        return FakeScrape("text/plain; version=0.0.4; charset=utf-8", None, iter(self.body))


@frozen
class FakeScrape:
    content_type: str
    content_encoding: str | None
    body: Iterator[bytes]


@define
class FakeExposition:
    body: tuple[bytes, ...] = (b"one 1\n", b"two 2\n")
    content_encoding: str | None = None
    asked: list[tuple[str | None, str | None]] = Factory(list)

    def answer(self, *, accept: str | None, accept_encoding: str | None, now: Instant) -> FakeScrape:
        del now
        self.asked.append((accept, accept_encoding))
        return FakeScrape("text/plain; version=0.0.4; charset=utf-8", self.content_encoding, iter(self.body))


@frozen(kw_only=True)
class FakeChain:
    environment: str = "production"
    service: str = ""
    last_success: Instant | None = NOW
    successes: int = 1
    failures: int = 0
    lead_times: int = 0
    commit_lead_times: int = 0
    unknown: Mapping[str, int] = Factory(dict)
    pending: int = 0
    change_failures: int = 0
    open_failures: int = 0
    recoveries: int = 0
    rework: int = 0
    incidents: int = 0


@frozen(kw_only=True)
class FakeStanding:
    merged: int = 0
    chains: tuple[FakeChain, ...] = ()
    moved: bool = False


@define
class FakeStandings:
    known: dict[str, FakeStanding] = Factory(dict)

    def latest(self) -> dict[str, Instant]:
        return {
            name: max((chain.last_success or 0 for chain in standing.chains), default=0)
            for name, standing in self.known.items()
        }

    def of(self, repository: str) -> FakeStanding | None:
        return self.known.get(repository)


@define
class FakeQuestions:
    pending_questions: int = 0
    age: float = 0.0

    def oldest_question_age(self) -> float:
        return self.age


@define(kw_only=True)
class World:
    """An application with everything it needs made up."""

    webhook_door: FakeWebhookDoor = Factory(FakeWebhookDoor)
    event_door: FakeEventDoor = Factory(FakeEventDoor)
    receiver: FakeReceiver = Factory(FakeReceiver)
    metrics: FakeExposition = Factory(FakeExposition)
    internals: FakeInternals = Factory(FakeInternals)
    standings: FakeStandings = Factory(FakeStandings)
    questions: FakeQuestions = Factory(FakeQuestions)
    metrics_token: str | None = None
    lookups: bool = False
    state: str = "memory"
    intake: Intake | None = None
    gate: Gate = field(init=False)
    app: Application = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.gate = Gate(self.receiver, restored=True)
        self.app = application(
            webhook_door=self.webhook_door,
            event_door=self.event_door,
            receiver=self.receiver,
            gate=self.gate,
            metrics=self.metrics,
            internals=self.internals,
            standings=self.standings,
            questions=self.questions,
            about=About(version="1.2.3", state=self.state, lookups=self.lookups, started=NOW),
            event_schemas={name: {"type": "object"} for name in ("Event", "CloudEvent", "CDEvent")},
            metrics_token=self.metrics_token,
            clock=lambda: NOW,
            intake=self.intake,
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://observer") as client:
            return await client.request(method, path, headers=headers, content=content)


async def call(app: Application, *, headers: dict[str, str], messages: list[Message], path: str) -> list[Message]:
    """Post to the application message by message, and return the messages that it sends."""
    sent: list[Message] = []
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.1"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        "server": None,
        "state": {},
    }
    await app(scope, receive, send)
    return sent


def piece(body: bytes, *, more: bool) -> Message:
    """Return a piece of a body, as an ASGI server hands it over."""
    return {"type": "http.request", "body": body, "more_body": more}
