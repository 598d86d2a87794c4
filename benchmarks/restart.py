"""How long a restart takes: `python -m benchmarks.restart`.

A volume is filled with a million facts of 5,000 repositories with two environments each. Then the service is started as
an operator starts it, and asked until it is ready: once to replay all of it, once from the snapshot that it wrote when
the first delivery after that came in.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks.deliveries import EACH, Deliveries
from benchmarks.figures import Figure, main
from benchmarks.history import Organisation
from benchmarks.load import send
from benchmarks.servers import service
from dora.adapters.journal import Volume
from dora.observer.snapshots import SNAPSHOT_AFTER

FACTS: Final = 1_000_000
REPOSITORIES: Final = 5_000
BATCH: Final = 1_000
_PATIENCE_SECONDS: Final = 300


async def fill(directory: Path, many: int) -> None:
    """Write the history, a fact an entry."""
    facts = Organisation(REPOSITORIES).facts()
    volume = Volume(directory)
    await volume.open()
    for start in range(0, many, BATCH):
        await volume.append([(fact,) for fact in islice(facts, min(BATCH, many - start))])
    await volume.close()


def wait_for_snapshot(directory: Path, seconds: float) -> None:
    """Wait until a snapshot is there, at most so long: a short log gets one only when the service ends."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and not list(directory.glob("snapshot-*")):
        time.sleep(0.2)


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - every benchmark's one parameter
    """Yield the figures."""
    many = 2_000 if quick else FACTS
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "state"
        asyncio.run(fill(directory, many))
        size = (directory / "journal.sqlite3").stat().st_size
        yield Figure("restart.log", size / 1e6, "MB", detail=f"the log of {many:,} facts")
        for source in ("replay", "snapshot"):
            with service(f"file://{directory}") as process:
                cost, held = process.processor(), process.resident()
                yield Figure(f"restart.{source}", process.ready_after, "s", detail=f"{cost:.1f} s of processor time")
                if source == "replay":
                    send(process, Deliveries(1).take(EACH), 1)
                    wait_for_snapshot(directory, _PATIENCE_SECONDS if many >= SNAPSHOT_AFTER else 0)
            yield Figure(f"restart.{source}.memory", held, "MB", detail="held when ready")
        size = sum(path.stat().st_size for path in directory.glob("snapshot-*"))
        if not size:
            raise SystemExit("the service wrote no snapshot")
        yield Figure("restart.size", size / 1e6, "MB", detail="the snapshot")


if __name__ == "__main__":
    main(measure, __doc__)
