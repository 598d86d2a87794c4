"""A metric sink that remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import Factory, define

from dora.domain.instant import Instant
from dora.domain.observations import Observation


@define(eq=False)
class RecordingSink:
    """Keeps every call, in order."""

    calls: list[tuple[Instant, tuple[Observation, ...]]] = Factory(list)

    def record(self, observations: Iterable[Observation], *, at: Instant) -> None:
        self.calls.append((at, tuple(observations)))

    @property
    def observations(self) -> list[Observation]:
        """Every observation, in order."""
        return [observation for _, observations in self.calls for observation in observations]
