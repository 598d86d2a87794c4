"""From the bytes of a push to facts: first the rules of the form, then the client's rights, then the settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import field, frozen

from dora import wire
from dora.adapters.events import cdevents, clients, cloudevents, fields
from dora.adapters.events.clients import Client, Workflows
from dora.adapters.events.places import Place, Unwrapped, plain
from dora.adapters.events.shapes import Event
from dora.adapters.events.translation import translate
from dora.domain.facts import Fact, IdempotencyKey
from dora.domain.instant import Instant
from dora.policy import Policy
from dora.ports import Forbidden, Invalid, Problem, Unauthenticated

MAX_BATCH: Final = 100
"""Events in one array: they are kept or lost together."""

MAX_PROBLEMS: Final = 200
"""Problems told at once: a body of 1 MiB has room for a hundred thousand, and no reader for them."""


@frozen(kw_only=True)
class PushedEvent:
    """One event that was read."""

    type: str
    """In the words of the form: a fixed list; `other` if it is none of ours."""
    repository: str | None
    """`owner/name`; None if it is not watched."""
    fact: Fact | None
    """What to apply; None if the repository is not watched."""
    ignored: str | None
    """`repository`, `environment`, `too_old`, or `type` for a CDEvent that is none of ours; None: what becomes of the
    fact in the core is the answer."""
    about: str | None
    """The environment that it is ignored for, as it was sent."""
    at: Instant
    """When it happened. The events of a batch are applied in this order, equal times in the order sent."""
    sent: Unwrapped = field(eq=False, repr=False)
    """The way back to what was sent; what was said is the same whichever way it came."""

    def as_sent(self, problem: Problem) -> Problem:
        """Return a problem of the event as our form has it with the pointer into what was sent."""
        return self.sent.as_sent(problem)


@frozen(kw_only=True)
class Batch:
    """The events of one request, in the order sent."""

    single: bool
    """True if the body was one event, not an array."""
    events: tuple[PushedEvent, ...]


@frozen
class PushedEvents:
    """The push API's door: who sends, and what it says."""

    clients: tuple[Client, ...]
    secrets: tuple[bytes, ...] = field(repr=False)
    """Keys of the webhook signatures that are accepted."""
    policy: Policy
    workflows: Workflows | None = None
    """None: no workflow's token is taken."""

    async def client(self, authorization: str | None) -> Client:
        """Return the client that an `Authorization` header proves.

        Raises:
            Unauthenticated: it proves none.
            Unavailable: it may prove a workflow, and nobody can tell now.
        """
        token = clients.bearer(authorization)
        known = clients.holder(token, self.clients)
        if known is not None:
            return known
        if self.workflows is None:
            raise Unauthenticated("the bearer token is not known")
        return clients.workflow(await self.workflows.repository(token))

    def signed(self, signature: str | None, body: bytes) -> Client:
        """Return the client that signs its bodies, if `X-Hub-Signature-256` is right for this one.

        Raises:
            Unauthenticated: it is not.
        """
        if not wire.signed(body, signature, self.secrets):
            raise Unauthenticated("the signature is missing or wrong")
        return clients.signer()

    def read(  # noqa: PLR0913 - all that a request says
        self,
        client: Client,
        body: bytes,
        *,
        media: str = "application/json",
        attributes: Sequence[tuple[str, str]] | None = None,
        idempotency_key: str | None,
        received_at: Instant,
    ) -> Batch:
        """Return the events of a body: either all of them are in order, or none is returned.

        Args:
            client: Who sends.
            body: The raw body, JSON: one event or an array of 1 to 100.
            media: `application/cloudevents+json` or `application/cloudevents-batch+json`; anything else: the events
                themselves.
            attributes: The headers that begin with `ce-`, without that and in lower case, as they were sent: the body
                is the data of one CloudEvent in binary mode. None: it is not.
            idempotency_key: The `Idempotency-Key` header. It is opaque: one in quotes is another key than one without.
            received_at: The time of receipt.

        Raises:
            Malformed: The body is no JSON.
            Invalid: Events break rules: the problems of all of them, up to 200.
            Forbidden: All events are in order, and the client may not write one of their repositories.
        """
        raw = wire.parse(body)
        problems = _header_problems(idempotency_key)
        try:
            single, wrapped = _unwrapped(raw, media, attributes)
        except Invalid as invalid:
            raise Invalid(*problems, *invalid.problems) from None
        events: list[tuple[Unwrapped, Event | None, IdempotencyKey | None]] = []
        digests: dict[str, str] = {}
        for index, sent in enumerate(wrapped):
            if sent.ignored is not None and not sent.problems:
                events.append((sent, None, None))
                continue
            try:
                event = sent.read(received_at=received_at)
            except Invalid as invalid:
                problems.extend(invalid.problems)
                continue
            key = _key(event, sent.form, client=client, header=idempotency_key, at="" if single else f"/{index}")
            if key and digests.setdefault(key.key, key.digest) != key.digest:
                problems.append(sent.as_sent(Problem("/id", "is the key of an earlier event here with other content")))
            events.append((sent, event, key))
        if problems:
            raise Invalid(*problems[:MAX_PROBLEMS])
        if not all(client.allows(event.repository) for _, event, _ in events if event):
            raise Forbidden("this client may not write every repository that it names")
        return Batch(
            single=single,
            events=tuple(self._pushed(*event, received_at=received_at) for event in events),
        )

    def _pushed(
        self, sent: Unwrapped, event: Event | None, key: IdempotencyKey | None, *, received_at: Instant
    ) -> PushedEvent:
        if event is None:
            return PushedEvent(
                type="other",
                repository=None,
                fact=None,
                ignored=sent.ignored,
                about=None,
                at=received_at,
                sent=sent,
            )
        fact, ignored = translate(event, policy=self.policy, key=key, received_at=received_at)
        return PushedEvent(
            type=event.type.value,
            repository=event.repository if fact else None,
            fact=fact,
            ignored=ignored,
            about=event.environment if ignored == "environment" else None,
            at=event.occurred_at,
            sent=sent,
        )


