"""How long a restart takes: `python benchmarks/restart.py [FACTS [REPOSITORIES]]`, a million and 5,000 if not given.

A volume is filled with the history of repositories with two environments each: a merge, its push, two deployments. Then
the service is started as an operator starts it, and asked until it is ready: once to replay all of it, once from the
snapshot that it wrote when it was ended.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from dora.adapters.journal import Volume
from dora.domain.facts import (
    Commit,
    CommitsPushed,
    DeploymentFinished,
    Environment,
    Fact,
    PullRequestMerged,
    Repository,
    Result,
)
from dora.domain.instant import MICROSECONDS

BATCH = 1_000
ENVIRONMENTS = (Environment("staging", "staging"), Environment("production", "production"))
TARGETS = {"replay": 60, "snapshot": 10}
"""Seconds within which a million facts of 5,000 repositories must be ready, on a machine that does nothing else."""


def history(facts: int, repositories: int) -> Iterator[Fact]:
    """Yield a long history: each repository in turn merges a change and deploys it twice."""
    for change in range(facts // 4):
        number, place = divmod(change, repositories)
        repository = Repository(f"organisation/repository-{place}", 1 + place)
        at = 1_700_000_000 * MICROSECONDS + change * MICROSECONDS
        before, sha = (f"{place:020x}{one:020x}" for one in (number, number + 1))
        yield PullRequestMerged(
            repository=repository,
            received_at=at,
            number=number + 1,
            created_at=at - 3600 * MICROSECONDS,
            merged_at=at,
            merge_commit=sha,
            commits=1,
        )
        yield CommitsPushed(
            repository=repository,
            received_at=at,
            branch="main",
            tracked=True,
            before=before,
            after=sha,
            commits=(Commit(sha=sha, committed_at=at, authored_at=at - 1800 * MICROSECONDS),),
        )
        for environment in ENVIRONMENTS:
            yield DeploymentFinished(
                repository=repository,
                received_at=at,
                environment=environment,
                deployment_id=f"{change}{environment.name[0]}",
                result=Result.SUCCESS,
                at=at + 600 * MICROSECONDS,
                sha=sha,
            )


async def fill(directory: Path, facts: int, repositories: int) -> None:
    """Write the history, a fact an entry."""
    volume = Volume(directory)
    await volume.open()
    batch = []
    for fact in history(facts, repositories):
        batch.append((fact,))
        if len(batch) == BATCH:
            await volume.append(batch)
            batch = []
    await volume.append(batch)
    await volume.close()


def start(directory: Path) -> tuple[subprocess.Popen[bytes], float]:
    """Start the service; return it and the seconds until it was ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = {
        "WEBHOOK_SECRET": "made-up",
        "DORA_STATE": f"file://{directory}",
        "DORA_BIND": f"127.0.0.1:{port}",
        "DORA_LOG_LEVEL": "error",
    }
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "dora", "serve"], env={**os.environ, **settings})
    while not is_ready(port):
        if process.poll() is not None:
            sys.exit(f"the service ended with exit code {process.returncode}")
        time.sleep(0.02)
    return process, time.perf_counter() - began


def is_ready(port: int) -> bool:
    """Ask once."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200  # noqa: PLR2004 - the number says it
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def end(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """End the service; return the seconds that took, and the seconds of processor time of its whole life."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process.terminate()
    process.wait()
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def memory(process: subprocess.Popen[bytes]) -> int:
    """Return the megabytes that a process holds (Linux)."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def measure(directory: Path, facts: int, repositories: int) -> None:
    """Fill a volume, and start from it twice."""
    print(f"{facts:,} facts of {repositories:,} repositories with {len(ENVIRONMENTS)} environments each")
    asyncio.run(fill(directory, facts, repositories))
    print(f"the log                 {(directory / 'journal.sqlite3').stat().st_size >> 20:>8,} MB")
    for source, target in TARGETS.items():
        process, ready = start(directory)
        held = memory(process)
        ended, processor = end(process)
        print(f"ready from a {source:<10} {ready:>8.2f} s (target {target} s at a million); {held:,} MB of memory")
        print(f"  then ended in         {ended:>8.2f} s; processor time in all {processor:.2f} s")
    size = sum(path.stat().st_size for path in directory.glob("snapshot-*"))
    print(f"the snapshot            {size >> 20:>8,} MB")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder) / "state", *(given + [1_000_000, 5_000][len(given) :]))
