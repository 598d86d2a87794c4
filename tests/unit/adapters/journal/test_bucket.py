"""The bucket's line of numbered objects, over a store whose requests fail, are answered late, or land late."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from enum import Enum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dora.adapters.journal.bucket import Bucket, Store
from dora.domain.facts import Repository, RepositorySeen
from dora.ports import Entry, Snapshot, StateDamaged, StateTaken, Unavailable


class Fate(Enum):
    """What becomes of a request that writes."""

    DONE = "done"
    REFUSED = "refused, not done"
    UNANSWERED = "done, and the answer was lost"
    LATE = "not answered, and done some requests later"


class Objects:
    """A store in memory that treats each write as its plan says."""

    def __init__(self, plan: Sequence[Fate] = ()) -> None:
        self.plan = deque(plan)
        self.held: dict[str, bytes] = {}
        self.late: deque[tuple[str, bytes]] = deque()
        self.requests: list[str] = []
        self.create_only = True

    def land(self) -> None:
        """Do the oldest of what is late."""
        if self.late:
            self.held.setdefault(*self.late.popleft())

    async def create(self, key: str, body: bytes) -> bool:
        self.requests.append(f"create {key}")
        fate = self.plan.popleft() if self.plan else Fate.DONE
        if fate is Fate.REFUSED:
            raise Unavailable("refused")
        if fate is Fate.LATE:
            self.late.append((key, body))
            raise Unavailable("no answer")
        there = key in self.held
        if not there or not self.create_only:
            self.held[key] = body
        if fate is Fate.UNANSWERED:
            raise Unavailable("no answer")
        return not there or not self.create_only

    async def read(self, key: str) -> bytes | None:
        self.requests.append(f"read {key}")
        return self.held.get(key)

    async def names(self, folder: str, *, after: str | None = None) -> list[str]:
        self.requests.append(f"names {folder}")
        names = sorted(key.partition("/")[2] for key in self.held if key.startswith(f"{folder}/"))
        return [name for name in names if after is None or name > after]

    async def delete(self, keys: Sequence[str]) -> None:
        self.requests.append("delete")
        for key in keys:
            self.held.pop(key, None)

    def numbers(self, folder: str = "log") -> list[int]:
        """Return the numbers of what is there."""
        return sorted(int(key.partition("/")[2]) for key in self.held if key.startswith(f"{folder}/"))


def entry(number: int) -> Entry:
    return (RepositorySeen(repository=Repository("octo/api"), received_at=number),)


class Process:
    """A process that uses a journal as its port asks for, and remembers what it has applied."""

    def __init__(self, objects: Store) -> None:
        self.journal = Bucket(objects, place="bucket", pace=0)
        self.applied: list[int] = []
        self.acknowledged: list[int] = []
        self.ailing = False

    async def open(self) -> None:
        snapshot = await self.journal.open()
        self.applied = json.loads(next(iter(snapshot.parts))) if snapshot else []
        async for replayed in self.journal.replay():
            self._apply(replayed)

    async def append(self, *numbers: int) -> None:
        """Append unless the journal has failed before: then ask until it works."""
        sent = [entry(number) for number in numbers]
        try:
            if self.ailing:
                unseen = await self.journal.append(())
                for other in unseen:
                    self._apply(other)
                self.ailing = bool(unseen)
                return
            for other in [*await self.journal.append(sent), *sent]:
                self._apply(other)
            self.acknowledged += numbers
        except Unavailable:
            self.ailing = True

    async def snapshot(self) -> None:
        state = json.dumps(self.applied).encode()
        await self.journal.snapshot(Snapshot(position=self.journal.position, version=1, parts=(state,)))

    def _apply(self, one: Entry) -> None:
        self.applied += [fact.received_at for fact in one]


STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["append", "append", "append", "snapshot", "open", "land"])),
    max_size=40,
)
PLANS = st.lists(st.sampled_from([Fate.DONE, Fate.DONE, *Fate]), max_size=40)


@settings(max_examples=120, deadline=None)
@given(steps=STEPS, plan=PLANS)
def test_there_is_one_history_whoever_writes_and_whatever_gets_lost(
    steps: list[tuple[int, str]], plan: list[Fate]
) -> None:
    asyncio.run(one_history(steps, plan))


async def one_history(steps: list[tuple[int, str]], plan: list[Fate]) -> None:
    objects = Objects(plan)
    processes: list[Process] = []
    for number, (who, what) in enumerate(steps, start=1):
        if what == "land":
            objects.land()
        elif what == "open" or not processes:
            process = Process(objects)
            try:
                await process.open()
            except Unavailable:
                continue
            processes.append(process)
        else:
            process = processes[who % len(processes)]
            try:
                await (process.append(2 * number, 2 * number + 1) if what == "append" else process.snapshot())
            except (StateTaken, Unavailable):
                continue
    objects.plan.clear()
    for _ in range(2):
        last = Process(objects)
        await last.open()
        for process in [*processes, last]:
            assert process.applied == last.applied[: len(process.applied)]
            assert set(process.acknowledged) <= set(last.applied)
        assert last.journal.position == len(last.applied)
        while objects.late:
            objects.land()
        processes.append(last)


async def test_a_process_that_was_asleep_through_takeovers_and_snapshots_still_finds_its_number_taken() -> None:
    objects = Objects()
    asleep = Process(objects)
    await asleep.open()
    await asleep.append(1)
    newer = Process(objects)
    await newer.open()
    for number in range(2, 20):
        await newer.append(number)
        await newer.snapshot()
    with pytest.raises(StateTaken, match="segment 3"):
        await asleep.append(99)
    with pytest.raises(StateTaken):
        await asleep.snapshot()
    # The two fences, the segment between the last two snapshots, and the newest: nothing else is left.
    assert objects.numbers()[:2] == [1, 3]
    assert len(objects.numbers()) <= 4
    assert len(objects.numbers("snapshot")) == 2


class Stopped:
    """A way to the objects on which the first write waits until it is told to go on."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.met, self.goes_on = asyncio.Event(), asyncio.Event()

    async def create(self, key: str, body: bytes) -> bool:
        self.met.set()
        await self.goes_on.wait()
        return await self.objects.create(key, body)

    async def read(self, key: str) -> bytes | None:
        return await self.objects.read(key)

    async def names(self, folder: str, *, after: str | None = None) -> list[str]:
        return await self.objects.names(folder, after=after)

    async def delete(self, keys: Sequence[str]) -> None:
        await self.objects.delete(keys)


