"""What this room needs from others, as it needs it. The composition root hands in the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dora.domain.facts import Fact
    from dora.domain.instant import Instant
    from dora.domain.outcome import Outcome
    from dora.ports import Entry, Problem


class Delivery(Protocol):
    """A webhook, read."""

    @property
    def event(self) -> str:
        """GitHub's name of the event, or `other`: from a fixed list."""
        ...

    @property
    def repository(self) -> str | None:
        """The repository's full name, if it is watched."""
        ...

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What it says; may be there although it is ignored, to register series."""
        ...

    @property
    def ignored(self) -> str | None:
        """Why it is of no interest, from a fixed list; None: what became of its last fact is the answer."""
        ...


class WebhookDoor(Protocol):
    """Reads GitHub's webhooks."""

    def verify(self, signature: str | None, body: bytes) -> None:
        """Raise `Unauthenticated` unless the signature is the body's."""
        ...

    def read(self, *, event: str, body: bytes, form: bool, received_at: Instant) -> Delivery:
        """Return what the body says, or raise `Malformed`."""
        ...


class PushedEvent(Protocol):
    """A pushed event, read."""

    @property
    def type(self) -> str:
        """Its type, from a fixed list."""
        ...

    @property
    def repository(self) -> str | None:
        """The repository's full name, if it is watched."""
        ...

    @property
    def fact(self) -> Fact | None:
        """What it says."""
        ...

    @property
    def ignored(self) -> str | None:
        """Why it is of no interest, from a fixed list; None: what became of its fact is the answer."""
        ...

    @property
    def at(self) -> Instant:
        """The sender's time of it."""
        ...

    def as_sent(self, problem: Problem) -> Problem:
        """Return a problem of the event by itself with the pointer into what was sent."""
        ...


class Batch(Protocol):
    """The events of one request."""

    @property
    def single(self) -> bool:
        """True if the body was one event and no array."""
        ...

    @property
    def events(self) -> tuple[PushedEvent, ...]:
        """In the order sent."""
        ...


ClientT = TypeVar("ClientT")


class EventDoor(Protocol[ClientT]):
    """Reads pushed events."""

    async def client(self, authorization: str | None) -> ClientT:
        """Return whom the `Authorization` header proves, or raise `Unauthenticated` (or `Unavailable`: who knows?)."""
        ...

    def signed(self, signature: str | None, body: bytes) -> ClientT:
        """Return whom the body's signature proves, or raise `Unauthenticated`."""
        ...

    def read(  # noqa: PLR0913 - all that a request says
        self,
        client: ClientT,
        body: bytes,
        *,
        media: str,
        attributes: Sequence[tuple[str, str]] | None,
        idempotency_key: str | None,
        received_at: Instant,
    ) -> Batch:
        """Return what the body says, or raise `Malformed`, `Invalid` or `Forbidden`.

        Args:
            client: who sends.
            body: as sent.
            media: its media type.
            attributes: of a CloudEvent in binary mode: the headers `ce-*`, without the prefix; else None.
            idempotency_key: the header.
            received_at: the time of receipt.
        """
        ...


class Receiver(Protocol):
    """Keeps and counts facts."""

    @property
    def ready(self) -> bool:
        """True if `receive` is likely to succeed."""
        ...

    @property
    def lost(self) -> bool:
        """True if the state belongs to another process now, or cannot be trusted: for good."""
        ...

    async def receive(self, entry: Entry) -> tuple[Outcome, ...]:
        """Keep and count the facts, or raise `Unavailable` (or `Invalid`: a key used with other content)."""
        ...


class Scrape(Protocol):
    """One answer to a scraper."""

    @property
    def content_type(self) -> str:
        """The exact `Content-Type`."""
        ...

    @property
    def content_encoding(self) -> str | None:
        """`gzip`, or None."""
        ...

    @property
    def body(self) -> Iterator[bytes]:
        """The body, of one consistent state, in pieces that each take little time to make."""
        ...


class Exposition(Protocol):
    """Tells a scraper what has been counted."""

    def answer(self, *, accept: str | None, accept_encoding: str | None, now: Instant) -> Scrape:
        """Return the answer to a request with these headers."""
        ...


class Internals(Protocol):
    """Counts what this room does, and tells a scraper of it."""

    def event(self, *, repository: str, source: str, type_: str, outcome: str) -> None:
        """Count an event of a watched repository."""
        ...

    def rejected(self, reason: str) -> None:
        """Count a delivery that was refused, for a reason from a fixed list."""
        ...

    def request(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        ...

    def answer(self, *, accept: str | None, accept_encoding: str | None) -> Scrape:
        """Return the answer to a scrape with these headers."""
        ...
