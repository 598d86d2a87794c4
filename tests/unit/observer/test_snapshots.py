from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from attrs import Factory, define, evolve

from dora.domain.core import Core
from dora.domain.repository import RepositoryState
from dora.observer import Standing
from dora.observer.shell import BREATH
from dora.observer.snapshots import SNAPSHOT_AFTER, SNAPSHOT_AT_END, Writing
from dora.ports import Snapshot, StateDamaged, StateTaken, Unavailable
from dora.state import Codec
from tests.fakes.journal import FakeState
from tests.fakes.time import breathe
from tests.unit.observer.house import House, deployments, living, replayed, seen, success


@define(eq=False)
class Rows:
    """A sink's rows, of which nothing is to be told here."""

    dumped: list[object] = Factory(list)

    def slices(self) -> Iterator[object]:
        return iter([[]])

    def load(self, dumped: object, /) -> None:
        self.dumped.append(dumped)


def told(*numbers: int) -> Core:
    """Return a core that was told of deployments, each of a repository of its own."""
    core = Core()
    for number in numbers:
        core.apply(success(number, repository=f"acme/{number}"))
    return core


def whole(writing: Writing) -> Snapshot:
    while True:
        snapshot = writing.advance()
        if snapshot is not None:
            return snapshot


def loaded(snapshot: Snapshot) -> Core:
    core = Core()
    for _ in Codec(Rows()).load(core, snapshot):
        pass
    return core


def test_a_snapshot_is_the_state_of_the_instant_at_which_it_began() -> None:
    core = told(1, 2, 3)
    writing = Writing.begin(Codec(Rows()), core, position=3)
    for name in ("acme/2", "acme/4", "acme/2"):
        fact = evolve(success(9), repository=seen(name).repository)
        writing.before_change(core.find(fact.repository))
        core.apply(fact)
    snapshot = whole(writing)
    assert snapshot.position == 3
    assert loaded(snapshot) == told(1, 2, 3)


def test_a_snapshot_of_nothing_is_whole() -> None:
    assert loaded(whole(Writing.begin(Codec(Rows()), Core(), position=0))) == Core()


@define(eq=False)
class SlowCodec:
    """Writes a state in so many parts that it takes long."""

    parts: int = 5
    version: int = 1

    def dump_index(self, core: Core) -> bytes:
        return b"%d" % len(core.repositories)

    def dump_repository(self, state: RepositoryState) -> bytes:
        return state.name.encode()

    def dump_sink(self) -> Iterator[bytes]:
        yield from (b"row",) * self.parts

    def load(self, core: Core, snapshot: Snapshot) -> Iterator[None]:
        del snapshot
        for part in range(self.parts):
            core.apply(seen(f"acme/{part}"))
            yield


async def test_a_snapshot_begins_after_so_many_facts_and_shortens_the_next_start() -> None:
    state = FakeState()
    state.add(*(seen(f"acme/{number % 100}") for number in range(SNAPSHOT_AFTER - 1)))
    async with living(House(state, codec=Codec(Rows()))) as house:
        await asyncio.sleep(1)
        assert state.kept is None
        await house.tell(success(1))
        await asyncio.sleep(1)
        assert state.kept is not None
        assert state.kept.position == 2
        await house.tell(success(2))
    async with living(House(state, codec=Codec(Rows()))) as again:
        assert again.observer.core == house.observer.core
        assert deployments(again.sink.observations) == ["2"]


async def test_how_many_facts_make_a_snapshot_can_be_told() -> None:
    house = House(codec=Codec(Rows()))
    house.observer.snapshot_after = 2
    async with living(house):
        await house.tell(success(1))
        await asyncio.sleep(1)
        assert house.state.kept is None
        await house.tell(success(2))
        await asyncio.sleep(1)
        assert house.state.kept is not None


async def test_a_snapshot_is_written_while_facts_go_on_coming_in() -> None:
    async with living(House(codec=Codec(Rows()))) as house:
        await house.tell(*(success(number, repository=f"acme/{number}") for number in range(500)))
        before = house.journal.position
        await house.observer.begin_snapshot()
        sent = [house.send(success(1000 + number, repository=f"acme/{number}")) for number in range(500)]
        await asyncio.gather(*sent)
        await breathe()
        await asyncio.sleep(1)
        assert house.state.kept is not None
        assert house.state.kept.position >= before
    async with living(House(house.state, codec=Codec(Rows()))) as again:
        assert again.observer.core == house.observer.core


async def test_others_entries_are_counted_in_time_while_a_snapshot_is_written() -> None:
    async with living(House(codec=SlowCodec(parts=100), poll=250_000)) as house:
        await house.observer.begin_snapshot()
        house.state.add(success(1))
        await asyncio.sleep(0.3)
        assert deployments(house.sink.observations) == ["1"]


async def test_without_a_codec_there_is_no_snapshot() -> None:
    async with living(House()) as house:
        await house.observer.begin_snapshot()
        await asyncio.sleep(1)
        assert house.journal.claimed == []
        assert house.state.kept is None


