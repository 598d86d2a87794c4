"""How fast a volume keeps facts, and how fast it gives them back: `python benchmarks/journal.py [FACTS]`.

Facts are deployments and merges of 5,000 repositories with two environments each, as the default of a million asks. The
replay is measured without the core (reading, checking, decoding) and with it.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from dora.adapters.journal import Volume
from dora.domain.core import Core
from dora.domain.facts import DeploymentFinished, Environment, Fact, PullRequestMerged, Repository, Result
from dora.ports import Snapshot

REPOSITORIES = 5_000
BATCH = 500
ENVIRONMENTS = (Environment("staging", "staging"), Environment("production", "production"))


def fact(number: int) -> Fact:
    """Return one fact of a long history: a merge, then its two deployments."""
    change, step = divmod(number, 3)
    repository = Repository(f"organisation/repository-{change % REPOSITORIES}", change % REPOSITORIES)
    at = 1_700_000_000_000_000 + number * 1_000_000
    sha = f"{change:040x}"
    if step == 0:
        return PullRequestMerged(
            repository=repository, received_at=at, number=change, created_at=at - 10**10, merged_at=at, merge_commit=sha
        )
    return DeploymentFinished(
        repository=repository,
        received_at=at,
        environment=ENVIRONMENTS[step - 1],
        deployment_id=str(number),
        result=Result.SUCCESS,
        at=at,
        sha=sha,
    )


def line(what: str, count: int, seconds: float) -> None:
    """Print one measurement."""
    print(f"{what:<42} {count:>9,} {seconds:>9.2f} s {count / seconds:>12,.0f} /s {seconds / count * 1e6:>8.2f} µs")


async def measure(directory: Path, facts: int) -> None:
    """Write, then read."""
    volume = Volume(directory)
    await volume.open()
    began = time.perf_counter()
    for number in range(200):
        await volume.append([(fact(number),)])
    line("append, one entry a sync", 200, time.perf_counter() - began)
    began = time.perf_counter()
    for start in range(200, facts, BATCH):
        await volume.append([(fact(number),) for number in range(start, min(start + BATCH, facts))])
    line(f"append, {BATCH} entries a sync", facts - 200, time.perf_counter() - began)
    await volume.close()

    volume = Volume(directory)
    began = time.perf_counter()
    await volume.open()
    line("open: check of the database's structure", facts, time.perf_counter() - began)
    began = time.perf_counter()
    read = 0
    async for entry in volume.replay():
        read += len(entry)
    line("replay: read, check, decode", read, time.perf_counter() - began)
    await volume.close()

    volume = Volume(directory)
    began = time.perf_counter()
    await volume.open()
    core = Core()
    async for entry in volume.replay():
        for one in entry:
            core.apply(one)
    line("open, replay and apply", read, time.perf_counter() - began)

    parts = tuple(b'{"repository":%d,"filler":"%s"}' % (number, b"0123456789abcdef" * 600) for number in range(5_000))
    size = sum(map(len, parts))
    began = time.perf_counter()
    await volume.snapshot(Snapshot(position=volume.position, version=1, parts=parts))
    line("snapshot of so many bytes, and compaction", size, time.perf_counter() - began)
    await volume.close()
    volume = Volume(directory)
    began = time.perf_counter()
    await volume.open()
    line("open from it", size, time.perf_counter() - began)
    await volume.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder) / "state", int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
