"""What is beneath the service fails: the volume is full, damaged or taken, the bucket is taken or answers badly."""

from __future__ import annotations

import asyncio
import random
import resource
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.contract.servers import S3_SECRET, create_bucket, free_port, moto_server, s3_environ, server
from tests.system.ill_store import MOMENTS, IllStore
from tests.system.replicas import Replica, becomes, team_of
from tests.system.teams import Team, values

pytestmark = pytest.mark.system


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as made:
        yield made


@asynccontextmanager
async def alive(*replicas: Replica) -> AsyncIterator[None]:
    """Kill at the end of the block what still lives."""
    try:
        yield
    finally:
        for replica in replicas:
            if replica.process is not None and replica.process.returncode is None:
                await replica.kill()


async def shows_nothing(replica: Replica) -> bool:
    """Return whether it shows no numbers: beside its successor's they would look like resets."""
    return (await replica.client.get(f"{replica.url}/metrics")).status_code == 503


async def unready(replica: Replica) -> None:
    """Wait until it accepts nothing."""

    async def refuses() -> bool:
        return not await replica.is_ready()

    await becomes(refuses)


# A volume


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", folder], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    filler = folder / "filler"
    with pytest.raises(OSError, match="No space left"):
        _fill(filler)
    try:
        yield
    finally:
        filler.unlink()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


async def _has_done(team: Team, rounds: int) -> bool:
    return team.rounds >= rounds


async def test_a_full_disk_is_told_to_senders_and_heals(tmp_path: Path, small: Path, client: httpx.AsyncClient) -> None:
    replica = Replica({"DORA_STATE": f"file://{small}/state"}, tmp_path, client, snapshot_after=20)
    team, stop = team_of(replica), asyncio.Event()
    async with alive(replica):
        await replica.start()
        await replica.ready()
        working = asyncio.create_task(team.work(stop))
        for fullness in range(1, 4):
            with full(small):
                await unready(replica)
                shown = await replica.text()
                for one in team_of(replica, number=100 + fullness).next_round():
                    answer = await client.post(replica.url + one.path, content=one.body, headers=one.headers)
                    assert answer.status_code == 503
                    assert int(answer.headers["Retry-After"]) > 0
                assert await replica.text() == shown, "what is not stored is not counted"
                assert (await client.get(f"{replica.url}/healthz")).is_success
            await replica.ready()
            await becomes(partial(_has_done, team, 20 * fullness))
        stop.set()
        await working
        assert team.lost > 0
        assert values(await replica.look()) == team.truth.samples()
        await replica.kill()
        await replica.start()
        await replica.ready()
        assert values(await replica.look()) == team.truth.samples()


