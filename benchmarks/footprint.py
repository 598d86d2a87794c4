"""What the service needs to be there: memory, and time to start: `python -m benchmarks.footprint`.

Memory is what the process holds (resident set), as /proc tells: of a service that nobody has asked anything but whether
it is ready, and of one with the series of 5,000 repositories in two environments, after scrapes in both formats with
gzip and without, each twice with deliveries in between. The start is measured from making the process to the first 200
of `/readyz`, in turn with that of a Python that does nothing.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Final

from benchmarks.figures import Figure, main, middle
from benchmarks.filled import CONNECTIONS, fill
from benchmarks.load import send
from benchmarks.scraper import OPENMETRICS, TEXT, scrape
from benchmarks.servers import cores, pinned, service

REPOSITORIES: Final = 5_000
STARTS: Final = 15
_CHANGES: Final = 700
_KINDS: Final = tuple((accept, encoding) for accept in (OPENMETRICS, TEXT) for encoding in ("gzip", "identity"))


def nothing() -> float:
    """Return the seconds that a Python takes which does nothing."""
    with pinned(cores()[0]):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        return time.perf_counter() - began


def starts(many: int) -> Iterator[Figure]:
    """Yield how long a start takes, and what an idle service holds."""
    ours, theirs, held, cost = [], [], [], []
    for _ in range(many):
        theirs.append(nothing())
        with service() as process:
            ours.append(process.ready_after)
            held.append(process.resident())
            cost.append(process.processor())
    yield middle("start.python", theirs, "s", "`python -c pass`")
    yield middle("start.cost", cost, "s", "processor time until ready")
    yield middle("start", ours, "s")
    yield middle("memory.idle", held, "MB")


def used(repositories: int) -> Iterator[Figure]:
    """Yield what a service holds that an organisation uses."""
    with service() as process:
        deliveries = fill(process, repositories)
        yield Figure("memory.unscraped", process.resident(), "MB", detail="before the first scrape")
        for accept, encoding in _KINDS * 2:
            connection = HTTPConnection("127.0.0.1", process.port)
            size = scrape(connection, accept, encoding)
            connection.close()
            kind = f"{'OpenMetrics' if accept == OPENMETRICS else 'text'}, {encoding}"
            yield Figure(
                f"memory.{kind}", process.resident(), "MB", detail=f"after this scrape of {size / 1e6:.1f} MB too"
            )
            send(process, deliveries.take(min(_CHANGES, repositories)), CONNECTIONS)
        yield Figure("memory", process.resident(), "MB", detail=f"at most ever {process.peak():.0f} MB")


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - every benchmark's one parameter
    """Yield the figures."""
    yield from starts(1 if quick else STARTS)
    yield from used(20 if quick else REPOSITORIES)


if __name__ == "__main__":
    main(measure, __doc__)
