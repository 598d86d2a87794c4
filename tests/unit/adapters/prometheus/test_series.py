from __future__ import annotations

from collections.abc import Iterator

from dora.adapters.prometheus import Exposition, Series
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
    IncidentsRegistered,
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
    TimeToMergeObserved,
)
from tests.unit.adapters.prometheus.observed import CHAIN, EXEMPLAR, HOUR, LABELS, NOON, at, samples

REPOSITORY = {"repository": "acme/shop"}


def names(series: Series) -> set[str]:
    return {name for name, _ in samples(Exposition(series))}


def test_a_registered_repository_has_its_series_at_0() -> None:
    series = Series()
    series.record([RepositoryRegistered("acme/shop")], at=NOON)
    seen = samples(Exposition(series))
    assert seen[at("dora_changes_merged_total", REPOSITORY)] == 0
    assert seen[at("dora_time_to_merge_seconds_count", REPOSITORY)] == 0
    assert seen[at("dora_time_to_merge_seconds_sum", REPOSITORY)] == 0
    assert seen[at("dora_time_to_merge_seconds_created", REPOSITORY)] == NOON / 1e6
    assert len(seen) == 2 + 20 + 3


def test_a_registered_chain_has_its_series_at_0_but_no_recovery_and_no_last_deployment() -> None:
    series = Series()
    series.record([ChainRegistered(CHAIN)], at=NOON)
    seen = samples(Exposition(series))
    for result in Result:
        assert seen[at("dora_deployments_total", result=result)] == 0
    for cause in Cause:
        assert seen[at("dora_change_failures_total", cause=cause)] == 0
    for reason in Unknown:
        assert seen[at("dora_lead_time_unknown_total", reason=reason)] == 0
    for state in IncidentState:
        assert seen[at("dora_incidents_total", state=state)] == 0
    assert seen[at("dora_lead_time_seconds_count")] == 0
    assert seen[at("dora_commit_lead_time_seconds_count")] == 0
    assert seen[at("dora_rework_deployments_total")] == 0
    assert seen[at("dora_open_failures")] == 0
    assert seen[at("dora_pending_lookups")] == 0
    # Counters have a creation time beside their value, histograms 20 buckets, count, sum and creation time.
    assert len(seen) == 2 * 17 + 2 * 23 + 2


def test_a_failure_registers_the_recovery_of_its_cause_alone() -> None:
    series = Series()
    series.record([ChangeFailed(CHAIN, Cause.ROLLBACK, EXEMPLAR)], at=NOON)
    seen = samples(Exposition(series))
    assert seen[at("dora_change_failures_total", cause="rollback")] == 1
    assert seen[at("dora_recovery_time_seconds_count", cause="rollback")] == 0
    assert at("dora_recovery_time_seconds_count", cause="hotfix") not in seen


def test_incidents_can_be_registered_without_any_deployment() -> None:
    series = Series()
    series.record([IncidentsRegistered(CHAIN)], at=NOON)
    assert names(series) == {"dora_incidents_total", "dora_incidents_created"}


def test_an_incident_registers_both_of_its_series() -> None:
    series = Series()
    series.record([IncidentCounted(CHAIN, IncidentState.RESOLVED)], at=NOON)
    seen = samples(Exposition(series))
    assert seen[at("dora_incidents_total", state="resolved")] == 1
    assert seen[at("dora_incidents_total", state="opened")] == 0


def test_every_observation_steps_its_own_family() -> None:
    series = Series()
    series.record(
        [
            RepositoryRegistered("acme/shop"),
            ChainRegistered(CHAIN),
            DeploymentCounted(CHAIN, Result.SUCCESS, EXEMPLAR),
            LeadTimeObserved(CHAIN, 2 * HOUR, EXEMPLAR),
            CommitLeadTimeObserved(CHAIN, 3 * HOUR, EXEMPLAR),
            Recovered(CHAIN, Cause.INCIDENT, HOUR, EXEMPLAR),
            ReworkCounted(CHAIN, EXEMPLAR),
            OpenFailures(CHAIN, 4),
            LeadTimeUnknown(CHAIN, Unknown.NO_TOKEN),
            PendingLookups(CHAIN, 5),
            LastDeployment(CHAIN, NOON + 1),
            ChangeCounted("acme/shop"),
            TimeToMergeObserved("acme/shop", 6 * HOUR),
        ],
        at=NOON,
    )
    seen = samples(Exposition(series))
    assert seen[at("dora_deployments_total", result="success")] == 1
    assert seen[at("dora_deployments_total", result="failure")] == 0
    assert seen[at("dora_lead_time_seconds_sum")] == 7200
    assert seen[at("dora_commit_lead_time_seconds_sum")] == 3 * 3600
    assert seen[at("dora_recovery_time_seconds_sum", cause="incident")] == 3600
    assert seen[at("dora_rework_deployments_total")] == 1
    assert seen[at("dora_open_failures")] == 4
    assert seen[at("dora_lead_time_unknown_total", reason="no_token")] == 1
    assert seen[at("dora_pending_lookups")] == 5
    assert seen[at("dora_last_deployment_timestamp_seconds")] == (NOON + 1) / 1e6
    assert seen[at("dora_changes_merged_total", REPOSITORY)] == 1
    assert seen[at("dora_time_to_merge_seconds_sum", REPOSITORY)] == 6 * 3600


