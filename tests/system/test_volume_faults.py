"""What is beneath a volume fails: it is full, takes no writes, is read-only, damaged, or another process'."""

from __future__ import annotations

import asyncio
import random
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.system.replicas import Replica, alive, becomes, has_done, keeps, team_of, turns_away, unready
from tests.system.teams import values

pytestmark = pytest.mark.system


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
                await turns_away(replica, 100 + fullness)
                assert (await client.get(f"{replica.url}/healthz")).is_success
            await replica.ready()
            await becomes(partial(has_done, team, 20 * fullness))
        stop.set()
        await working
        assert team.lost > 0
        await keeps(replica, team.truth.samples())


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
            await becomes(partial(has_done, team, 5 * time))
            # The kernel refuses every byte behind the first page of a file: to the service an error of the disk.
            resource.prlimit(replica.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            await unready(replica)
            await turns_away(replica, 100 + time)
            resource.prlimit(replica.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await replica.ready()
        stop.set()
        await working
        assert team.lost > 0
        await keeps(replica, team.truth.samples())


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
