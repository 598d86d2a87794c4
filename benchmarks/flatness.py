"""Whether a deployment costs the same however much has happened before: `python -m benchmarks.flatness`.

Cores that have lived through histories of several lengths, of few repositories and of many, stand side by side. In
rounds, each learns of some changes, and then takes their deployments, one repository after another; measured is the
processor time of the deployments. The figure is the highest of the medians over that of the shortest history. That the
memory of a long history fits into no cache of the processor costs time too, and is in the figure.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from itertools import islice
from statistics import median
from typing import Final

from attrs import define, field

from benchmarks.figures import Figure, main, middle
from benchmarks.history import Organisation
from dora.cli import GARBAGE
from dora.domain.core import Core
from dora.domain.facts import DeploymentFinished, Fact

HISTORIES: Final = ((1_000, 10), (1_000_000, 10), (100_000, 1_000), (1_000_000, 10_000))
"""Facts and repositories; the first is what the others are compared with."""
ROUNDS: Final = 61
FACTS: Final = 800
"""Facts of a round; half of them are deployments."""
_FACTS_A_CHANGE: Final = 4


@define
class Life:
    """A core that has a history, and what deployments cost it."""

    before: int
    repositories: int
    costs: list[float] = field(factory=list, init=False)
    """Microseconds of processor time for a deployment, of each round."""
    _core: Core = field(factory=Core, init=False)
    _facts: Iterator[Fact] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._facts = Organisation(self.repositories).facts()
        for fact in islice(self._facts, self.before):
            self._core.apply(fact)

    def go_on(self) -> None:
        """Live through a round."""
        spent, count = 0.0, 0
        # About one change of each repository at a time: it is deployed before there is another.
        step = min(FACTS, _FACTS_A_CHANGE * self.repositories)
        for _ in range(0, FACTS, step):
            facts = list(islice(self._facts, step))
            deployments = [fact for fact in facts if isinstance(fact, DeploymentFinished)]
            for fact in facts:
                if not isinstance(fact, DeploymentFinished):
                    self._core.apply(fact)
            spent += self._deploy(deployments)
            count += len(deployments)
        self.costs.append(spent / count * 1e6)

    def _deploy(self, deployments: list[DeploymentFinished]) -> float:
        """Return the seconds of processor time that deployments take."""
        apply = self._core.apply
        began = time.process_time()
        for fact in deployments:
            apply(fact)
        return time.process_time() - began


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - every benchmark's one parameter
    """Yield the figures."""
    histories, rounds = (((100, 2), (1_000, 20)), 1) if quick else (HISTORIES, ROUNDS)
    gc.disable()  # as the service restores its state
    lives = [Life(*history) for history in histories]
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    gc.enable()
    for _ in range(rounds):
        for life in lives:
            life.go_on()
    shortest, *longer = lives
    for life in lives:
        yield middle(
            f"flatness.{life.before}.{life.repositories}",
            life.costs,
            "µs",
            f"a deployment after {life.before:,} facts of {life.repositories:,} repositories",
        )
    worst = max(longer, key=lambda life: median(life.costs))
    detail = f"{worst.before:,} facts of {worst.repositories:,} repositories"
    yield Figure("flatness", median(worst.costs) / median(shortest.costs), "×", detail=detail)


if __name__ == "__main__":
    main(measure, __doc__)
