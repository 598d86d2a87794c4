"""What this room needs from others, as it needs it. The composition root hands in the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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

    @property
    def about(self) -> str | None:
        """The environment or branch that it is ignored for, as it was sent; None: it is not for one."""
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
    def about(self) -> str | None:
        """The environment that it is ignored for, as it was sent; None: it is not for one."""
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

    def rejections(self) -> Mapping[str, int]:
        """Return how many deliveries were refused, by reason."""
        ...

    def answer(self, *, accept: str | None, accept_encoding: str | None) -> Scrape:
        """Return the answer to a scrape with these headers."""
        ...


class ChainStanding(Protocol):
    """What has been measured of one environment and service of a repository."""

    @property
    def environment(self) -> str:
        """The environment's label."""
        ...

    @property
    def service(self) -> str:
        """The service; may be empty."""
        ...

    @property
    def last_success(self) -> Instant | None:
        """When it was last deployed successfully; None: never yet."""
        ...

    @property
    def successes(self) -> int:
        """Deployments that succeeded."""
        ...

    @property
    def failures(self) -> int:
        """Deployments that failed."""
        ...

    @property
    def lead_times(self) -> int:
        """Changes whose time from the merge on is measured."""
        ...

    @property
    def commit_lead_times(self) -> int:
        """Changes whose time from the first commit on is measured."""
        ...

    @property
    def unknown(self) -> Mapping[str, int]:
        """Deployments whose changes could not be (fully) measured, by reason; only reasons that occurred."""
        ...

    @property
    def pending(self) -> int:
        """Deployments whose changes are still open."""
        ...

    @property
    def change_failures(self) -> int:
        """Deployments that turned out to be failed changes."""
        ...

    @property
    def open_failures(self) -> int:
        """Those that have not ended yet."""
        ...

    @property
    def recoveries(self) -> int:
        """Those that ended."""
        ...

    @property
    def rework(self) -> int:
        """Deployments that were a rollback, a revert or a hotfix."""
        ...

    @property
    def incidents(self) -> int:
        """Incidents that were opened."""
        ...


class Standing(Protocol):
    """What has been measured of one repository."""

    @property
    def merged(self) -> int:
        """Pull requests merged into a tracked branch."""
        ...

    @property
    def chains(self) -> Sequence[ChainStanding]:
        """Its environments and services, sorted by name."""
        ...

    @property
    def moved(self) -> bool:
        """True if it goes by another name now: what is here stays as it is."""
        ...


class Standings(Protocol):
    """What has been measured, by repository, as the state knows it."""

    def latest(self) -> Mapping[str, Instant]:
        """Return every repository there is, with the time of its latest successful deployment, 0 before the first."""
        ...

    def of(self, repository: str) -> Standing | None:
        """Return how one repository stands; None if there is nothing of it."""
        ...


class Questions(Protocol):
    """What GitHub is being asked."""

    @property
    def pending_questions(self) -> int:
        """Look-ups that wait for an answer."""
        ...

    def oldest_question_age(self) -> float:
        """Return for how many seconds the oldest of them has waited."""
        ...