@pytest.mark.parametrize("behind_a_snapshot", [False, True])
async def test_who_fell_asleep_while_taking_over_does_not_do_so_where_everything_is_deleted_already(
    *, behind_a_snapshot: bool
) -> None:
    objects = Objects()
    awake = Process(objects)
    await awake.open()
    await awake.append(1)
    if behind_a_snapshot:
        await awake.snapshot()
    way = Stopped(objects)
    sleeper = Process(way)
    opening = asyncio.create_task(sleeper.open())
    await way.met.wait()
    for number in range(2, 20):
        await awake.append(number)
        await awake.snapshot()
    way.goes_on.set()
    await opening
    with pytest.raises(StateTaken):
        await awake.append(99)
    await sleeper.append(20)
    last = Process(objects)
    await last.open()
    assert last.applied == sleeper.applied == list(range(1, 21))


async def test_who_reads_what_is_deleted_meanwhile_is_told_that_others_went_on() -> None:
    objects = Objects()
    slow = Process(objects)
    await slow.open()
    for number in range(3):
        await slow.append(number)
    slow = Process(objects)
    assert await slow.journal.open() is None
    newer = Process(objects)
    await newer.open()
    for number in range(3, 6):
        await newer.append(number)
        await newer.snapshot()
    for _ in range(2):
        with pytest.raises(StateTaken, match="another process has taken this state over"):
            await anext(slow.journal.replay())
    with pytest.raises(StateTaken):
        await slow.append(99)