def test_an_observation_falls_into_every_bucket_from_its_own_on() -> None:
    series = Series()
    series.record([LeadTimeObserved(CHAIN, HOUR, EXEMPLAR), LeadTimeObserved(CHAIN, HOUR + 1, EXEMPLAR)], at=NOON)
    seen = samples(Exposition(series))
    assert [seen[at("dora_lead_time_seconds_bucket", le=le)] for le in ("1800.0", "3600.0", "7200.0", "+Inf")] == [
        0,
        1,
        2,
        2,
    ]


def test_registering_again_keeps_values_and_births() -> None:
    series = Series()
    series.record([ChainRegistered(CHAIN), DeploymentCounted(CHAIN, Result.SUCCESS, EXEMPLAR)], at=NOON)
    series.record([OpenFailures(CHAIN, 1)], at=NOON)
    before = series.dump()
    series.record([ChainRegistered(CHAIN), IncidentsRegistered(CHAIN)], at=NOON + HOUR)
    assert series.dump() == before


def test_a_series_that_an_observation_registers_is_born_with_it() -> None:
    series = Series()
    series.record([ChainRegistered(CHAIN)], at=NOON)
    series.record([Recovered(CHAIN, Cause.REPORTED, HOUR, EXEMPLAR)], at=NOON + HOUR)
    seen = samples(Exposition(series))
    assert seen[at("dora_recovery_time_seconds_created", cause="reported")] == (NOON + HOUR) / 1e6
    assert seen[at("dora_lead_time_seconds_created")] == NOON / 1e6


def test_a_birth_is_that_of_the_call_that_registered_and_nobody_else_has_one() -> None:
    series = Series()
    series.record([RepositoryRegistered("acme/shop")], at=NOON)
    series.record([RepositoryRegistered("acme/shop"), ChainRegistered(CHAIN)], at=NOON + HOUR)
    series.record([IncidentsRegistered(Chain("acme/shop", "staging", ""))], at=NOON + HOUR)
    assert series.born("acme/shop") == NOON
    assert series.born(CHAIN) == NOON + HOUR
    assert series.born("acme/other") is None
    # Of its incidents alone it is no chain that anything was deployed to.
    assert series.born(Chain("acme/shop", "staging", "")) is None


def test_moved_gauges_are_gone_and_counters_stay() -> None:
    series = Series()
    series.record([ChainRegistered(CHAIN), LastDeployment(CHAIN, NOON), OpenFailures(CHAIN, 1)], at=NOON)
    series.record([GaugesMoved(CHAIN)], at=NOON)
    seen = samples(Exposition(series))
    assert not {"dora_open_failures", "dora_pending_lookups", "dora_last_deployment_timestamp_seconds"} & names(series)
    assert at("dora_deployments_total", LABELS, result="success") in seen


def test_gauges_come_back_with_their_chain() -> None:
    series = Series()
    series.record([ChainRegistered(CHAIN), GaugesMoved(CHAIN)], at=NOON)
    series.record([ChainRegistered(CHAIN)], at=NOON)
    assert samples(Exposition(series))[at("dora_open_failures")] == 0


def test_sums_are_exact_and_do_not_depend_on_the_order() -> None:
    durations = [1, 10**18, 3, 7 * HOUR]
    one, other = Series(), Series()
    for duration in durations:
        one.record([LeadTimeObserved(CHAIN, duration, EXEMPLAR)], at=NOON)
    for duration in reversed(durations):
        other.record([LeadTimeObserved(CHAIN, duration, EXEMPLAR)], at=NOON)
    total = sum(durations) / 1e6
    assert samples(Exposition(one))[at("dora_lead_time_seconds_sum")] == total
    assert samples(Exposition(other))[at("dora_lead_time_seconds_sum")] == total


def test_a_reader_sees_all_of_a_call_of_record_or_nothing() -> None:
    series = Series()
    exposition = Exposition(series)
    first = at("dora_deployments_total", result="success")
    second = at("dora_deployments_total", LABELS | {"repository": "acme/other"}, result="success")
    seen = []

    def observations() -> Iterator[Observation]:
        yield DeploymentCounted(CHAIN, Result.SUCCESS, EXEMPLAR)
        seen.append(samples(exposition))
        yield DeploymentCounted(Chain("acme/other", "production", ""), Result.SUCCESS, EXEMPLAR)
        seen.append(samples(exposition))

    series.record(observations(), at=NOON)
    assert seen == [{}, {}]
    assert [samples(exposition)[place] for place in (first, second)] == [1, 1]
