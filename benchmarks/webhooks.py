"""Webhooks a second, beside a bare application on the same server: `python -m benchmarks.webhooks`.

Three servers run at once on one core: Hypercorn with an application that reads the body and answers 202, the service
with `memory:`, and the service on a volume. They get the same requests in turn, in rounds, over 16 connections; a
round's ratio is of its own throughputs, and the figure is the median of the rounds. The load comes from another core.
Processor time a request is told too: other work on the machine disturbs it least. `TMPDIR` says where the volume is.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from attrs import define, field

from benchmarks.deliveries import EACH, Deliveries
from benchmarks.figures import Figure, main, middle
from benchmarks.load import Run, send
from benchmarks.servers import Process, bare, service

CONNECTIONS: Final = 16
REPOSITORIES: Final = 500
ROUNDS: Final = 21
"""Many and short: other work on the machine then falls on all servers alike."""
REQUESTS: Final = 1_400
_SYNCS: Final = 200
ACCEPTED: Final = 202


@define
class Contestant:
    """A server, and what it did in each round."""

    process: Process
    runs: list[Run] = field(factory=list, init=False)

    def run(self, requests: list[bytes]) -> None:
        """Answer a round of requests, all of them new."""
        run = send(self.process, requests, CONNECTIONS)
        if run.statuses != {ACCEPTED: len(requests)}:
            raise SystemExit(f"not every request was accepted: {run.statuses}")
        self.runs.append(run)

    def rates(self) -> list[float]:
        """Return the requests a second of each round."""
        return [len(run.latencies) / run.seconds for run in self.runs]

    def costs(self) -> list[float]:
        """Return the server's processor time a request of each round, in microseconds."""
        return [run.server / len(run.latencies) * 1e6 for run in self.runs]

    def load(self) -> float:
        """Return which part of a core the client needed."""
        return median(run.client / run.seconds for run in self.runs)


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - every benchmark's one parameter
    """Yield the figures."""
    rounds, requests, repositories = (1, 280, 10) if quick else (ROUNDS, REQUESTS, REPOSITORIES)
    with tempfile.TemporaryDirectory() as folder:
        volume = Path(folder) / "state"
        with bare() as plain, service() as memory, service(f"file://{volume}") as kept:
            contestants = {"bare": Contestant(plain), "memory": Contestant(memory), "volume": Contestant(kept)}
            deliveries = Deliveries(repositories)
            warm = deliveries.take(repositories * EACH)  # everybody's series exist from here on
            for one in contestants.values():
                send(one.process, warm, CONNECTIONS)
            sizes = []
            order = deque(contestants.values())
            for _ in range(rounds):
                batch = deliveries.take(requests)
                sizes.append(sum(map(len, batch)) / len(batch))
                for one in order:
                    one.run(batch)
                order.rotate()  # nobody always comes after the same other
        yield middle("webhooks.bytes", sizes, "bytes", "a request, head included")
        yield from _figures(contestants)
        yield middle("webhooks.sync", list(_syncs(Path(folder))), "ms", f"fsync of 4 kB, {_filesystem(Path(folder))}")


def _figures(contestants: dict[str, Contestant]) -> Iterator[Figure]:
    plain = contestants["bare"]
    for name, one in contestants.items():
        load = f"the client needed {one.load():.0%} of its core"
        yield middle(f"webhooks.{name}.rate", one.rates(), "/s", load)
        yield middle(f"webhooks.{name}.cost", one.costs(), "µs", "processor time of the server a request")
        yield middle(
            f"webhooks.{name}.p50", [median(run.latencies) * 1e3 for run in one.runs], "ms", "16 requests under way"
        )
    for name in ("memory", "volume"):
        one = contestants[name]
        costs = [mine / theirs for mine, theirs in zip(plain.costs(), one.costs(), strict=True)]
        yield middle(f"webhooks.{name}.cpu", costs, "%", "the bare application's processor time in ours")
        rates = [mine / theirs for mine, theirs in zip(one.rates(), plain.rates(), strict=True)]
        yield middle(f"webhooks.{name}", rates, "%")


def _syncs(folder: Path) -> Iterator[float]:
    """Yield how long each of some syncs takes, in milliseconds: what a volume cannot be faster than."""
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            yield (time.perf_counter() - began) * 1e3


def _filesystem(folder: Path) -> str:
    """Return the kind of file system that a folder is on (Linux)."""
    mounts = [one.split() for one in Path("/proc/mounts").read_text().splitlines()]
    at = str(folder.resolve())
    around = [mount for mount in mounts if at == mount[1] or at.startswith(mount[1].rstrip("/") + "/")]
    return max(around, key=lambda mount: len(mount[1]))[2]


if __name__ == "__main__":
    main(measure, __doc__)
