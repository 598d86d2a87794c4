"""Writing the whole state without stopping the service.

A snapshot is of one instant: what belongs to no repository, and the sink's rows, are taken at once; repositories are
written one by one between batches, and one that is about to change is written just before it does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol

from attrs import define

from dora.domain.core import Core
from dora.domain.repository import RepositoryState
from dora.ports import Snapshot

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
