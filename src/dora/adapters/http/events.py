"""`POST /api/event`: pushed events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeAlias

from attrs import frozen

from dora.adapters.http.answers import Answer, RefusedError, answer, header, refusal, unavailable
from dora.adapters.http.bodies import LARGEST_EVENT, Body, GoneError, Intake
from dora.adapters.http.media import CLOUDEVENT, CLOUDEVENTS, JSON, media_type
from dora.adapters.http.needs import Batch, ClientT, EventDoor, Internals, PushedEvent, Receiver
from dora.domain.outcome import Outcome, Status
from dora.ports import DoraError, Invalid, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from dora.adapters.http.gate import Gate
    from dora.adapters.http.sightings import Sightings
    from dora.domain.instant import Instant

SOURCE: Final = "api"
PATH: Final = "/api/event"

_CHALLENGE: Final = b'Bearer realm="dora"'

_ATTRIBUTE: Final = b"ce-"
_REQUIRED: Final = frozenset({"specversion", "id", "source", "type"})
"""Attributes that every CloudEvent has: with one of them among the headers, the body alone would be misread."""

_Form: TypeAlias = "tuple[str, list[tuple[str, str]] | None]"


@frozen(kw_only=True)
class EventEndpoint(Generic[ClientT]):
    """The endpoint, an ASGI application. Checks in this order: 405, 401, 415, 413, 400, 422, 403."""

    door: EventDoor[ClientT]
    receiver: Receiver
    gate: Gate
    intake: Intake
    internals: Internals
    sightings: Sightings
    now: Callable[[], Instant]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        was_open = self.gate.open
        with Body(scope, receive, self.intake) as body:
            try:
                reply = await self._take(scope, body, was_open=was_open)
            except GoneError:
                self.internals.rejected("gone")
                return
            except DoraError as error:
                reply = refusal(error, challenge=_CHALLENGE)
                self.internals.rejected(reply.reason)
            await reply.send(scope, send)

    async def _take(self, scope: Scope, body: Body, *, was_open: bool) -> Answer:
        if scope["method"] != "POST":
            raise RefusedError(405, "Events are sent with POST.", headers=((b"allow", b"POST"),))
        client, (media, attributes), raw = await self._authenticate(scope, body)
        received_at = self.now()
        batch = self.door.read(
            client,
            raw,
            media=media,
            attributes=attributes,
            idempotency_key=header(scope, b"idempotency-key"),
            received_at=received_at,
        )
        if not was_open:
            return self._closed()
        outcomes = await self._keep(batch)
        for event, outcome in zip(batch.events, outcomes, strict=True):
            if event.repository is None:
                if event.ignored == "repository":
                    self.sightings.pass_by()
                continue
            name = self.sightings.see(
                event.repository,
                source=SOURCE,
                type_=event.type,
                outcome=outcome,
                at=received_at,
                about=event.about,
            )
            if name is not None:
                self.internals.event(repository=name, source=SOURCE, type_=event.type, outcome=outcome.status.value)
        results = [_result(outcome) for outcome in outcomes]
        if not batch.single:
            return answer(200, {"results": results})
        return answer(200 if outcomes[0].status is Status.DUPLICATE else 201, results[0])

    async def _authenticate(self, scope: Scope, body: Body) -> tuple[ClientT, _Form, bytes]:
        """Return who sends, the body's form, and the body.

        A bearer is known before the body is read. Who signs is known only after, so there the body comes first.
        """
        authorization = header(scope, b"authorization")
        signature = header(scope, b"x-hub-signature-256")
        if authorization is not None or signature is None:
            client = await self.door.client(authorization)
            form = _form(scope)
            return client, form, await body.read(LARGEST_EVENT)
        raw = await body.read(LARGEST_EVENT)
        client = self.door.signed(signature, raw)
        return client, _form(scope), raw

    async def _keep(self, batch: Batch) -> tuple[Outcome, ...]:
        """Return what became of each event, in the order sent. They are applied by time, together or not at all."""
        events = sorted(enumerate(batch.events), key=lambda numbered: numbered[1].at)
        facts = [(number, event.fact) for number, event in events if event.fact is not None]
        kept: dict[int, Outcome] = {}
        if facts:
            try:
                outcomes = await self.receiver.receive(tuple(fact for _, fact in facts))
            except Invalid as invalid:
                sent = [batch.events[number] for number, _ in facts]
                raise Invalid(*(_as_sent(problem, sent) for problem in invalid.problems)) from None
            kept = {number: outcome for (number, _), outcome in zip(facts, outcomes, strict=True)}
        return tuple(_outcome(event, kept.get(number)) for number, event in enumerate(batch.events))

    def _closed(self) -> Answer:
        reply = unavailable("The service is starting or ending; send it again.")
        self.internals.rejected(reply.reason)
        return reply


def _form(scope: Scope) -> _Form:
    """Return the body's media type, and the attributes of which it is the data if it is that of a CloudEvent."""
    attributes = [
        (str(name[len(_ATTRIBUTE) :], "latin-1"), str(value, "latin-1"))
        for name, value in scope["headers"]
        if name.startswith(_ATTRIBUTE)
    ]
    # Data may have any media type that is JSON; an envelope holds its attributes itself, whatever the headers say.
    binary = not _REQUIRED.isdisjoint(name for name, _ in attributes)
    media = media_type(scope, JSON, CLOUDEVENT, CLOUDEVENTS, suffixed=binary)
    return media, attributes if binary and media == JSON else None


def _as_sent(problem: Problem, sent: list[PushedEvent]) -> Problem:
    """Return a problem of an entry with the pointer into what was sent: events stood elsewhere there."""
    _, index, *rest = problem.pointer.split("/")
    return sent[int(index)].as_sent(Problem("/".join(("", *rest)), problem.detail))


def _outcome(event: PushedEvent, kept: Outcome | None) -> Outcome:
    if event.ignored is not None or kept is None:
        return Outcome(Status.IGNORED, event.ignored)
    return kept


def _result(outcome: Outcome) -> dict[str, str]:
    if outcome.reason is None:
        return {"status": outcome.status.value}
    return {"status": outcome.status.value, "reason": outcome.reason}
