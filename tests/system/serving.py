"""The service with snapshots every few facts: `python -m tests.system.serving SNAPSHOT_AFTER`.

All else is as `dora serve` has it, but for Redis' margin: with the default nothing is ever trimmed in a short test.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from dora import cli, composition
from dora.adapters.journal.redis import Stream

MARGIN = 3_000
"""Entries that stay in Redis: what the teams send in the ten seconds that a replica may be cut off, and no more."""


async def serve(snapshot_after: int) -> None:
    """Compose the service of the environment's settings, and run it until SIGTERM."""
    settings = composition.read_settings(os.environ)
    cli.configure_logging(settings)
    service = composition.compose(settings)
    service.observer.snapshot_after = snapshot_after
    if isinstance(service.observer.journal, Stream):
        service.observer.journal.margin = MARGIN
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await service.run(stop)


def live(environ: Mapping[str, str], log: Path, snapshot_after: int | None) -> None:
    """Serve in a process that was forked with everything loaded: so a life costs no start of Python.

    Without a number it is `dora serve` itself.
    """
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.environ.clear()
    os.environ.update(environ)
    if snapshot_after is None:
        sys.exit(cli.serve(os.environ))
    asyncio.run(serve(snapshot_after))


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
