"""The facts of an organisation's life, as many as wanted: what a journal of years holds.

Each repository in turn merges a change and deploys it to staging and to production. Of the changes, a third are pushed
without a pull request and some have more than one commit; now and then a deployment fails and is repaired by the next,
is rolled back, or is followed by an incident.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from attrs import define, field

from dora.domain.facts import (
    Commit,
    CommitsPushed,
    DeploymentFinished,
    Environment,
    Fact,
    IncidentOpened,
    IncidentResolved,
    PullRequestMerged,
    Repository,
    Result,
)
from dora.domain.instant import MICROSECONDS

STAGING: Final = Environment("staging", "staging")
PRODUCTION: Final = Environment("production", "production", listed=True)

_BEGIN: Final = 1_700_000_000 * MICROSECONDS
_MINUTE: Final = 60 * MICROSECONDS
_PACE: Final = 120 * _MINUTE
"""Between two changes of a repository: long enough for all that becomes of the first, up to its incident's end."""
_DIRECT: Final = 0.33
_FAILED: Final = 0.05
_ROLLED_BACK: Final = 0.01
_INCIDENT: Final = 0.01


@define
class Organisation:
    """Repositories that live by chance, the same chance every time."""

    repositories: int
    _chance: random.Random = field(factory=lambda: random.Random(1), init=False)  # noqa: S311 - a benchmark's data
    _now: int = field(default=_BEGIN, init=False)
    _deployments: int = field(default=0, init=False)

    def facts(self) -> Iterator[Fact]:
        """Yield facts without end; about four a change."""
        change = 0
        while True:
            for place in range(self.repositories):
                yield from self._change(place, change)
            change += 1

    def _change(self, place: int, change: int) -> Iterator[Fact]:
        repository = Repository(f"acme/service-{place:05d}", 1 + place)
        self._now += _PACE // self.repositories
        at = self._now
        before, sha = sha_of(place, change), sha_of(place, change + 1)
        shas = [f"{sha[:32]}{number:08x}" for number in range(self._chance.choice((0, 0, 1, 4)))] + [sha]
        if self._chance.random() > _DIRECT:
            yield PullRequestMerged(
                repository=repository,
                received_at=at,
                number=change + 1,
                created_at=at - self._chance.randrange(10_000) * _MINUTE,
                merged_at=at,
                merge_commit=sha,
                commits=len(shas),
            )
        yield CommitsPushed(
            repository=repository,
            received_at=at,
            branch="main",
            tracked=True,
            before=before,
            after=sha,
            commits=tuple(Commit(sha=one, committed_at=at, authored_at=at - 30 * _MINUTE) for one in shas),
        )
        yield self._deployment(repository, STAGING, sha, at + 5 * _MINUTE)
        if self._chance.random() < _FAILED:
            yield self._deployment(repository, PRODUCTION, sha, at + 10 * _MINUTE, Result.FAILURE)
        yield self._deployment(repository, PRODUCTION, sha, at + 20 * _MINUTE)
        if self._chance.random() < _ROLLED_BACK:
            yield self._deployment(repository, PRODUCTION, before, at + 40 * _MINUTE)
        if self._chance.random() < _INCIDENT:
            opened, named = at + 50 * _MINUTE, f"#{change + 1}"
            yield IncidentOpened(repository=repository, received_at=at, incident_id=named, at=opened)
            yield IncidentResolved(repository=repository, received_at=at, incident_id=named, at=opened + 30 * _MINUTE)

    def _deployment(
        self, repository: Repository, environment: Environment, sha: str, at: int, result: Result = Result.SUCCESS
    ) -> DeploymentFinished:
        self._deployments += 1
        return DeploymentFinished(
            repository=repository,
            received_at=at,
            environment=environment,
            deployment_id=str(3_900_000_000 + self._deployments),
            result=result,
            at=at,
            sha=sha,
        )


def sha_of(place: int, change: int) -> str:
    """Return the commit that a repository's change ends with."""
    return f"{(place + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF:016x}{change:016x}{0:08x}"
