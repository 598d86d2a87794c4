"""Measuring which changes a deployment brought: from the ledger, from GitHub's answers, now or when they come.

Deployments of a chain are measured one after the other in the order of arrival, so that whatever is observed is
observed at the first deployment that contains it.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define

from dora.domain import rework
from dora.domain.ancestry import Gap, Span, between, contained
from dora.domain.chain import ChainState
from dora.domain.changes import Change, Needed, Reading
from dora.domain.facts import ChangesFound, Environment, Repository, SentChange, Unknown
from dora.domain.instant import Instant
from dora.domain.ledger import FULL_SHA, Ledger
from dora.domain.observations import (
    CommitLeadTimeObserved,
    Emit,
    Exemplar,
    LeadTimeObserved,
    LeadTimeUnknown,
    PendingLookups,
)
from dora.domain.questions import ChangesSought
from dora.domain.succession import Deployment, Key
from dora.domain.unmeasured import Asked, Measurement


@define
class Measuring:
    """The measuring of one chain's deployments against its repository's ledger."""

    repository: Repository
    ledger: Ledger
    chain: ChainState
    emit: Emit
    ask: list[ChangesSought]

    def begin(
        self, deployment: Deployment, environment: Environment, *, counted: bool, lookups: bool, max_commits: int
    ) -> None:
        """Start to measure a success that has just been entered."""
        self._give_up_before(deployment.place)
        chain = self.chain
        sha = self._resolve(deployment)
        measurement = self._measurement(
            deployment, environment, counted=counted, lookups=lookups, max_commits=max_commits
        )
        if chain.successes_of(measurement.sha) > 1:
            # All that this commit contains was deployed with it before: nothing to observe, nothing unknown.
            self._begin_known(measurement)
        elif sha is None and not lookups:
            self._unknown(measurement, Unknown.NOT_FOUND)
        else:
            chain.unmeasured.append(measurement)
            self._advance()

    def _measurement(
        self,
        deployment: Deployment,
        environment: Environment,
        *,
        counted: bool,
        lookups: bool = False,
        max_commits: int = 0,
    ) -> Measurement:
        chain, place = self.chain, deployment.place
        before = chain.predecessor(deployment)
        latest = before or chain.latest_success(place)
        if latest is not None:
            self._resolve(latest)  # a push may have told meanwhile what an abbreviation meant
        return Measurement(
            deployment_id=deployment.id,
            environment=environment,
            sha=deployment.sha or "",
            succeeded_at=place[0],
            counted=counted,
            lookups=lookups,
            max_commits=max_commits,
            base=latest.sha if latest else None,
            base_at=latest.succeeded_at if latest else None,
            before=before.id if before else None,
            fresh=chain.never_succeeded_before(deployment),
            find_predecessor=lookups and before is None,
        )

    def take_sent(
        self,
        deployment: Deployment,
        environment: Environment,
        changes: tuple[SentChange, ...],
        *,
        counted: bool,
    ) -> None:
        """Observe the changes that a push client named, instead of any look-up."""
        self._give_up_before(deployment.place)
        self._resolve(deployment)
        at, sha = deployment.place[0], deployment.sha or ""
        for change in changes:
            if change.id not in self.chain.shipped:
                self._ship((change.id,), deployment.id)
                if counted:
                    self._observe(
                        at, change.merged_at, change.committed_at, Exemplar(deployment_id=deployment.id, sha=sha)
                    )
        self._begin_known(self._measurement(deployment, environment, counted=counted))

    def _begin_known(self, measurement: Measurement) -> None:
        """Find out whether a deployment whose changes are known goes back, now or when the ledger or GitHub tells."""
        if measurement.base is not None:
            measurement.take_as_known()
            self.chain.unmeasured.append(measurement)
            self._advance()

    def _try_known(self, measurement: Measurement) -> bool:
        span = self._between(measurement)
        if isinstance(span, Gap):
            measurement.missing = span.missing
            if measurement.lookups:
                self._ask(measurement, Asked.RANGE, None)
            return False
        self._end_known(measurement, span.commits, behind=span.behind)
        return True

    def _end_known(self, measurement: Measurement, commits: Iterable[str], *, behind: bool) -> None:
        self._ship(commits, measurement.deployment_id)
        self._evidence(measurement, (), behind=behind)
        self.chain.unmeasured.remove(measurement)

    def landed(self, commits: frozenset[str] | None) -> None:
        """Go on after something landed: these commits, or (None) reported merges."""
        touched = False
        for measurement in self.chain.unmeasured:
            if commits is None or not measurement.missing.isdisjoint(commits):
                touched = True
                measurement.answered = False
        if touched:
            for measurement in tuple(self.chain.unmeasured):
                if measurement.settled and not measurement.known:
                    self._try_first(measurement)
            self._advance()

    def answer(self, found: ChangesFound) -> None:
        """Take GitHub's answer to the question that is out."""
        measurement = next(one for one in self.chain.unmeasured if one.deployment_id == found.deployment_id)
        asked, measurement.asked, measurement.question = measurement.asked, None, None
        if found.sha is not None:
            measurement.sha = found.sha
            deployment = self.chain.deployments.get(measurement.deployment_id)
            if deployment is not None:
                self._enter_full(deployment, found.sha)
        if measurement.find_predecessor:
            measurement.find_predecessor = False
            elsewhere = measurement.base
            if found.predecessor is not None:
                self.chain.find_predecessor(measurement.environment.name, found.predecessor)
                measurement.base, measurement.base_at = found.predecessor.sha, found.predecessor.succeeded_at
                measurement.before = found.predecessor.deployment_id
                if found.unknown is None and not measurement.known and elsewhere not in (None, measurement.base):
                    self._compare_elsewhere(measurement, elsewhere, found)
                    return
        commits = tuple(commit.sha for commit in found.commits)
        if measurement.known:
            self._end_known(measurement, commits, behind=found.behind)
        elif found.unknown is not None:
            self._end_unknown(measurement, found.unknown, commits)
        elif asked is Asked.DETAILS or measurement.base is None:
            measurement.answered = True
            if measurement.settled:
                self._try_first(measurement)
        else:
            self._settle(measurement, commits, behind=found.behind)
        self._advance()

    def _compare_elsewhere(self, measurement: Measurement, elsewhere: str | None, found: ChangesFound) -> None:
        """Leave out what another environment name of the chain had before the service knew it."""
        commits = tuple(commit.sha for commit in found.commits)
        if all(sha in self.chain.shipped for sha in commits):
            self._end(measurement, commits, behind=found.behind)
        else:
            measurement.only, measurement.base = frozenset(commits), elsewhere
        self._advance()

    # The queue

    def _advance(self) -> None:
        """Measure what can be measured, in order; ask what must be asked."""
        for measurement in tuple(self.chain.unmeasured):
            if measurement.settled and not measurement.known:
                continue
            if not self._try(measurement) and not measurement.settled:
                break
        self._show_pending()

    def _give_up_before(self, place: Key) -> None:
        """Close what waits for missing deliveries: the chain's next success is here."""
        waiting = False
        for measurement in tuple(self.chain.unmeasured):
            asking = measurement.lookups and not measurement.settled
            waiting = waiting or asking
            if measurement.place >= place or asking or (measurement.known and waiting):
                continue  # what is known goes behind what GitHub is asked about: its turn has not come
            if not measurement.settled and not self._try(measurement) and not measurement.settled:
                self._unknown(measurement, Unknown.FIRST_DEPLOYMENT if measurement.base is None else Unknown.NO_TOKEN)
            if measurement in self.chain.unmeasured:
                self.chain.unmeasured.remove(measurement)
        self._show_pending()

    def _show_pending(self) -> None:
        unmeasured = self.chain.unmeasured
        pending = sum([not one.settled or one.asked is not None for one in unmeasured]) if unmeasured else 0
        if pending != self.chain.pending:
            self.chain.pending = pending
            self.emit(PendingLookups(self.chain.labels, pending))

    def _try(self, measurement: Measurement) -> bool:  # noqa: PLR0911 - one way out a stage
        """Measure a deployment if that can be done now. Returns whether it is done with."""
        if measurement.find_predecessor:
            self._ask(measurement, Asked.PREDECESSOR, None)
            return False
        if not measurement.known and measurement.sha in self.chain.found:
            measurement.take_as_known()  # GitHub has told meanwhile that it had been deployed before
        if measurement.known:
            return self._try_known(measurement)
        if measurement.base is None:
            return self._try_first(measurement)
        span = self._between(measurement)
        if isinstance(span, Gap):
            measurement.missing = span.missing | measurement.undated
            if measurement.lookups:
                self._ask(measurement, Asked.RANGE, None)
            else:
                self._observe_certain(measurement)
            return False
        if len(span.commits) > measurement.max_commits:
            self._end_unknown(measurement, Unknown.TOO_MANY_COMMITS, span.commits)
            return True
        if self._wants_details(measurement, span.commits):
            return False
        return self._settle(measurement, span.commits, behind=span.behind) or self._try(measurement)

    def _settle(self, measurement: Measurement, commits: Iterable[str], *, behind: bool) -> bool:
        """End a measurement, unless its base went back behind another commit: then go on from that.

        What lies between the two was deployed before, perhaps before the service knew the chain.
        """
        commits = tuple(commits)
        further = None if behind else self.chain.within.get(measurement.base or "")
        if further is not None and any(sha not in self.chain.shipped for sha in commits):
            only = frozenset(commits)
            measurement.only = only if measurement.only is None else measurement.only & only
            measurement.base = further
            return False
        self._end(measurement, commits, behind=behind)
        return True

    def _try_first(self, measurement: Measurement) -> bool:
        """Measure a chain's first deployment: what was seen landing and is contained, never the history before."""
        known = contained(self.ledger, Reading(self.ledger).is_merge, head=measurement.sha)
        merged = (measurement.sha,) if measurement.sha in self.ledger.merge_commits else ()
        every = dict.fromkeys((*known.commits, *self.ledger.reported_until(measurement.sha), *merged))
        commits = tuple(sha for sha in every if sha not in self.chain.shipped)
        measurement.missing = known.missing | measurement.undated | {measurement.sha}
        if len(commits) > measurement.max_commits:
            self._end_unknown(measurement, Unknown.TOO_MANY_COMMITS, commits)
            return True
        if self._wants_details(measurement, commits):
            return False
        self._take(measurement, commits, behind=False)
        # What another deployment of the chain brought already, though it comes later in time, is not unknown.
        measurement.observed = measurement.observed or len(commits) < len(every)
        if measurement.observed or measurement.lookups or not self._delivery_is_missing(measurement.sha):
            if not measurement.observed and not measurement.settled:
                self._unknown(measurement, Unknown.FIRST_DEPLOYMENT)
            # Until the chain's next success a late delivery may still prove more to be contained.
            measurement.settled = True
        return False

    def _delivery_is_missing(self, sha: str) -> bool:
        """Return whether the push that brought a commit has evidently not arrived (yet).

        In a repository that has sent nothing that landed, nothing is missing; a commit that a push started from existed
        before the service knew the repository.
        """
        return not (self.ledger.empty or self.ledger.knows(sha) or sha in self.ledger.befores)

    def _wants_details(self, measurement: Measurement, commits: Iterable[str]) -> bool:
        """Ask for what is not certain about commits, if GitHub may be asked. Returns whether an answer is awaited."""
        if not measurement.lookups or measurement.answered:
            return False
        _, needed = Reading(self.ledger).changes(commits, deployed=self.chain.shipped, at=measurement.succeeded_at)
        if not needed:
            return False
        measurement.missing |= frozenset(needed.commits)
        self._ask(measurement, Asked.DETAILS, needed)
        return True

    def _ask(self, measurement: Measurement, asked: Asked, needed: Needed | None) -> None:
        if measurement.asked is not None:
            return
        measurement.asked = asked
        measurement.question = ChangesSought(
            repository=self.repository,
            environment=measurement.environment,
            deployment_id=measurement.deployment_id,
            sha=measurement.sha,
            succeeded_at=measurement.succeeded_at,
            max_commits=measurement.max_commits,
            base=measurement.base,
            find_predecessor=asked is Asked.PREDECESSOR,
            commits=needed.commits if needed else None,
            pull_requests=needed.pull_requests if needed else (),
        )
        self.ask.append(measurement.question)

    # Ancestry

    def _resolve(self, deployment: Deployment) -> str | None:
        """Enter a deployment under its full SHA. Returns None if the abbreviated one is unknown or ambiguous."""
        abbreviated = deployment.sha or ""
        if len(abbreviated) in FULL_SHA or self.chain.successes_of(abbreviated) > 1:
            return abbreviated
        known = self.ledger.beginning_with(abbreviated) | self.chain.deployed_beginning_with(
            abbreviated, but=deployment
        )
        if len(known) != 1:
            return None
        sha = known.pop()
        self._enter_full(deployment, sha)
        return sha

    def _enter_full(self, deployment: Deployment, sha: str) -> None:
        """Enter a deployment under its full SHA, by which alone it can be seen to be a rollback."""
        if sha != deployment.sha:
            self.chain.resolve(deployment, sha)
            rework.compare(self.chain, deployment, self.emit)

    def _between(self, measurement: Measurement) -> Span | Gap:
        """Return what the deployment adds to its base: proven by pushes, or by the line of reported merges."""
        base, head = measurement.base or "", measurement.sha
        span = between(self.ledger, Reading(self.ledger).is_merge, base=base, head=head)
        line = self.ledger.reported_until(head)
        if isinstance(span, Span) or not line:
            return span
        before = frozenset(self.ledger.reported_until(base))
        rest = tuple(sha for sha in line if sha not in before)
        if before or all(self._is_certainly_new(measurement, sha) for sha in rest):
            return Span(commits=rest, behind=not rest)
        return span

    def _is_certainly_new(self, measurement: Measurement, sha: str) -> bool:
        """Return whether a reported merge cannot have been in a base that the line does not hold."""
        newer = measurement.base_at is not None and self.ledger.reported[sha].merged_at > measurement.base_at
        return newer or sha in self.chain.shipped

    # The end

    def _observe_certain(self, measurement: Measurement) -> None:
        """Observe what needs no proof: a pull request whose merge commit was deployed; reported merges since the base.

        Not if the base is the merge of a later pull request: then this is rather a step back, and old work no news.
        """
        merged = [self.ledger.pull_requests[number] for number in self.ledger.merge_commits.get(measurement.sha, ())]
        later = [
            self.ledger.pull_requests[number].merged_at
            for number in self.ledger.merge_commits.get(measurement.base or "", ())
        ]
        certain = [
            sha for sha in self.ledger.reported_until(measurement.sha) if self._is_certainly_new(measurement, sha)
        ]
        if merged and not (later and max(later) >= max(one.merged_at for one in merged)):
            certain.append(measurement.sha)
        if certain:
            self._take(measurement, dict.fromkeys(certain), behind=False)

    def _end(self, measurement: Measurement, commits: Iterable[str], *, behind: bool) -> None:
        only = measurement.only
        self._take(measurement, commits if only is None else [sha for sha in commits if sha in only], behind=behind)
        self._ship(only or (), measurement.deployment_id)
        self.chain.unmeasured.remove(measurement)

    def _end_unknown(self, measurement: Measurement, unknown: Unknown, commits: Iterable[str]) -> None:
        if unknown is Unknown.TOO_MANY_COMMITS:
            self._ship((*commits, measurement.sha), measurement.deployment_id)
        elif unknown is not Unknown.NOT_FOUND:
            self._observe_certain(measurement)
        if not measurement.settled:
            self._unknown(measurement, unknown)
        self.chain.unmeasured.remove(measurement)

    def _take(self, measurement: Measurement, commits: Iterable[str], *, behind: bool) -> None:
        """Observe the changes among commits, take all of them as deployed, and draw the conclusions."""
        self._date(measurement)
        commits = tuple(commits)
        changes, _ = Reading(self.ledger).changes(commits, deployed=self.chain.shipped, at=measurement.succeeded_at)
        if measurement.counted:
            exemplar = Exemplar(deployment_id=measurement.deployment_id, sha=measurement.sha)
            for change in changes:
                self._observe(measurement.succeeded_at, change.landed_at, change.first_authored_at, exemplar)
        measurement.observed = measurement.observed or bool(changes)
        measurement.undated.update(change.sha for change in changes if change.first_authored_at is None)
        self._ship(commits, measurement.deployment_id)
        self._evidence(measurement, changes, behind=behind)

    def _date(self, measurement: Measurement) -> None:
        """Observe what a late push tells of the first commits of changes observed before."""
        if not measurement.undated:
            return
        changes, _ = Reading(self.ledger).changes(
            sorted(measurement.undated), deployed=frozenset(), at=measurement.succeeded_at
        )
        exemplar = Exemplar(deployment_id=measurement.deployment_id, sha=measurement.sha)
        for change in changes:
            if change.first_authored_at is not None:
                measurement.undated.discard(change.sha)
                if measurement.counted:
                    self._observe(measurement.succeeded_at, None, change.first_authored_at, exemplar)

    def _observe(self, at: Instant, landed_at: Instant | None, authored_at: Instant | None, exemplar: Exemplar) -> None:
        if landed_at is not None:
            self.emit(LeadTimeObserved(self.chain.labels, max(0, at - landed_at), exemplar))
        if authored_at is not None:
            self.emit(CommitLeadTimeObserved(self.chain.labels, max(0, at - authored_at), exemplar))

    def _ship(self, commits: Iterable[str], deployment_id: str) -> None:
        self.chain.ship(commits, deployment_id)

    def _unknown(self, measurement: Measurement, reason: Unknown) -> None:
        if measurement.counted:
            self.emit(LeadTimeUnknown(self.chain.labels, reason))

    def _evidence(self, measurement: Measurement, changes: tuple[Change, ...], *, behind: bool) -> None:
        """Conclude from what a deployment brought which earlier one had failed: first rollback, revert, hotfix."""
        if behind and measurement.base is not None:
            self.chain.went_behind(measurement.sha, measurement.base)
        deployment = self.chain.deployments.get(measurement.deployment_id)
        if deployment is None or not measurement.counted or deployment.kind is not None:
            return
        before = self.chain.deployments.get(measurement.before or "")
        if behind and measurement.fresh and before is not None and before.sha == measurement.base:
            rework.rolled_back(self.chain, deployment, before, self.emit)
        for change in changes:
            reverted = self.ledger.pull_requests.get(-1 if change.reverts is None else change.reverts)
            culprit = self.chain.shipped.get(reverted.merge_commit) if reverted else None
            if culprit is not None and culprit != deployment.id:
                rework.reverted(self.chain, deployment, self.chain.deployments.get(culprit), self.emit)
        if any(change.hotfix for change in changes):
            rework.hotfixed(self.chain, deployment, before, self.emit)
