"""When the whole state is written, and how without stopping the service.

A snapshot is of one instant: what belongs to no repository, and the sink's rows, are taken at once; repositories are
written one by one between batches, and one that is about to change is written just before it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Protocol

from attrs import define

from dora.domain.core import Core
from dora.domain.facts import Fact
from dora.domain.repository import RepositoryState
from dora.observer.inquiry import LEASE
from dora.ports import Journal, Snapshot, StateDamaged, StateTaken, Unavailable

log = logging.getLogger(__name__)

SNAPSHOT_AFTER = 50_000
"""Facts after which a snapshot is written, unless told otherwise: replaying as many takes about two seconds."""

SNAPSHOT_AT_END = 1_000
"""Facts after which a snapshot is worth writing when the service ends."""

SLICE = 0.005
"""Seconds that writing may hold the event loop before others get a turn."""


class StateCodec(Protocol):
    """Writes and reads the state of the core and of the sink."""

    @property
    def version(self) -> int:
        """Version of the written form."""
        ...

    def dump_index(self, core: Core) -> bytes:
        """Return what belongs to no repository."""
        ...

    def dump_repository(self, state: RepositoryState) -> bytes:
        """Return one repository's part."""
        ...

    def dump_sink(self) -> Iterator[bytes]:
        """Return the sink's parts as it is now, written when they are asked for."""
        ...

    def load(self, core: Core, snapshot: Snapshot) -> Iterator[None]:
        """Fill an empty core and sink; yields now and then, so that others get a turn.

        Raises:
            StateDamaged: the snapshot is not of this version, or not whole.
        """
        ...


@define
class Writing:
    """A snapshot that is being written."""

    codec: StateCodec
    position: int
    _index: bytes
    _sink: Iterator[bytes]
    _left: dict[int, tuple[int, RepositoryState]]
    """Identity of a repository not written yet -> its place, itself."""
    _parts: list[bytes]
    _tail: list[bytes]

    @classmethod
    def begin(cls, codec: StateCodec, core: Core, *, position: int) -> Writing:
        """Begin a snapshot of the state as it is now."""
        return cls(
            codec=codec,
            position=position,
            index=codec.dump_index(core),
            sink=codec.dump_sink(),
            left={id(state): (place, state) for place, state in enumerate(core.repositories)},
            parts=[b""] * len(core.repositories),
            tail=[],
        )

    def before_change(self, state: RepositoryState | None) -> None:
        """Write a repository that is about to change, unless it is written."""
        left = self._left.pop(id(state), None)
        if left is not None:
            place, kept = left
            self._parts[place] = self.codec.dump_repository(kept)

    def advance(self) -> Snapshot | None:
        """Write for a moment. Returns the snapshot when it is whole."""
        until = time.perf_counter() + SLICE
        while time.perf_counter() < until:
            if self._left:
                self.before_change(next(iter(self._left.values()))[1])
                continue
            part = next(self._sink, None)
            if part is None:
                parts = (self._index, *self._parts, *self._tail)
                return Snapshot(position=self.position, version=self.codec.version, parts=parts)
            self._tail.append(part)
        return None


@define(eq=False)
class Snapshots:
    """The snapshots of one observer's state, one at a time."""

    core: Core
    journal: Journal
    codec: StateCodec | None
    """None: there are no snapshots."""
    facts: int = 0
    """Applied since the newest snapshot began."""
    writing: Writing | None = None
    """The snapshot that is being written."""
    keeping: asyncio.Task[None] | None = None
    """Hands the one that is whole to the journal."""

    def before(self, fact: Fact) -> None:
        """Write what a fact is about to change, if a snapshot of it is being written, and count the fact."""
        if self.writing is not None:
            self.writing.before_change(self.core.find(fact.repository))
        self.facts += 1

    def is_due(self, after: int) -> bool:
        """Return whether so many facts have been applied, and no snapshot is on its way."""
        return self.facts >= after and self.writing is None and self.keeping is None

    async def begin(self) -> bool:
        """Begin to write the state as it is now, unless the journal keeps none or another process does it.

        Returns:
            Whether there is something to go on with.
        """
        if self.codec is None:
            return False
        self.facts = 0
        with contextlib.suppress(Unavailable):
            if await self.journal.claim("snapshot", lease=LEASE):
                self.writing = Writing.begin(self.codec, self.core, position=self.journal.position)
                return True
        return False

    async def go_on(self, writing: Writing, tasks: asyncio.TaskGroup) -> None:
        """Write for a moment; what is whole then is kept by a task of its own."""
        snapshot = writing.advance()
        if snapshot is not None:
            self.writing = None
            self.keeping = tasks.create_task(self._keep(snapshot))
        await asyncio.sleep(0)

    async def write_last(self, after: int) -> None:
        """Shorten the next start, if enough has come since the newest snapshot and nobody writes any more."""
        # Not after a long replay either: a snapshot is due at the next start then, and this one would hold up the end.
        if not SNAPSHOT_AT_END <= self.facts < after:
            return
        await self.begin()
        snapshot = None
        while self.writing is not None and snapshot is None:
            snapshot = self.writing.advance()
        self.writing = None
        if snapshot is not None:
            await self._keep(snapshot)

    async def _keep(self, snapshot: Snapshot) -> None:
        try:
            await self.journal.snapshot(snapshot)
            log.info("snapshot kept", extra={"position": snapshot.position, "bytes": sum(map(len, snapshot.parts))})
        except Unavailable as unavailable:
            log.warning("snapshot not kept, the earlier one stands", extra={"reason": str(unavailable)})
        except (StateTaken, StateDamaged) as lost:
            # The next append says the same, and there it is handled.
            log.error("snapshot not kept", extra={"reason": str(lost)})  # noqa: TRY400 - the reason is enough
        finally:
            self.keeping = None
