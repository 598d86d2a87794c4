"""Observations: what a metric sink records.

Each is a step of one number, in the domain's words. Which metric it feeds, and under which name, is the sink's affair.
Times and durations are whole microseconds (`dora.domain.instant`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from attrs import frozen

from dora.domain.facts import Result, Unknown
from dora.domain.instant import Duration, Instant


class Cause(StrEnum):
    """The first evidence that a deployment failed."""

    DEPLOYMENT_FAILED = "deployment_failed"
    ROLLBACK = "rollback"
    REVERT = "revert"
    HOTFIX = "hotfix"
    INCIDENT = "incident"
    REPORTED = "reported"


class IncidentState(StrEnum):
    """What an incident did."""

    OPENED = "opened"
    RESOLVED = "resolved"


@frozen(cache_hash=True)
class Chain:
    """The labels under which deployments succeed one another: repository, environment label, service."""

    repository: str
    environment: str
    service: str


@frozen
class Exemplar:
    """The deployment that an observation came from."""

    deployment_id: str
    sha: str


@frozen
class RepositoryRegistered:
    """The repository's series exist from now on, at 0."""

    repository: str


@frozen
class ChainRegistered:
    """The chain's series exist from now on, at 0."""

    chain: Chain


@frozen
class IncidentsRegistered:
    """The incident series of an environment exist from now on, at 0, though no deployment was seen there."""

    chain: Chain


@frozen
class RecoveryRegistered:
    """The recovery series of a cause exist from now on, at 0: failures are open that began under other labels."""

    chain: Chain
    cause: Cause


@frozen
class DeploymentCounted:
    """A deployment reached a result."""

    chain: Chain
    result: Result
    exemplar: Exemplar


@frozen
class LeadTimeObserved:
    """A change reached the chain; the duration since it landed."""

    chain: Chain
    duration: Duration
    exemplar: Exemplar


@frozen
class CommitLeadTimeObserved:
    """A change reached the chain; the duration since its first commit was authored."""

    chain: Chain
    duration: Duration
    exemplar: Exemplar


@frozen
class ChangeFailed:
    """A deployment turned out to be a failed change. From now on the cause's recovery series exists, at 0."""

    chain: Chain
    cause: Cause
    exemplar: Exemplar


@frozen
class Recovered:
    """A failure ended; the duration since it began."""

    chain: Chain
    cause: Cause
    duration: Duration
    exemplar: Exemplar
    """The deployment that had failed."""


@frozen
class ReworkCounted:
    """A successful deployment was rework."""

    chain: Chain
    exemplar: Exemplar


@frozen
class OpenFailures:
    """How many failures of the chain are not recovered now."""

    chain: Chain
    count: int


@frozen
class LeadTimeUnknown:
    """A successful deployment's changes could not be (fully) measured."""

    chain: Chain
    reason: Unknown


@frozen
class PendingLookups:
    """How many deployments of the chain have changes still to be measured."""

    chain: Chain
    count: int


@frozen
class LastDeployment:
    """When the chain's latest success was."""

    chain: Chain
    at: Instant


@frozen
class GaugesMoved:
    """The chain goes by new labels: its gauges are no longer shown under these. Counters and histograms stay."""

    chain: Chain


@frozen
class ChangeCounted:
    """A pull request was merged into a tracked branch."""

    repository: str


@frozen
class TimeToMergeObserved:
    """The duration from a pull request's opening to its merge."""

    repository: str
    duration: Duration


@frozen
class IncidentCounted:
    """An incident was opened or resolved. Registers the environment's incident series if there are none."""

    chain: Chain
    state: IncidentState


Observation: TypeAlias = (
    RepositoryRegistered
    | ChainRegistered
    | IncidentsRegistered
    | RecoveryRegistered
    | DeploymentCounted
    | LeadTimeObserved
    | CommitLeadTimeObserved
    | ChangeFailed
    | Recovered
    | ReworkCounted
    | OpenFailures
    | LeadTimeUnknown
    | PendingLookups
    | LastDeployment
    | GaugesMoved
    | ChangeCounted
    | TimeToMergeObserved
    | IncidentCounted
)

Emit: TypeAlias = Callable[[Observation], None]
"""Takes an observation."""
