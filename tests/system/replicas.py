"""Processes of the service that may be killed at any moment, and started again."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Protocol

import httpx
from attrs import define, field, frozen

from tests.contract.servers import free_port
from tests.system import serving
from tests.system.teams import OPENMETRICS, SECRET, Name, Team, births, samples, values

START_SECONDS = 60
STEPS = ("_total", "_count", "_sum", "_bucket")
"""How the samples end that never go down."""


async def becomes(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so in another process, which tells nobody."""
    async with asyncio.timeout(START_SECONDS):
        while not await condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.05)


class Process(Protocol):
    """What is done with a process, however it was started."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def kill(self) -> None: ...
    def terminate(self) -> None: ...
    async def wait(self) -> int: ...


@frozen
class Forked:
    """A process of its own, forked from one in which everything is loaded."""

    process: ForkServerProcess

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def kill(self) -> None:
        self.process.kill()

    def terminate(self) -> None:
        self.process.terminate()

    async def wait(self) -> int:
        await asyncio.to_thread(self.process.join)
        assert self.process.exitcode is not None
        return self.process.exitcode


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["__main__", serving.__name__])


@define(eq=False)
class Replica:
    """One process of the service; it has the same port in every life."""

    environ: Mapping[str, str]
    folder: Path
    client: httpx.AsyncClient
    snapshot_after: int | None = None
    """Facts between two snapshots; None: the service as it is installed."""
    forks: bool = False
    """Lives begin without a start of Python, so that there can be hundreds."""
    port: int = field(factory=free_port)
    lives: int = 0
    process: Process | None = None
    shown: dict[Name, float] = field(factory=dict)
    """What it showed when it was last looked at, in whichever life."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"log-{self.port}"

    async def start(self) -> None:
        """Begin a life; the state may still be being restored."""
        self.lives += 1
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DORA_", "GITHUB_", "PORT"))}
        settings = {"WEBHOOK_SECRET": SECRET, "DORA_BIND": f"127.0.0.1:{self.port}", **self.environ}
        if self.forks:
            process = _FORKS.Process(target=serving.live, args=(kept | settings, self.log, self.snapshot_after))
            await asyncio.to_thread(process.start)
            self.process = Forked(process)
            return
        program = (
            ("dora", "serve") if self.snapshot_after is None else ("tests.system.serving", str(self.snapshot_after))
        )
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *program),
                env=kept | settings,
                stdout=log,
                stderr=log,
            )

    async def ready(self) -> None:
        """Wait until it accepts deliveries."""
        assert not await self.ends(), self.log.read_text()

    async def ends(self) -> bool:
        """Wait until it ends by itself, or accepts deliveries; return whether it ended."""

        async def settled() -> bool:
            return self.returncode is not None or await self.is_ready()

        await becomes(settled)
        return self.returncode is not None

    @property
    def returncode(self) -> int | None:
        """Its exit code, None while it lives."""
        assert self.process is not None
        return self.process.returncode

    async def is_ready(self) -> bool:
        try:
            return (await self.client.get(f"{self.url}/readyz")).is_success
        except httpx.TransportError:
            return False

    async def text(self) -> str:
        """Return what it shows."""
        answer = await self.client.get(f"{self.url}/metrics", headers={"Accept": OPENMETRICS})
        assert answer.status_code == 200
        return answer.text

    async def look(self) -> dict[Name, float]:
        """Read what it shows: nothing is gone, nothing went down, nothing was born again."""
        read = samples(await self.text())
        before, self.shown = self.shown, read
        assert set(before) <= set(read)
        assert births(before).items() <= births(read).items()
        assert not {name for name, value in before.items() if name[0].endswith(STEPS) and read[name] < value}
        return read

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def ended(self) -> None:
        """Wait until somebody has ended the life."""
        assert self.process is not None
        await self.process.wait()

    async def kill(self) -> None:
        """End the life by SIGKILL."""
        assert self.process is not None
        assert self.returncode is None, self.log.read_text()
        self.process.kill()
        await self.process.wait()

    async def refuse(self) -> tuple[int, str]:
        """Start, and wait until it ends by itself; return the exit code and what it logged."""
        before = self.log.stat().st_size if self.log.exists() else 0
        await self.start()
        assert self.process is not None
        async with asyncio.timeout(START_SECONDS):
            code = await self.process.wait()
        return code, self.log.read_bytes()[before:].decode()

    async def stop(self) -> int:
        """End the life by SIGTERM; return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return await self.process.wait()


def team_of(replica: Replica, number: int = 1) -> Team:
    """Return a team that sends to the replica."""
    dice = random.Random(number)  # noqa: S311 - a test that can be repeated
    return Team(number=number, client=replica.client, where=lambda: replica.url, dice=dice)


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


async def has_done(team: Team, rounds: int) -> bool:
    """Return whether a team has come so far."""
    return team.rounds >= rounds


async def turns_away(replica: Replica, number: int) -> None:
    """Send a round of another team's: each is answered with 503 and a time to wait, and is not counted."""
    shown = await replica.text()
    for one in team_of(replica, number).next_round():
        answer = await replica.client.post(replica.url + one.path, content=one.body, headers=one.headers)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert await replica.text() == shown


async def keeps(replica: Replica, truth: Mapping[Name, float]) -> None:
    """Look whether it shows the truth, and shows it again after a SIGKILL."""
    assert values(await replica.look()) == truth
    await replica.kill()
    await replica.start()
    await replica.ready()
    assert values(await replica.look()) == truth
