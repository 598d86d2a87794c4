"""What the page for people knows: per repository, what it sent last and which kinds of events it has sent at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import Factory, define, frozen

if TYPE_CHECKING:
    from dora.domain.instant import Instant
    from dora.domain.outcome import Outcome


@frozen
class Sighting:
    """A repository, as this process has seen it since it started."""

    repository: str
    source: str
    type: str
    outcome: Outcome
    at: Instant
    """When it was received."""
    kinds: frozenset[str]
    """All types seen; they come from fixed lists, so there are few."""


@define
class Sightings:
    """The repositories seen, at most `limit`. Nothing of this is state: a restart begins anew."""

    limit: int
    _seen: dict[str, Sighting] = Factory(dict)

    def see(self, repository: str, *, source: str, type_: str, outcome: Outcome, at: Instant) -> str | None:
        """Note an event of a watched repository.

        Returns:
            The repository's name as it was first spelled here; None if there are too many to remember this one.
        """
        key = repository.lower()
        before = self._seen.get(key)
        if before is None:
            if len(self._seen) >= self.limit:
                return None
            self._seen[key] = Sighting(repository, source, type_, outcome, at, frozenset({type_}))
            return repository
        kinds = before.kinds if type_ in before.kinds else before.kinds | {type_}
        self._seen[key] = Sighting(before.repository, source, type_, outcome, at, kinds)
        return before.repository

    def newest_first(self) -> tuple[Sighting, ...]:
        """Return what was seen, the repository that sent last first."""
        return tuple(sorted(self._seen.values(), key=lambda sighting: (-sighting.at, sighting.repository)))