async def test_a_disk_that_takes_no_writes_is_told_to_senders_and_heals(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    replica = Replica({"DORA_STATE": f"file://{tmp_path}/state"}, tmp_path, client, snapshot_after=20)
    team, stop = team_of(replica), asyncio.Event()
    async with alive(replica):
        await replica.start()
        await replica.ready()
        working = asyncio.create_task(team.work(stop))
        for time in range(1, 4):
            await becomes(partial(_has_done, team, 5 * time))
            # The kernel refuses every byte behind the first page of a file: to the service an error of the disk.
            resource.prlimit(replica.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            await unready(replica)
            shown = await replica.text()
            for one in team_of(replica, number=100 + time).next_round():
                assert not await one.send(client, replica.url)
            assert await replica.text() == shown
            resource.prlimit(replica.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await replica.ready()
        stop.set()
        await working
        assert team.lost > 0
        assert values(await replica.look()) == team.truth.samples()
        await replica.kill()
        await replica.start()
        await replica.ready()
        assert values(await replica.look()) == team.truth.samples()


async def test_a_file_system_that_is_read_only_is_waited_for(
    tmp_path: Path, small: Path, client: httpx.AsyncClient
) -> None:
    replica = Replica({"DORA_STATE": f"file://{small}/state"}, tmp_path, client, snapshot_after=20)
    team = team_of(replica)
    async with alive(replica):
        for rounds in range(1, 3):
            remount(small, "ro")
            await replica.start()
            await becomes(partial(_has_logged, replica, "Read-only file system", rounds))
            assert not await replica.is_ready()
            for one in team_of(replica, number=2).next_round():
                assert not await one.send(client, replica.url)
            remount(small, "rw")
            await replica.ready()
            await team.do()
            assert values(await replica.look()) == team.truth.samples()
            await replica.kill()


async def _has_logged(replica: Replica, text: str, times: int) -> bool:
    return replica.log.read_text().count(text) >= times


async def test_a_second_process_refuses_to_start_also_after_a_crash_of_the_first(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    state = {"DORA_STATE": f"file://{tmp_path}/state"}
    first, second = Replica(state, tmp_path, client), Replica(state, tmp_path, client)
    team = team_of(first)
    async with alive(first, second):
        for holder, comer in ((first, second), (second, first)):
            await holder.start()
            await holder.ready()
            team.where = lambda holder=holder: holder.url  # type: ignore[misc] # a default is bound at once
            await team.do()
            assert holder.process is not None
            code, log = await comer.refuse()
            assert code == 4
            assert f"another process (number {holder.process.pid}) writes this state" in log
            assert "Traceback" not in log
            await team.do()
            assert values(await holder.look()) == team.truth.samples()
            await holder.kill()


@pytest.mark.parametrize("torn", [False, True], ids=["a flipped bit", "a stretch that was not written"])
async def test_damage_at_a_random_place_is_refused_or_changes_nothing(
    *, torn: bool, tmp_path: Path, client: httpx.AsyncClient
) -> None:
    whole = tmp_path / "whole"
    writer = Replica({"DORA_STATE": f"file://{whole}"}, tmp_path, client, snapshot_after=20)
    reader = Replica({"DORA_STATE": f"file://{tmp_path}/damaged"}, tmp_path, client, forks=True)
    dice = random.Random(4)  # noqa: S311 - a test that can be repeated
    refused = 0
    async with alive(writer, reader):
        await writer.start()
        await writer.ready()
        team = team_of(writer)
        for _ in range(20):
            await team.do()
        shown = await writer.text()
        await writer.kill()
        names = sorted(path.name for path in whole.iterdir() if path.name not in {"lock", "journal.sqlite3-shm"})
        assert {"acknowledged", "journal.sqlite3", "journal.sqlite3-wal"} < set(names), "and a snapshot"
        for name in names:
            for _ in range(4):
                shutil.rmtree(tmp_path / "damaged", ignore_errors=True)
                damaged = shutil.copytree(whole, tmp_path / "damaged") / name
                content = bytearray(damaged.read_bytes())
                place = dice.randrange(len(content))
                if torn:
                    content[place : place + 512] = bytes(len(content[place : place + 512]))
                else:
                    content[place] ^= 1 << dice.randrange(8)
                damaged.write_bytes(content)
                await reader.start()
                if await reader.ends():
                    refused += 1
                    assert reader.returncode == 4
                    last = reader.log.read_text().splitlines()[-1]
                    assert str(tmp_path / "damaged") in last, "the place"
                    continue
                assert await reader.text() == shown
                await reader.kill()
    assert refused > 0


# A bucket


def bucket_at(port: int) -> dict[str, str]:
    return {"DORA_STATE": "s3://dora/state", **s3_environ(port)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    with server(moto_server(port), port=port, folder=tmp_path):
        create_bucket(port, "dora")
        yield port


async def test_who_comes_takes_a_bucket_over_and_who_was_there_stays_unready(
    tmp_path: Path, store: int, client: httpx.AsyncClient
) -> None:
    older, newer = (Replica(bucket_at(store), tmp_path, client, snapshot_after=20) for _ in range(2))
    async with alive(older, newer):
        await older.start()
        await older.ready()
        team = team_of(older)
        await team.do()
        await newer.start()
        await newer.ready()
        assert await newer.text() == await older.text()

        stranger = team_of(older, number=2).next_round()[0]
        assert not await stranger.send(client, older.url)
        await unready(older)
        team.where = lambda: newer.url
        for _ in range(10):  # long enough for a snapshot, and for what it lets be deleted
            await team.do()
        assert not await older.is_ready()
        assert not await stranger.send(client, older.url)
        assert await shows_nothing(older)
        assert values(await newer.look()) == team.truth.samples()

        await newer.kill()
        assert await older.stop() == 0
        await older.start()
        await older.ready()
        assert values(await older.look()) == team.truth.samples()


@pytest.mark.parametrize("answered", [False, True], ids=["on its way", "done, and not answered yet"])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_of_two_writers_one_goes_on_and_the_other_writes_nothing_more(
    moment: str, *, answered: bool, tmp_path: Path, store: int, client: httpx.AsyncClient
) -> None:
    dice = random.Random(4)  # noqa: S311 - a test that can be repeated
    with IllStore(store, dice=dice) as ways, IllStore(store, dice=dice) as other_ways:
        older, newer = (
            Replica(bucket_at(way.port), tmp_path, client, snapshot_after=20, forks=True) for way in (ways, other_ways)
        )
        team, stop = team_of(older), asyncio.Event()
        async with alive(older, newer):
            await older.start()
            await older.ready()
            for _ in range(3):
                await team.do()
            starting = moment in {"taking over", "replaying"}
            if starting:
                await older.kill()
            held = ways.hold(MOMENTS[moment], answered=answered)
            if starting:
                await older.start()
            working = asyncio.create_task(team.work(stop))
            await held.reached()
            await newer.start()
            await newer.ready()
            # Whoever's fence is the last one has taken over, whoever was started last.
            fenced, owner = (newer, older) if moment == "taking over" and not answered else (older, newer)
            team.where = lambda: owner.url
            held.release()
            if starting:
                await older.ready()  # it has read all there was until its fence, and knows of nothing behind it
            rounds = team.rounds
            await becomes(partial(_has_done, team, rounds + 3))
            assert not await team_of(fenced, number=2).next_round()[0].send(client, fenced.url)
            await unready(fenced)

            changes = (ways if fenced is older else other_ways).changes
            before = changes.copy()
            await becomes(partial(_has_done, team, rounds + 12))  # long enough for snapshots and what they delete
            for one in team_of(fenced, number=3).next_round():
                assert not await one.send(client, fenced.url)
            assert not await fenced.is_ready()
            assert await shows_nothing(fenced)
            assert changes == before
            stop.set()
            await working
            assert values(await owner.look()) == team.truth.samples()
            assert await fenced.stop() == 0
            await fenced.start()
            await fenced.ready()
            assert values(await fenced.look()) == team.truth.samples()


@pytest.mark.parametrize("status", [403, 500])
async def test_a_store_that_refuses_is_told_to_senders_and_heals(
    status: int, tmp_path: Path, store: int, client: httpx.AsyncClient
) -> None:
    with IllStore(store, dice=random.Random(4)) as ill:  # noqa: S311 - a test that can be repeated
        replica = Replica(bucket_at(ill.port), tmp_path, client, snapshot_after=20)
        team, stop = team_of(replica), asyncio.Event()
        async with alive(replica):
            ill.refuses = status
            await replica.start()
            await becomes(partial(_refused, ill, 3))
            assert not await replica.is_ready()
            assert (await client.get(f"{replica.url}/healthz")).is_success
            ill.refuses = None
            await replica.ready()

            working = asyncio.create_task(team.work(stop))
            for time in range(1, 3):
                await becomes(partial(_has_done, team, 6 * time))
                ill.refuses = status
                await unready(replica)
                shown, already = await replica.text(), ill.refused
                for one in team_of(replica, number=100 + time).next_round():
                    answer = await client.post(replica.url + one.path, content=one.body, headers=one.headers)
                    assert answer.status_code == 503
                    assert int(answer.headers["Retry-After"]) > 0
                await becomes(partial(_refused, ill, already + 3))
                assert not await replica.is_ready()
                assert await replica.text() == shown
                ill.refuses = None
                await replica.ready()
            stop.set()
            await working
            assert team.lost > 0
            assert values(await replica.look()) == team.truth.samples()
            await replica.kill()
            await replica.start()
            await replica.ready()
            assert values(await replica.look()) == team.truth.samples()
            log = replica.log.read_text()
            assert str(status) in log, "the operator reads why"
            assert S3_SECRET not in log


async def _refused(ill: IllStore, times: int) -> bool:
    return ill.refused >= times


async def test_a_bucket_is_written_ten_times_a_second_at_most_and_not_asked_when_there_is_nothing_to_keep(
    tmp_path: Path, store: int, client: httpx.AsyncClient
) -> None:
    now = asyncio.get_running_loop().time
    with IllStore(store, dice=random.Random(4)) as way:  # noqa: S311 - a test that can be repeated
        replica = Replica(bucket_at(way.port), tmp_path, client)
        teams = [team_of(replica, number) for number in range(16)]
        async with alive(replica):
            await replica.start()
            await replica.ready()
            began, before = now(), way.changes["PUT"]
            async with asyncio.TaskGroup() as tasks:
                for team in teams:
                    tasks.create_task(team.work(asyncio.Event(), most=12))
            written = way.changes["PUT"] - before
            assert 0 < written <= (now() - began) / 0.1 + 1
            assert sum(team.acknowledged for team in teams) > 2 * written, "those that wait share a write"

            asked = way.asked
            for team in teams:
                for one in team.told[:5]:
                    assert await one.send(client, replica.url), "a duplicate"
            await asyncio.sleep(1)  # nothing is what is waited for
            assert way.asked == asked


async def test_a_store_whose_answers_are_lost_loses_and_repeats_nothing(
    tmp_path: Path, store: int, client: httpx.AsyncClient
) -> None:
    with IllStore(store, dice=random.Random(4)) as ill:  # noqa: S311 - a test that can be repeated
        replica = Replica(bucket_at(ill.port), tmp_path, client, snapshot_after=20)
        teams = [team_of(replica, number) for number in range(4)]
        async with alive(replica):
            await replica.start()
            await replica.ready()
            ill.percent = 30
            ill.stalls = 1
            async with asyncio.timeout(300), asyncio.TaskGroup() as tasks:
                for team in teams:
                    tasks.create_task(team.work(asyncio.Event(), most=8))
            ill.percent = 0
            assert ill.stored_and_failed > 10
            assert ill.stalls == 0
            truth = {name: value for team in teams for name, value in team.truth.samples().items()}
            await replica.ready()
            assert values(await replica.look()) == truth
            await replica.kill()
            await replica.start()
            await replica.ready()
            assert values(await replica.look()) == truth
