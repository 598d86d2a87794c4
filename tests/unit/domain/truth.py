"""What a history should add up to, computed another way than the domain does.

The truth knows the whole commit graph and the whole history, sorted by the facts' own times; a range is a difference of
two sets of reachable commits. It walks no pushes and keeps no ledger. What a service without a token cannot be told
(the first commit of a squashed pull request, the parents of a merge) it leaves out, as the contract says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from attrs import Factory, define, frozen

from dora.domain.facts import (
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
    Result,
    Unknown,
)
from dora.domain.instant import Duration, Instant
from dora.domain.observations import Cause, Chain, IncidentState
from tests.unit.domain.graph import Commits, Graph, Merged, Node
from tests.unit.domain.series import (
    Series,
    observe,
    of,
    register_chain,
    register_incidents,
    register_repository,
    settled,
    step,
)

REPOSITORY = "acme/shop"


@frozen
class History:
    """A repository's life: all that happened, in the order of its time, and how it was delivered."""

    graph: Graph
    merged: tuple[Merged, ...]
    happened: tuple[Fact, ...]
    """Each fact once, by its own time."""
    delivered: tuple[Fact, ...]
    """What arrives, in the order of arrival, some of it more than once."""
    unseen: Commits = 0
    """The commits from before the service saw anything: never a change, unless GitHub tells their range."""
    lookups: bool = False
    author_dates: bool = True
    before: Node | None = None
    """What every environment had deployed before the service was there, as GitHub's API tells; None: nothing told."""
    lost: tuple[int, ...] = ()
    """Numbers of the pull requests whose delivery was lost."""


@define
class Failure:
    """A failed deployment, or failed deployments in a row."""

    cause: Cause
    opened: Instant
    closed: Instant | None = None


@define
class Deployed:
    """A successful deployment and what it brought."""

    fact: DeploymentFinished
    node: Node
    predecessor: Deployed | None
    """The latest earlier success of the same environment name."""
    changes: tuple[Merged | Node, ...]
    """Those it brought to the chain."""
    measured: bool
    """False if they were too many."""
    rollback: bool = False

    @property
    def repairs(self) -> bool:
        """Say whether this is a rollback or a redeploy of one."""
        before = self.predecessor
        return self.rollback or (before is not None and before.node is self.node and before.repairs)


@define
class _Succession:
    """The deployments of one environment name in a chain."""

    successes: list[Deployed] = Factory(list)
    first: dict[str, Instant] = Factory(dict)
    """When each commit first succeeded here."""
    episode: Failure | None = None
    """Failed deployments since the last success."""


def truth(history: History) -> Series:
    """Return every series as it should be once everything has been delivered and every question answered."""
    series: Series = {}
    if history.happened:
        register_repository(series, REPOSITORY)
    learnt: set[int] = set()
    chains: dict[Chain, list[Fact]] = defaultdict(list)
    for fact in history.happened:
        chain = chain_of(fact, history)
        if chain is not None:
            chains[chain].append(fact)
    for chain, facts in chains.items():
        if any(isinstance(fact, IncidentOpened | IncidentResolved) for fact in facts):
            register_incidents(series, chain)
        if not all(isinstance(fact, IncidentOpened | IncidentResolved) for fact in facts):
            register_chain(series, chain)
        chain_truth = _ChainTruth(history=history, chain=chain, series=series)
        chain_truth.tell(facts)
        learnt |= chain_truth.brought.keys()
    for merged in history.merged:
        if merged.number not in history.lost or merged.number in learnt:
            step(series, ("changes_merged", REPOSITORY))
            observe(series, ("time_to_merge", REPOSITORY), max(0, merged.merged_at - merged.created_at))
    return settled(series)


def chain_of(fact: Fact, history: History) -> Chain | None:
    """Return the chain that the fact is about."""
    if isinstance(fact, IncidentOpened | IncidentResolved) and fact.environment is None:
        production = {
            (seen.environment.label, seen.environment.service)
            for seen in history.happened
            if isinstance(seen, DeploymentFinished | EnvironmentSeen | DeploymentStarted)
            and seen.environment.label == "production"
        }
        label, service = next(iter(production)) if len(production) == 1 else ("production", "")
        return Chain(REPOSITORY, label, service)
    environment: Environment | None = getattr(fact, "environment", None)
    return Chain(REPOSITORY, environment.label, environment.service) if environment else None


def changes_in(history: History, commits: Commits, *, at: Instant, tip: Node) -> Iterator[Merged | Node]:
    """Yield the changes in a set of commits, for a deployment of the tip at that time.

    A pull request merged later and not contained has no claim yet: its branch was deployed before its merge.
    """
    claimed = 0
    for merged in history.merged:
        if tip.contains(merged.merge_commit) or merged.merged_at <= at:
            claimed |= merged.claims if history.lookups else merged.landed
        if commits >> merged.merge_commit.index & 1:
            yield merged
    for node in history.graph.listed(commits & ~claimed):
        is_merge = len(node.parents) > 1 if history.lookups else node.merge_subject
        if not is_merge:
            yield node


