"""One chain: what it remembers of its deployments, in the order of their own times.

A chain is a repository, an environment label and a service. Deployments succeed one another by environment *name* as
sent (several names may share a label), each judged by the facts' own times as known when it arrives: a deployment's
result in `results`, what failed and what ended it in `failures`, what repaired it in `rework`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from attrs import Factory, define

from dora.domain.facts import Predecessor, Result
from dora.domain.instant import Instant
from dora.domain.observations import Cause, Chain
from dora.domain.order import Order
from dora.domain.succession import LOWEST, Deployment, Failure, Key, Succession, deployment_of
from dora.domain.unmeasured import Measurement

REMEMBERED = 1_000
"""Deployments that a chain remembers: the newest by status time."""

SHIPPED = 40_000
"""Commits that a chain remembers having had, at most: more than the ledger holds of any sort."""

FORGOTTEN_AT_ONCE = 400
"""Commits forgotten at once beyond the one that was too many."""


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
    successes: Order[Key] = Factory(Order)
    """All successes of the chain, whatever name they were sent under."""
    remembered: Order[Key] = Factory(Order)
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
        return self.forgot and deployment_id not in self.deployments and at < self.remembered.first[0]

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
        latest = self.successes.below(before)
        return None if latest is None else self.deployments[deployment_of(latest)]

    def successes_of(self, sha: str) -> int:
        """Return how many successes of a commit are remembered, whatever environment name they were sent under."""
        return sum([succession.counts.get(sha, 0) for succession in self.successions.values()])

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

    def enter_success(self, deployment: Deployment) -> None:
        """Give a success its places: under its environment name, and in the chain."""
        place = deployment.place
        self.succession(deployment.environment).succeeded(place, deployment.sha or "")
        self.successes.add(place)

    def forget_success(self, deployment: Deployment) -> None:
        """Free the places of a success."""
        self.successes.remove(deployment.place)
        self.succession(deployment.environment).forget(deployment.place, deployment.sha or "")

    def went_back(self, deployment: Deployment, before: Deployment) -> bool:
        """Return whether a deployment brings back a commit that had its turn before its predecessor's commit had."""
        firsts = self.succession(deployment.environment).firsts
        first = firsts[deployment.sha or ""]
        return before.sha != deployment.sha and first < firsts[before.sha or ""] and first < deployment.place

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
        self.enter_success(deployment)
        self.remembered.add(deployment.place)

    def resolve(self, deployment: Deployment, sha: str) -> None:
        """Replace a deployment's abbreviated SHA by the full one."""
        self.succession(deployment.environment).resolved(deployment.place, deployment.sha or "", sha)
        deployment.sha = sha

    def trim(self) -> None:
        """Forget the oldest deployments beyond the bound."""
        while len(self.deployments) > REMEMBERED:
            self._forget_oldest()
        # What is left are open failures, also of forgotten deployments: an incident may still end them.
        while len(self.failures) > 2 * REMEMBERED:
            number = next(iter(self.failures))
            self.reported.pop(number, None)
            del self.failures[number]

    def _forget_oldest(self) -> None:
        self.forgot = True
        deployment = self.deployments.pop(deployment_of(self.remembered.forget_first()))
        succession = self.successions[deployment.environment]
        if deployment.succeeded_at is not None:  # the least of all that is remembered is the least success too
            self.successes.forget_first()
            succession.forget_first(deployment.sha or "")
        if deployment.failed_at is not None:
            succession.forget_failing((deployment.failed_at, deployment.rank))
        if not succession.counts and not succession.failures:
            del self.successions[deployment.environment]
        if deployment.failure is not None:
            failure = self.failures.get(deployment.failure)
            if failure is not None and failure.closed_at is not None:
                del self.failures[deployment.failure]

    def open_causes(self) -> tuple[Cause, ...]:
        """Return the causes of the failures that are open, each once."""
        return tuple(dict.fromkeys(one.cause for one in self.failures.values() if one.closed_at is None))

    def went_behind(self, sha: str, base: str) -> None:
        """Remember that a deployment went back behind its base; the oldest beyond the bound is forgotten."""
        self.within[sha] = base
        if len(self.within) > REMEMBERED:
            del self.within[next(iter(self.within))]

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

    def was_marked(self, deployment_id: str) -> bool:
        """Return whether the deployment was reported as failed before."""
        deployment, awaited = self.deployments.get(deployment_id), self.awaited.get(deployment_id)
        return bool((deployment and deployment.marked) or (awaited and awaited.marked_at is not None))

    def was_recovered(self, deployment_id: str) -> bool:
        """Return whether the deployment was reported as recovered before."""
        deployment, awaited = self.deployments.get(deployment_id), self.awaited.get(deployment_id)
        known = deployment and deployment.recovered_at is not None
        return bool(known or (awaited and awaited.recovered_at is not None))
