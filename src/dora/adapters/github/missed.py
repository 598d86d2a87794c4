"""What GitHub says happened in a repository since the service has known it: the facts that deliveries should have told.

They are the facts of `dora.adapters.github.translation`, labelled and judged by the settings and the clock of now.
Which of them are news is for the core to say: what a delivery told before is a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from attrs import Factory, define, evolve, frozen

from dora.adapters.github import queries
from dora.adapters.github.listings import Here, ListedDeployment, ListedPullRequest, Listings
from dora.adapters.github.reading import label_names
from dora.adapters.github.reverts import reverted
from dora.adapters.github.translation import RESULTS, is_environment
from dora.domain.facts import DeploymentFinished, Environment, EnvironmentSeen, PullRequestMerged, Repository
from dora.domain.instant import MICROSECONDS, Duration, Instant
from dora.policy import Policy
from dora.ports import Refused

Missed: TypeAlias = EnvironmentSeen | DeploymentFinished | PullRequestMerged

LOOK_BACK: Final[Duration] = 30 * 86_400 * MICROSECONDS
"""How far back a process looks when it begins: as long as GitHub lets a deployment wait for its approval."""
_OVERLAP: Final[Duration] = 5 * 60 * MICROSECONDS
"""How much of what was read is read again: for clocks that differ, and answers that lag."""
_MOST_PAGES: Final = 10
"""Pages of a list read at once: a thousand deployments, as many as a chain remembers; five hundred merges."""


@frozen(kw_only=True)
class Since:
    """From when on facts count: a series tells of what happened since it was created, and of nothing before."""

    repository: Instant
    """When the repository was registered."""
    process: Instant
    """When this process began: until then other settings may have ruled."""
    chain: Callable[[Environment], Instant | None]
    """Returns when the environment's chain was registered; None: it is not yet."""

    def of(self, environment: Environment) -> Instant:
        """Return from when on deployments to the environment count.

        An environment that nobody has heard of may be one that the settings left out until this process began.
        """
        born = self.chain(environment)
        return max(self.repository, self.process if born is None else min(born, self.process))


@frozen(kw_only=True)
class Mark:
    """How far a repository has been read."""

    here: Here | None = None
    here_tag: str | None = None
    deployments_tag: str | None = None
    """Set while the first page is all there is to read, and nothing on it is under way."""
    deployments_from: Instant
    """No deployment made before this one's time is still under way."""
    merges_tag: str | None = None
    merges_from: Instant
    """No pull request was updated before, and not read."""


@frozen
class Found:
    """What there is to tell, in the order of its time, and how far that reaches."""

    facts: tuple[Missed, ...]
    mark: Mark
    left_out: bool = False
    """There was more than is read at once."""


@define
class _Round:
    """One reading of one repository."""

    here: Here
    since: Since
    now: Instant
    facts: list[Missed] = Factory(list)
    environments: dict[Environment, None] = Factory(dict)
    under_way: list[Instant] = Factory(list)
    """When deployments were made that have neither succeeded nor failed, as far as could be read."""
    left_out: bool = False

    @property
    def repository(self) -> Repository:
        return Repository(name=self.here.full_name, id=self.here.id)


