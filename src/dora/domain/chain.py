"""One chain: its deployments, which of them failed, and what ended the failures.

A chain is a repository, an environment label and a service. Deployments succeed one another by environment *name* as
sent (several names may share a label), each judged by the facts' own times as known when it arrives.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeAlias

from attrs import Factory, define

from dora.domain.facts import DeploymentFinished, Kind, Predecessor, Result
from dora.domain.instant import Instant
from dora.domain.observations import (
    Cause,
    Chain,
    ChangeFailed,
    DeploymentCounted,
    Exemplar,
    LastDeployment,
    Observation,
    OpenFailures,
    Recovered,
    ReworkCounted,
)
from dora.domain.succession import LOWEST, Deployment, Failure, Key, Succession, deployment_of
from dora.domain.unmeasured import Measurement

REMEMBERED = 1_000
"""Deployments that a chain remembers: the newest by status time."""

SHIPPED = 40_000
"""Commits that a chain remembers having had, at most: more than the ledger holds of any sort."""

FORGOTTEN_AT_ONCE = 400
"""Commits forgotten at once beyond the one that was too many."""

Emit: TypeAlias = Callable[[Observation], None]

_BLAME = {Kind.ROLLBACK: Cause.ROLLBACK, Kind.REVERT: Cause.REVERT, Kind.HOTFIX: Cause.HOTFIX}


@define
class Awaited:
    """What was said of a deployment that is not known yet."""

    marked_at: Instant | None = None
    recovered_at: Instant | None = None
    incidents: dict[str, Instant] = Factory(dict)
    fixed_by: list[str] = Factory(list)


@define
class ChainState:
    """Everything one chain remembers."""

    labels: Chain
    registered: bool = False
    """Its series exist."""
    deployments: dict[str, Deployment] = Factory(dict)
    successions: dict[str, Succession] = Factory(dict)
    last_success_at: Instant | None = None
    """Time of the latest counted success."""
    successes: list[Key] = Factory(list)
    """All successes of the chain, whatever name they were sent under."""
    remembered: list[Key] = Factory(list)
    """All deployments by their newest status."""
    forgot: bool = False
    """Some deployment was forgotten."""
    failures: dict[int, Failure] = Factory(dict)
    failed: int = 0
    """Failures ever; the next one's number."""
    reported: dict[int, None] = Factory(dict)
    """Open failures that the next success ends."""
    open_failures: int = 0
    shipped: dict[str, str] = Factory(dict)
    """Commit -> the deployment that brought it first."""
    found: dict[str, None] = Factory(dict)
    """Commits that were deployed before the service knew the chain, as GitHub's history tells."""
    within: dict[str, str] = Factory(dict)
    """Commit that was deployed -> another, deployed before it, that contains it: the deployment went back."""
    awaited: dict[str, Awaited] = Factory(dict)
    started: dict[str, None] = Factory(dict)
    unlinked: dict[str, Instant] = Factory(dict)
    """Incidents that began before any success known then."""
    unmeasured: list[Measurement] = Factory(list)
    """Deployments whose changes are open, in the order of arrival."""
    pending: int = 0
    """How many of them are shown as pending."""

    def too_old(self, deployment_id: str, at: Instant) -> bool:
        """Return whether a deployment is older than the oldest remembered, once any was forgotten."""
        return self.forgot and deployment_id not in self.deployments and at < self.remembered[0][0]

    def knows(self, deployment_id: str, result: Result) -> bool:
        """Return whether this result of this deployment was counted before."""
        deployment = self.deployments.get(deployment_id)
        if deployment is None:
            return False
        if result is Result.FAILURE:
            return deployment.failed_at is not None
        return deployment.succeeded_at is not None and not deployment.found

    def succession(self, environment: str) -> Succession:
        """Return the succession of an environment name."""
        succession = self.successions.get(environment)
        if succession is None:
            succession = self.successions[environment] = Succession()
        return succession

    def predecessor(self, deployment: Deployment) -> Deployment | None:
        """Return the latest success to the same environment name before this one."""
        found = self.succession(deployment.environment).predecessor(deployment.place)
        return None if found is None else self.deployments[found]

    def latest_success(self, before: Key) -> Deployment | None:
        """Return the chain's latest success before a place, whatever environment name it was sent under."""
        index = bisect_left(self.successes, before)
        return self.deployments[deployment_of(self.successes[index - 1])] if index else None

    def successes_of(self, sha: str) -> int:
        """Return how many successes of a commit are remembered, whatever environment name they were sent under."""
        return sum(succession.counts.get(sha, 0) for succession in self.successions.values())

    def latest_success_before(self, at: Instant) -> Deployment | None:
        """Return the chain's latest success strictly before an instant."""
        return self.latest_success((at, LOWEST))

    def ship(self, commits: Iterable[str], deployment_id: str) -> None:
        """Remember that a deployment brought these commits, unless an earlier one did."""
        for sha in commits:
            self.shipped.setdefault(sha, deployment_id)
        if len(self.shipped) > SHIPPED:
            # Many at once: to find a dictionary's oldest key, Python walks over all that were deleted before it.
            for sha in tuple(islice(self.shipped, len(self.shipped) - SHIPPED + FORGOTTEN_AT_ONCE)):
                del self.shipped[sha]

    def deployed_beginning_with(self, sha: str, *, but: Deployment) -> set[str]:
        """Return the deployed commits, another deployment's than this one, that an abbreviated SHA may mean."""
        return {
            known
            for succession in self.successions.values()
            for known in succession.counts
            if known.startswith(sha) and known != but.sha
        }

    def is_asked(self, deployment_id: str) -> bool:
        """Return whether a question about the deployment is out."""
        return any(one.deployment_id == deployment_id and one.asked is not None for one in self.unmeasured)

    def finish(self, fact: DeploymentFinished, emit: Emit) -> Deployment:
        """Enter a deployment's result: the chain's order, recoveries, and what succession alone tells."""
        deployment = self.deployments.get(fact.deployment_id)
        if deployment is None:
            deployment = self.deployments[fact.deployment_id] = Deployment(
                id=fact.deployment_id, environment=fact.environment.name
            )
        else:
            self.remembered.remove(deployment.place)
        if deployment.sha is None:
            deployment.sha = fact.sha
        deployment.counted = deployment.counted or fact.counted
        if fact.counted:
            emit(DeploymentCounted(self.labels, fact.result, self._exemplar(deployment)))
        if fact.result is Result.FAILURE:
            deployment.failed_at = fact.at
            if fact.counted:
                self._deployment_failed(deployment, fact.at, emit)
        else:
            self._succeeded(deployment, fact, emit)
        insort(self.remembered, deployment.place)
        return deployment

    def _succeeded(self, deployment: Deployment, fact: DeploymentFinished, emit: Emit) -> None:
        if deployment.found:
            self._forget_success(deployment)
            deployment.found = False
        deployment.succeeded_at = fact.at
        deployment.sha = fact.sha or deployment.sha or ""
        self._enter_success(deployment)
        if fact.counted and (self.last_success_at is None or fact.at > self.last_success_at):
            self.last_success_at = fact.at
            emit(LastDeployment(self.labels, fact.at))
        self._recover_by(deployment, emit)
        if fact.kind is not None or fact.fixes is not None:
            self.tell(deployment, fact.kind, fact.fixes, emit)
        self._compare(deployment, emit)

    def _compare(self, deployment: Deployment, emit: Emit) -> None:
        """Conclude from the order of successes alone whether one is a rollback, or a redeploy of one."""
        before = self.predecessor(deployment)
        if before is None:
            return
        if before.sha == deployment.sha and before.rollback:
            deployment.rollback = True
        if deployment.kind is None and self._went_back(deployment, before):
            self.rolled_back(deployment, before, emit)

    def _enter_success(self, deployment: Deployment) -> None:
        self.succession(deployment.environment).succeeded(deployment.place, deployment.sha or "")
        insort(self.successes, deployment.place)

    def _forget_success(self, deployment: Deployment) -> None:
        self.successes.remove(deployment.place)
        self.succession(deployment.environment).forget(deployment.place, deployment.sha or "")

    def _went_back(self, deployment: Deployment, before: Deployment) -> bool:
        firsts = self.succession(deployment.environment).firsts
        first = firsts[deployment.sha or ""]
        return before.sha != deployment.sha and first < deployment.place and first < firsts[before.sha or ""]

    def never_succeeded_before(self, deployment: Deployment) -> bool:
        """Return whether the deployment's commit had no earlier success under its environment name."""
        return self.succession(deployment.environment).firsts[deployment.sha or ""] >= deployment.place

    def find_predecessor(self, environment: str, found: Predecessor) -> None:
        """Enter a success that GitHub's history tells of; it was not counted here and never fails."""
        deployment = self.deployments.get(found.deployment_id)
        if deployment is None:
            deployment = self.deployments[found.deployment_id] = Deployment(
                id=found.deployment_id, environment=environment
            )
        elif deployment.succeeded_at is not None:
            return
        else:
            self.remembered.remove(deployment.place)
        deployment.sha, deployment.succeeded_at, deployment.found = found.sha, found.succeeded_at, True
        self.found[found.sha] = None
        self._enter_success(deployment)
        insort(self.remembered, deployment.place)

    def resolve(self, deployment: Deployment, sha: str, emit: Emit) -> None:
        """Replace a deployment's abbreviated SHA by the full one, by which alone it can be seen to be a rollback."""
        if deployment.sha != sha:
            self.succession(deployment.environment).resolved(deployment.place, deployment.sha or "", sha)
            deployment.sha = sha
            self._compare(deployment, emit)

    def trim(self) -> None:
        """Forget the oldest deployments beyond the bound."""
        while len(self.remembered) > REMEMBERED:
            self.forgot = True
            deployment = self.deployments.pop(deployment_of(self.remembered.pop(0)))
            succession = self.succession(deployment.environment)
            if deployment.succeeded_at is not None:
                self._forget_success(deployment)
            if deployment.failed_at is not None:
                succession.forget((deployment.failed_at, deployment.rank), None)
            if not succession.successes and not succession.failures:
                del self.successions[deployment.environment]
            failure = self.failures.get(-1 if deployment.failure is None else deployment.failure)
            if failure is not None and failure.closed_at is not None:
                del self.failures[deployment.failure or 0]
        # What is left are open failures, also of forgotten deployments: an incident may still end them.
        while len(self.failures) > 2 * REMEMBERED:
            number = next(iter(self.failures))
            self.reported.pop(number, None)
            del self.failures[number]

    def went_behind(self, sha: str, base: str) -> None:
        """Remember that a deployment went back behind its base; the oldest beyond the bound is forgotten."""
        self.within[sha] = base
        if len(self.within) > REMEMBERED:
            del self.within[next(iter(self.within))]

    # Failures

    def _exemplar(self, deployment: Deployment) -> Exemplar:
        return Exemplar(deployment_id=deployment.id, sha=deployment.sha or "")

    def _open(self, deployment: Deployment, cause: Cause, at: Instant) -> int:
        number = self.failed
        self.failed += 1
        self.failures[number] = Failure(
            cause=cause,
            environment=deployment.environment,
            deployment_id=deployment.id,
            sha=deployment.sha or "",
            opened_at=at,
        )
        self.open_failures += 1
        return number

    def open_causes(self) -> tuple[Cause, ...]:
        """Return the causes of the failures that are open, each once."""
        return tuple(dict.fromkeys(one.cause for one in self.failures.values() if one.closed_at is None))

    def close(self, number: int, at: Instant, emit: Emit) -> bool:
        """End a failure if it is open. Returns whether it was."""
        failure = self.failures.get(number)
        if failure is None or failure.closed_at is not None:
            return False
        failure.closed_at = at
        self.reported.pop(number, None)
        exemplar = Exemplar(deployment_id=failure.deployment_id, sha=failure.sha)
        emit(Recovered(self.labels, failure.cause, max(0, at - failure.opened_at), exemplar))
        self.open_failures -= 1
        emit(OpenFailures(self.labels, self.open_failures))
        return True

    def fail(
        self, deployment: Deployment, cause: Cause, at: Instant, emit: Emit, *, ends: Iterable[Instant | None] = ()
    ) -> int | None:
        """Record the first evidence that a deployment failed; later evidence changes nothing.

        Args:
            deployment: the one that failed.
            cause: the evidence.
            at: when the failure began.
            emit: takes the observations.
            ends: when it ended, as far as that is known already; the earliest counts.

        Returns:
            The failure's number; None if the deployment cannot fail (any more).
        """
        if deployment.failure is not None or not deployment.counted:
            return None
        number = deployment.failure = self._open(deployment, cause, at)
        emit(ChangeFailed(self.labels, cause, self._exemplar(deployment)))
        emit(OpenFailures(self.labels, self.open_failures))
        known = [*ends, deployment.recovered_at]
        if cause is Cause.REPORTED:
            self.reported[number] = None
            later = self.succession(deployment.environment).first_success_after(at)
            known += [later[0] if later is not None and not any(end is not None for end in known) else None]
        self._close_at_earliest(number, known, emit)
        return number

    def _close_at_earliest(self, number: int, ends: Iterable[Instant | None], emit: Emit) -> None:
        known = [end for end in ends if end is not None]
        if known:
            self.close(number, min(known), emit)

    def _deployment_failed(self, deployment: Deployment, at: Instant, emit: Emit) -> None:
        """Count a failing status; failed deployments in a row are one episode."""
        if deployment.failure is not None:
            return
        place = (at, deployment.rank)
        succession = self.succession(deployment.environment)
        row = succession.failing_row(place)
        insort(succession.failures, place)
        success = succession.next_success(place)
        episode = self._episode(row, at, ended=success is not None)
        if episode is None:
            self.fail(deployment, Cause.DEPLOYMENT_FAILED, at, emit, ends=(success[0] if success else None,))
            return
        deployment.failure = episode
        failure = self.failures[episode]
        if failure.closed_at is None and at < failure.opened_at:
            failure.opened_at = at
        emit(ChangeFailed(self.labels, Cause.DEPLOYMENT_FAILED, self._exemplar(deployment)))
        self._close_at_earliest(episode, (deployment.recovered_at,), emit)

    def _episode(self, row: list[Key], at: Instant, *, ended: bool) -> int | None:
        """Return the episode that a failing status at this time belongs to, if there is one."""
        numbers = [self.deployments[deployment_of(place)].failure for place in row]
        known = [number for number in numbers if number is not None and number in self.failures]
        for number in known:
            closed_at = self.failures[number].closed_at
            # Ended by a mark and failed again later, with no success between: a new episode.
            if closed_at is None or ended or at < closed_at:
                return number
        return None

    def _recover_by(self, deployment: Deployment, emit: Emit) -> None:
        """End what a success ends by itself: the failed deployments before it, and what was only reported."""
        place = deployment.place
        before, behind = self.succession(deployment.environment).rows_around(place)
        for number in dict.fromkeys(self.deployments[deployment_of(failed)].failure for failed in before):
            if number is None or number not in self.failures or self.failures[number].closed_at is not None:
                continue
            # A success that arrives late may part a row: those behind it go on failing.
            parted = [self.deployments[deployment_of(failed)] for failed in behind]
            parted = [other for other in parted if other.failure == number]
            if parted:
                episode = self._open(parted[0], Cause.DEPLOYMENT_FAILED, parted[0].failed_at or 0)
                for other in parted:
                    other.failure = episode
            self.close(number, place[0], emit)
        for number in tuple(self.reported):
            failure = self.failures[number]
            if failure.environment == deployment.environment and failure.opened_at < place[0]:
                self.close(number, place[0], emit)

    # Rework

    def _blame(self, culprit: Deployment | None, cause: Cause, repair: Deployment, emit: Emit) -> None:
        """Say that a deployment had failed and that another repaired it."""
        if culprit is None or repair.succeeded_at is None:
            return
        if culprit.failure is not None:
            self.close(culprit.failure, repair.succeeded_at, emit)
        elif culprit.succeeded_at is not None:
            self.fail(culprit, cause, culprit.succeeded_at, emit, ends=(repair.succeeded_at,))

    def _rework(self, deployment: Deployment, emit: Emit) -> None:
        if deployment.counted and not deployment.rework:
            deployment.rework = True
            emit(ReworkCounted(self.labels, self._exemplar(deployment)))

    def rolled_back(self, deployment: Deployment, before: Deployment, emit: Emit) -> None:
        """Record that a deployment is a rollback of its predecessor."""
        deployment.rollback = True
        self._rework(deployment, emit)
        if deployment.fixes is None:
            self._blame(before, Cause.ROLLBACK, deployment, emit)

    def reverted(self, deployment: Deployment, culprit: Deployment | None, emit: Emit) -> None:
        """Record that a deployment carries the revert of what another one had brought."""
        self._rework(deployment, emit)
        if deployment.fixes is None:
            self._blame(culprit, Cause.REVERT, deployment, emit)

    def hotfixed(self, deployment: Deployment, before: Deployment | None, emit: Emit) -> None:
        """Record that a deployment is a hotfix of its predecessor."""
        self._rework(deployment, emit)
        if deployment.fixes is not None or before is None:
            return
        if before.rollback and before.failure is None:
            return  # the failure that the rollback repaired stands
        self._blame(before, Cause.HOTFIX, deployment, emit)

    def tell(self, deployment: Deployment, kind: Kind | None, fixes: str | None, emit: Emit) -> bool:
        """Take what a sender says of a success, once. Returns whether it was the first time."""
        if deployment.told:
            return False
        deployment.told, deployment.kind, deployment.fixes = True, kind, fixes
        before = self.predecessor(deployment)
        if kind is Kind.ROLLBACK:
            deployment.rollback = True
        if fixes is not None:
            self._rework(deployment, emit)
            culprit = self.deployments.get(fixes)
            if culprit is None:
                self.await_deployment(fixes).fixed_by.append(deployment.id)
            else:
                self._blame(culprit, Cause.REPORTED, deployment, emit)
        elif kind is Kind.HOTFIX:
            self.hotfixed(deployment, before, emit)
        elif kind in _BLAME:
            self._rework(deployment, emit)
            self._blame(before, _BLAME[kind], deployment, emit)
        return True

    # What waits for a deployment

    def start(self, deployment_id: str) -> None:
        """Remember that a deployment was announced; the oldest beyond the bound is forgotten."""
        self.started[deployment_id] = None
        if len(self.started) > REMEMBERED:
            del self.started[next(iter(self.started))]

    def leave_unlinked(self, incident_id: str, at: Instant) -> None:
        """Remember an incident that began before any success known; the oldest beyond the bound is forgotten."""
        self.unlinked[incident_id] = at
        if len(self.unlinked) > REMEMBERED:
            del self.unlinked[next(iter(self.unlinked))]

    def await_deployment(self, deployment_id: str) -> Awaited:
        """Return what was said of a deployment that is not known yet; the oldest beyond the bound is forgotten."""
        awaited = self.awaited.setdefault(deployment_id, Awaited())
        if len(self.awaited) > REMEMBERED:
            del self.awaited[next(iter(self.awaited))]
        return awaited

    def mark_failed(self, deployment_id: str, at: Instant, emit: Emit) -> None:
        """Take a report that a deployment failed."""
        deployment = self.deployments.get(deployment_id)
        if deployment is None or deployment.found:
            self.await_deployment(deployment_id).marked_at = at
        else:
            deployment.marked = True
            self.fail(deployment, Cause.REPORTED, at, emit)

    def recover(self, deployment_id: str, at: Instant, emit: Emit) -> None:
        """Take a report that a deployment's failure is over."""
        deployment = self.deployments.get(deployment_id)
        if deployment is None or deployment.found:
            self.await_deployment(deployment_id).recovered_at = at
        else:
            deployment.recovered_at = at
            if deployment.failure is not None:
                self.close(deployment.failure, at, emit)

    def was_marked(self, deployment_id: str) -> bool:
        """Return whether the deployment was reported as failed before."""
        deployment, awaited = self.deployments.get(deployment_id), self.awaited.get(deployment_id)
        return bool((deployment and deployment.marked) or (awaited and awaited.marked_at is not None))

    def was_recovered(self, deployment_id: str) -> bool:
        """Return whether the deployment was reported as recovered before."""
        deployment, awaited = self.deployments.get(deployment_id), self.awaited.get(deployment_id)
        known = deployment and deployment.recovered_at is not None
        return bool(known or (awaited and awaited.recovered_at is not None))

    def arrive(self, deployment: Deployment, link: Callable[[str], None], emit: Emit) -> None:
        """Let act what waited for a deployment: marks and incidents by their times, then repairs.

        Args:
            deployment: the one that has arrived.
            link: takes each incident that named it.
            emit: takes the observations.
        """
        awaited = self.awaited.pop(deployment.id, None)
        if awaited is None:
            return
        if awaited.recovered_at is not None:
            self.recover(deployment.id, awaited.recovered_at, emit)
        for incident, at in sorted(awaited.incidents.items(), key=lambda item: (item[1], item[0])):
            if awaited.marked_at is not None and awaited.marked_at < at:
                self.mark_failed(deployment.id, awaited.marked_at, emit)
            link(incident)
        if awaited.marked_at is not None:
            self.mark_failed(deployment.id, awaited.marked_at, emit)
        for repair in awaited.fixed_by:
            if repair in self.deployments:
                self._blame(deployment, Cause.REPORTED, self.deployments[repair], emit)
