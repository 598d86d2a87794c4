"""Deployments that repair others of their chain: each is rework, and says that the one it repairs had failed."""

from __future__ import annotations

from dora.domain.chain import ChainState
from dora.domain.facts import Kind
from dora.domain.failures import close, fail
from dora.domain.observations import Cause, Emit, ReworkCounted
from dora.domain.succession import Deployment

_CAUSES = {Kind.ROLLBACK: Cause.ROLLBACK, Kind.REVERT: Cause.REVERT}
"""What the predecessor failed by, if a sender says that a deployment is of this kind."""


def tell(chain: ChainState, deployment: Deployment, kind: Kind | None, fixes: str | None, emit: Emit) -> None:
    """Take what a sender says of a success, once."""
    if deployment.told:
        return
    deployment.told, deployment.kind, deployment.fixes = True, kind, fixes
    before = chain.predecessor(deployment)
    if kind is Kind.ROLLBACK:
        deployment.rollback = True
    if fixes is not None:
        _count(chain, deployment, emit)
        culprit = chain.deployments.get(fixes)
        if culprit is None:
            chain.await_deployment(fixes).fixed_by.append(deployment.id)
        else:
            blame(chain, culprit, Cause.REPORTED, deployment, emit)
    elif kind is Kind.HOTFIX:
        hotfixed(chain, deployment, before, emit)
    elif kind in _CAUSES:
        _count(chain, deployment, emit)
        blame(chain, before, _CAUSES[kind], deployment, emit)


def compare(chain: ChainState, deployment: Deployment, emit: Emit) -> None:
    """Conclude from the order of successes alone whether one is a rollback, or a redeploy of one."""
    before = chain.predecessor(deployment)
    if before is None:
        return
    if before.sha == deployment.sha and before.rollback:
        deployment.rollback = True
    if deployment.kind is None and chain.went_back(deployment, before):
        rolled_back(chain, deployment, before, emit)


def rolled_back(chain: ChainState, deployment: Deployment, before: Deployment, emit: Emit) -> None:
    """Record that a deployment is a rollback of its predecessor."""
    deployment.rollback = True
    _count(chain, deployment, emit)
    if deployment.fixes is None:
        blame(chain, before, Cause.ROLLBACK, deployment, emit)


def reverted(chain: ChainState, deployment: Deployment, culprit: Deployment | None, emit: Emit) -> None:
    """Record that a deployment carries the revert of what another one had brought."""
    _count(chain, deployment, emit)
    if deployment.fixes is None:
        blame(chain, culprit, Cause.REVERT, deployment, emit)


def hotfixed(chain: ChainState, deployment: Deployment, before: Deployment | None, emit: Emit) -> None:
    """Record that a deployment is a hotfix of its predecessor."""
    _count(chain, deployment, emit)
    if deployment.fixes is not None or before is None:
        return
    if before.rollback and before.failure is None:
        return  # the failure that the rollback repaired stands
    blame(chain, before, Cause.HOTFIX, deployment, emit)


def blame(chain: ChainState, culprit: Deployment | None, cause: Cause, repair: Deployment, emit: Emit) -> None:
    """Say that a deployment had failed and that another repaired it."""
    if culprit is None or repair.succeeded_at is None:
        return
    if culprit.failure is not None:
        close(chain, culprit.failure, repair.succeeded_at, emit)
    elif culprit.succeeded_at is not None:
        fail(chain, culprit, cause, culprit.succeeded_at, emit, ends=(repair.succeeded_at,))


def _count(chain: ChainState, deployment: Deployment, emit: Emit) -> None:
    if deployment.counted and not deployment.rework:
        deployment.rework = True
        emit(ReworkCounted(chain.labels, deployment.exemplar()))
