"""`POST /webhooks/github`: GitHub's deliveries."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from attrs import frozen

from dora.adapters.http.answers import Answer, RefusedError, answer, header, refusal, unavailable
from dora.adapters.http.bodies import LARGEST_DELIVERY, Body, GoneError, Intake
from dora.adapters.http.media import FORM, JSON, media_type
from dora.domain.outcome import Outcome, Status
from dora.ports import DoraError, Malformed, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from dora.adapters.http.gate import Gate
    from dora.adapters.http.needs import Delivery, Internals, Receiver, WebhookDoor
    from dora.adapters.http.sightings import Sightings
    from dora.domain.instant import Instant

SOURCE: Final = "github"
PATH: Final = "/webhooks/github"

_CHALLENGE: Final = b"X-Hub-Signature-256"


@frozen(kw_only=True)
class WebhookEndpoint:
    """The endpoint, an ASGI application. Checks in this order: 405, 415, 413, 401, 400, interest, fields."""

    door: WebhookDoor
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
                self.internals.rejected("event_header" if isinstance(error, _NoEventError) else reply.reason)
            await reply.send(scope, send)

    async def _take(self, scope: Scope, body: Body, *, was_open: bool) -> Answer:
        if scope["method"] != "POST":
            raise RefusedError(405, "Deliveries are sent with POST.", headers=((b"allow", b"POST"),))
        form = media_type(scope, JSON, FORM) == FORM
        raw = await body.read(LARGEST_DELIVERY)
        self.door.verify(header(scope, b"x-hub-signature-256"), raw)
        event = header(scope, b"x-github-event")
        if not event:
            raise _NoEventError(Problem("", "the header X-GitHub-Event is missing"))
        received_at = self.now()
        delivery = self.door.read(event=event, body=raw, form=form, received_at=received_at)
        if not was_open:
            return self._closed()
        outcome = await self._keep(delivery)
        if delivery.repository is None:
            if delivery.ignored == "repository":
                self.sightings.pass_by()
        else:
            name = self.sightings.see(
                delivery.repository,
                source=SOURCE,
                type_=delivery.event,
                outcome=outcome,
                at=received_at,
                about=delivery.about,
            )
            if name is not None:
                self.internals.event(repository=name, source=SOURCE, type_=delivery.event, outcome=outcome.status.value)
        return _accepted(outcome.status, outcome.reason)

    async def _keep(self, delivery: Delivery) -> Outcome:
        """Return what became of the delivery: of its last fact, unless it was of no interest from the start."""
        outcomes = await self.receiver.receive(delivery.facts) if delivery.facts else ()
        if delivery.ignored is not None or not outcomes:
            return Outcome(Status.IGNORED, delivery.ignored)
        return outcomes[-1]

    def _closed(self) -> Answer:
        reply = unavailable("The service is starting or ending; send it again.")
        self.internals.rejected(reply.reason)
        return reply


class _NoEventError(Malformed):
    """The delivery does not say which event it is."""


# Reasons come from fixed lists, so there are few different answers.
@cache
def _accepted(status: Status, reason: str | None) -> Answer:
    match status:
        case Status.COUNTED | Status.STORED:
            return answer(202, {"status": "accepted"})
        case Status.DUPLICATE:
            return answer(200, {"status": "duplicate"})
        case Status.IGNORED:
            return answer(200, {"status": "ignored", "reason": reason or "event"})
