"""The promises of `dora.ports.Journal`, over every journal alike.

`system`: Redis and the stores that are servers are started here; the volume that fills up is a tmpfs, mounted here.
"""

from __future__ import annotations

import asyncio
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from secrets import token_bytes, token_hex

import pytest
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from dora.ports import StateDamaged, StateTaken, Unavailable
from tests.contract.gcs import TOKEN, gcs_server
from tests.contract.journals import (
    BucketState,
    MemoryState,
    Process,
    RedisState,
    State,
    VolumeState,
    entry,
    large,
    opened,
    settle,
    snapshot,
)
from tests.contract.servers import (
    ACCOUNT,
    azurite_server,
    create_bucket,
    create_container,
    free_port,
    moto_server,
    redis_server,
    server,
)
from tests.fakes.journal import FakeState

ACCOUNT_KEY = b64encode(token_bytes(64)).decode()

HERE = ["volume", "bucket", "fake"]
REDISES = [pytest.param(name, marks=pytest.mark.system) for name in ("redis", "redis-6.2", "valkey")]
STORES = [pytest.param(name, marks=pytest.mark.system) for name in ("s3", "azure", "gcs")]
SERVERS = [*REDISES, *STORES]
FILLING = ["bucket", "fake", pytest.param("tmpfs", marks=pytest.mark.system), *SERVERS]


@pytest.fixture(scope="session")
def redis_ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], int]]:
    with ExitStack() as servers:

        @cache
        def port_of(kind: str) -> int:
            folder, port = tmp_path_factory.mktemp("redis"), free_port()
            return servers.enter_context(server(redis_server(folder, port=port, kind=kind), port=port, folder=folder))

        yield port_of


@pytest.fixture(scope="session")
def s3_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with server(moto_server(port), port=port, folder=tmp_path_factory.mktemp("moto")):
        yield port


@pytest.fixture(scope="session")
def azure_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with azurite_server(port, ACCOUNT_KEY, folder=tmp_path_factory.mktemp("azurite")):
        yield port


@pytest.fixture(scope="session")
def gcs_port() -> Iterator[int]:
    with gcs_server() as port:
        yield port


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def state(request: pytest.FixtureRequest, tmp_path: Path) -> State | MemoryState:
    match request.param:
        case "memory" | "fake":
            return MemoryState() if request.param == "memory" else FakeState()
        case "volume":
            return VolumeState(tmp_path / "state")
        case "tmpfs":
            return VolumeState(request.getfixturevalue("small") / "state")
        case "bucket":
            return BucketState(MemoryStore())
        case "redis" | "redis-6.2" | "valkey":
            return RedisState(request.getfixturevalue("redis_ports")(request.param), token_hex(4))
    makers: dict[str, Callable[[int, str], GCSStore | S3Store | AzureStore]] = {"gcs": gcs, "s3": s3, "azure": azure}
    make = makers[request.param]
    return BucketState(make(request.getfixturevalue(f"{request.param}_port"), f"dora-{token_hex(4)}"))


def s3(port: int, bucket: str) -> S3Store:
    endpoint = f"http://127.0.0.1:{port}"
    create_bucket(port, bucket)
    return S3Store(
        bucket,
        prefix="some/prefix",
        config={
            "endpoint": endpoint,
            "access_key_id": "key",
            "secret_access_key": "secret",
            "region": "us-east-1",
            "virtual_hosted_style_request": False,
        },
        client_options={"allow_http": True},
    )


def azure(port: int, container: str) -> AzureStore:
    create_container(port, ACCOUNT_KEY, container)
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    return AzureStore(
        container,
        prefix="some/prefix",
        config={"account_name": ACCOUNT, "account_key": ACCOUNT_KEY, "endpoint": endpoint},
        client_options={"allow_http": True},
    )


def gcs(port: int, bucket: str) -> GCSStore:
    return GCSStore(
        bucket,
        prefix="some/prefix",
        config={"base_url": f"http://127.0.0.1:{port}", "bearer_token": TOKEN},
        client_options={"allow_http": True},
    )


keeping = pytest.mark.parametrize("state", [*HERE, *SERVERS], indirect=True)


async def test_memory_keeps_nothing() -> None:
    journal = MemoryState().journal()
    await opened(journal)
    await journal.append([entry(1)])
    await journal.snapshot(snapshot(1))
    await journal.close()
    assert await opened(MemoryState().journal()) == (None, [])


@pytest.mark.parametrize("state", ["memory", *HERE, *SERVERS], indirect=True)
async def test_a_journal_numbers_what_it_is_given(state: State | MemoryState) -> None:
    journal = state.journal()
    assert journal.pace >= 0
    assert journal.poll is None or journal.poll > 0
    assert await opened(journal) == (None, [])
    assert journal.position == 0
    assert not await journal.append([entry(1), entry(2)])
    assert journal.position == 2
    assert not await journal.append(())
    assert await journal.claim("work", lease=60_000_000)
    await journal.release("work")
    await journal.snapshot(snapshot(2))
    assert not await journal.append([entry(3)])
    assert journal.position == 3
    for _ in range(2):
        await journal.close()