def _unwrapped(raw: object, media: str, attributes: Sequence[tuple[str, str]] | None) -> tuple[bool, list[Unwrapped]]:
    """Return whether one event was sent and not an array, and the events.

    Raises:
        Invalid: it must be an array, or is one of too few or too many events.
    """
    if media == cloudevents.STRUCTURED:
        return True, [cloudevents.structured(raw, Place())]
    if attributes is not None:
        return True, [cloudevents.binary(raw, attributes)]
    unwrap = cloudevents.structured if media == cloudevents.BATCHED else _bare
    if isinstance(raw, list):
        if not 1 <= len(raw) <= MAX_BATCH:
            raise fields.refused(f"an array must hold 1 to {MAX_BATCH} events")
        return False, [unwrap(item, Place(f"/{index}")) for index, item in enumerate(raw)]
    if media == cloudevents.BATCHED:
        raise fields.refused("must be an array")
    return True, [unwrap(raw, Place())]


def _bare(item: object, at: Place) -> Unwrapped:
    return cdevents.unwrap(item, at) if cdevents.is_bare(item) else plain(item, at)


def _header_problems(idempotency_key: str | None) -> list[Problem]:
    """Return what is wrong with the header; it has no place in the body to point at."""
    if idempotency_key is None:
        return []
    try:
        fields.key(idempotency_key)
    except Invalid as invalid:
        return [Problem("", f"Idempotency-Key {problem.detail}") for problem in invalid.problems]
    return []


def _key(
    event: Event, form: Mapping[str, object] | None, *, client: Client, header: str | None, at: str
) -> IdempotencyKey | None:
    """Return the sender's name for an event: its own `id`, else the header, with its place in an array behind it.

    `id` wins because it says more: it names this event, wherever and however often it is sent. The content that the key
    must go with is all the rest of the event in our form, whatever the order of its members and what was around them.
    """
    key = event.id or (header + at if header else "")
    if not key or form is None:
        return None
    content = {name: value for name, value in form.items() if name != "id"}
    # The standard library writes integers of any length, which an id may be; orjson stops at 64 bits.
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return IdempotencyKey(client=client.name, key=key, digest=hashlib.sha256(text.encode()).hexdigest())