@frozen
class Reader:
    """Reads one repository after the other."""

    listings: Listings
    policy: Policy

    async def read(self, repository: Repository, since: Since, mark: Mark | None, *, now: Instant) -> Found:
        """Return what happened since, as far as it was not read before.

        Args:
            repository: The repository, as the service knows it.
            since: From when on facts count.
            mark: What the last reading returned, if its facts were kept; None: look back.
            now: The time of receipt.

        Raises:
            Refused: GitHub does not show it, or shows another repository by its name.
            Unavailable: no, or no whole answer.
        """
        mark = mark or Mark(deployments_from=now - LOOK_BACK, merges_from=max(since.repository, now - LOOK_BACK))
        page = await self.listings.repository(repository.name, mark.here_tag)
        if page is not None:
            mark = evolve(mark, here=page.rows[0], here_tag=page.etag)
        here = mark.here
        if here is None or (repository.id is not None and repository.id != here.id):
            raise Refused("another repository has taken the name")
        round_ = _Round(here, since, now)
        if self.policy.watches(here.full_name):
            mark = await self._merges(round_, mark)
            mark = await self._deployments(round_, mark)
        seen = (
            EnvironmentSeen(repository=round_.repository, received_at=now, environment=environment)
            for environment in round_.environments
        )
        return Found((*seen, *sorted(round_.facts, key=_place)), mark, round_.left_out)

    async def _merges(self, round_: _Round, mark: Mark) -> Mark:
        name = round_.here.full_name
        url: str | None = self.listings.first(name, "pulls", "&state=closed&sort=updated&direction=desc")
        tag = mark.merges_tag
        for number in range(_MOST_PAGES):
            if url is None:
                break
            page = await self.listings.page(name, url, "pulls", ListedPullRequest, tag if number == 0 else None)
            if page is None:
                return mark
            tag = page.etag if number == 0 else tag
            for row in page.rows:
                self._merged(round_, row)
            reached = not page.rows or page.rows[-1].updated_at < mark.merges_from
            url = None if reached else page.next
        round_.left_out = round_.left_out or url is not None
        return evolve(mark, merges_tag=tag, merges_from=round_.now - _OVERLAP)

    def _merged(self, round_: _Round, row: ListedPullRequest) -> None:
        if row.merged_at is None or row.merge_commit_sha is None or row.merged_at < round_.since.repository:
            return
        if not self.policy.tracks(row.base.ref, round_.here.default_branch or None):
            return
        head = row.head.ref if row.head else ""
        round_.facts.append(
            PullRequestMerged(
                repository=round_.repository,
                received_at=round_.now,
                number=row.number,
                created_at=row.created_at,
                merged_at=row.merged_at,
                merge_commit=row.merge_commit_sha,
                hotfix=self.policy.is_hotfix(label_names(row.labels), head),
                reverts=reverted(head),
                counted=not self.policy.too_old(row.merged_at, now=round_.now),
            )
        )

    async def _deployments(self, round_: _Round, mark: Mark) -> Mark:
        """Read pages until none of them can hold what is under way; the first one always, whole."""
        name = round_.here.full_name
        url: str | None = self.listings.first(name, "deployments")
        tag = mark.deployments_tag
        after: str | None = None
        rows: list[ListedDeployment] = []
        told: dict[str, queries.Deployment] = {}
        for number in range(_MOST_PAGES):
            if url is None:
                break
            page = await self.listings.page(name, url, "deployments", ListedDeployment, tag if number == 0 else None)
            if page is None:
                return mark
            tag = page.etag if number == 0 else None
            url = page.next
            if page.rows:
                histories = await self.listings.histories(name, after)
                after = histories.page.end
                rows += page.rows
                told |= _by_id(histories.nodes or ())
            if not page.rows or page.rows[-1].created_at < mark.deployments_from:
                url = None
        round_.left_out = round_.left_out or url is not None
        for row in rows:
            self._deployed(round_, row, told.get(str(row.id)) or told.get(row.node_id))
        # What was made longer ago, and has come to nothing, was abandoned.
        under_way = [made for made in round_.under_way if made >= round_.now - LOOK_BACK]
        begin = min(round_.now - _OVERLAP, *under_way) if under_way else round_.now - _OVERLAP
        return evolve(mark, deployments_tag=None if under_way else tag, deployments_from=begin)

    def _deployed(self, round_: _Round, row: ListedDeployment, history: queries.Deployment | None) -> None:
        environment = self._environment(row, row.environment)
        if environment is None:
            return
        if row.created_at >= round_.since.repository:
            round_.environments[environment] = None
        # Made between the two answers, it is in one of them alone: the next round has both.
        if history is None or not self._finished(round_, row, history):
            round_.under_way.append(row.created_at)

    def _finished(self, round_: _Round, row: ListedDeployment, history: queries.Deployment) -> bool:
        """Take the history of a deployment; return whether it came to a result."""
        statuses = () if history.statuses is None else history.statuses.nodes or ()
        known = sorted((status for status in statuses if status is not None), key=lambda status: status.created_at)
        told = set()
        for status in known:
            environment = self._environment(row, status.environment or row.environment)
            if environment is None:
                continue
            since = round_.since.of(environment)
            if status.created_at >= round_.since.repository:
                round_.environments[environment] = None
            result = RESULTS.get(status.state.lower())
            if result is None or (environment, result) in told:
                continue
            # The first of several stands for all: what succeeded before the service was there did so before.
            told.add((environment, result))
            if status.created_at < since:
                continue
            round_.facts.append(
                DeploymentFinished(
                    repository=round_.repository,
                    received_at=round_.now,
                    environment=environment,
                    deployment_id=str(row.id),
                    result=result,
                    at=status.created_at,
                    sha=row.sha,
                    counted=not self.policy.too_old(status.created_at, now=round_.now),
                    lookups=self.policy.lookups,
                    max_commits=self.policy.max_commits,
                )
            )
        return bool(told)

    def _environment(self, row: ListedDeployment, name: str) -> Environment | None:
        if not is_environment(name):
            return None
        return self.policy.environment(name, transient=row.transient is True)


def _by_id(histories: Iterable[queries.Deployment | None]) -> dict[str, queries.Deployment]:
    """Return the histories by the id that REST gives; by GraphQL's own where that is too large for GraphQL."""
    told: dict[str, queries.Deployment] = {}
    for one in histories:
        if one is not None:
            told[one.id if one.database_id is None else str(one.database_id)] = one
    return told


def _place(fact: Missed) -> tuple[Instant, bool]:
    """Return where a fact stands among others: by its time, and what was merged before what was deployed."""
    if isinstance(fact, PullRequestMerged):
        return fact.merged_at, False
    return (fact.at if isinstance(fact, DeploymentFinished) else fact.received_at), True