def first_commit(history: History, change: Merged | Node) -> Instant | None:
    """Return the author date of the change's first commit, if it can be known."""
    if isinstance(change, Node):
        return change.authored_at if history.author_dates or history.lookups else None
    if history.lookups:
        return change.first_authored_at
    landed = tuple(history.graph.listed(change.landed))
    last = landed[-1]
    if not history.author_dates or change.told_commits is None:
        return None
    if len(landed) == change.told_commits + 1:
        return min(node.authored_at for node in landed[:-1])
    squashed = len(landed) == 1 and last.authored_at == last.committed_at
    if len(landed) == change.told_commits and not squashed:
        return min(node.authored_at for node in landed)
    return None


@define
class _ChainTruth:
    """The truth of one chain."""

    history: History
    chain: Chain
    series: Series
    contained: Commits = 0
    """All that has been deployed here."""
    latest: Deployed | None = None
    names: dict[str, _Succession] = Factory(lambda: defaultdict(_Succession))
    deployed: dict[str, Deployed] = Factory(dict)
    brought: dict[int, Deployed] = Factory(dict)
    """Which deployment brought each pull request."""
    failures: dict[str, Failure] = Factory(dict)
    """By deployment; failed deployments in a row share one."""
    incidents: dict[str, str] = Factory(dict)
    """Which deployment's failure an incident opened."""
    sent: set[str] = Factory(set)

    def tell(self, facts: Iterable[Fact]) -> None:
        """Add up the chain's facts, which come by their own times."""
        for fact in facts:
            match fact:
                case DeploymentFinished(result=Result.SUCCESS):
                    self._succeeded(fact)
                case DeploymentFinished():
                    self._failed(fact)
                case DeploymentMarkedFailed():
                    self._open(fact.deployment_id, Cause.REPORTED, fact.at)
                case DeploymentRecovered():
                    self._close(self.failures.get(fact.deployment_id), fact.at)
                case IncidentOpened():
                    self._incident(fact)
                case IncidentResolved():
                    step(self.series, of("incidents", self.chain, IncidentState.RESOLVED))
                    self._close(self.failures.get(self.incidents.get(fact.incident_id, "")), fact.at)
                case _:
                    pass
        still_open = {id(failure) for failure in self.failures.values() if failure.closed is None}
        if of("open_failures", self.chain) in self.series:
            self.series[of("open_failures", self.chain)] = len(still_open)
        if self.latest is not None:
            self.series[of("last_deployment", self.chain)] = self.latest.fact.at

    def _succeeded(self, fact: DeploymentFinished) -> None:
        assert fact.sha is not None
        step(self.series, of("deployments", self.chain, Result.SUCCESS))
        node = self.history.graph.by_sha[fact.sha]
        succession = self.names[fact.environment.name]
        if self.history.before is not None:
            succession.first.setdefault(self.history.before.sha, 0)
        before = succession.successes[-1] if succession.successes else None
        deployed = self._bring(fact, node, before)
        rework = self._judge(deployed, succession)
        if rework:
            step(self.series, of("rework", self.chain))
        for failure in {id(failure): failure for failure in self._ended_by(succession)}.values():
            self._close(failure, fact.at)
        succession.episode = None
        succession.successes.append(deployed)
        succession.first.setdefault(node.sha, fact.at)
        self.deployed[fact.deployment_id] = deployed
        self.contained |= node.reach
        self.latest = deployed

    def _bring(self, fact: DeploymentFinished, node: Node, before: Deployed | None) -> Deployed:
        """Measure the changes of a deployment."""
        if fact.changes is not None:
            self._measure_sent(fact)
            return Deployed(fact=fact, node=node, predecessor=before, changes=(), measured=True)
        base = before.node if before else self.latest.node if self.latest else self.history.before
        new = node.reach & ~self.contained & ~self.history.unseen
        changes = tuple(changes_in(self.history, new, at=fact.at, tip=node))
        span = node.reach & ~(base.reach if base else self.history.unseen)
        measured = span.bit_count() <= fact.max_commits
        deployed = Deployed(fact=fact, node=node, predecessor=before, changes=changes, measured=measured)
        for change in changes:
            if isinstance(change, Merged):
                self.brought[change.number] = deployed
            if measured:
                landed = change.merged_at if isinstance(change, Merged) else change.committed_at
                self._measure(fact.at, landed, first_commit(self.history, change))
        if not measured:
            step(self.series, of("unknown", self.chain, Unknown.TOO_MANY_COMMITS))
        elif base is None and not changes:
            step(self.series, of("unknown", self.chain, Unknown.FIRST_DEPLOYMENT))
        return deployed

    def _measure_sent(self, fact: DeploymentFinished) -> None:
        for change in fact.changes or ():
            if change.id not in self.sent:
                self.sent.add(change.id)
                self._measure(fact.at, change.merged_at, change.committed_at)

    def _measure(self, at: Instant, landed: Instant | None, authored: Instant | None) -> None:
        for family, since in (("lead_time", landed), ("commit_lead_time", authored)):
            if since is not None:
                observe(self.series, of(family, self.chain), _between(since, at))

    def _judge(self, deployed: Deployed, succession: _Succession) -> bool:
        """Blame whoever this deployment shows to have failed; return whether it is rework."""
        fact, before = deployed.fact, deployed.predecessor
        if fact.kind is None:
            deployed.rollback = _goes_back(deployed.node, before, succession)
        elif fact.kind is Kind.ROLLBACK:
            deployed.rollback = True
        if fact.fixes is not None:
            blamed = self.deployed.get(fact.fixes)
            if blamed is not None:
                self._open(fact.fixes, Cause.REPORTED, blamed.fact.at)
            self._close(self.failures.get(fact.fixes), fact.at)
            return True
        if fact.kind is not None:
            if fact.kind is Kind.PLANNED:
                return False
            if fact.kind is Kind.HOTFIX:
                self._repair_by_hotfix(before, fact.at)
            elif before:
                self._repair(before, Cause(fact.kind.value), fact.at)
            return True
        if deployed.rollback and before:
            self._repair(before, Cause.ROLLBACK, fact.at)
            return True
        return self._judge_changes(deployed)

    def _judge_changes(self, deployed: Deployed) -> bool:
        rework = False
        pull_requests = [change for change in deployed.changes if isinstance(change, Merged) and deployed.measured]
        for merged in pull_requests:
            culprit = self.brought.get(merged.reverts) if merged.reverts is not None else None
            if culprit is not None and culprit is not deployed:
                rework = True
                self._repair(culprit, Cause.REVERT, deployed.fact.at)
        if any(merged.hotfix for merged in pull_requests):
            rework = True
            self._repair_by_hotfix(deployed.predecessor, deployed.fact.at)
        return rework

    def _repair(self, culprit: Deployed, cause: Cause, at: Instant) -> None:
        """Let a deployment have failed from its success on, and end its failure."""
        self._open(culprit.fact.deployment_id, cause, culprit.fact.at)
        self._close(self.failures[culprit.fact.deployment_id], at)

    def _repair_by_hotfix(self, before: Deployed | None, at: Instant) -> None:
        """Blame the predecessor, unless it is a rollback: that one failed only if something else says so."""
        if before and before.repairs:
            self._close(self.failures.get(before.fact.deployment_id), at)
        elif before:
            self._repair(before, Cause.HOTFIX, at)

    def _ended_by(self, succession: _Succession) -> Iterator[Failure]:
        """Yield what any later success of the environment name ends."""
        if succession.episode is not None:
            yield succession.episode
        for success in succession.successes:
            failure = self.failures.get(success.fact.deployment_id)
            if failure is not None and failure.cause is Cause.REPORTED:
                yield failure

    def _failed(self, fact: DeploymentFinished) -> None:
        step(self.series, of("deployments", self.chain, Result.FAILURE))
        if fact.deployment_id in self.failures:
            return
        succession = self.names[fact.environment.name]
        if succession.episode is None:
            succession.episode = Failure(cause=Cause.DEPLOYMENT_FAILED, opened=fact.at)
        self.failures[fact.deployment_id] = succession.episode
        if succession.episode.closed is not None:
            succession.episode = self.failures[fact.deployment_id] = Failure(Cause.DEPLOYMENT_FAILED, fact.at)
        self._count_failure(Cause.DEPLOYMENT_FAILED)

    def _incident(self, fact: IncidentOpened) -> None:
        step(self.series, of("incidents", self.chain, IncidentState.OPENED))
        named = fact.deployment_id
        if named is None and self.latest is not None:
            named = self.latest.fact.deployment_id
        if named is not None and self._open(named, Cause.INCIDENT, fact.at):
            self.incidents[fact.incident_id] = named

    def _open(self, deployment_id: str, cause: Cause, at: Instant) -> bool:
        """Let a deployment have failed, unless it has already."""
        if deployment_id in self.failures:
            return False
        self.failures[deployment_id] = Failure(cause=cause, opened=at)
        self._count_failure(cause)
        return True

    def _count_failure(self, cause: Cause) -> None:
        step(self.series, of("change_failures", self.chain, cause))
        self.series.setdefault(of("recovery", self.chain, cause), [])

    def _close(self, failure: Failure | None, at: Instant) -> None:
        if failure is not None and failure.closed is None:
            failure.closed = at
            observe(self.series, of("recovery", self.chain, failure.cause), _between(failure.opened, at))


def _goes_back(node: Node, before: Deployed | None, succession: _Succession) -> bool:
    """Say whether deploying the commit after that deployment is a rollback."""
    if before is None or before.node is node:
        return False
    if node.sha in succession.first:
        return succession.first[node.sha] < succession.first[before.node.sha]
    return before.node.contains(node)


def _between(since: Instant, until: Instant) -> Duration:
    return max(0, until - since)
