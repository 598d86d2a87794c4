"""Processes of the service that may be killed at any moment, and started again."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
from attrs import define, field

from tests.contract.servers import free_port
from tests.system.teams import OPENMETRICS, SECRET, Name, births, samples

START_SECONDS = 60
STEPS = ("_total", "_count", "_sum", "_bucket")
"""How the samples end that never go down."""


@define(eq=False)
class Replica:
    """One process of the service; it has the same port in every life."""

    environ: Mapping[str, str]
    folder: Path
    client: httpx.AsyncClient
    snapshot_after: int
    port: int = field(factory=free_port)
    lives: int = 0
    process: asyncio.subprocess.Process | None = None
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
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.system.serving", str(self.snapshot_after)),
                env=kept | settings,
                stdout=log,
                stderr=log,
            )

    async def ready(self) -> None:
        """Wait until it accepts deliveries."""
        async with asyncio.timeout(START_SECONDS):
            while not await self.is_ready():
                assert self.process is not None
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.02)

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

    async def kill(self) -> None:
        """End the life by SIGKILL."""
        assert self.process is not None
        assert self.process.returncode is None, self.log.read_text()
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """End the life by SIGTERM; return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return await self.process.wait()
