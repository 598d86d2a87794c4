"""Processes that append, killed at random moments: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from base64 import b64encode
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from secrets import token_bytes

import pytest

from tests.contract.gcs import gcs_environ, gcs_server
from tests.contract.servers import (
    azure_environ,
    azurite_server,
    create_bucket,
    create_container,
    free_port,
    moto_server,
    redis_server,
    s3_environ,
    server,
)

pytestmark = pytest.mark.system

KILLS = 25


class Writer:
    """A writing process."""

    def __init__(self, url: str, first: int, environ: Mapping[str, str] | None = None) -> None:
        self._command = [sys.executable, "-m", "tests.contract.writing", url, str(first)]
        self._environ = {**os.environ, **(environ or {})}
        self.restored: list[int] = []
        self.acknowledged: list[int] = []

    async def start(self) -> None:
        """Start, and read what it restored."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environ, stdout=asyncio.subprocess.PIPE, limit=1 << 24
        )
        assert self._process.stdout is not None
        self.restored = json.loads(await self._process.stdout.readline())

    async def live(self, dice: random.Random) -> None:
        """Let it acknowledge some, none perhaps, and go on to a moment that is anywhere in what it does then."""
        assert self._process.stdout is not None
        for _ in range(dice.randrange(5)):  # however slow the machine is
            self._note(await self._process.stdout.readline())
        await asyncio.sleep(dice.random() * 0.1)  # the moment of the kill is what is tried

    async def kill(self) -> None:
        """Kill, and read what it had acknowledged; a line that was cut short counts for nothing."""
        self._process.kill()
        assert self._process.stdout is not None
        for line in (await self._process.stdout.read()).splitlines(keepends=True):
            self._note(line)
        await self._process.wait()

    def _note(self, line: bytes) -> None:
        if line.endswith(b"\n"):
            self.acknowledged += [int(number) for number in line.split()]


def proven(history: list[list[int]], acknowledged: list[int]) -> bool:
    """Return whether each life restored all that any before it had, in that order, each once, and all acknowledged."""
    for before, after in pairwise(history):
        assert after[: len(before)] == before
    assert len(set(history[-1])) == len(history[-1])
    assert set(acknowledged) <= set(history[-1])
    return len(acknowledged) > KILLS


async def lives(url: str, environ: Mapping[str, str] | None = None) -> bool:
    dice = random.Random(20)  # noqa: S311 - a test that can be repeated
    history: list[list[int]] = []
    acknowledged: list[int] = []
    for life in range(KILLS + 1):
        writer = Writer(url, 1000 * life, environ)
        await writer.start()
        await writer.live(dice)
        await writer.kill()
        history.append(writer.restored)
        acknowledged += writer.acknowledged
    # What the last life acknowledged was restored by nobody.
    return proven(history, [number for number in acknowledged if number < 10_000 * KILLS])


async def test_a_volume_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    assert await lives(f"file://{tmp_path}/state")


async def test_an_s3_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    port = free_port()
    with server(moto_server(port), port=port, folder=tmp_path):
        create_bucket(port, "dora")
        assert await lives("s3://dora/state", s3_environ(port))


async def test_an_azure_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    port, key = free_port(), b64encode(token_bytes(64)).decode()
    with azurite_server(port, key, folder=tmp_path):
        create_container(port, key, "dora")
        assert await lives("az://dora/state", azure_environ(port, key))


async def test_a_google_bucket_keeps_what_it_acknowledged() -> None:
    with gcs_server() as port:
        assert await lives("gs://dora/state", gcs_environ(port))


@pytest.mark.parametrize("kind", ["redis", "redis-6.2", "valkey"])
async def test_three_replicas_and_their_redis_keep_what_they_acknowledged(kind: str, tmp_path: Path) -> None:
    port = free_port()
    command = redis_server(tmp_path, port=port, kind=kind)
    url = f"redis://127.0.0.1:{port}/0"
    dice = random.Random(20)  # noqa: S311 - a test that can be repeated
    history: list[list[int]] = []
    acknowledged: list[int] = []
    running: list[Writer] = []
    with ExitStack() as redis:
        redis.enter_context(server(command, port=port, folder=tmp_path, kill=True))
        for life in range(KILLS):
            writer = Writer(url, 1000 * life)
            await writer.start()
            running.append(writer)
            history.append(writer.restored)
            await writer.live(dice)
            if life % 5 == 4:
                redis.close()
                redis.enter_context(server(command, port=port, folder=tmp_path, kill=True))
            if len(running) == 3:
                victim = running.pop(dice.randrange(3))
                await victim.kill()
                acknowledged += victim.acknowledged
        for writer in running:
            await writer.kill()
            acknowledged += writer.acknowledged
        last = Writer(url, 1000 * KILLS)
        await last.start()
        await last.kill()
        history.append(last.restored)
        assert proven(history, acknowledged)
