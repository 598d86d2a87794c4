"""What is made of the commits that a deployment is found to have brought.

Their changes' lead times are observed, they count as shipped from then on, and they tell whether the deployment is
rework on an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define

from dora.domain import proof, rework
from dora.domain.chain import ChainState
from dora.domain.changes import Change, Reading
from dora.domain.facts import SentChange, Unknown
from dora.domain.instant import Instant
from dora.domain.observations import CommitLeadTimeObserved, Emit, Exemplar, LeadTimeObserved, LeadTimeUnknown
from dora.domain.succession import Deployment
from dora.domain.unmeasured import Measurement


@define
class Shipping:
    """The shipping of one chain's deployments, as its repository's ledger reads them."""

    reading: Reading
    """Of the ledger, in which nothing lands meanwhile."""
    chain: ChainState
    emit: Emit

    def take(self, measurement: Measurement, commits: Iterable[str], *, behind: bool) -> None:
        """Observe the changes among commits, take all of them as shipped, and draw the conclusions."""
        self._date(measurement)
        commits = tuple(commits)
        changes, _ = self.reading.changes(commits, deployed=self.chain.shipped, at=measurement.succeeded_at)
        exemplar = measurement.exemplar()
        for change in changes:
            if change.first_authored_at is None:
                measurement.undated.add(change.sha)
            if measurement.counted:
                self._observe(measurement.succeeded_at, change.landed_at, change.first_authored_at, exemplar)
        measurement.observed = measurement.observed or bool(changes)
        self.chain.ship(commits, measurement.deployment_id)
        self._conclude(measurement, changes, behind=behind)

    def take_certain(self, measurement: Measurement) -> None:
        """Take what needs no range to be known, as long as the range is not."""
        certain = proof.certain(self.reading.ledger, self.chain, measurement)
        if certain:
            self.take(measurement, certain, behind=False)

    def take_known(self, measurement: Measurement, commits: Iterable[str], *, behind: bool) -> None:
        """Take commits as shipped whose changes are known otherwise."""
        self.chain.ship(commits, measurement.deployment_id)
        self._conclude(measurement, (), behind=behind)

    def take_sent(self, deployment: Deployment, changes: tuple[SentChange, ...], *, counted: bool) -> None:
        """Observe the changes that a push client named, each the first time that it is named in the chain."""
        at = deployment.place[0]
        for change in changes:
            if change.id not in self.chain.shipped:
                self.chain.ship((change.id,), deployment.id)
                if counted:
                    self._observe(at, change.merged_at, change.committed_at, deployment.exemplar())

    def unknown(self, measurement: Measurement, reason: Unknown) -> None:
        """Count a deployment whose changes will not be known."""
        if measurement.counted:
            self.emit(LeadTimeUnknown(self.chain.labels, reason))

    def _date(self, measurement: Measurement) -> None:
        """Observe what a late push tells of the first commits of changes observed before."""
        if not measurement.undated:
            return
        # The ledger may have forgotten one meanwhile.
        known = filter(self.reading.ledger.knows, sorted(measurement.undated))
        changes, _ = self.reading.changes(known, deployed=frozenset(), at=measurement.succeeded_at)
        for change in changes:
            if change.first_authored_at is not None:
                measurement.undated.discard(change.sha)
                if measurement.counted:
                    self._observe(measurement.succeeded_at, None, change.first_authored_at, measurement.exemplar())

    def _observe(self, at: Instant, landed_at: Instant | None, authored_at: Instant | None, exemplar: Exemplar) -> None:
        if landed_at is not None:
            self.emit(LeadTimeObserved(self.chain.labels, max(0, at - landed_at), exemplar))
        if authored_at is not None:
            self.emit(CommitLeadTimeObserved(self.chain.labels, max(0, at - authored_at), exemplar))

    def _conclude(self, measurement: Measurement, changes: tuple[Change, ...], *, behind: bool) -> None:
        """Conclude from what a deployment brought which earlier one had failed: first rollback, revert, hotfix."""
        if behind and measurement.base is not None:
            self.chain.went_behind(measurement.sha, measurement.base)
        deployment = self.chain.deployments.get(measurement.deployment_id)
        if deployment is None or not measurement.counted or deployment.kind is not None:
            return
        before = self.chain.deployments.get(measurement.before or "")
        if behind and measurement.fresh and before is not None and before.sha == measurement.base:
            rework.rolled_back(self.chain, deployment, before, self.emit)
        hotfix = False
        for change in changes:
            hotfix = hotfix or change.hotfix
            reverted = None if change.reverts is None else self.reading.ledger.pull_requests.get(change.reverts)
            culprit = self.chain.shipped.get(reverted.merge_commit) if reverted else None
            if culprit is not None and culprit != deployment.id:
                rework.reverted(self.chain, deployment, self.chain.deployments.get(culprit), self.emit)
        if hotfix:
            rework.hotfixed(self.chain, deployment, before, self.emit)
