"""One repository: its chains, its ledger, its incidents, and what each fact does to them."""

from __future__ import annotations

from typing import TypeAlias

from attrs import Factory, define

from dora.domain import failures, results
from dora.domain.chain import ChainState
from dora.domain.changes import Reading
from dora.domain.facts import (
    ChangeMerged,
    ChangesFound,
    CommitsPushed,
    DeploymentFinished,
    DeploymentMarkedFailed,
    DeploymentRecovered,
    DeploymentStarted,
    Environment,
    IncidentOpened,
    IncidentResolved,
    PullRequestMerged,
    Repository,
    Result,
)
from dora.domain.incidents import Incident, Incidents
from dora.domain.instant import Instant
from dora.domain.ledger import Ledger
from dora.domain.measurement import Measuring
from dora.domain.observations import (
    Cause,
    Chain,
    ChainRegistered,
    ChangeCounted,
    Emit,
    IncidentCounted,
    IncidentState,
    TimeToMergeObserved,
)
from dora.domain.questions import ChangesSought
from dora.domain.shipping import Shipping
from dora.domain.succession import Deployment

Pair: TypeAlias = tuple[str, str]
"""Environment label and service."""

PRODUCTION = "production"
"""The label of the environment that GitHub issues are incidents of."""


@define
class RepositoryState:
    """Everything one repository remembers."""

    name: str
    """The label that its numbers go by."""
    id: int | None = None
    named_at: Instant = 0
    """The newest fact that used the name."""
    chains: dict[Pair, ChainState] = Factory(dict)
    ledger: Ledger = Factory(Ledger)
    incidents: Incidents = Factory(Incidents)

    @property
    def repository(self) -> Repository:
        """The repository as it is asked for."""
        return Repository(self.name, self.id)

    def find(self, environment: Environment) -> ChainState | None:
        """Return the chain of an environment, if it is known."""
        return self.chains.get((environment.label, environment.service))

    def chain(self, pair: Pair) -> ChainState:
        """Return the chain of a pair, made if need be."""
        chain = self.chains.get(pair)
        if chain is None:
            chain = self.chains[pair] = ChainState(Chain(self.name, *pair))
        return chain

    def register(self, environment: Environment, emit: Emit) -> ChainState:
        """Return the chain of an environment, its series registered."""
        chain = self.chain((environment.label, environment.service))
        if not chain.registered:
            chain.registered = True
            emit(ChainRegistered(chain.labels))
        return chain

    def measuring(self, chain: ChainState, emit: Emit, ask: list[ChangesSought]) -> Measuring:
        """Return the measuring of a chain."""
        return Measuring(
            repository=self.repository,
            ledger=self.ledger,
            chain=chain,
            emit=emit,
            ask=ask,
            shipping=Shipping(Reading(self.ledger), chain, emit),
        )

    # Deployments

    def start(self, fact: DeploymentStarted, emit: Emit) -> None:
        """Take the announcement of a deployment."""
        self.register(fact.environment, emit).start(fact.deployment_id)

    def finish(self, fact: DeploymentFinished, emit: Emit, ask: list[ChangesSought]) -> None:
        """Take a deployment's result."""
        chain = self.register(fact.environment, emit)
        deployment = results.finish(chain, fact, emit)
        if deployment.id in chain.awaited:
            results.arrive(chain, deployment, lambda incident: self._link(incident, chain, deployment, emit), emit)
        if fact.result is Result.SUCCESS:
            for incident, at in sorted(chain.unlinked.items(), key=lambda item: (item[1], item[0])):
                if fact.at < at:
                    del chain.unlinked[incident]
                    self._link(incident, chain, deployment, emit)
            measuring = self.measuring(chain, emit, ask)
            if fact.changes is not None:
                measuring.take_sent(deployment, fact.environment, fact.changes, counted=fact.counted)
            else:
                measuring.begin(
                    deployment,
                    fact.environment,
                    counted=fact.counted,
                    lookups=fact.lookups,
                    max_commits=fact.max_commits,
                )
        chain.trim()

    def mark_failed(self, fact: DeploymentMarkedFailed, emit: Emit) -> None:
        """Take a report that a deployment failed."""
        failures.mark_failed(self.register(fact.environment, emit), fact.deployment_id, fact.at, emit)

    def recover(self, fact: DeploymentRecovered, emit: Emit) -> None:
        """Take a report that a failure is over."""
        failures.recover(self.register(fact.environment, emit), fact.deployment_id, fact.at, emit)

    def answer(self, found: ChangesFound, emit: Emit, ask: list[ChangesSought]) -> None:
        """Take what GitHub says of a deployment's changes."""
        for merged in found.pull_requests:
            if (
                merged.tracked
                and not (merged.number not in self.ledger.pull_requests and self.ledger.too_old(merged.merged_at))
                and self.ledger.add_found_pull_request(merged)
                and merged.counted
            ):
                self._count_merge(merged.merge_commit, merged.merged_at - merged.created_at, emit)
        for commit in found.commits:
            self._forget(self.ledger.add_found_commit(commit))
        chain = self.chains[found.environment.label, found.environment.service]
        self.measuring(chain, emit, ask).answer(found)
        chain.trim()

    # What landed

    def merge(self, fact: PullRequestMerged, emit: Emit, ask: list[ChangesSought]) -> None:
        """Take a merged pull request."""
        self.ledger.add_pull_request(fact)
        if fact.counted:
            self._count_merge(fact.merge_commit, fact.merged_at - fact.created_at, emit)
        self._landed(frozenset((fact.merge_commit,)), emit, ask)

    def _count_merge(self, merge_commit: str, open_for: int, emit: Emit) -> None:
        if merge_commit not in self.ledger.reported:
            emit(ChangeCounted(self.name))
        emit(TimeToMergeObserved(self.name, max(0, open_for)))

    def report(self, fact: ChangeMerged, sha: str, emit: Emit, ask: list[ChangesSought]) -> None:
        """Take a merge that a push client reported, under its full SHA."""
        self.ledger.add_reported(sha, fact)
        if fact.counted and sha not in self.ledger.merge_commits:
            emit(ChangeCounted(self.name))
        self._landed(None, emit, ask)

    def push(self, fact: CommitsPushed, emit: Emit, ask: list[ChangesSought]) -> None:
        """Take a push."""
        self._forget(self.ledger.add_push(fact))
        self._landed(frozenset(commit.sha for commit in fact.commits), emit, ask)

    def _forget(self, commits: tuple[str, ...]) -> None:
        for chain in self.chains.values():
            for sha in commits:
                chain.shipped.pop(sha, None)

    def _landed(self, commits: frozenset[str] | None, emit: Emit, ask: list[ChangesSought]) -> None:
        for chain in self.chains.values():
            if chain.unmeasured:
                self.measuring(chain, emit, ask).landed(commits)

    # Incidents

    def open_incident(self, fact: IncidentOpened, emit: Emit) -> None:
        """Take an incident's opening, and find the deployment it is evidence against."""
        pair, alone = self._incident_pair(fact)
        incident = self.incidents.known.get(fact.incident_id)
        if incident is None:
            incident = Incident(environment=pair, opened_at=fact.at)
            self.incidents.keep(fact.incident_id, incident)
        else:
            incident.opened_at = fact.at
        chain = self.chain(incident.environment)
        emit(IncidentCounted(chain.labels, IncidentState.OPENED))
        if fact.deployment_id is not None:
            deployment = chain.deployments.get(fact.deployment_id)
            if deployment is None:
                chain.await_deployment(fact.deployment_id).incidents[fact.incident_id] = fact.at
            else:
                self._link(fact.incident_id, chain, deployment, emit)
        elif alone:
            deployment = chain.latest_success_before(fact.at)
            if deployment is None:
                chain.leave_unlinked(fact.incident_id, fact.at)
            else:
                self._link(fact.incident_id, chain, deployment, emit)

    def _incident_pair(self, fact: IncidentOpened | IncidentResolved) -> tuple[Pair, bool]:
        """Return what an incident is counted under, and whether that is one chain for certain."""
        if fact.environment is not None:
            return (fact.environment.label, fact.environment.service), True
        production = [pair for pair, chain in self.chains.items() if pair[0] == PRODUCTION and chain.registered]
        if len(production) == 1:
            return production[0], True
        return (PRODUCTION, ""), not production

    def _link(self, incident_id: str, chain: ChainState, deployment: Deployment, emit: Emit) -> None:
        incident = self.incidents.known.get(incident_id)
        if incident is None or incident.opened_at is None:
            return
        failure = failures.fail(
            chain, deployment, Cause.INCIDENT, incident.opened_at, emit, ends=(incident.resolved_at,)
        )
        if failure is not None:
            incident.failure = failure

    def resolve_incident(self, fact: IncidentResolved, emit: Emit) -> None:
        """Take an incident's resolution; it ends the failure that the incident opened."""
        incident = self.incidents.known.get(fact.incident_id)
        if incident is None:
            incident = Incident(environment=self._incident_pair(fact)[0], resolved_at=fact.at)
            self.incidents.keep(fact.incident_id, incident)
        else:
            incident.resolved_at = fact.at
        chain = self.chain(incident.environment)
        emit(IncidentCounted(chain.labels, IncidentState.RESOLVED))
        if incident.failure is not None:
            failures.close(chain, incident.failure, fact.at, emit)
