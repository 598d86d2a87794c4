"""`s3://`, `gs://`, `az://`: a bucket, whose log is a line of numbered objects, created once and never changed.

`log/N` is the Nth segment: the entries of one append, or a *fence*, which a process writes at the first free number
when it takes the state over. Every write asks the store to create the object only if there is none. So of two writers
one gets the number and the other sees a segment that is not its own: the older one, behind a fence, for ever. There is
no clock and no lease in it, and two histories cannot be mixed, because there is one line.

`snapshot/N` is the state after segment N. It lets everything up to the snapshot *before* it be deleted (not up to
itself: a newcomer may be reading what is behind the one before), except fences: a process that was asleep since long
before has to find its next number taken, however old that is. A fence has some 150 bytes, one for each start.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING, NoReturn, Protocol

from attrs import frozen

from dora.adapters.journal.codec import Codec
from dora.adapters.journal.envelope import pack, seal, unpack, unseal
from dora.domain.instant import seconds
from dora.ports import Snapshot, StateDamaged, StateTaken, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from dora.domain.instant import Duration
    from dora.ports import Entry

PACE: Duration = 100_000
"""At most ten writes a second: a write costs money, and ten a second are some 25 million a month."""

_AHEAD = 16  # segments read at once in a replay
_TRIES = 100  # other processes' segments met while taking over; each of them means that somebody is writing this moment
_WIDTH = 20  # digits of a number in a key, so that keys sort like numbers


class Store(Protocol):
    """What a bucket has to do; `dora.adapters.journal.objects.Objects` says how."""

    async def create(self, key: str, body: bytes) -> bool:
        """Store the object if there is none of that key; return whether there was none."""
        ...

    async def read(self, key: str) -> bytes | None:
        """Return the object, None if there is none."""
        ...

    async def names(self, folder: str, *, after: str | None = None) -> list[str]:
        """Return the names in a folder, sorted, optionally only those behind one."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete the objects."""
        ...


@frozen
class _Segment:
    number: int
    entries: tuple[Entry, ...]
    sealed: bytes


class _Moved(Exception):
    """What was to be read is deleted, for another process has put a newer snapshot in its place."""