@keeping
async def test_of_processes_that_write_at_once_one_history_remains(state: State) -> None:
    """The newcomer is refused, or the older one is, or both go on: what was acknowledged is there, once, in order."""
    older, newer = Process(state.journal()), Process(state.journal())
    await older.work(1, 2)
    await asyncio.gather(older.work(*range(10, 30), opens=False), newer.work(*range(40, 60)))
    assert None in {older.refused, newer.refused}, "one goes on"
    for _ in range(2):  # for good
        if newer.refused is not None:
            with pytest.raises(StateTaken):
                await newer.journal.open()
        if older.refused is not None:
            with pytest.raises(StateTaken):
                await older.journal.append([entry(99)])
            with pytest.raises(StateTaken):
                await older.journal.snapshot(snapshot(1))
    await older.journal.close()
    await newer.journal.close()

    last = state.journal()
    _, history = await opened(last)
    await last.close()
    for process in (older, newer):
        assert [one for one in history if one in process.acknowledged] == process.acknowledged
        assert process.applied == history[: len(process.applied)]
    assert len(older.acknowledged + newer.acknowledged) == len(history)


@keeping
async def test_what_was_appended_is_replayed_in_order(state: State) -> None:
    journal = state.journal()
    assert await opened(journal) == (None, [])
    assert not await journal.append([entry(1), entry(2)])
    assert not await journal.append([entry(3)])
    assert journal.position == 3
    await journal.close()

    after = state.journal()
    assert await opened(after) == (None, [entry(1), entry(2), entry(3)])
    assert after.position == 3
    assert not await after.append([entry(4)])
    await after.close()

    last = state.journal()
    assert await opened(last) == (None, [entry(1), entry(2), entry(3), entry(4)])
    await last.close()


