from __future__ import annotations

import asyncio
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dora.domain.outcome import Outcome
from dora.observer.inbox import BATCH, CAPACITY, QUIET
from dora.ports import Unavailable
from tests.fakes.time import VirtualLoop, breathe
from tests.unit.observer.house import House, deployments, living, seen, success, writing_held

GATHERING = 5_000


async def turn(times: int = 1) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def one_behind_the_other(
    house: House, count: int, *, turns: int, busy: float = 0
) -> list[asyncio.Task[tuple[Outcome, ...]]]:
    """Send deployments, so many turns of the loop between two, each of which computes for some seconds."""
    loop = cast("VirtualLoop", asyncio.get_running_loop())
    sent = []
    for number in range(1, count + 1):
        sent.append(house.send(success(number)))
        for _ in range(turns):
            loop.keep_busy(busy)
            await turn()
    return sent


async def test_no_more_than_a_batch_is_written_in_one_go() -> None:
    async with living(House()) as house:
        async with writing_held(house):
            sent = [house.send(seen(f"acme/{number}"), seen(f"acme/{number}")) for number in range(BATCH)]
        await asyncio.gather(*sent)
        assert [len(entries) for entries in house.journal.asked] == [1, BATCH // 2, BATCH // 2]


async def test_more_than_can_wait_is_refused_with_the_time_to_come_back() -> None:
    async with living(House()) as house:
        async with writing_held(house):
            sent = [house.send(seen("acme/shop")) for _ in range(CAPACITY - 1)]
            await breathe()
            assert house.observer.waiting == CAPACITY
            with pytest.raises(Unavailable) as refused:
                await house.tell(seen("acme/late"))
            assert refused.value.retry_after == 1.0
        assert len(await asyncio.gather(*sent)) == CAPACITY - 1
        assert await house.tell(seen("acme/late")) == ["stored"]


# Gathering


async def test_entries_that_come_in_right_behind_each_other_are_written_together() -> None:
    async with living(House(gathering=GATHERING)) as house:
        await asyncio.gather(*await one_behind_the_other(house, 16, turns=QUIET - 1))
        assert [len(entries) for entries in house.journal.asked] == [16]
        assert deployments(house.sink.observations) == [str(number) for number in range(1, 17)]


async def test_where_an_append_costs_nothing_nobody_waits_for_others() -> None:
    async with living(House()) as house:
        await asyncio.gather(*await one_behind_the_other(house, 16, turns=QUIET - 1))
        assert [len(entries) for entries in house.journal.asked] == [1] * 16


async def test_an_entry_that_comes_alone_is_written_without_any_time_passing() -> None:
    async with living(House(gathering=GATHERING)) as house:
        for number in (1, 2):
            sent_at = asyncio.get_running_loop().time()
            assert await house.tell(success(number)) == ["counted"]
            assert house.journal.asked_at[-1] == sent_at
            await asyncio.sleep(number)


async def test_an_entry_waits_no_longer_than_the_journal_says_though_others_never_stop_coming() -> None:
    async with living(House(gathering=GATHERING)) as house:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*await one_behind_the_other(house, 30, turns=1, busy=0.001))
        # Three turns pass besides: while it comes in, while the writer wakes, and when the time is over.
        assert house.journal.asked_at[0] - began < GATHERING / 1e6 + 3.5 * 0.001
        assert len(house.journal.asked[0]) >= GATHERING / 1_000
        assert sum(len(entries) for entries in house.journal.asked) == 30


async def test_one_long_turn_of_the_loop_is_all_that_an_entry_waits_for() -> None:
    async with living(House(gathering=GATHERING)) as house:
        sent = await one_behind_the_other(house, 1, turns=QUIET, busy=0.02)
        assert len(house.journal.asked) == 1
        await asyncio.gather(*sent)


async def test_a_full_batch_does_not_wait_for_more() -> None:
    async with living(House(gathering=GATHERING)) as house:
        sent = [house.send(seen(f"acme/{number}")) for number in range(BATCH)]
        await turn(3)
        assert [len(entries) for entries in house.journal.asked] == [BATCH]
        await asyncio.gather(*sent)


async def test_a_sender_that_goes_away_while_others_are_waited_for_leaves_no_trace() -> None:
    async with living(House(gathering=GATHERING)) as house:
        gone, stays = house.send(success(1)), house.send(success(2))
        await turn(3)
        assert house.journal.asked == []
        gone.cancel()
        await stays
        assert deployments(house.sink.observations) == ["2"]
        house.assert_counted_as_replayed()


async def test_a_drain_writes_what_was_waiting_for_others() -> None:
    async with living(House(gathering=GATHERING)) as house:
        sent = house.send(success(1))
        await turn(3)
        assert house.journal.asked == []
        await house.observer.drain()
        assert sent.done()
        assert deployments(house.sink.observations) == ["1"]


async def test_an_end_while_others_are_waited_for_leaves_nobody_waiting_and_nothing_half_done() -> None:
    async with living(House(gathering=GATHERING)) as house:
        sent = house.send(success(1))
        await turn(3)
        await house.stop()
        with pytest.raises(Unavailable):
            await sent
        assert (house.journal.asked, house.sink.calls) == ([], [])


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from([0, 0.0005, 0.02])), min_size=1, max_size=40))
@settings(deadline=None)
def test_however_entries_come_each_is_written_in_its_order_and_in_time(pauses: list[tuple[int, float]]) -> None:
    async def live() -> None:
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        came: list[float] = []
        async with living(House(gathering=GATHERING)) as house:
            for number, (turns, busy) in enumerate(pauses, start=1):
                came.append(loop.time())
                house.send(success(number))
                for _ in range(turns):
                    loop.keep_busy(busy)
                    await turn()
            await breathe()
            assert deployments(house.sink.observations) == [str(number) for number in range(1, len(pauses) + 1)]
            written = [
                at for entries, at in zip(house.journal.asked, house.journal.asked_at, strict=True) for _ in entries
            ]
            # Of the turns beyond the limit: the one in which it comes in, the one under way when the time is over, and
            # as many for a write that is under way when it comes in.
            assert all(at - since <= GATHERING / 1e6 + 4 * 0.02 for since, at in zip(came, written, strict=True))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(live())