async def test_a_reader_of_what_is_deleted_meanwhile_is_told_to_try_again() -> None:
    objects = await filled()
    reader = Bucket(objects, place="bucket", reader=True)
    await reader.open()
    writer = Process(objects)
    await writer.open()
    for number in (5, 6):
        await writer.append(number)
        await writer.snapshot()
    with pytest.raises(Unavailable, match="try again"):
        await anext(reader.replay())
    assert await everything(reader) == []


async def test_a_segment_that_is_gone_and_in_no_snapshot_is_not_taken_for_a_takeover() -> None:
    objects = await filled()
    process = Process(objects)
    await process.journal.open()
    del objects.held["log/00000000000000000004"]
    with pytest.raises(Unavailable, match="log/00000000000000000004: said to be there, and is not"):
        await anext(process.journal.replay())


async def test_nothing_is_asked_of_the_store_when_there_is_nothing_to_keep() -> None:
    objects = Objects()
    process = Process(objects)
    await process.open()
    await process.append(1)
    objects.requests.clear()
    for _ in range(10):
        assert await process.journal.append(()) == ()
    assert objects.requests == []


async def test_entries_given_together_are_one_write() -> None:
    objects = Objects()
    process = Process(objects)
    await process.open()
    objects.requests.clear()
    await process.append(*range(100))
    assert objects.requests == ["create log/00000000000000000002"]


async def test_writes_keep_their_distance() -> None:
    objects = Objects()
    journal = Bucket(objects, place="bucket", pace=30_000)
    await journal.open()
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in range(4):
        await journal.append([entry(number)])
    assert clock() - began >= 0.03 * 3


async def test_a_store_that_overwrites_is_refused() -> None:
    objects = Objects()
    objects.create_only = False
    with pytest.raises(Unavailable, match="does not enforce create-only writes"):
        await Bucket(objects, place="bucket").open()


async def filled() -> Objects:
    objects = Objects()
    process = Process(objects)
    await process.open()
    for number in range(5):
        await process.append(number)
    return objects


async def test_a_missing_segment_is_refused_by_its_name() -> None:
    objects = await filled()
    del objects.held["log/00000000000000000004"]
    with pytest.raises(StateDamaged, match="bucket/log/00000000000000000004: missing"):
        await Process(objects).open()


async def test_a_missing_snapshot_is_refused_by_the_hole_it_leaves() -> None:
    objects = Objects()
    process = Process(objects)
    await process.open()
    for number in range(5):
        await process.append(number)
        await process.snapshot()
    for number in objects.numbers("snapshot"):
        del objects.held[f"snapshot/{number:020d}"]
    with pytest.raises(StateDamaged, match="missing"):
        await Process(objects).open()


@pytest.mark.parametrize("copied", ["log/00000000000000000003", "log/00000000000000000001"])
async def test_a_segment_at_the_wrong_number_is_refused(copied: str) -> None:
    objects = await filled()
    objects.held["log/00000000000000000004"] = objects.held[copied]
    with pytest.raises(StateDamaged, match=r"log/00000000000000000004: (begins with entry|holds segment)"):
        await Process(objects).open()


async def test_a_flipped_byte_in_any_part_of_an_object_is_refused() -> None:
    objects = await filled()
    process = Process(objects)
    await process.open()
    await process.append(9)
    await process.snapshot()
    await process.append(10)
    newest = objects.numbers()[-1]
    for key in (f"snapshot/{objects.numbers('snapshot')[-1]:020d}", f"log/{newest:020d}"):
        sound = objects.held[key]
        for place in range(0, len(sound), 13):
            objects.held[key] = sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :]
            reader = Bucket(objects, place="bucket", reader=True)
            with pytest.raises(StateDamaged, match=key):
                await everything(reader)
        objects.held[key] = sound


async def everything(journal: Bucket) -> list[Entry]:
    await journal.open()
    return [kept async for kept in journal.replay()]


async def test_a_reader_takes_nothing_over() -> None:
    objects = await filled()
    before = dict(objects.held)
    reader = Bucket(objects, place="bucket", reader=True)
    assert await everything(reader) == [entry(number) for number in range(5)]
    assert objects.held == before