async def test_of_several_processes_one_writes_the_snapshot() -> None:
    state = FakeState()
    async with living(House(state, codec=SlowCodec())) as one, living(House(state, codec=SlowCodec())) as two:
        await one.tell(seen())
        await one.observer.begin_snapshot()
        await two.tell(success(1))
        await two.observer.begin_snapshot()
        await asyncio.sleep(1)
        assert state.kept is not None
        assert state.kept.position == 1
        assert (one.journal.claimed, two.journal.claimed) == (["snapshot"], [])


async def test_when_nobody_can_tell_who_writes_the_snapshot_it_is_not_written() -> None:
    async with living(House(codec=SlowCodec())) as house:
        house.journal.broken = Unavailable("nobody is there")
        await house.observer.begin_snapshot()
        await asyncio.sleep(1)
        assert house.state.kept is None
        assert house.observer.ready


async def test_a_snapshot_that_cannot_be_kept_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with living(House(codec=SlowCodec())) as house:
        await house.observer.begin_snapshot()
        house.state.is_full = True
        await asyncio.sleep(1)
        assert [record.message for record in caplog.records] == ["snapshot not kept, the earlier one stands"]
        assert house.observer.ready
        house.state.is_full = False
        await house.observer.begin_snapshot()
        await asyncio.sleep(1)
        assert house.state.kept is not None


async def test_a_state_that_a_snapshot_finds_taken_is_lost_with_the_next_write() -> None:
    async with living(House(codec=SlowCodec())) as house:
        await house.observer.begin_snapshot()
        house.journal.lost = StateTaken("by another process")
        await asyncio.sleep(1)
        with pytest.raises(Unavailable):
            await house.tell(success(1))
        assert house.observer.standing is Standing.LOST
        assert house.running is not None
        with pytest.raises(StateTaken):
            await house.running
        house.running = None


async def test_a_start_from_a_snapshot_goes_on_with_what_came_after() -> None:
    state = FakeState()
    state.add(seen())
    state.kept = Snapshot(position=1, version=1, parts=())
    state.add(success(1))
    async with living(House(state, codec=SlowCodec(parts=3))) as house:
        assert len(house.observer.core.repositories) == 4
        assert deployments(house.sink.observations) == ["1"]


async def test_a_snapshot_that_nobody_can_read_refuses_the_start() -> None:
    house = House(FakeState(kept=Snapshot(position=1, version=1, parts=()), last=1))
    with pytest.raises(StateDamaged):
        await house.observer.start()
    assert not house.observer.ready


# The end


def worth_a_snapshot() -> FakeState:
    state = FakeState()
    state.add(*(seen(f"acme/{number % 10}") for number in range(SNAPSHOT_AT_END)))
    return state


async def test_at_the_end_a_snapshot_shortens_the_next_start() -> None:
    house = House(worth_a_snapshot(), codec=Codec(Rows()))
    async with living(house):
        await house.tell(success(1))
        await house.observer.drain()
    await house.observer.close()
    assert house.journal.is_closed
    assert house.state.kept is not None
    async with living(House(house.state, codec=Codec(Rows()))) as again:
        assert again.observer.core == house.observer.core
        assert again.sink.calls == []


async def test_at_the_end_little_is_not_worth_a_snapshot() -> None:
    house = House(codec=SlowCodec())
    async with living(house):
        await house.tell(success(1))
        await house.observer.drain()
    await house.observer.close()
    assert house.state.kept is None
    assert house.journal.is_closed


async def test_at_the_end_a_snapshot_that_cannot_be_written_is_done_without() -> None:
    house = House(worth_a_snapshot(), codec=SlowCodec())
    async with living(house):
        await house.observer.drain()
    house.journal.broken = Unavailable("cut off")
    await house.observer.close()
    assert house.state.kept is None
    assert house.journal.is_closed


async def test_a_state_left_half_applied_is_never_made_a_snapshot() -> None:
    class BrokenSink:
        def record(self, observations: object, *, at: int) -> None:
            raise RuntimeError(observations, at)

    house = House(worth_a_snapshot(), codec=SlowCodec())
    async with living(house):
        house.observer.sink = BrokenSink()
        with pytest.raises(Unavailable):
            await house.tell(success(1), success(2))
        assert house.running is not None
        with pytest.raises(ExceptionGroup):
            await house.running
        house.running = None
        await house.observer.drain()
    await house.observer.close()
    assert house.state.kept is None


async def test_a_start_that_was_not_finished_is_never_made_a_snapshot() -> None:
    house = House(worth_a_snapshot(), codec=SlowCodec())
    house.state.add(success(1))
    starting = asyncio.ensure_future(house.observer.start())
    await asyncio.sleep(0)
    await house.observer.drain()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await house.observer.close()
    assert house.state.kept is None


async def test_a_start_that_is_cancelled_leaves_no_entry_half_applied() -> None:
    house = House()
    for number in range(BREATH):
        house.state.add(success(2 * number), success(2 * number + 1))
    house.state.add(success(2 * BREATH), success(2 * BREATH + 1), success(2 * BREATH + 2))
    starting = asyncio.ensure_future(house.observer.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert 0 < house.journal.position < house.state.last
    applied = [fact for number in range(1, house.journal.position + 1) for fact in house.state.entries[number]]
    assert house.sink.observations == replayed(applied)
