"""A deployment's result: what it does to its chain."""

from __future__ import annotations

from collections.abc import Callable

from dora.domain.chain import ChainState
from dora.domain.facts import DeploymentFinished, Result
from dora.domain.failures import deployment_failed, end_by_success, mark_failed, recover
from dora.domain.observations import Cause, DeploymentCounted, Emit, LastDeployment
from dora.domain.rework import blame, compare, tell
from dora.domain.succession import Deployment


def finish(chain: ChainState, fact: DeploymentFinished, emit: Emit) -> Deployment:
    """Enter a deployment's result: the chain's order, recoveries, and what succession alone tells."""
    deployment = chain.deployments.get(fact.deployment_id)
    if deployment is None:
        deployment = chain.deployments[fact.deployment_id] = Deployment(
            id=fact.deployment_id, environment=fact.environment.name
        )
    else:
        chain.remembered.remove(deployment.place)
    if deployment.sha is None:
        deployment.sha = fact.sha
    deployment.counted = deployment.counted or fact.counted
    if fact.counted:
        emit(DeploymentCounted(chain.labels, fact.result, deployment.exemplar()))
    if fact.result is Result.FAILURE:
        deployment.failed_at = fact.at
        if fact.counted:
            deployment_failed(chain, deployment, fact.at, emit)
    else:
        _succeed(chain, deployment, fact, emit)
    chain.remembered.add(deployment.place)
    return deployment


def _succeed(chain: ChainState, deployment: Deployment, fact: DeploymentFinished, emit: Emit) -> None:
    if deployment.found:
        chain.forget_success(deployment)
        deployment.found = False
    deployment.succeeded_at = fact.at
    deployment.sha = fact.sha or deployment.sha or ""
    chain.enter_success(deployment)
    if fact.counted and (chain.last_success_at is None or fact.at > chain.last_success_at):
        chain.last_success_at = fact.at
        emit(LastDeployment(chain.labels, fact.at))
    end_by_success(chain, deployment, emit)
    if fact.kind is not None or fact.fixes is not None:
        tell(chain, deployment, fact.kind, fact.fixes, emit)
    compare(chain, deployment, emit)


def arrive(chain: ChainState, deployment: Deployment, link: Callable[[str], None], emit: Emit) -> None:
    """Let act what awaited a deployment: marks and incidents by their times, then repairs.

    Args:
        chain: the deployment's chain.
        deployment: the one that has arrived; something awaited it.
        link: takes each incident that named it.
        emit: takes the observations.
    """
    awaited = chain.awaited.pop(deployment.id)
    if awaited.recovered_at is not None:
        recover(chain, deployment.id, awaited.recovered_at, emit)
    for incident, at in sorted(awaited.incidents.items(), key=lambda item: (item[1], item[0])):
        if awaited.marked_at is not None and awaited.marked_at < at:
            mark_failed(chain, deployment.id, awaited.marked_at, emit)
        link(incident)
    if awaited.marked_at is not None:
        mark_failed(chain, deployment.id, awaited.marked_at, emit)
    for repair in awaited.fixed_by:
        if repair in chain.deployments:
            blame(chain, deployment, Cause.REPORTED, chain.deployments[repair], emit)
