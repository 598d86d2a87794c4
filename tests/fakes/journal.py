"""A journal in memory that several processes may share, and that can be full, slow, cut off or taken over.

It passes the contract suite of `dora.ports.Journal`. Beyond that it can hold its caller to the caller's duties: one
append at a time, and after `Unavailable` nothing new before everything old was fetched.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from attrs import Factory, define, evolve

from dora.domain.facts import Fact
from dora.domain.instant import Duration, seconds
from dora.ports import Entry, Snapshot, StateDamaged, StateTaken, Unavailable


@define(eq=False)
class FakeState:
    """What the processes that share a log have in common; lives as long as the test."""

    entries: dict[int, Entry] = Factory(dict)
    """By number; those that a snapshot includes are deleted."""
    last: int = 0
    kept: Snapshot | None = None
    claims: dict[str, tuple[FakeJournal, float]] = Factory(dict)
    """Name -> who holds it, and until when by the loop's clock."""
    is_full: bool = False
    is_damaged: bool = False

    def journal(self, *, poll: Duration | None = None, gathering: Duration = 0, strict: bool = False) -> FakeJournal:
        return FakeJournal(self, poll=poll, gathering=gathering, strict=strict)

    def crashed(self) -> FakeState:
        return evolve(self, entries=dict(self.entries), claims=dict(self.claims))

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        self.is_full = True
        try:
            yield
        finally:
            self.is_full = False

    async def damage(self) -> None:
        self.is_damaged = True

    async def size(self) -> int:
        return len(self.entries)

    def add(self, *facts: Fact) -> None:
        """Keep an entry, as another process would."""
        self.last += 1
        self.entries[self.last] = facts

    def facts(self) -> list[Fact]:
        """Return every fact that is kept, in order."""
        return [fact for entry in self.entries.values() for fact in entry]


@define(eq=False)
class FakeJournal:
    """One process' way to the log."""

    state: FakeState
    poll: Duration | None = None
    strict: bool = False
    """Hold the caller to its duties."""
    pace: Duration = 0
    gathering: Duration = 0
    position: int = 0
    asked: list[tuple[Entry, ...]] = Factory(list)
    """What every append offered, also those that failed."""
    asked_at: list[float] = Factory(list)
    """When, by the loop's clock."""
    writes: asyncio.Event = Factory(asyncio.Event)
    """Appends wait for it before they write: clear it, and the journal hangs."""
    answers: asyncio.Event = Factory(asyncio.Event)
    """Appends wait for it after they have written."""
    lost_answers: int = 0
    """So many next appends write, and raise `Unavailable` all the same."""
    broken: Unavailable | None = None
    """Appends, claims and snapshots raise it."""
    lost: StateTaken | StateDamaged | None = None
    """Every call raises it."""
    breaks_replay_after: int | None = None
    """A replay raises `Unavailable` after so many entries, once."""
    can_open: bool = True
    is_closed: bool = False
    claimed: list[str] = Factory(list)
    _appending: bool = False
    _must_ask: bool = False

    def __attrs_post_init__(self) -> None:
        self.writes.set()
        self.answers.set()

    async def open(self) -> Snapshot | None:
        self._refuse()
        if not self.can_open:
            raise Unavailable("nobody is there")
        self.position = self.state.kept.position if self.state.kept else 0
        return self.state.kept

    async def replay(self) -> AsyncIterator[Entry]:
        self._read()
        given = 0
        while self.position < self.state.last:
            if given == self.breaks_replay_after:
                self.breaks_replay_after, self._must_ask = None, True
                raise Unavailable("cut off")
            given += 1
            self.position += 1
            yield self.state.entries[self.position]

    async def append(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        if self.strict:
            assert not self._appending, "one append at a time"
            assert not (entries and self._must_ask), "after Unavailable the caller asks, before it offers entries again"
        self.asked.append(tuple(entries))
        self.asked_at.append(asyncio.get_running_loop().time())
        self._appending = True
        try:
            found = await self._append(entries)
        except Unavailable:
            self._must_ask = True
            raise
        finally:
            self._appending = False
        self._must_ask = self._must_ask and bool(found)
        return found

    async def _append(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        await self.writes.wait()
        self._refuse()
        self._read()
        if self.broken is not None or self.state.is_full:
            raise self.broken or Unavailable("no space left")
        found = tuple(self.state.entries[number] for number in range(self.position + 1, self.state.last + 1))
        for entry in entries:
            self.state.add(*entry)
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unavailable("the answer was lost")
        await self.answers.wait()
        self.position += len(found) + len(entries)
        return found

    async def snapshot(self, snapshot: Snapshot) -> None:
        self._refuse()
        if self.broken is not None or self.state.is_full:
            raise self.broken or Unavailable("no space left")
        if self.state.kept is None or self.state.kept.position < snapshot.position:
            self.state.kept = snapshot
            for number in [number for number in self.state.entries if number <= snapshot.position]:
                del self.state.entries[number]

    async def claim(self, name: str, *, lease: Duration) -> bool:
        self._refuse()
        if self.broken is not None:
            raise self.broken
        now = asyncio.get_running_loop().time()
        holder, until = self.state.claims.get(name, (self, now))
        if holder is not self and now < until:
            return False
        self.state.claims[name] = (self, now + seconds(lease))
        self.claimed.append(name)
        return True

    async def release(self, name: str) -> None:
        if name in self.state.claims and self.state.claims[name][0] is self:
            del self.state.claims[name]

    async def close(self) -> None:
        self.is_closed = True

    def _refuse(self) -> None:
        if self.lost is not None:
            raise self.lost

    def _read(self) -> None:
        if self.state.is_damaged:
            self.lost = StateDamaged(f"entry {self.state.last} is not what was written")
        self._refuse()
