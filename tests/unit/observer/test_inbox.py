from __future__ import annotations

import asyncio

import pytest

from dora.observer.inbox import BATCH, CAPACITY
from dora.ports import Unavailable
from tests.fakes.time import breathe
from tests.unit.observer.house import House, living, seen, writing_held


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
