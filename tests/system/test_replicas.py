"""Replicas that share Redis: what one knows all show, what one asks none asks again, who is cut off catches up."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.contract.fake_github.server import FakeGitHub
from tests.contract.outage import SECRET, TOKEN, Beside, assert_all_is_measured_once, history
from tests.contract.relay import Relay
from tests.contract.servers import free_port, redis_server, server
from tests.system.replicas import Replica, alive, becomes, team_of, turns_away, unready
from tests.system.teams import Team, values

pytestmark = pytest.mark.system


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    with server(redis_server(tmp_path, port=port), port=port, folder=tmp_path, kill=True):
        yield port


@asynccontextmanager
async def replicas(folder: Path, *environs: Mapping[str, str]) -> AsyncIterator[list[Replica]]:
    """Run a replica with each environment."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        made = [Replica(environ, folder, client, forks=True) for environ in environs]
        async with alive(*made):
            for replica in made:
                await replica.start()
            for replica in made:
                await replica.ready()
            yield made


async def shows(replica: Replica, team: Team) -> bool:
    return values(await replica.look()) == team.truth.samples()


async def test_a_replica_that_is_cut_off_answers_503_and_catches_up(tmp_path: Path, redis: int) -> None:
    async with Relay(redis) as relay:
        states = [{"DORA_STATE": f"redis://127.0.0.1:{port}/0"} for port in (relay.port, redis)]
        async with replicas(tmp_path, *states) as (cut_off, other):
            team = team_of(other)
            for _ in range(2):
                await team.do()
                await becomes(partial(shows, cut_off, team))
                relay.swallows = True
                await unready(cut_off)
                shown = await cut_off.text()
                await turns_away(cut_off, 2)
                for _ in range(3):
                    await team.do()
                assert await cut_off.text() == shown
                relay.swallows = False
                await cut_off.ready()
                assert await shows(cut_off, team), "it is ready when it knows what the others know"
                assert await shows(other, team)


async def test_replicas_wait_for_a_redis_that_is_down_and_go_on_with_all_they_had(tmp_path: Path) -> None:
    port = free_port()
    command = redis_server(tmp_path, port=port)
    state = {"DORA_STATE": f"redis://127.0.0.1:{port}/0"}
    async with AsyncExitStack() as running:
        with server(command, port=port, folder=tmp_path, kill=True):
            one, two = await running.enter_async_context(replicas(tmp_path, state, state))
            team = team_of(one)
            await team.do()
        for _ in range(2):
            for replica in (one, two):
                await unready(replica)
                assert (await replica.client.get(f"{replica.url}/healthz")).is_success
                assert not await team_of(replica, number=2).next_round()[0].send(replica.client, replica.url)
            with server(command, port=port, folder=tmp_path, kill=True):
                for replica in (one, two):
                    await replica.ready()
                await team.do()
                for replica in (one, two):
                    await becomes(partial(shows, replica, team))


async def cost(folder: Path, *states: str) -> int:
    """Return how many requests GitHub got for a history whose deployments go to replicas in turn."""
    github = FakeGitHub(clock=lambda: time.time_ns() // 1_000)
    github.token(TOKEN)
    history(github.repository())
    settings = {"WEBHOOK_SECRET": SECRET, "GITHUB_TOKEN": TOKEN}
    async with github.serve(), AsyncExitStack() as clients:
        settings["GITHUB_API_URL"] = github.url
        running = replicas(folder, *({**settings, "DORA_STATE": state} for state in states))
        doors = [
            Beside(
                github,
                await clients.enter_async_context(httpx.AsyncClient(base_url=replica.url, trust_env=False, timeout=30)),
            )
            for replica in await clients.enter_async_context(running)
        ]

        async def settled(deployments: int) -> bool:
            """Every replica has counted so many, and has nothing open."""
            known = [await door.chain("dora_deployments_total", result="success") for door in doors]
            return known == [deployments] * len(doors) and not any(
                [await door.chain("dora_pending_lookups") for door in doors]
            )

        for place, (number, name, hours) in enumerate([(10, "s", 4), (11, "m", 5), (13, "d", 7)]):
            await doors[place % len(doors)].deploys(number, name, hours)
            await becomes(partial(settled, place + 1))
        for door in doors:
            await assert_all_is_measured_once(door)
        return len(github.seen)


async def test_three_replicas_ask_github_no_more_than_one(tmp_path: Path, redis: int) -> None:
    alone = await cost(tmp_path, "memory:")
    assert alone > 0
    assert await cost(tmp_path, *[f"redis://127.0.0.1:{redis}/0"] * 3) == alone
