"""How long a scrape holds up the event loop: `python -m benchmarks.stall`.

The service is composed as in `dora serve` and runs in this process' event loop, with the series of 5,000 repositories;
another process scrapes it over loopback. A callback that asks to be called again and again takes the time of every turn
of the loop: that is how long a webhook that has just come in can wait. Turns are measured in this thread's processor
time, which other work on the machine leaves alone. The figure is the longest turn in the median repeat, of the kind of
scrape that has the longest; what several scrapes that begin at the same moment make together is told beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Final

from attrs import define, field

from benchmarks.figures import Figure, main, middle
from benchmarks.scraper import OPENMETRICS, TEXT
from benchmarks.series import Organisation
from benchmarks.servers import SECRET, cores, pinned
from dora import composition
from dora.adapters.prometheus import Series
from dora.cli import GARBAGE, configure_logging

REPOSITORIES: Final = 5_000
REPEATS: Final = 3
KINDS: Final = {
    "openmetrics, gzip": (OPENMETRICS, "gzip"),
    "openmetrics": (OPENMETRICS, "identity"),
    "text, gzip": (TEXT, "gzip"),
    "text": (TEXT, "identity"),
}
_ONCE: Final = (
    "import sys; from http.client import HTTPConnection as C; from benchmarks.scraper import scrape;"
    "scrape(C('127.0.0.1', int(sys.argv[1])), *sys.argv[2:])"
)


@define
class Watch:
    """Takes the time of every turn of the event loop."""

    longest: float = 0.0
    """Seconds of processor time."""
    _before: float = field(default=0.0, init=False)
    _running: bool = field(default=True, init=False)

    def start(self) -> None:
        """Watch from the next turn on."""
        self._before = time.thread_time()
        asyncio.get_running_loop().call_soon(self._turn)

    def stop(self) -> float:
        """Watch no more; return the longest turn in milliseconds."""
        self._running = False
        return self.longest * 1e3

    def _turn(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - self._before)
        self._before = now
        if self._running:
            asyncio.get_running_loop().call_soon(self._turn)


@contextlib.asynccontextmanager
async def serving(repositories: int) -> AsyncIterator[tuple[int, Organisation]]:
    """Run the service in this event loop; yield its port, and the organisation whose series it shows."""
    environ = {"WEBHOOK_SECRET": SECRET.decode(), "DORA_BIND": "127.0.0.1:0", "DORA_LOG_LEVEL": "error"}
    settings = composition.read_settings(environ)
    configure_logging(settings)
    service = composition.compose(settings)
    series = service.observer.sink
    if not isinstance(series, Series):
        raise SystemExit("the service records to something else")
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(service.run(stop, listening=port.set_result))
    number = await port
    while not service.app.gate.ready:  # noqa: ASYNC110 - once, at the start; the service has no event for it
        await asyncio.sleep(0.01)
    organisation = Organisation(repositories, series=series, now=time.time_ns() // 1_000)
    gc.collect()
    gc.freeze()  # as after a restart from kept state
    gc.set_threshold(*GARBAGE)
    try:
        yield number, organisation
    finally:
        stop.set()
        await running


async def scraped(port: int, *kinds: str) -> float:
    """Scrape once in each of these ways, all at the same time; return the longest turn meanwhile."""
    with pinned(cores()[1]):
        scrapers = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", _ONCE, str(port), *KINDS[kind]) for kind in kinds
        ]
    watch = Watch()
    watch.start()
    ends = await asyncio.gather(*(one.wait() for one in scrapers))
    if any(ends):
        raise SystemExit("a scrape failed")
    return watch.stop()


async def repeat(repositories: int, noted: dict[str, list[float]]) -> None:
    """Scrape in every way, cold and warm."""
    async with serving(repositories) as (port, organisation):
        for temperature in ("cold", "1 % changed"):
            for kind in KINDS:
                organisation.go_on()
                noted.setdefault(f"{kind}, {temperature}", []).append(await scraped(port, kind))
        organisation.go_on()
        noted.setdefault("all four at once, 1 % changed", []).append(await scraped(port, *KINDS))
    async with serving(repositories) as (port, _):
        noted.setdefault("all four at once, cold", []).append(await scraped(port, *KINDS))
        watch = Watch()
        watch.start()
        await asyncio.sleep(1)
        noted.setdefault("nobody scrapes", []).append(watch.stop())
    gc.unfreeze()


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - every benchmark's one parameter
    """Yield the figures."""
    repeats, repositories = (1, 20) if quick else (REPEATS, REPOSITORIES)
    noted: dict[str, list[float]] = {}
    with pinned(cores()[0]):
        for _ in range(repeats):
            asyncio.run(repeat(repositories, noted))
    figures = {kind: middle(f"stall: {kind}", times, "ms") for kind, times in noted.items()}
    yield from figures.values()
    kind = max((kind for kind in figures if kind.startswith(tuple(KINDS))), key=lambda kind: figures[kind].value)
    yield Figure("stall", figures[kind].value, "ms", figures[kind].repeats, kind)


if __name__ == "__main__":
    main(measure, __doc__)
