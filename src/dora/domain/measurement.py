"""Measuring which changes a deployment brought: from the ledger, from GitHub's answers, now or when they come.

Deployments of a chain are measured one after the other in the order of arrival, so that whatever is observed is
observed at the first deployment that contains it. What the ledger proves is in `proof`; what is made of the commits
found, in `shipping`.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define

from dora.domain import proof, rework
from dora.domain.ancestry import Gap
from dora.domain.chain import ChainState
from dora.domain.changes import Needed
from dora.domain.facts import ChangesFound, Environment, Repository, SentChange, Unknown
from dora.domain.ledger import Ledger
from dora.domain.observations import Emit, PendingLookups
from dora.domain.questions import ChangesSought
from dora.domain.shipping import Shipping
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
    shipping: Shipping

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
            self.shipping.unknown(measurement, Unknown.NOT_FOUND)
        else:
            chain.unmeasured.append(measurement)
            self._advance()

    def take_sent(
        self, deployment: Deployment, environment: Environment, changes: tuple[SentChange, ...], *, counted: bool
    ) -> None:
        """Observe the changes that a push client named, instead of any look-up."""
        self._give_up_before(deployment.place)
        self._resolve(deployment)
        self.shipping.take_sent(deployment, changes, counted=counted)
        self._begin_known(self._measurement(deployment, environment, counted=counted))

    def _resolve(self, deployment: Deployment) -> str | None:
        """Enter a deployment under its full SHA. Returns None if the abbreviated one is unknown or ambiguous."""
        sha = proof.full_sha(self.ledger, self.chain, deployment)
        if sha is not None and sha != deployment.sha:
            self._enter_full(deployment, sha)
        return sha

    def _enter_full(self, deployment: Deployment, sha: str) -> None:
        """Enter a deployment under its full SHA, by which alone it can be seen to be a rollback."""
        self.chain.resolve(deployment, sha)
        rework.compare(self.chain, deployment, self.emit)

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

    def _begin_known(self, measurement: Measurement) -> None:
        """Find out whether a deployment whose changes are known goes back, now or when the ledger or GitHub tells."""
        if measurement.base is not None:
            measurement.take_as_known()
            self.chain.unmeasured.append(measurement)
            self._advance()

    def _try_known(self, measurement: Measurement) -> bool:
        span = proof.between(self.shipping.reading, self.chain, measurement)
        if isinstance(span, Gap):
            measurement.missing = span.missing
            if measurement.lookups:
                self._ask(measurement, Asked.RANGE, None)
            return False
        self._end_known(measurement, span.commits, behind=span.behind)
        return True

    def _end_known(self, measurement: Measurement, commits: Iterable[str], *, behind: bool) -> None:
        self.shipping.take_known(measurement, commits, behind=behind)
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
            if deployment is not None and found.sha != deployment.sha:
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
                self.shipping.unknown(
                    measurement, Unknown.FIRST_DEPLOYMENT if measurement.base is None else Unknown.NO_TOKEN
                )
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
        span = proof.between(self.shipping.reading, self.chain, measurement)
        if isinstance(span, Gap):
            measurement.missing = span.missing | measurement.undated
            if measurement.lookups:
                self._ask(measurement, Asked.RANGE, None)
            else:
                self.shipping.take_certain(measurement)
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
        known = proof.contained(self.shipping.reading, measurement.sha)
        commits = tuple(sha for sha in known.commits if sha not in self.chain.shipped)
        measurement.missing = known.missing | measurement.undated | {measurement.sha}
        if len(commits) > measurement.max_commits:
            self._end_unknown(measurement, Unknown.TOO_MANY_COMMITS, commits)
            return True
        if self._wants_details(measurement, commits):
            return False
        self.shipping.take(measurement, commits, behind=False)
        # What another deployment of the chain brought already, though it comes later in time, is not unknown.
        measurement.observed = measurement.observed or len(commits) < len(known.commits)
        if measurement.observed or measurement.lookups or not proof.is_delivery_missing(self.ledger, measurement.sha):
            if not measurement.observed and not measurement.settled:
                self.shipping.unknown(measurement, Unknown.FIRST_DEPLOYMENT)
            # Until the chain's next success a late delivery may still prove more to be contained.
            measurement.settled = True
        return False

    def _wants_details(self, measurement: Measurement, commits: Iterable[str]) -> bool:
        """Ask for what is not certain about commits, if GitHub may be asked. Returns whether an answer is awaited."""
        if not measurement.lookups or measurement.answered:
            return False
        reading = self.shipping.reading
        _, needed = reading.changes(commits, deployed=self.chain.shipped, at=measurement.succeeded_at)
        if not needed:
            return False
        measurement.missing |= frozenset(needed.commits)
        self._ask(measurement, Asked.DETAILS, needed)
        return True

    def _ask(self, measurement: Measurement, asked: Asked, needed: Needed | None) -> None:
        if measurement.asked is None:
            self.ask.append(measurement.put(asked, needed, self.repository))

    def _end(self, measurement: Measurement, commits: Iterable[str], *, behind: bool) -> None:
        only = measurement.only
        found = commits if only is None else [sha for sha in commits if sha in only]
        self.shipping.take(measurement, found, behind=behind)
        self.chain.ship(only or (), measurement.deployment_id)
        self.chain.unmeasured.remove(measurement)

    def _end_unknown(self, measurement: Measurement, unknown: Unknown, commits: Iterable[str]) -> None:
        if unknown is Unknown.TOO_MANY_COMMITS:
            self.chain.ship((*commits, measurement.sha), measurement.deployment_id)
        elif unknown is not Unknown.NOT_FOUND:
            self.shipping.take_certain(measurement)
        if not measurement.settled:
            self.shipping.unknown(measurement, unknown)
        self.chain.unmeasured.remove(measurement)
