from __future__ import annotations

from dora.adapters.prometheus import Series, Standings
from dora.domain.facts import Result, Unknown
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
    IncidentState,
    LastDeployment,
    LeadTimeObserved,
    LeadTimeUnknown,
    Observation,
    OpenFailures,
    PendingLookups,
    Recovered,
    RepositoryRegistered,
    ReworkCounted,
)
from tests.unit.adapters.prometheus.observed import CHAIN, EXEMPLAR, HOUR, NOON

STAGING = Chain("acme/shop", "staging", "web")


def standings(*observations: Observation) -> Standings:
    series = Series()
    series.record(observations, at=NOON)
    return Standings(series)


def test_a_chain_stands_as_it_was_observed() -> None:
    found = standings(
        RepositoryRegistered("acme/shop"),
        ChangeCounted("acme/shop"),
        ChainRegistered(CHAIN),
        DeploymentCounted(CHAIN, Result.SUCCESS, EXEMPLAR),
        DeploymentCounted(CHAIN, Result.SUCCESS, EXEMPLAR),
        DeploymentCounted(CHAIN, Result.FAILURE, EXEMPLAR),
        LastDeployment(CHAIN, NOON),
        LeadTimeObserved(CHAIN, HOUR, EXEMPLAR),
        LeadTimeObserved(CHAIN, 90 * 24 * HOUR, EXEMPLAR),
        CommitLeadTimeObserved(CHAIN, HOUR, EXEMPLAR),
        LeadTimeUnknown(CHAIN, Unknown.NO_TOKEN),
        PendingLookups(CHAIN, 4),
        ChangeFailed(CHAIN, Cause.ROLLBACK, EXEMPLAR),
        ChangeFailed(CHAIN, Cause.HOTFIX, EXEMPLAR),
        Recovered(CHAIN, Cause.HOTFIX, HOUR, EXEMPLAR),
        OpenFailures(CHAIN, 1),
        ReworkCounted(CHAIN, EXEMPLAR),
        IncidentCounted(CHAIN, IncidentState.OPENED),
        IncidentCounted(CHAIN, IncidentState.RESOLVED),
    ).of("acme/shop")
    assert found is not None
    assert (found.merged, found.moved) == (1, False)
    (chain,) = found.chains
    assert (chain.environment, chain.service, chain.last_success) == ("production", "", NOON)
    assert (chain.successes, chain.failures) == (2, 1)
    assert (chain.lead_times, chain.commit_lead_times) == (2, 1)
    assert chain.unknown == {"no_token": 1}
    assert (chain.pending, chain.open_failures) == (4, 1)
    assert (chain.change_failures, chain.recoveries, chain.rework, chain.incidents) == (2, 1, 1, 1)


def test_a_repository_has_its_own_chains_and_no_neighbours() -> None:
    found = standings(
        *(RepositoryRegistered(name) for name in ("acme/sho", "acme/shop", "acme/shop2")),
        *(ChainRegistered(Chain(name, "production", "")) for name in ("acme/sho", "acme/shop", "acme/shop2")),
        ChainRegistered(STAGING),
    )
    shop = found.of("acme/shop")
    assert shop is not None
    assert [(chain.environment, chain.service) for chain in shop.chains] == [("production", ""), ("staging", "web")]
    assert found.of("acme/sh") is None
    assert found.of("acme/shop3") is None


def test_the_latest_success_of_all_chains_is_a_repositorys_and_0_is_none() -> None:
    found = standings(
        RepositoryRegistered("acme/new"),
        RepositoryRegistered("acme/shop"),
        LastDeployment(CHAIN, NOON),
        LastDeployment(STAGING, NOON + HOUR),
    )
    assert found.latest() == {"acme/new": 0, "acme/shop": NOON + HOUR}


def test_a_repository_whose_gauges_went_to_another_name_has_moved() -> None:
    found = standings(
        RepositoryRegistered("acme/shop"),
        ChainRegistered(CHAIN),
        ChainRegistered(STAGING),
        GaugesMoved(CHAIN),
        GaugesMoved(STAGING),
        RepositoryRegistered("acme/store"),
        ChainRegistered(Chain("acme/store", "production", "")),
    )
    old, new = found.of("acme/shop"), found.of("acme/store")
    assert old is not None
    assert new is not None
    assert (old.moved, new.moved) == (True, False)
