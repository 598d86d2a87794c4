"""A pushed event in the domain's words, with what settings and clock decide written into it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dora.adapters.events.shapes import Event, EventType
from dora.domain.facts import (
    ChangeMerged,
    DeploymentFinished,
    DeploymentMarkedFailed,
    DeploymentRecovered,
    DeploymentStarted,
    Environment,
    Fact,
    IdempotencyKey,
    IncidentOpened,
    IncidentResolved,
    Repository,
    RepositorySeen,
    Result,
)
from dora.domain.instant import Instant
from dora.policy import Policy

_RESULTS: Final[Mapping[EventType, Result]] = MappingProxyType(
    {EventType.DEPLOYMENT_SUCCEEDED: Result.SUCCESS, EventType.DEPLOYMENT_FAILED: Result.FAILURE}
)
_MARKS: Final[Mapping[EventType, type[DeploymentStarted | DeploymentMarkedFailed | DeploymentRecovered]]] = (
    MappingProxyType(
        {
            EventType.DEPLOYMENT_STARTED: DeploymentStarted,
            EventType.DEPLOYMENT_MARKED_FAILED: DeploymentMarkedFailed,
            EventType.DEPLOYMENT_RECOVERED: DeploymentRecovered,
        }
    )
)
_INCIDENTS: Final[Mapping[EventType, type[IncidentOpened | IncidentResolved]]] = MappingProxyType(
    {EventType.INCIDENT_OPENED: IncidentOpened, EventType.INCIDENT_RESOLVED: IncidentResolved}
)


def translate(
    event: Event, *, policy: Policy, key: IdempotencyKey | None, received_at: Instant
) -> tuple[Fact | None, str | None]:
    """Return the fact that an event is, and why it is ignored, if it is.

    An ignored event may still be a fact: of an environment without interest the repository is registered, and a
    deployment or merge that is too old is kept for linking.
    """
    if not policy.watches(event.repository):
        return None, "repository"
    if event.type is EventType.CHANGE_MERGED:
        return _merged(event, policy=policy, key=key, received_at=received_at)
    environment = policy.pushed_environment(event.environment, event.service)
    if environment is None:
        return RepositorySeen(repository=Repository(event.repository), received_at=received_at), "environment"
    if event.type in _RESULTS:
        return _finished(event, environment=environment, policy=policy, key=key, received_at=received_at)
    if event.type in _MARKS:
        mark = _MARKS[event.type](
            repository=Repository(event.repository),
            received_at=received_at,
            environment=environment,
            deployment_id=event.deployment_id,
            at=event.occurred_at,
            key=key,
        )
        return mark, None
    incident = _INCIDENTS[event.type](
        repository=Repository(event.repository),
        received_at=received_at,
        incident_id=event.incident_id,
        at=event.occurred_at,
        environment=environment,
        deployment_id=event.deployment_id or None,
        key=key,
    )
    return incident, None


def _merged(
    event: Event, *, policy: Policy, key: IdempotencyKey | None, received_at: Instant
) -> tuple[ChangeMerged, str | None]:
    """Return a merge. It happens in no environment: one that was sent is checked and has no effect."""
    old = policy.too_old(event.occurred_at, now=received_at)
    fact = ChangeMerged(
        repository=Repository(event.repository),
        received_at=received_at,
        sha=event.sha,
        merged_at=event.occurred_at,
        committed_at=event.committed_at,
        counted=not old,
        key=key,
    )
    return fact, "too_old" if old else None


def _finished(
    event: Event, *, environment: Environment, policy: Policy, key: IdempotencyKey | None, received_at: Instant
) -> tuple[DeploymentFinished, str | None]:
    old = policy.too_old(event.occurred_at, now=received_at)
    fact = DeploymentFinished(
        repository=Repository(event.repository),
        received_at=received_at,
        environment=environment,
        deployment_id=event.deployment_id,
        result=_RESULTS[event.type],
        at=event.occurred_at,
        sha=event.sha or None,
        counted=not old,
        lookups=policy.lookups,
        max_commits=policy.max_commits,
        changes=event.changes,
        kind=event.kind,
        fixes=event.fixes or None,
        key=key,
    )
    return fact, "too_old" if old else None
