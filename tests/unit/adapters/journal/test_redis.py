"""What is Redis' own: replicas, a server that loses entries, answers that get lost. All of it needs a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from secrets import token_hex

import pytest
from redis import Redis

from dora.adapters.journal.redis import Stream
from dora.ports import Entry, StateDamaged, StateTaken, Unavailable
from tests.contract.journals import entry, opened, settle, snapshot
from tests.contract.relay import Relay
from tests.contract.servers import free_port, redis_server, server

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("redis")
    port = free_port()
    with server(redis_server(folder, port=port), port=port, folder=folder):
        yield port


@pytest.fixture
def prefix() -> str:
    return token_hex(4)


@pytest.fixture
def redis(port: int) -> Iterator[Redis]:
    with Redis(port=port) as client:
        yield client


def stream(port: int, prefix: str, *, margin: int = 0) -> Stream:
    return Stream(f"redis://127.0.0.1:{port}/0?prefix={prefix}", margin=margin)


@pytest.fixture
async def journal(port: int, prefix: str) -> AsyncIterator[Stream]:
    """Return a replica that has appended five entries."""
    replica = stream(port, prefix)
    await opened(replica)
    for number in range(1, 6):
        await replica.append([entry(number)])
    yield replica
    await replica.close()


async def test_a_cancellation_is_heeded_at_whatever_moment_it_comes(journal: Stream) -> None:
    for turns in range(60):
        appending = asyncio.create_task(journal.append([entry(6 + turns)]))
        for _ in range(turns):
            await asyncio.sleep(0)
        if appending.cancel():  # it is not done
            with pytest.raises(asyncio.CancelledError):
                await appending
        await journal.append(())


async def test_settings_that_may_lose_entries_are_warned_of(
    port: int, prefix: str, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    for settings, warned in (
        ({}, []),
        ({"appendfsync": "everysec"}, ["only with appendonly yes and appendfsync always"]),
        ({"maxmemory-policy": "allkeys-lru"}, ["may evict the log"]),
        ({"maxmemory-policy": "volatile-lru"}, []),
    ):
        before = {name: str(redis.config_get(name)[name]) for name in settings}
        caplog.clear()
        for name, value in settings.items():
            redis.config_set(name, value)
        replica = stream(port, prefix)
        await replica.open()
        await replica.close()
        for name, value in before.items():
            redis.config_set(name, value)
        assert len(caplog.messages) == len(warned)
        assert all(text in message for text, message in zip(warned, caplog.messages, strict=True))


async def test_a_log_shorter_than_what_was_applied_is_refused(journal: Stream, redis: Redis, prefix: str) -> None:
    redis.xdel(f"{{{prefix}}}:log", "5-0")
    for _ in range(2):
        with pytest.raises(StateDamaged, match="ends at entry 4, but entry 5 had been there"):
            await journal.append([entry(6)])
    assert redis.xlen(f"{{{prefix}}}:log") == 4


async def test_a_log_that_went_on_otherwise_is_refused(journal: Stream, redis: Redis, port: int, prefix: str) -> None:
    log = f"{{{prefix}}}:log"
    redis.copy(log, f"{log}:before")
    await journal.append([entry(6)])
    redis.rename(f"{log}:before", log)  # the server came back without its newest entry
    other = stream(port, prefix)
    await opened(other)
    await other.append([entry(60), entry(61)])
    with pytest.raises(StateDamaged, match="entry 6 of the log is not the one that was there before"):
        await journal.append(())
    await other.close()


@pytest.mark.parametrize("gone", ["1-0", "3-0"])
async def test_a_hole_is_refused(journal: Stream, redis: Redis, port: int, prefix: str, gone: str) -> None:
    redis.xdel(f"{{{prefix}}}:log", gone)
    after = stream(port, prefix)
    with pytest.raises(StateDamaged, match=f"entry {gone[0]} is missing"):
        await opened(after)
    await after.close()
    assert not await journal.append([entry(6)])


async def test_a_log_that_was_emptied_is_refused(journal: Stream, redis: Redis, port: int, prefix: str) -> None:
    redis.xtrim(f"{{{prefix}}}:log", maxlen=0)
    with pytest.raises(StateDamaged, match="ends at entry 0"):
        await journal.append(())
    after = stream(port, prefix)
    with pytest.raises(StateDamaged, match="was emptied"):
        await opened(after)
    await after.close()


async def test_a_snapshot_without_its_log_is_refused(journal: Stream, redis: Redis, port: int, prefix: str) -> None:
    await journal.snapshot(snapshot(5))
    redis.delete(f"{{{prefix}}}:log")
    after = stream(port, prefix)
    with pytest.raises(StateDamaged, match="ends at entry 0, but entry 5"):
        await opened(after)
    await after.close()


async def test_a_replica_that_was_left_behind_is_told_to_restart(journal: Stream, port: int, prefix: str) -> None:
    other = stream(port, prefix)
    await opened(other)
    for number in range(6, 1007):
        await other.append([entry(number)])
        if number % 250 == 0:
            await other.snapshot(snapshot(number))
    with pytest.raises(StateTaken, match="a restart begins from their snapshot"):
        await journal.append([entry(9999)])
    restarted = stream(port, prefix)
    assert (await opened(restarted))[0] == snapshot(1000)
    assert restarted.position == 1006
    await restarted.close()
    await other.close()


async def test_a_replica_that_was_cut_off_catches_up_within_the_margin(journal: Stream, port: int, prefix: str) -> None:
    other = stream(port, prefix, margin=5000)
    await opened(other)
    for number in range(6, 2507):
        await other.append([entry(number)])
        if number % 1000 == 0:
            await other.snapshot(snapshot(number))
    assert list(await journal.append([entry(2507)])) == [entry(number) for number in range(6, 2507)]
    assert journal.position == 2507
    await other.close()


async def test_replicas_that_append_at_once_apply_one_order(port: int, prefix: str) -> None:
    replicas = [stream(port, prefix) for _ in range(3)]
    applied: list[list[Entry]] = [[] for _ in replicas]
    await asyncio.gather(*(opened(replica) for replica in replicas))

    async def work(which: int) -> None:
        for number in range(50):
            own = [entry(1000 * which + number)]
            applied[which] += [*await replicas[which].append(own), *own]

    await asyncio.gather(*(work(which) for which in range(3)))
    for which, replica in enumerate(replicas):
        applied[which] += await replica.append(())
        await replica.close()
    assert applied[0] == applied[1] == applied[2]
    assert len(applied[0]) == 150


async def test_entries_whose_answer_was_lost_are_returned_by_the_next_append(port: int, prefix: str) -> None:
    async with Relay(port) as proxy:
        replica = stream(proxy.port, prefix)
        await opened(replica)
        await replica.append([entry(1)])
        proxy.swallows = True
        with pytest.raises(Unavailable):
            await replica.append([entry(2)])
        proxy.swallows = False
        assert await settle(replica) == [entry(2)]
        assert not await replica.append([entry(3)])
        assert replica.position == 3
        await replica.close()


async def test_a_snapshot_that_is_replaced_while_it_is_read_is_read_anew(
    journal: Stream, port: int, prefix: str
) -> None:
    await journal.snapshot(snapshot(5))

    async def go_on() -> None:
        for number in range(6, 507):
            await journal.append([entry(number)])
            if number % 100 == 0:
                await journal.snapshot(snapshot(number))

    async with Relay(port) as proxy:
        comer = stream(proxy.port, prefix)
        proxy.before_script = go_on
        assert await opened(comer) == (snapshot(500), [entry(number) for number in range(501, 507)])
        await comer.close()


async def test_a_snapshot_whose_last_entry_is_gone_is_damage(
    journal: Stream, port: int, prefix: str, redis: Redis
) -> None:
    await journal.snapshot(snapshot(3))
    redis.xdel(f"{{{prefix}}}:log", "3-0")
    after = stream(port, prefix)
    with pytest.raises(StateDamaged, match="entry 3, which the snapshot ends with, is not in the log"):
        await after.open()
    await after.close()


async def test_a_server_that_is_killed_is_unavailable_until_it_is_back_with_everything(
    tmp_path: Path, prefix: str
) -> None:
    port = free_port()
    command = redis_server(tmp_path, port=port)
    one, two = stream(port, prefix), stream(port, prefix)
    applied: dict[Stream, list[Entry]] = {one: [], two: []}
    acknowledged: list[Entry] = []
    for life in range(6):
        with server(command, port=port, folder=tmp_path, kill=True):
            for replica in (one, two):
                if life == 0:
                    await opened(replica)
                applied[replica] += await settle(replica)
            for number in range(20):
                replica = (one, two)[number % 2]
                own = [entry(100 * life + number)]
                applied[replica] += [*await replica.append(own), *own]
                acknowledged += own
        for replica in (one, two):
            with pytest.raises(Unavailable):
                await replica.append([entry(-1 - life)])
    with server(command, port=port, folder=tmp_path):
        for replica in (one, two):
            applied[replica] += await settle(replica)
        fresh = stream(port, prefix)
        assert applied[one] == applied[two] == (await opened(fresh))[1] == acknowledged
        for replica in (one, two, fresh):
            await replica.close()


async def test_a_password_is_in_no_error(port: int, prefix: str) -> None:
    replica = Stream(f"redis://user:hunter2@127.0.0.1:{port}/0?prefix={prefix}")
    with pytest.raises(Unavailable) as refused:
        await replica.open()
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(replica)
    await replica.close()
