"""How many facts a second the domain takes: `python -m benchmarks.transition`.

The facts are those of a log of 5,000 repositories with two environments each. Measured is the processor time of the
transition alone, of what a replay does beside it (checking the sum, decoding), and of all together with the metric
sink: what a restart without a snapshot takes for each. As in the service's own replay, nobody looks for garbage.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from benchmarks.figures import Figure, main, middle
from benchmarks.history import Organisation
from dora.adapters.journal.codec import Codec, checksum
from dora.adapters.prometheus import Series
from dora.domain.core import Core
from dora.domain.facts import Fact

REPEATS: Final = 5
FACTS: Final = 100_000
REPOSITORIES: Final = 5_000


def rate(facts: int, work: Callable[[], object]) -> float:
    """Return how many facts a second of processor time the work goes through."""
    gc.collect()
    gc.disable()
    began = time.process_time()
    kept = work()
    took = time.process_time() - began
    gc.enable()
    del kept  # here, so that its end is not measured
    return facts / took


def apply(facts: list[Fact]) -> Core:
    """Let facts happen to an empty core."""
    core = Core()
    for fact in facts:
        core.apply(fact)
    return core


def decode(codec: Codec, log: list[bytes]) -> list[Fact]:
    """Read a log of one fact an entry."""
    read: list[Fact] = []
    for place, body in enumerate(log):
        checksum(place, body)
        read.extend(codec.decode(body, place="benchmark"))
    return read


def restore(codec: Codec, log: list[bytes]) -> tuple[Core, Series]:
    """Do what a restart does."""
    core, series = Core(), Series()
    for place, body in enumerate(log):
        checksum(place, body)
        for fact in codec.decode(body, place="benchmark"):
            applied = core.apply(fact)
            if applied.observations:
                series.record(applied.observations, at=fact.received_at)
    return core, series


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - every benchmark's one parameter
    """Yield the figures."""
    repeats, many, repositories = (1, 2_000, 50) if quick else (REPEATS, FACTS, REPOSITORIES)
    facts = list(islice(Organisation(repositories).facts(), many))
    codec = Codec()
    log = [codec.encode((fact,)) for fact in facts]
    works: dict[str, tuple[str, Callable[[], object]]] = {
        "transition": ("decoding excluded", lambda: apply(facts)),
        "transition.decode": ("check sum and decoding alone", lambda: decode(codec, log)),
        "transition.decoded": ("decoding included", lambda: apply(decode(codec, log))),
        "transition.replay": ("decoding and the metric sink included: a whole replay", lambda: restore(codec, log)),
    }
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, (_, work) in works.items():
            rates[name].append(rate(many, work))
    for name, (what, _) in works.items():
        yield middle(name, rates[name], "facts/s", what)


if __name__ == "__main__":
    main(measure, __doc__)
