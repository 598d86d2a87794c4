"""The transition: a fact comes in, observations and questions come out. The answer to a question is a fact too.

`Core.apply` is the one line of code that counts, live and in replay. It knows no I/O, clock, settings, await or
logging: the same facts in the same order give the same observations, always.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from attrs import Factory, define, frozen

from dora.domain import facts as f
from dora.domain.instant import Instant
from dora.domain.observations import (
    Chain,
    ChainRegistered,
    Emit,
    GaugesMoved,
    IncidentsRegistered,
    LastDeployment,
    Observation,
    OpenFailures,
    PendingLookups,
    RecoveryRegistered,
    RepositoryRegistered,
)
from dora.domain.outcome import Applied, Ignored, Outcome, Status
from dora.domain.questions import ChangesSought
from dora.domain.repository import RepositoryState
from dora.domain.rework import tell

REMEMBERED_KEYS = 10_000
"""Idempotency keys remembered of a push client: its newest."""

_NO_STEPS = frozenset(
    (
        RepositoryRegistered,
        ChainRegistered,
        IncidentsRegistered,
        RecoveryRegistered,
        GaugesMoved,
        OpenFailures,
        PendingLookups,
        LastDeployment,
    )
)
"""Observations that register series or set a gauge, and step no number."""

_COUNTED = Outcome(Status.COUNTED)
_STORED = Outcome(Status.STORED)
_DUPLICATE = Outcome(Status.DUPLICATE)
_TOO_OLD = Outcome(Status.IGNORED, Ignored.TOO_OLD)
_NO_INCIDENT = Outcome(Status.IGNORED, Ignored.LABEL)
_LIMIT = Outcome(Status.IGNORED, Ignored.LIMIT)


@frozen
class Limits:
    """How much may be registered; what is known stays, whatever the limits."""

    repositories: int = 10_000
    environments: int = 50
    """Environment/service pairs of a repository; listed environments are admitted beyond it."""


@define
class Core:
    """The state of all repositories, which only `apply` changes."""

    repositories: list[RepositoryState] = Factory(list)
    by_id: dict[int, RepositoryState] = Factory(dict)
    by_name: dict[str, RepositoryState] = Factory(dict)
    """Lower-case name, of today or of once -> the repository that last had it."""
    spellings: dict[str, str] = Factory(dict)
    """Lower-case name -> the first spelling seen."""
    keys: dict[str, OrderedDict[str, str]] = Factory(dict)
    """Push client -> its idempotency keys -> digests of what was sent with them."""

    # Looking, which changes nothing

    def find(self, repository: f.Repository) -> RepositoryState | None:
        """Return what is known of a repository: by id, else by name."""
        if repository.id is not None and repository.id in self.by_id:
            return self.by_id[repository.id]
        named = self.by_name.get(repository.name.lower())
        if named is not None and None not in (named.id, repository.id) and named.id != repository.id:
            return None  # another repository took the name
        return named

    def key_digest(self, client: str, key: str) -> str | None:
        """Return the digest of what a push client sent with an idempotency key, if it is remembered."""
        keys = self.keys.get(client)
        return None if keys is None else keys.get(key)

    def open_questions(self) -> Iterator[ChangesSought]:
        """Yield every question that is out, as after a replay."""
        for state in self.repositories:
            for chain in state.chains.values():
                for measurement in chain.unmeasured:
                    if measurement.question is not None:
                        yield measurement.question

    def judge(self, fact: f.Fact, limits: Limits | None = None) -> Outcome | None:
        """Return what becomes of a fact that changes nothing; None if it matters and must be kept.

        Args:
            fact: what came in.
            limits: what may still be registered; None: anything (a kept fact was admitted before).
        """
        return self._judge(fact, self.find(fact.repository), limits)

    def _judge(self, fact: f.Fact, state: RepositoryState | None, limits: Limits | None) -> Outcome | None:
        key = getattr(fact, "key", None)
        if key is not None and self.key_digest(key.client, key.key) is not None:
            return _DUPLICATE
        if state is None:
            full = limits is not None and len(self.repositories) >= limits.repositories
            return _LIMIT if full else self._judge_unknown(fact)
        judged = self._judge_known(fact, state)
        return judged if judged is not None or limits is None else self._judge_room(fact, state, limits)

    def _judge_unknown(self, fact: f.Fact) -> Outcome | None:
        if isinstance(fact, f.ChangesFound):
            return Outcome(Status.IGNORED, Ignored.UNASKED)
        return _NO_INCIDENT if isinstance(fact, f.IncidentResolved) and not fact.labelled else None

    def _judge_room(self, fact: f.Fact, state: RepositoryState, limits: Limits) -> Outcome | None:
        environment = getattr(fact, "environment", None)
        if environment is None or environment.listed or state.find(environment) is not None:
            return None
        return _LIMIT if len(state.chains) >= limits.environments else None

    def _judge_known(self, fact: f.Fact, state: RepositoryState) -> Outcome | None:  # noqa: PLR0911 - one arm a kind of fact
        match fact:  # the frequent kinds first
            case f.DeploymentFinished() | f.DeploymentStarted() | f.DeploymentMarkedFailed() | f.DeploymentRecovered():
                return self._judge_deployment(fact, state)
            case f.CommitsPushed():
                return _DUPLICATE if not fact.commits or state.ledger.knows_push(fact) else None
            case f.PullRequestMerged():
                if fact.number in state.ledger.pull_requests:
                    return _DUPLICATE
                return _TOO_OLD if state.ledger.too_old(fact.merged_at) else None
            case f.EnvironmentSeen():
                chain = state.find(fact.environment)
                return _DUPLICATE if chain is not None and chain.registered else None
            case f.RepositorySeen():
                return None if self._names_anew(fact, state) else _DUPLICATE
            case f.IncidentOpened() | f.IncidentResolved():
                return self._judge_incident(fact, state)
            case f.ChangeMerged():
                if state.ledger.full(fact.sha) in state.ledger.reported:
                    return _DUPLICATE
                return _TOO_OLD if state.ledger.too_old(fact.merged_at) else None
            case _:
                chain = state.find(fact.environment)
                asked = chain is not None and chain.is_asked(fact.deployment_id)
                return None if asked else Outcome(Status.IGNORED, Ignored.UNASKED)

    def _judge_deployment(self, fact: f.DeploymentFact, state: RepositoryState) -> Outcome | None:
        chain = state.find(fact.environment)
        if chain is None:
            return None
        match fact:
            case f.DeploymentStarted():
                return _DUPLICATE if fact.deployment_id in chain.started else None
            case f.DeploymentMarkedFailed():
                return _DUPLICATE if chain.was_marked(fact.deployment_id) else None
            case f.DeploymentRecovered():
                return _DUPLICATE if chain.was_recovered(fact.deployment_id) else None
            case _:
                if chain.knows(fact.deployment_id, fact.result):
                    says = fact.kind is not None or fact.fixes is not None
                    return None if says and not chain.deployments[fact.deployment_id].told else _DUPLICATE
                return _TOO_OLD if chain.too_old(fact.deployment_id, fact.at) else None

    def _judge_incident(self, fact: f.IncidentFact, state: RepositoryState) -> Outcome | None:
        incident = state.incidents.known.get(fact.incident_id)
        unopened = incident is None or incident.opened_at is None
        if unopened and isinstance(fact, f.IncidentResolved) and not fact.labelled:
            return _NO_INCIDENT
        if incident is None:
            return _TOO_OLD if state.incidents.too_old(fact.incident_id, fact.at) else None
        known = incident.opened_at if isinstance(fact, f.IncidentOpened) else incident.resolved_at
        return None if known is None else _DUPLICATE

    # The transition

    def apply(self, fact: f.Fact) -> Applied:
        """Let a fact happen. Returns what is to be recorded and asked."""
        found = self.find(fact.repository)
        judged = self._judge(fact, found, None)
        if judged is not None:
            return Applied(judged)
        observations: list[Observation] = []
        questions: list[ChangesSought] = []
        emit = observations.append
        state = self._enter(fact, found, emit)
        self._keep_key(fact)
        duplicate = self._happen(fact, state, emit, questions)
        if duplicate:
            outcome = _DUPLICATE
        elif questions or not _NO_STEPS.issuperset(map(type, observations)):
            outcome = _COUNTED
        else:
            outcome = _STORED
        return Applied(outcome, tuple(observations), tuple(questions))

    def _happen(  # noqa: C901, PLR0912 - one arm a kind of fact
        self, fact: f.Fact, state: RepositoryState, emit: Emit, ask: list[ChangesSought]
    ) -> bool:
        """Change the state. Returns whether the sender is told `duplicate` all the same."""
        match fact:  # the frequent kinds first
            case f.DeploymentFinished():
                chain = state.find(fact.environment)
                if chain is not None and chain.knows(fact.deployment_id, fact.result):
                    tell(chain, chain.deployments[fact.deployment_id], fact.kind, fact.fixes, emit)
                    return True
                state.finish(fact, emit, ask)
            case f.CommitsPushed():
                state.push(fact, emit, ask)
            case f.PullRequestMerged():
                state.merge(fact, emit, ask)
            case f.EnvironmentSeen():
                state.register(fact.environment, emit)
            case f.RepositorySeen():
                pass
            case f.DeploymentStarted():
                state.start(fact, emit)
            case f.DeploymentMarkedFailed():
                state.mark_failed(fact, emit)
            case f.DeploymentRecovered():
                state.recover(fact, emit)
            case f.IncidentOpened():
                state.open_incident(fact, emit)
            case f.IncidentResolved():
                state.resolve_incident(fact, emit)
            case f.ChangeMerged():
                state.report(fact, state.ledger.full(fact.sha), emit, ask)
            case _:
                state.answer(fact, emit, ask)
        return False

    def _keep_key(self, fact: f.Fact) -> None:
        key: f.IdempotencyKey | None = getattr(fact, "key", None)
        if key is not None:
            keys = self.keys.setdefault(key.client, OrderedDict())
            keys[key.key] = key.digest
            if len(keys) > REMEMBERED_KEYS:
                keys.popitem(last=False)

    # Names

    def _enter(self, fact: f.Fact, state: RepositoryState | None, emit: Emit) -> RepositoryState:
        """Return the repository of a fact, registered, under the name it goes by now."""
        repository = fact.repository
        if state is not None and isinstance(fact, f.ChangesFound):
            return state  # it bears the name that the question had
        if state is not None and state.name == repository.name and state.id == repository.id:  # as usual
            state.named_at = max(state.named_at, _own_time(fact))
            return state
        if state is None:
            state = RepositoryState(name=self._spelling(repository.name), id=repository.id, named_at=_own_time(fact))
            self.repositories.append(state)
            self.by_name[repository.name.lower()] = state
            emit(RepositoryRegistered(state.name))
        elif self._names_anew(fact, state):
            self._rename(state, fact, emit)
        elif repository.name.lower() == state.name.lower():
            state.named_at = max(state.named_at, _own_time(fact))
        if repository.id is not None:
            state.id = repository.id
            self.by_id[repository.id] = state
        return state

    def _spelling(self, name: str) -> str:
        return self.spellings.setdefault(name.lower(), name)

    def _names_anew(self, fact: f.Fact, state: RepositoryState) -> bool:
        """Return whether a fact tells something new of a repository's identity: its id, or a name it goes by since."""
        repository = fact.repository
        if repository.id is None:
            return False
        if state.id is None:
            return True
        if repository.name.lower() == state.name.lower():
            return False
        once = self.by_name.get(repository.name.lower()) is state
        if once and isinstance(fact, f.RepositorySeen | f.EnvironmentSeen | f.CommitsPushed):
            return False  # an old delivery come again bears an old name; only a fact with a time of its own can tell
        return _own_time(fact) > state.named_at

    def _rename(self, state: RepositoryState, fact: f.Fact, emit: Emit) -> None:
        """Let a repository go by another name: new series begin, and the gauges go along."""
        state.named_at = max(state.named_at, _own_time(fact))
        name = fact.repository.name
        if name.lower() == state.name.lower():
            return
        self.by_name[name.lower()] = state
        state.name = self._spelling(name)
        emit(RepositoryRegistered(state.name))
        for pair, chain in state.chains.items():
            emit(GaugesMoved(chain.labels))
            chain.labels = Chain(state.name, *pair)
            if chain.registered:
                emit(ChainRegistered(chain.labels))
                for cause in chain.open_causes():
                    emit(RecoveryRegistered(chain.labels, cause))
                emit(OpenFailures(chain.labels, chain.open_failures))
                emit(PendingLookups(chain.labels, chain.pending))
                if chain.last_success_at is not None:
                    emit(LastDeployment(chain.labels, chain.last_success_at))
            else:  # nothing but incidents was told of it
                emit(IncidentsRegistered(chain.labels))


def _own_time(fact: f.Fact) -> Instant:
    """Return when a fact happened; of some only the receipt is known."""
    match fact:
        case f.PullRequestMerged() | f.ChangeMerged():
            return fact.merged_at
        case (
            f.DeploymentStarted()
            | f.DeploymentFinished()
            | f.DeploymentMarkedFailed()
            | f.DeploymentRecovered()
            | f.IncidentOpened()
            | f.IncidentResolved()
        ):
            return fact.at
        case _:
            return fact.received_at