class Bucket:
    """A `Journal` in a bucket."""

    gathering: Duration = 0  # they gather during the pace
    poll: Duration | None = None

    def __init__(self, store: Store, *, place: str, pace: Duration = PACE, reader: bool = False) -> None:
        """Name the store; `reader` takes nothing over and cannot append."""
        self._store = store
        self._place = place
        self.pace: Duration = 0 if reader else pace
        self._reader = reader
        self._codec = Codec()
        self._writer = token_hex(8)
        self._turn = asyncio.Lock()
        self._snapshotting = asyncio.Lock()
        self._next = 1
        """Number of the segment to write next."""
        self._unread: list[int] = []
        self._ends: list[tuple[int, int]] = [(0, 0)]
        """Number and last position of the segments since the newest snapshot's, inclusive."""
        self._fences: list[int] = []
        self._pending: _Segment | None = None
        """A segment that was sent and of which it is unknown whether the store has it."""
        self._unseen: deque[Entry] = deque()
        """Entries that are in the log for certain and were not handed over yet."""
        self._position = 0
        self._wrote_at = float("-inf")
        self._refusal: StateTaken | StateDamaged | None = None

    @property
    def position(self) -> int:
        """Number of the last entry handed over."""
        return self._position

    async def open(self) -> Snapshot | None:
        """Read the newest snapshot, and put a fence behind the last segment."""
        self._refuse()
        for _ in range(_TRIES):
            with suppress(_Moved):
                return await self._take()
        raise Unavailable(f"{self._place}: another process keeps changing it")

    async def replay(self) -> AsyncIterator[Entry]:
        """Yield the entries behind the snapshot; segments are read ahead."""
        self._refuse()
        while self._unseen or self._unread:
            if not self._unseen:
                await self._fetch()
            while self._unseen:
                self._position += 1
                yield self._unseen.popleft()

    async def append(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Write one segment, after settling what became of an earlier one."""
        self._refuse()
        async with self._turn:
            while self._unread:
                await self._fetch()
            if self._pending is not None:
                self._unseen += await self._settle(self._pending)
            if entries:
                await self._wait()
                self._pending = self._sealed(tuple(entries))
                await self._settle(self._pending)
            unseen, self._unseen = self._unseen, deque()
            self._position += len(unseen) + len(entries)
        return tuple(unseen)

    async def snapshot(self, snapshot: Snapshot) -> None:
        """Write the snapshot, then delete what the one before it includes."""
        async with self._snapshotting:
            await self._keep(snapshot)

    async def claim(self, name: str, *, lease: Duration) -> bool:  # noqa: ARG002 - nobody else writes
        """Return True."""
        return True

    async def release(self, name: str) -> None:
        """Give nothing back."""

    async def close(self) -> None:
        """Release nothing: there is no lock, and what comes next takes over."""

    async def _take(self) -> Snapshot | None:
        snapshot, base = await self._newest()
        numbers = await self._numbers("log", after=_name(base))
        for expected, number in enumerate(numbers, start=base + 1):
            if number != expected:
                if (await self._newest())[1] != base:
                    raise _Moved
                raise StateDamaged(f"{self._place}/{_key('log', expected)}: missing, and later ones are there")
        if not self._reader:
            numbers = await self._fence(numbers, base)
        self._unread = numbers
        self._unseen.clear()
        self._position = snapshot.position if snapshot else 0
        return snapshot

    async def _newest(self) -> tuple[Snapshot | None, int]:
        numbers = await self._numbers("snapshot")
        if not numbers:
            self._ends, self._fences = [(0, 0)], []
            return None, 0
        number = numbers[-1]
        place = f"{self._place}/{_key('snapshot', number)}"
        packed = await self._store.read(_key("snapshot", number))
        if packed is None:
            raise _Moved
        snapshot, extra = unpack(packed, place=place)
        if extra["number"] != number:
            raise StateDamaged(f"{place}: holds the snapshot of segment {extra['number']}")
        self._ends, self._fences = [(number, extra["end"])], list(extra["fences"])
        return snapshot, number

    async def _fence(self, numbers: list[int], base: int) -> list[int]:
        number = base + len(numbers) + 1
        for _ in range(_TRIES):
            fence = seal("fence", {"number": number, "writer": self._writer}, b"")
            if await self._created(number, fence):
                if await self._store.create(_key("log", number), fence):
                    raise Unavailable(
                        f"{self._place}: the store does not enforce create-only writes (it overwrote an object); two "
                        "processes could write at once, so none does"
                    )
                # Whoever was asleep since it listed the log may have found a number free that is deleted already.
                if await self._is_covered(number):
                    raise _Moved
                self._next = number + 1
                return list(range(base + 1, number + 1))
            number += 1  # another process wrote at this moment: that is history now
        raise Unavailable(f"{self._place}: another process writes faster than this one can take over")

    async def _created(self, number: int, sealed: bytes) -> bool:
        key = _key("log", number)
        if await self._store.create(key, sealed):
            return True
        # Not created may mean: created by an earlier try whose answer was lost. What lies there tells.
        return await self._read(number) == sealed

    async def _read(self, number: int) -> bytes:
        key = _key("log", number)
        sealed = await self._store.read(key)
        if sealed is None:
            if await self._is_covered(number):
                raise _Moved
            raise Unavailable(f"{self._place}/{key}: said to be there, and is not")
        return sealed

    async def _is_covered(self, number: int) -> bool:
        return number <= max(await self._numbers("snapshot"), default=0)

    async def _fetch(self) -> None:
        numbers = self._unread[:_AHEAD]
        try:
            read = await asyncio.gather(*(self._read(number) for number in numbers))
        except _Moved:
            self._taken(numbers[0])
        for number, sealed in zip(numbers, read, strict=True):
            try:
                self._unseen += self._opened(number, sealed)
            except StateDamaged as error:
                self._refusal = error
                raise
            del self._unread[0]

    async def _numbers(self, folder: str, *, after: str | None = None) -> list[int]:
        return [int(name) for name in await self._store.names(folder, after=after) if name.isdecimal()]

    def _opened(self, number: int, sealed: bytes) -> list[Entry]:
        place = f"{self._place}/{_key('log', number)}"
        end = self._ends[-1][1]
        if b'"fence"' in sealed[:32]:
            head, _ = unseal(sealed, kind="fence", place=place)
            self._fences.append(number)
            bodies: list[bytes] = []
        else:
            head, body = unseal(sealed, kind="segment", place=place)
            bodies = body.split(b"\n")
            if head["first"] != end + 1:
                raise StateDamaged(f"{place}: begins with entry {head['first']}, expected was {end + 1}")
        if head["number"] != number:
            raise StateDamaged(f"{place}: holds segment {head['number']}")
        self._ends.append((number, end + len(bodies)))
        behind = bodies[max(0, self._position - end) :]  # a snapshot may end within a segment
        return [self._codec.decode(body, place=place) for body in behind]

    def _sealed(self, entries: tuple[Entry, ...]) -> _Segment:
        head = {"number": self._next, "writer": self._writer, "first": self._ends[-1][1] + 1}
        body = b"\n".join([self._codec.encode(entry) for entry in entries])
        return _Segment(number=self._next, entries=entries, sealed=seal("segment", head, body))

    async def _settle(self, segment: _Segment) -> tuple[Entry, ...]:
        self._wrote_at = asyncio.get_running_loop().time()
        try:
            created = await self._created(segment.number, segment.sealed)
        except _Moved:
            created = False
        if not created:
            self._taken(segment.number)
        self._pending = None
        self._next += 1
        self._ends.append((segment.number, self._ends[-1][1] + len(segment.entries)))
        return segment.entries

    async def _wait(self) -> None:
        rest = self._wrote_at + seconds(self.pace) - asyncio.get_running_loop().time()
        if rest > 0:
            await asyncio.sleep(rest)

    async def _keep(self, snapshot: Snapshot) -> None:
        self._refuse()
        index = bisect_right(self._ends, snapshot.position, key=lambda end: end[1]) - 1
        if index < 1:
            return
        number, end = self._ends[index]
        await self._still_ours()
        extra = {"number": number, "end": end, "fences": [fence for fence in self._fences if fence <= number]}
        packed = await asyncio.to_thread(pack, snapshot, extra)
        # If there is one of that number it came from here and its acknowledgement was lost: it is as good.
        await self._store.create(_key("snapshot", number), packed)
        before = self._ends[0][0]
        del self._ends[:index]
        with suppress(Unavailable):  # the snapshot is kept; what could not be deleted is, behind the next one
            await self._compact(before)

    async def _still_ours(self) -> None:
        async with self._turn:
            if self._pending is not None:
                raise Unavailable(f"{self._place}: it is unknown yet whether segment {self._next} is stored")
            if await self._store.read(_key("log", self._next)) is not None:
                self._taken(self._next)

    async def _compact(self, upto: int) -> None:
        kept = set(self._fences)
        stale = [_key("log", number) for number in await self._numbers("log") if number <= upto and number not in kept]
        stale += [_key("snapshot", number) for number in await self._numbers("snapshot") if number < upto]
        if stale:
            await self._store.delete(stale)

    def _taken(self, number: int) -> NoReturn:
        if self._reader:
            raise Unavailable(
                f"{self._place}: the process that writes it deleted segment {number} meanwhile; try again"
            )
        self._refusal = StateTaken(f"{self._place}: another process has taken this state over (segment {number})")
        raise self._refusal

    def _refuse(self) -> None:
        if self._refusal is not None:
            raise type(self._refusal)(*self._refusal.args)


def _name(number: int) -> str:
    return f"{number:0{_WIDTH}d}"


def _key(folder: str, number: int) -> str:
    return f"{folder}/{_name(number)}"
