"""`POST /api/event`: pushed events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic

from attrs import frozen

from dora.adapters.http.answers import Answer, RefusedError, answer, header, refusal, unavailable
from dora.adapters.http.bodies import LARGEST_EVENT, Body, GoneError, Intake
from dora.adapters.http.media import JSON, media_type
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
        client, raw = await self._authenticate(scope, body)
        received_at = self.now()
        key = header(scope, b"idempotency-key")
        batch = self.door.read(client, raw, idempotency_key=key, received_at=received_at)
        if not was_open:
            return self._closed()
        outcomes = await self._keep(batch)
        for event, outcome in zip(batch.events, outcomes, strict=True):
            if event.repository is None:
                continue
            name = self.sightings.see(
                event.repository, source=SOURCE, type_=event.type, outcome=outcome, at=received_at
            )
            if name is not None:
                self.internals.event(repository=name, source=SOURCE, type_=event.type, outcome=outcome.status.value)
        results = [_result(outcome) for outcome in outcomes]
        if not batch.single:
            return answer(200, {"results": results})
        return answer(200 if outcomes[0].status is Status.DUPLICATE else 201, results[0])

    async def _authenticate(self, scope: Scope, body: Body) -> tuple[ClientT, bytes]:
        """Return who sends, and the body.

        A bearer is known before the body is read. Who signs is known only after, so there the body comes first.
        """
        authorization = header(scope, b"authorization")
        signature = header(scope, b"x-hub-signature-256")
        if authorization is not None or signature is None:
            client = await self.door.client(authorization)
            _media(scope)
            return client, await body.read(LARGEST_EVENT)
        raw = await body.read(LARGEST_EVENT)
        client = self.door.signed(signature, raw)
        _media(scope)
        return client, raw

    async def _keep(self, batch: Batch) -> tuple[Outcome, ...]:
        """Return what became of each event, in the order sent. They are applied by time, together or not at all."""
        events = sorted(enumerate(batch.events), key=lambda numbered: numbered[1].at)
        facts = [(number, event.fact) for number, event in events if event.fact is not None]
        kept: dict[int, Outcome] = {}
        if facts:
            try:
                outcomes = await self.receiver.receive(tuple(fact for _, fact in facts))
            except Invalid as invalid:
                numbers = [None if batch.single else number for number, _ in facts]
                raise Invalid(*(_as_sent(problem, numbers) for problem in invalid.problems)) from None
            kept = {number: outcome for (number, _), outcome in zip(facts, outcomes, strict=True)}
        return tuple(_outcome(event, kept.get(number)) for number, event in enumerate(batch.events))

    def _closed(self) -> Answer:
        reply = unavailable("The service is starting or ending; send it again.")
        self.internals.rejected(reply.reason)
        return reply


def _media(scope: Scope) -> None:
    """Refuse what is no event of ours in plain JSON."""
    media_type(scope, JSON)
    # CloudEvents in binary mode: the body alone would be misread.
    if header(scope, b"ce-specversion") is not None:
        raise RefusedError(415, "CloudEvents are not taken.")


def _as_sent(problem: Problem, numbers: list[int | None]) -> Problem:
    """Return a problem of an entry with the pointer into what was sent: events stood in another order there."""
    _, index, *rest = problem.pointer.split("/")
    number = numbers[int(index)]
    return Problem("/".join(("", *([] if number is None else [str(number)]), *rest)), problem.detail)


def _outcome(event: PushedEvent, kept: Outcome | None) -> Outcome:
    if event.ignored is not None or kept is None:
        return Outcome(Status.IGNORED, event.ignored)
    return kept


def _result(outcome: Outcome) -> dict[str, str]:
    if outcome.reason is None:
        return {"status": outcome.status.value}
    return {"status": outcome.status.value, "reason": outcome.reason}
