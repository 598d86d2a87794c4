"""What a scrape costs beside prometheus-client's own rendering of the same families, in the same run.

`python benchmarks/scrape.py [repositories ...]` (default 1000 5000), each with two environments and a history in which
every histogram has observations and exemplars. Repeats are interleaved with the baseline's; times are medians of CPU time, which
neighbours on the machine disturb least. The
longest stretch is the longest time between two points where the answer gives way to the event loop, over all repeats.
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
REPEATS = 5
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


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds it took."""
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


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


def measure(repositories: int) -> None:
    """Print the table of one size."""
    organisation = Organisation(repositories)
    chains = organisation.chains()
    recording = timed(lambda: [organisation.live(chain) for chain in chains])
    collector = Collector(organisation.series)
    figures: dict[str, list[float]] = {}
    longest: dict[str, float] = {}

    def ours(name: str, exposition: Exposition, *, compressed: bool) -> None:
        took = stretches(lambda: exposition.body(OPENMETRICS, compressed=compressed, now=organisation.now))
        figures.setdefault(name, []).append(sum(took))
        longest[name] = max(longest.get(name, 0), *took)

    kept = Exposition(organisation.series)
    for compressed in (False, True):
        stretches(lambda: kept.body(OPENMETRICS, compressed=compressed, now=organisation.now))
    text = b""
    for _ in range(REPEATS):
        start = time.process_time()
        text = generate_latest(collector)  # type: ignore[no-untyped-call]  # as the client has it
        figures.setdefault("client", []).append(time.process_time() - start)
        baseline = timed(lambda: gzip.compress(text, BASELINE_LEVEL))
        figures.setdefault("client, gzip", []).append(figures["client"][-1] + baseline)
        for name, compressed in (("plain", False), ("gzip", True)):
            ours(f"{name}, cold", Exposition(organisation.series), compressed=compressed)
            for chain in organisation.chance.sample(chains, len(chains) // 100):
                organisation.deploy(chain)
            ours(f"{name}, 1 % changed", kept, compressed=compressed)
            ours(f"{name}, nothing changed", kept, compressed=compressed)

    lines = b"".join(kept.body(OPENMETRICS, compressed=False, now=organisation.now))
    zipped = b"".join(kept.body(OPENMETRICS, compressed=True, now=organisation.now))
    if lines != generate_latest(collector) or gzip.decompress(zipped) != lines:  # type: ignore[no-untyped-call]  # as above
        sys.exit("the answers differ")
    size = f"{len(lines) / 1e6:.0f} MB, {lines.count(10):,} lines; gzip {len(zipped) / 1e6:.1f} MB"
    print(f"\n{repositories:,} repositories x 2 environments: {size}; recording {recording:.2f} s")
    print(f"{'':28}{'median':>10}{'ratio':>8}{'longest stretch':>18}")
    for name, times in figures.items():
        median = statistics.median(times)
        against = statistics.median(figures["client, gzip" if "gzip" in name else "client"])
        stretch = f"{longest[name] * 1e3:.1f} ms" if name in longest else ""
        print(f"{name:28}{median * 1e3:>7.0f} ms{against / median:>8.1f}{stretch:>18}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process, the client's rendering included: {peak:.0f} MB")


if __name__ == "__main__":
    for argument in sys.argv[1:] or ("1000", "5000"):
        measure(int(argument))
