"""What this process has seen arrive, by repository: the page for people tells it. Noting an event is a few steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import Factory, define, frozen

from dora.domain.outcome import Status

if TYPE_CHECKING:
    from dora.domain.instant import Instant
    from dora.domain.outcome import Outcome


@frozen
class Passed:
    """Events of a repository that were ignored for one reason."""

    count: int
    at: Instant
    """When the latest was received."""
    about: str | None
    """The environment or branch that the latest was ignored for, if it was for one."""


@define
class Sighting:
    """A repository, as this process has seen it since it started."""

    repository: str
    source: str
    """The door that the latest event came by."""
    type: str
    outcome: Outcome
    at: Instant
    """When the latest event was received."""
    types: dict[str, Instant] = Factory(dict)
    """All types seen, and when each came last; they come from fixed lists, so there are few."""
    passed: dict[str, Passed] = Factory(dict)
    """By reason, what was ignored; reasons come from fixed lists too."""


@define
class Sightings:
    """The repositories seen, at most `limit`. Nothing of this is state: a restart begins anew."""

    limit: int
    unwatched: int = 0
    """Events of repositories that are not watched."""
    _seen: dict[str, Sighting] = Factory(dict)

    def see(  # noqa: PLR0913 - what there is to note of an event, each named
        self,
        repository: str,
        *,
        source: str,
        type_: str,
        outcome: Outcome,
        at: Instant,
        about: str | None = None,
    ) -> str | None:
        """Note an event of a watched repository.

        Args:
            repository: `owner/name`.
            source: the door.
            type_: from the door's fixed list.
            outcome: what became of it.
            at: when it was received.
            about: the environment or branch that it was ignored for.

        Returns:
            The repository's name as it was first spelled here; None if there are too many to remember this one.
        """
        key = repository.lower()
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) >= self.limit:
                return None
            seen = self._seen[key] = Sighting(repository, source, type_, outcome, at)
        else:
            seen.source, seen.type, seen.outcome, seen.at = source, type_, outcome, at
        seen.types[type_] = at
        if outcome.status is Status.IGNORED and outcome.reason is not None:
            before = seen.passed.get(outcome.reason)
            seen.passed[outcome.reason] = Passed(1 if before is None else before.count + 1, at, about)
        return seen.repository

    def pass_by(self) -> None:
        """Note an event of a repository that is not watched."""
        self.unwatched += 1

    def of(self, repository: str) -> Sighting | None:
        """Return what was seen of a repository."""
        return self._seen.get(repository.lower())

    def all(self) -> tuple[Sighting, ...]:
        """Return what was seen of every repository."""
        return tuple(self._seen.values())
