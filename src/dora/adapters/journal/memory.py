"""`memory:` keeps nothing: counters live as long as the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from dora.domain.instant import Duration
    from dora.ports import Entry, Snapshot


class Memory:
    """A `Journal` that promises no more than the process' own life: nothing is ever replayed."""

    pace: Duration = 0
    gathering: Duration = 0
    poll: Duration | None = None

    def __init__(self) -> None:
        self._position = 0

    @property
    def position(self) -> int:
        """How many entries were appended."""
        return self._position

    async def open(self) -> Snapshot | None:
        """Return None: there is never anything from before."""
        return None

    async def replay(self) -> AsyncIterator[Entry]:
        """Yield nothing."""
        return
        yield ()

    async def append(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Count the entries."""
        self._position += len(entries)
        return ()

    async def snapshot(self, snapshot: Snapshot) -> None:
        """Keep nothing."""

    async def claim(self, name: str, *, lease: Duration) -> bool:  # noqa: ARG002 - nobody else is there
        """Return True."""
        return True

    async def release(self, name: str) -> None:
        """Give nothing back."""

    async def close(self) -> None:
        """Release nothing."""