@keeping
async def test_what_was_appended_survives_the_death_of_the_process(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    for number in range(1, 30):
        await journal.append([entry(number)])
        if number % 10 == 0:
            after = state.crashed().journal()
            assert (await opened(after))[1] == [entry(sent) for sent in range(1, number + 1)]
            await after.close()
            if isinstance(state, BucketState):  # there the newcomer has taken over
                await journal.close()
                journal = state.journal()
                await opened(journal)
    await journal.close()


@keeping
async def test_an_entry_keeps_its_facts_together(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    await journal.append([entry(1, facts=100), entry(2), ()])
    await journal.close()
    after = state.journal()
    assert await opened(after) == (None, [entry(1, facts=100), entry(2), ()])
    await after.close()


@keeping
async def test_many_entries_are_replayed(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    sent = [entry(number) for number in range(1, 2501)]
    for start in range(0, len(sent), 100):
        await journal.append(sent[start : start + 100])
    await journal.close()
    after = state.journal()
    assert await opened(after) == (None, sent)
    await after.close()


@keeping
async def test_a_replay_that_was_not_finished_is_made_good_by_the_first_append(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    await journal.append([entry(1), entry(2)])
    await journal.append([entry(3)])
    await journal.close()

    after = state.journal()
    await after.open()
    replay = after.replay()
    assert await anext(replay) == entry(1)
    assert list(await after.append([entry(4)])) == [entry(2), entry(3)]
    assert after.position == 4
    await after.close()


@keeping
async def test_a_snapshot_shortens_the_replay(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    await journal.append([entry(1), entry(2)])
    position = journal.position
    await journal.append([entry(3)])
    await journal.snapshot(snapshot(position))
    await journal.append([entry(4)])
    await journal.close()

    after = state.journal()
    assert await opened(after) == (snapshot(2), [entry(3), entry(4)])
    assert after.position == 4
    await after.append([entry(5)])
    await after.snapshot(snapshot(5))
    await after.close()

    last = state.journal()
    assert await opened(last) == (snapshot(5), [])
    assert last.position == 5
    await last.append([entry(6)])
    assert last.position == 6
    await last.close()


@keeping
async def test_a_snapshot_within_what_was_appended_together_splits_it(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    await journal.append([entry(1)])
    await journal.append([entry(2), entry(3), entry(4)])
    await journal.snapshot(snapshot(3))
    await journal.close()
    after = state.journal()
    assert await opened(after) == (snapshot(3), [entry(4)])
    await after.append([entry(5)])
    await after.close()


@keeping
async def test_an_older_snapshot_does_not_replace_a_newer_one(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    for number in range(1, 5):
        await journal.append([entry(number)])
    await journal.snapshot(snapshot(4))
    await journal.snapshot(snapshot(2))
    await journal.snapshot(snapshot(4))
    await journal.close()
    after = state.journal()
    assert await opened(after) == (snapshot(4), [])
    await after.close()


@keeping
async def test_a_snapshot_of_several_megabytes_is_kept_whole(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    await journal.append([entry(1)])
    noise = tuple(b'"%s"' % token_hex(50_000).encode() for _ in range(60))
    large_one = snapshot(1).__class__(position=1, version=7, parts=noise)
    await journal.snapshot(large_one)
    await journal.close()
    after = state.journal()
    assert await opened(after) == (large_one, [])
    await after.close()


@keeping
async def test_snapshots_keep_the_log_from_growing(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    sizes = []
    for number in range(1, 1201):
        await journal.append([entry(number)])
        if number % 300 == 0:
            await journal.snapshot(snapshot(number))
            sizes.append(await state.size())
    # A store may keep what lies between the last two snapshots, and Redis trims by nodes of a hundred entries.
    assert max(sizes) <= 750
    await journal.close()
    after = state.journal()
    assert await opened(after) == (snapshot(1200), [])
    assert not await after.append([entry(1201)])
    await after.close()


@keeping
async def test_damage_is_refused_and_stays_refused(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    for number in range(1, 20):
        await journal.append([entry(number)])
    await journal.close()
    await state.damage()
    for _ in range(2):
        after = state.journal()
        with pytest.raises(StateDamaged, match=r"entry|log/|journal"):
            await opened(after)
        with pytest.raises((StateDamaged, Unavailable)):
            await after.append([entry(20)])
        await after.close()


@pytest.mark.parametrize("state", FILLING, indirect=True)
async def test_what_cannot_be_kept_is_refused_until_it_can(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    sent = [entry(1)]
    await journal.append(sent)
    for number in range(2, 5):
        async with state.full():
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await journal.append([large(number, size=20_000)])
                with pytest.raises(Unavailable):
                    await journal.append(())
        sent += await settle(journal)
        sent.append(large(number, size=20_000))
        assert not await journal.append([sent[-1]])
        assert journal.position == len(sent)
    await journal.close()
    after = state.journal()
    assert await opened(after) == (None, sent)
    await after.close()


@pytest.mark.parametrize("state", FILLING, indirect=True)
async def test_a_snapshot_that_cannot_be_kept_leaves_the_one_before(state: State) -> None:
    journal = state.journal()
    await opened(journal)
    await journal.append([entry(1)])
    await journal.snapshot(snapshot(1))
    await journal.append([entry(2)])
    noise = tuple(b'"%s"' % token_hex(10_000).encode() for _ in range(5))
    async with state.full():
        with pytest.raises(Unavailable):
            await journal.snapshot(snapshot(2).__class__(position=2, version=1, parts=noise))
    await settle(journal)
    await journal.append([entry(3)])
    await journal.close()
    after = state.journal()
    assert await opened(after) == (snapshot(1), [entry(2), entry(3)])
    await after.close()


async def test_a_second_process_is_refused_by_a_volume(tmp_path: Path) -> None:
    state = VolumeState(tmp_path / "state")
    first, second = state.journal(), state.journal()
    await opened(first)
    with pytest.raises(StateTaken, match="another process"):
        await second.open()
    await first.append([entry(1)])
    await first.close()
    assert await opened(second) == (None, [entry(1)])
    await second.close()


@pytest.mark.parametrize("state", ["bucket", *STORES], indirect=True)
async def test_a_newcomer_takes_a_bucket_over_for_good(state: State) -> None:
    older, newer = state.journal(), state.journal()
    await opened(older)
    await older.append([entry(1)])
    assert await opened(newer) == (None, [entry(1)])
    for _ in range(2):
        with pytest.raises(StateTaken):
            await older.append([entry(2)])
    with pytest.raises(StateTaken):
        await older.append(())
    with pytest.raises(StateTaken):
        await older.snapshot(snapshot(1))
    await newer.append([entry(3)])
    last = state.journal()
    assert await opened(last) == (None, [entry(1), entry(3)])


@pytest.mark.parametrize("state", ["fake", *REDISES], indirect=True)
async def test_replicas_see_one_log(state: State) -> None:
    one, two = state.journal(), state.journal()
    await opened(one)
    await opened(two)
    assert not await one.append([entry(1), entry(2)])
    assert list(await two.append([entry(3)])) == [entry(1), entry(2)]
    assert list(await one.append(())) == [entry(3)]
    assert not await one.append(())
    assert (one.position, two.position) == (3, 3)
    await one.close()
    await two.close()


@pytest.mark.parametrize("state", ["fake", *REDISES], indirect=True)
async def test_a_claim_is_one_replicas_until_it_gives_it_back(state: State) -> None:
    one, two = state.journal(), state.journal()
    assert await one.claim("work", lease=60_000_000)
    assert await one.claim("work", lease=60_000_000)
    assert not await two.claim("work", lease=60_000_000)
    await two.release("work")
    assert not await two.claim("work", lease=60_000_000)
    await one.release("work")
    assert await two.claim("work", lease=60_000_000)
    await one.close()
    await two.close()


@pytest.mark.parametrize("state", ["fake", *REDISES], indirect=True)
async def test_a_claim_ends_with_its_lease(state: State) -> None:
    one, two = state.journal(), state.journal()
    assert await one.claim("work", lease=50_000)
    async with asyncio.timeout(20):
        while not await two.claim("work", lease=60_000_000):  # noqa: ASYNC110 - nobody tells when a lease has ended
            await asyncio.sleep(0.02)
    assert not await one.claim("work", lease=60_000_000)
    await one.release("work")
    assert not await one.claim("work", lease=60_000_000)
    await one.close()
    await two.close()
