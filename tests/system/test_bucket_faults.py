"""What is beneath a bucket fails: it is taken by another process, refuses, fails, or loses answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.contract.servers import S3_SECRET, create_bucket, free_port, moto_server, s3_environ, server
from tests.system.ill_store import MOMENTS, IllStore
from tests.system.replicas import Replica, alive, becomes, has_done, keeps, shows_nothing, team_of, turns_away, unready
from tests.system.teams import values

pytestmark = pytest.mark.system


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
            await becomes(partial(has_done, team, rounds + 3))
            assert not await team_of(fenced, number=2).next_round()[0].send(client, fenced.url)
            await unready(fenced)

            changes = (ways if fenced is older else other_ways).changes
            before = changes.copy()
            await becomes(partial(has_done, team, rounds + 12))  # long enough for snapshots and what they delete
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
                await becomes(partial(has_done, team, 6 * time))
                ill.refuses = status
                await unready(replica)
                await turns_away(replica, 100 + time)
                await becomes(partial(_refused, ill, ill.refused + 3))
                assert not await replica.is_ready()
                ill.refuses = None
                await replica.ready()
            stop.set()
            await working
            assert team.lost > 0
            await keeps(replica, team.truth.samples())
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
            await keeps(replica, truth)
