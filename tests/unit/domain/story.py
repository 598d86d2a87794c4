"""Small words for telling the core a history by hand, and for asking what it added up to.

Times are hours since an arbitrary beginning; commits have names, of which `sha` makes something that looks like one.
"""

from __future__ import annotations

from itertools import chain

from attrs import Factory, define

from dora.domain.core import Core
from dora.domain.facts import (
    ChangeMerged,
    Commit,
    CommitsPushed,
    DeploymentFinished,
    DeploymentMarkedFailed,
    DeploymentRecovered,
    DeploymentStarted,
    Environment,
    EnvironmentSeen,
    Fact,
    IncidentOpened,
    IncidentResolved,
    Kind,
    PullRequestMerged,
    Repository,
    Result,
    SentChange,
)
from dora.domain.instant import MICROSECONDS, Instant
from dora.domain.observations import Chain
from dora.domain.outcome import Applied, Status
from tests.unit.domain.series import Series, SeriesName, Value, fold, of, settled

START: Instant = 1_790_000_000 * MICROSECONDS
HOUR = 3600 * MICROSECONDS
SHOP = Repository("acme/shop", 42)

PRODUCTION = Environment("production", "production", "", listed=True)
STAGING = Environment("staging", "staging")
US = Environment("prod-us", "production", "", listed=True)
EU = Environment("prod-eu", "production", "", listed=True)
API = Environment("api-prod", "production", "api", listed=True)
WEB = Environment("web-prod", "production", "web", listed=True)


def hour(number: float) -> Instant:
    """Return the instant so many hours after the beginning."""
    return START + round(number * HOUR)


def hours(*numbers: float) -> list[int]:
    """Return durations, sorted as series keep them."""
    return sorted(round(number * HOUR) for number in numbers)


def sha(name: str) -> str:
    """Return the commit's SHA."""
    return name.encode().hex().ljust(40, "0")


def commit(name: str, at: float, *, authored: float | None = None, merge: bool = False) -> Commit:
    """Return a commit as a push lists it; it was authored when it was committed, unless said otherwise."""
    return Commit(
        sha=sha(name),
        committed_at=hour(at),
        authored_at=hour(at if authored is None else authored),
        merge_subject=merge,
    )


def push(before: str | None, after: str, *commits: Commit, branch: str = "main", forced: bool = False) -> CommitsPushed:
    """Return a push; of all branches only `main` is tracked."""
    return CommitsPushed(
        repository=SHOP,
        received_at=START,
        branch=branch,
        tracked=branch == "main",
        before=None if before is None else sha(before),
        after=sha(after),
        forced=forced,
        commits=commits,
    )


def direct(before: str, after: str, at: float) -> CommitsPushed:
    """Return a push of one commit to the tracked branch."""
    return push(before, after, commit(after, at))


def merge(
    number: int,
    merge_commit: str,
    at: float,
    *,
    opened: float = 0,
    commits: int | None = 1,
    hotfix: bool = False,
    reverts: int | None = None,
) -> PullRequestMerged:
    """Return a merged pull request."""
    return PullRequestMerged(
        repository=SHOP,
        received_at=START,
        number=number,
        created_at=hour(opened),
        merged_at=hour(at),
        merge_commit=sha(merge_commit),
        commits=commits,
        hotfix=hotfix,
        reverts=reverts,
    )


def squashed(
    before: str, number: int, after: str, at: float, *, hotfix: bool = False, reverts: int | None = None
) -> tuple[Fact, Fact]:
    """Return a pull request of two commits merged by squash, and its push."""
    return (
        merge(number, after, at, commits=2, hotfix=hotfix, reverts=reverts),
        push(before, after, commit(after, at)),
    )


def reported_merge(name: str, at: float, *, committed: float | None = None) -> ChangeMerged:
    """Return a merge that a push client reports."""
    return ChangeMerged(
        repository=SHOP,
        received_at=START,
        sha=sha(name),
        merged_at=hour(at),
        committed_at=None if committed is None else hour(committed),
    )


