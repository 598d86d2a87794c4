"""What a scrape costs beside prometheus-client's own rendering of the same families, in the same run.

`python benchmarks/scrape.py [repositories ...]` (default 1000 5000), each with two environments and a history in which
every histogram but those of recoveries has observations and exemplars. Repeats are interleaved with the baseline's;
times are medians of CPU time, which other work on the machine disturbs least. The longest stretch is the longest CPU
time between two points where the answer gives way to the event loop, over all repeats.
"""

from __future__ import annotations

import gc
import gzip
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator

from attrs import define, field
from prometheus_client.openmetrics.exposition import generate_latest

from dora.adapters.prometheus import Collector, Exposition, Format, Series
from dora.domain.facts import Result
from dora.domain.instant import MICROSECONDS
from dora.domain.observations import (
    Chain,
    ChainRegistered,
    ChangeCounted,
    CommitLeadTimeObserved,
    DeploymentCounted,
    Exemplar,
    LastDeployment,
    LeadTimeObserved,
    Observation,
    RepositoryRegistered,
    TimeToMergeObserved,
)

START = 1_760_000_000 * MICROSECONDS
OPENMETRICS = Format(openmetrics=True)
REPEATS = 3
BASELINE_LEVEL = 6


@define
class Organisation:
    """An organisation's series, and the random life they have."""

    repositories: int
    chance: random.Random = field(factory=lambda: random.Random(1))  # noqa: S311 - a benchmark's data
    series: Series = field(factory=Series)
    now: int = START

    def chains(self) -> list[Chain]:
        """Return every chain, in no particular order."""
        names = [f"acme/service-{number:05d}" for number in range(self.repositories)]
        chains = [Chain(name, environment, "") for name in names for environment in ("production", "staging")]
        self.chance.shuffle(chains)
        return chains

    def live(self, chain: Chain) -> None:
        """Register the chain and give it five deployments."""
        self._record(RepositoryRegistered(chain.repository), ChainRegistered(chain))
        for _ in range(5):
            self.deploy(chain)

    def deploy(self, chain: Chain) -> None:
        """Merge and deploy two changes."""
        exemplar = Exemplar(str(self.chance.randrange(10**9)), f"{self.chance.getrandbits(160):040x}")
        self._record(ChangeCounted(chain.repository), TimeToMergeObserved(chain.repository, self._duration()))
        self._record(
            DeploymentCounted(chain, Result.SUCCESS, exemplar),
            LastDeployment(chain, self.now),
            *(LeadTimeObserved(chain, self._duration(), exemplar) for _ in range(2)),
            *(CommitLeadTimeObserved(chain, self._duration(), exemplar) for _ in range(2)),
        )

    def _record(self, *observations: Observation) -> None:
        self.now += MICROSECONDS
        self.series.record(observations, at=self.now)

    def _duration(self) -> int:
        return int(self.chance.lognormvariate(11, 2) * MICROSECONDS)


def stretches(body: Callable[[], Iterator[bytes]]) -> list[float]:
    """Read an answer and return the time each of its steps took; the first includes the call for it."""
    gc.collect()
    took = []
    start = time.process_time()
    pieces = body()
    while next(pieces, None) is not None:
        now = time.process_time()
        took.append(now - start)
        start = now
    return took


@define
class Bench:
    """Measures one organisation."""

    organisation: Organisation
    figures: dict[str, list[float]] = field(factory=dict)
    longest: dict[str, float] = field(factory=dict)

    def client(self) -> bytes:
        """Measure the baseline, with and without gzip; return what it rendered."""
        gc.collect()
        start = time.process_time()
        lines: bytes = generate_latest(Collector(self.organisation.series))  # type: ignore[no-untyped-call]  # as it is
        rendered = time.process_time()
        gzip.compress(lines, BASELINE_LEVEL)
        self.figures.setdefault("client", []).append(rendered - start)
        self.figures.setdefault("client, gzip", []).append(time.process_time() - start)
        return lines

    def ours(self, name: str, exposition: Exposition, *, compressed: bool) -> None:
        """Measure one of our answers."""
        took = stretches(lambda: exposition.body(OPENMETRICS, compressed=compressed, now=self.organisation.now))
        self.figures.setdefault(name, []).append(sum(took))
        self.longest[name] = max(self.longest.get(name, 0), *took)

    def run(self) -> None:
        """Measure everything, and print the table."""
        chains = self.organisation.chains()
        start = time.process_time()
        for chain in chains:
            self.organisation.live(chain)
        recording = time.process_time() - start
        gc.collect()
        gc.freeze()  # as the service does when its state is restored
        kept = Exposition(self.organisation.series)
        encodings = {"plain": False, "gzip": True}
        for compressed in encodings.values():
            read(kept, self.organisation, compressed=compressed)
        print(f"\n{self.organisation.repositories:,} repositories x 2 environments; recording them {recording:.2f} s")
        print(f"memory with both kept: {memory():.0f} MB")
        for _ in range(REPEATS):
            self.client()
            for name, compressed in encodings.items():
                self.ours(f"{name}, cold", Exposition(self.organisation.series), compressed=compressed)
                for chain in self.organisation.chance.sample(chains, len(chains) // 100):
                    self.organisation.deploy(chain)
                self.ours(f"{name}, 1 % changed", kept, compressed=compressed)
                self.ours(f"{name}, nothing changed", kept, compressed=compressed)
        lines = self.client()
        zipped = read(kept, self.organisation, compressed=True)
        if lines != read(kept, self.organisation, compressed=False) or lines != gzip.decompress(zipped):
            sys.exit("the answers differ")
        print(f"{len(lines) / 1e6:.0f} MB, {lines.count(10):,} lines; gzip {len(zipped) / 1e6:.1f} MB")
        self.table()

    def table(self) -> None:
        """Print the figures."""
        print(f"{'':28}{'median':>10}{'ratio':>8}{'longest stretch':>18}")
        for name, times in self.figures.items():
            median = statistics.median(times)
            against = statistics.median(self.figures["client, gzip" if "gzip" in name else "client"])
            stretch = f"{self.longest[name] * 1e3:.1f} ms" if name in self.longest else ""
            print(f"{name:28}{median * 1e3:>7.0f} ms{against / median:>8.1f}{stretch:>18}")


def read(exposition: Exposition, organisation: Organisation, *, compressed: bool) -> bytes:
    """Return a whole answer."""
    return b"".join(exposition.body(OPENMETRICS, compressed=compressed, now=organisation.now))


def memory() -> float:
    """Return the most memory that this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    for argument in sys.argv[1:] or ("1000", "5000"):
        Bench(Organisation(int(argument))).run()
