"""The series of an organisation, as observations make them: what a scrape shows.

Every repository has two environments, five deployments in each, and observations with exemplars in every histogram but
those of recoveries.
"""

from __future__ import annotations

import random
from typing import Final

from attrs import define, field

from dora.adapters.prometheus import Series
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

_DEPLOYMENTS: Final = 5
_STEP: Final = 1_000
"""Microseconds between two things that happen: many happen between two scrapes, which are not hours apart."""


@define
class Organisation:
    """Records the life of repositories, the same for as many repositories every time."""

    repositories: int
    series: Series = field(factory=Series)
    now: int = 1_760_000_000 * MICROSECONDS
    _chance: random.Random = field(factory=lambda: random.Random(1), init=False)  # noqa: S311 - a benchmark's data
    _chains: list[Chain] = field(init=False)

    def __attrs_post_init__(self) -> None:
        names = [f"acme/service-{number:05d}" for number in range(self.repositories)]
        self._chains = [Chain(name, environment, "") for name in names for environment in ("production", "staging")]
        self._chance.shuffle(self._chains)
        for chain in self._chains:
            self._record(RepositoryRegistered(chain.repository), ChainRegistered(chain))
            for _ in range(_DEPLOYMENTS):
                self._deploy(chain)

    def go_on(self) -> None:
        """Deploy to one chain in a hundred."""
        for chain in self._chance.sample(self._chains, max(1, len(self._chains) // 100)):
            self._deploy(chain)

    def _deploy(self, chain: Chain) -> None:
        """Merge and deploy two changes."""
        exemplar = Exemplar(str(self._chance.randrange(10**9)), f"{self._chance.getrandbits(160):040x}")
        self._record(ChangeCounted(chain.repository), TimeToMergeObserved(chain.repository, self._duration()))
        self._record(
            DeploymentCounted(chain, Result.SUCCESS, exemplar),
            LastDeployment(chain, self.now),
            *(LeadTimeObserved(chain, self._duration(), exemplar) for _ in range(2)),
            *(CommitLeadTimeObserved(chain, self._duration(), exemplar) for _ in range(2)),
        )

    def _record(self, *observations: Observation) -> None:
        self.now += _STEP
        self.series.record(observations, at=self.now)

    def _duration(self) -> int:
        return int(self._chance.lognormvariate(11, 2) * MICROSECONDS)
