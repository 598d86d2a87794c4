"""What observations add up to: a plain mapping from a series to its value, for comparing two histories.

A counter or gauge is a number; a histogram is its sorted durations. A series that exists and has not stepped is 0 or
empty; one that does not exist is absent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from dora.domain.facts import Result, Unknown
from dora.domain.instant import Duration
from dora.domain.observations import (
    Cause,
    Chain,
    ChainRegistered,
    ChangeCounted,
    ChangeFailed,
    CommitLeadTimeObserved,
    DeploymentCounted,
    GaugesMoved,
    IncidentCounted,
    IncidentsRegistered,
    IncidentState,
    LastDeployment,
    LeadTimeObserved,
    LeadTimeUnknown,
    Observation,
    OpenFailures,
    PendingLookups,
    Recovered,
    RecoveryRegistered,
    RepositoryRegistered,
    ReworkCounted,
    TimeToMergeObserved,
)

SeriesName: TypeAlias = tuple[str, ...]
Value: TypeAlias = int | list[Duration]
Series: TypeAlias = dict[SeriesName, Value]


def of(family: str, chain: Chain, *more: str) -> SeriesName:
    """Name a chain's series."""
    return (family, chain.repository, chain.environment, chain.service, *more)


def register_repository(series: Series, repository: str) -> None:
    """Let the repository's series exist."""
    series.setdefault(("changes_merged", repository), 0)
    series.setdefault(("time_to_merge", repository), [])


def register_incidents(series: Series, chain: Chain) -> None:
    """Let the environment's incident series exist."""
    for state in IncidentState:
        series.setdefault(of("incidents", chain, state), 0)


def register_chain(series: Series, chain: Chain) -> None:
    """Let the chain's series exist; a recovery's begin at the failure and the last deployment's at the first."""
    for result in Result:
        series.setdefault(of("deployments", chain, result), 0)
    for cause in Cause:
        series.setdefault(of("change_failures", chain, cause), 0)
    for reason in Unknown:
        series.setdefault(of("unknown", chain, reason), 0)
    for family in ("rework", "open_failures", "pending"):
        series.setdefault(of(family, chain), 0)
    for family in ("lead_time", "commit_lead_time"):
        series.setdefault(of(family, chain), [])
    register_incidents(series, chain)


def step(series: Series, name: SeriesName) -> None:
    """Add one to a counter, which must exist."""
    value = series[name]
    assert isinstance(value, int)
    series[name] = value + 1


def observe(series: Series, name: SeriesName, duration: Duration) -> None:
    """Add a duration to a histogram, which must exist."""
    value = series[name]
    assert isinstance(value, list)
    value.append(duration)


def fold(series: Series, observations: Iterable[Observation]) -> None:  # noqa: C901, PLR0912 - one arm an observation
    """Add observations. A step of a series that was not registered before is a KeyError, on purpose."""
    for seen in observations:
        match seen:
            case RepositoryRegistered():
                register_repository(series, seen.repository)
            case ChainRegistered():
                register_chain(series, seen.chain)
            case IncidentsRegistered():
                register_incidents(series, seen.chain)
            case DeploymentCounted():
                step(series, of("deployments", seen.chain, seen.result))
            case LeadTimeObserved():
                observe(series, of("lead_time", seen.chain), seen.duration)
            case CommitLeadTimeObserved():
                observe(series, of("commit_lead_time", seen.chain), seen.duration)
            case ChangeFailed():
                step(series, of("change_failures", seen.chain, seen.cause))
                series.setdefault(of("recovery", seen.chain, seen.cause), [])
            case RecoveryRegistered():
                series.setdefault(of("recovery", seen.chain, seen.cause), [])
            case Recovered():
                observe(series, of("recovery", seen.chain, seen.cause), seen.duration)
            case ReworkCounted():
                step(series, of("rework", seen.chain))
            case OpenFailures():
                series[of("open_failures", seen.chain)] = seen.count
            case LeadTimeUnknown():
                step(series, of("unknown", seen.chain, seen.reason))
            case PendingLookups():
                series[of("pending", seen.chain)] = seen.count
            case LastDeployment():
                series[of("last_deployment", seen.chain)] = seen.at
            case ChangeCounted():
                step(series, ("changes_merged", seen.repository))
            case TimeToMergeObserved():
                observe(series, ("time_to_merge", seen.repository), seen.duration)
            case GaugesMoved():
                for family in ("open_failures", "pending", "last_deployment"):
                    series.pop(of(family, seen.chain), None)
            case IncidentCounted():
                register_incidents(series, seen.chain)
                step(series, of("incidents", seen.chain, seen.state))


def settled(series: Series) -> Series:
    """Return the series with every histogram sorted: the order of observing means nothing."""
    return {name: sorted(value) if isinstance(value, list) else value for name, value in series.items()}


def differences(told: Series, true: Series) -> dict[SeriesName, tuple[Value | None, Value | None]]:
    """Return what differs, told first: an empty mapping says that all series are equal."""
    told, true = settled(told), settled(true)
    return {
        name: (told.get(name), true.get(name))
        for name in sorted(told.keys() | true.keys())
        if told.get(name) != true.get(name)
    }
