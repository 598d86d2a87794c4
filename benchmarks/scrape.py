"""What a scrape costs beside prometheus-client's own rendering of the same families: `python -m benchmarks.scrape`.

All in OpenMetrics, for growing organisations. Measured is processor time, from the call for an answer to its last byte,
in turn with the client's; the figures of 5,000 repositories are those that targets stand for, the others show how cost
grows. In the end the answers are compared byte by byte.
"""

from __future__ import annotations

import gc
import gzip
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Final

from attrs import define, field
from prometheus_client.openmetrics.exposition import generate_latest

from benchmarks.figures import Figure, main, middle
from benchmarks.series import Organisation
from dora.adapters.prometheus import Collector, Exposition, Format

OPENMETRICS: Final = Format(openmetrics=True)
ASKED: Final = 5_000
"""Repositories of which the targets speak."""
SIZES: Final = (250, 500, 1_000, 2_500, ASKED, 10_000)
REPEATS: Final = 5
"""Of the size that targets speak of; the client takes ten seconds each time. Of the others, one."""
WARM: Final = 7
"""How often each of our own warm scrapes is measured in a repeat: they take a hundredth of the client's time."""
LEVEL: Final = 6


def timed(work: Callable[[], object]) -> float:
    """Return the processor time of some work in milliseconds."""
    gc.collect()
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e3


@define
class Bench:
    """Measures one organisation."""

    organisation: Organisation
    times: defaultdict[str, list[float]] = field(factory=lambda: defaultdict(list), init=False)
    """Milliseconds by what was done."""

    def run(self, repeats: int) -> None:
        """Measure everything in turn."""
        gc.collect()
        gc.freeze()  # as the service does when its state is restored
        kept = Exposition(self.organisation.series)
        for compressed in (False, True):
            self.answer(kept, compressed=compressed)
        for _ in range(repeats):
            self.client()
            for name, compressed in (("ours", False), ("ours.gzip", True)):
                fresh = Exposition(self.organisation.series)
                self.note(f"{name}.cold", partial(self.go_through, fresh, compressed=compressed))
                again = partial(self.go_through, kept, compressed=compressed)
                for _ in range(WARM):
                    self.organisation.go_on()
                    self.note(name, again)
                    self.note(f"{name}.same", again)
        self.compare(kept)

    def note(self, name: str, work: Callable[[], object]) -> None:
        """Measure once."""
        self.times[name].append(timed(work))

    def client(self) -> None:
        """Measure the client, which compresses what it has rendered."""
        gc.collect()
        began = time.process_time()
        lines = self.rendered()
        rendered = time.process_time() - began
        gzip.compress(lines, LEVEL)
        self.times["client"].append(rendered * 1e3)
        self.times["client.gzip"].append((time.process_time() - began) * 1e3)

    def go_through(self, exposition: Exposition, *, compressed: bool) -> None:
        """Take an answer of ours piece by piece, as the server sends it."""
        deque(exposition.body(OPENMETRICS, compressed=compressed, now=self.organisation.now), maxlen=0)

    def rendered(self) -> bytes:
        """Return the client's rendering."""
        collector = Collector(self.organisation.series)
        lines: bytes = generate_latest(collector)  # type: ignore[no-untyped-call]  # as it is
        return lines

    def answer(self, exposition: Exposition, *, compressed: bool) -> bytes:
        """Return a whole answer of ours."""
        return b"".join(exposition.body(OPENMETRICS, compressed=compressed, now=self.organisation.now))

    def compare(self, exposition: Exposition) -> None:
        """Refuse figures of answers that differ."""
        lines = self.rendered()
        zipped = self.answer(exposition, compressed=True)
        if lines != self.answer(exposition, compressed=False) or lines != gzip.decompress(zipped):
            raise SystemExit("the answers differ")
        self.times["bytes"].append(len(lines))
        self.times["bytes.gzip"].append(len(zipped))


_RATIOS: Final = {
    "scrape": ("client", "ours"),
    "scrape.cold": ("client", "ours.cold"),
    "scrape.same": ("client", "ours.same"),
    "scrape.gzip": ("client.gzip", "ours.gzip"),
    "scrape.gzip.cold": ("client.gzip", "ours.gzip.cold"),
    "scrape.gzip.same": ("client.gzip", "ours.gzip.same"),
}


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - every benchmark's one parameter
    """Yield the figures; those of one size have it in their name."""
    sizes, asked = ((20, 50), 50) if quick else (SIZES, ASKED)
    for size in sizes:
        bench = Bench(Organisation(size))
        bench.run(REPEATS if size == ASKED else 1)
        for name, times in bench.times.items():
            unit = "bytes" if name.startswith("bytes") else "ms"
            yield middle(f"scrape.{size}.{name}", times, unit)
        if size == asked:
            for name, (theirs, ours) in _RATIOS.items():
                one, other = median(bench.times[theirs]), median(bench.times[ours])
                yield Figure(name, one / other, "×", detail=f"{one:,.0f} ms beside {other:,.2f} ms")
        del bench
        gc.unfreeze()


if __name__ == "__main__":
    main(measure, __doc__)