def success(
    deployment_id: str,
    name: str,
    at: float,
    *,
    environment: Environment = PRODUCTION,
    max_commits: int = 1000,
    changes: tuple[SentChange, ...] | None = None,
    kind: Kind | None = None,
    fixes: str | None = None,
    repository: Repository = SHOP,
    full_sha: str | None = None,
    received: float = 0,
) -> DeploymentFinished:
    """Return a deployment's success."""
    return DeploymentFinished(
        repository=repository,
        received_at=hour(received),
        environment=environment,
        deployment_id=deployment_id,
        result=Result.SUCCESS,
        at=hour(at),
        sha=full_sha or sha(name),
        max_commits=max_commits,
        changes=changes,
        kind=kind,
        fixes=fixes,
    )


def failure(deployment_id: str, at: float, *, environment: Environment = PRODUCTION) -> DeploymentFinished:
    """Return a deployment's failure."""
    return DeploymentFinished(
        repository=SHOP,
        received_at=START,
        environment=environment,
        deployment_id=deployment_id,
        result=Result.FAILURE,
        at=hour(at),
        sha=None,
    )


def seen(environment: Environment = PRODUCTION) -> EnvironmentSeen:
    """Return a status that counts nothing."""
    return EnvironmentSeen(repository=SHOP, received_at=START, environment=environment)


def started(deployment_id: str, at: float, *, environment: Environment = PRODUCTION) -> DeploymentStarted:
    """Return a deployment's announcement."""
    return DeploymentStarted(
        repository=SHOP, received_at=START, environment=environment, deployment_id=deployment_id, at=hour(at)
    )


def marked(deployment_id: str, at: float, *, environment: Environment = PRODUCTION) -> DeploymentMarkedFailed:
    """Return a report that a deployment failed."""
    return DeploymentMarkedFailed(
        repository=SHOP, received_at=START, environment=environment, deployment_id=deployment_id, at=hour(at)
    )


def recovered(deployment_id: str, at: float, *, environment: Environment = PRODUCTION) -> DeploymentRecovered:
    """Return a report that a deployment's failure is over."""
    return DeploymentRecovered(
        repository=SHOP, received_at=START, environment=environment, deployment_id=deployment_id, at=hour(at)
    )


def opened(
    incident_id: str, at: float, *, environment: Environment | None = PRODUCTION, deployment: str | None = None
) -> IncidentOpened:
    """Return an incident; without an environment it is a GitHub issue."""
    return IncidentOpened(
        repository=SHOP,
        received_at=START,
        incident_id=incident_id,
        at=hour(at),
        environment=environment,
        deployment_id=deployment,
    )


def resolved(incident_id: str, at: float, *, environment: Environment | None = PRODUCTION) -> IncidentResolved:
    """Return the end of an incident."""
    return IncidentResolved(
        repository=SHOP, received_at=START, incident_id=incident_id, at=hour(at), environment=environment
    )


@define
class Story:
    """A core that is told facts, and what its observations add up to."""

    core: Core = Factory(Core)
    series: Series = Factory(dict)

    def tell(self, *facts: Fact | tuple[Fact, ...]) -> list[Status]:
        """Tell facts in this order and return what became of each."""
        told = chain.from_iterable(entry if isinstance(entry, tuple) else (entry,) for entry in facts)
        return [self._apply(fact).outcome.status for fact in told]

    def _apply(self, fact: Fact) -> Applied:
        applied = self.core.apply(fact)
        fold(self.series, applied.observations)
        assert applied.questions == (), "nobody may be asked"
        return applied

    def value(self, family: str, *more: str, environment: Environment = PRODUCTION) -> Value | None:
        """Return a series of the chain; None if there is none."""
        labels = Chain(SHOP.name, environment.label, environment.service)
        return settled(self.series).get(of(family, labels, *more))

    def of_repository(self, family: str, repository: Repository = SHOP) -> Value | None:
        """Return a series of the repository; None if there is none."""
        return settled(self.series).get((family, repository.name))

    def stepped(self, *families: str) -> dict[SeriesName, Value]:
        """Return what is not zero of the families, by label values without the repository."""
        return {
            (name[0], *name[2:]): value
            for name, value in settled(self.series).items()
            if value and (not families or name[0] in families)
        }
