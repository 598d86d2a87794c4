"""Webhooks while the metrics are scraped without pause: `python -m benchmarks.contention`.

The service is a process of its own, with the series of 5,000 repositories in two environments, all from deliveries.
Two other processes scrape it as Prometheus does (OpenMetrics, gzip), each asking again as soon as it has an answer;
rounds with them and rounds without take turns, and the figure is the median ratio of a pair's p99. The webhooks come in
two ways: over 16 connections that never rest, as in the benchmark of throughput, and at a steady rate that leaves the
service mostly idle, where every wait for a scrape shows. A latency of the latter begins when the request was due.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from statistics import quantiles
from typing import Final

from attrs import frozen

from benchmarks.deliveries import Deliveries
from benchmarks.figures import Figure, main, middle
from benchmarks.filled import CONNECTIONS, fill
from benchmarks.load import Run, send
from benchmarks.servers import Process, cores, pinned, service

REPOSITORIES: Final = 5_000
ROUNDS: Final = 7
REQUESTS: Final = 1_400
PACE: Final = 100.0
"""Webhooks a second: 5,000 repositories would each send one in less than a minute."""
SCRAPERS: Final = 2


@frozen
class Way:
    """A way in which webhooks come."""

    name: str
    requests: int
    connections: int
    rate: float | None


@contextlib.contextmanager
def scrapers(port: int) -> Iterator[None]:
    """Scrape without pause until the end of the block; it begins when everybody has had an answer."""
    command = [sys.executable, "-m", "benchmarks.scraper", str(port)]
    with pinned(cores()[1]), contextlib.ExitStack() as stack:
        running = [stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE)) for _ in range(SCRAPERS)]
        for one in running:
            stack.callback(one.kill)
        for one in running:
            if not (one.stdout and one.stdout.readline()):
                raise SystemExit("a scraper failed")
        yield


def p99(run: Run) -> float:
    """Return the latency in milliseconds that one in a hundred exceeds."""
    return quantiles(run.latencies, n=100)[98] * 1e3


def pair(process: Process, deliveries: Deliveries, way: Way) -> tuple[float, float]:
    """Return the p99 without scrapers and with."""
    quiet = send(process, deliveries.take(way.requests), way.connections, rate=way.rate)
    with scrapers(process.port):
        scraped = send(process, deliveries.take(way.requests), way.connections, rate=way.rate)
    if {**quiet.statuses, **scraped.statuses}.keys() != {202}:
        raise SystemExit(f"not every delivery was accepted: {quiet.statuses}, {scraped.statuses}")
    return p99(quiet), p99(scraped)


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - every benchmark's one parameter
    """Yield the figures."""
    repositories, rounds, requests = (20, 1, 280) if quick else (REPOSITORIES, ROUNDS, REQUESTS)
    ways = (
        Way("contention", requests, CONNECTIONS, None),
        Way("contention.paced", requests // 4, CONNECTIONS, PACE),
    )
    with service() as process:
        deliveries = fill(process, repositories)
        pairs: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}
        for _ in range(rounds):
            for way in ways:
                pairs[way.name].append(pair(process, deliveries, way))
    for way in ways:
        quiet, scraped = zip(*pairs[way.name], strict=True)
        yield middle(f"{way.name}.quiet", quiet, "ms", "p99 without scrapers")
        yield middle(f"{way.name}.scraped", scraped, "ms", f"p99 with {SCRAPERS} scrapers")
        load = f"{way.rate:.0f} webhooks a second" if way.rate else f"{way.connections} connections that never rest"
        yield middle(way.name, [with_ / without for without, with_ in pairs[way.name]], "×", load)


if __name__ == "__main__":
    main(measure, __doc__)
