"""The hard cases about failure, recovery, rework and delivery, each told by hand; a test bears its case's number."""

from __future__ import annotations

from itertools import permutations

import pytest

from dora.domain.facts import Fact, Kind, Repository
from dora.domain.outcome import Status
from tests.unit.domain.story import (
    API,
    EU,
    HOUR,
    SHOP,
    STAGING,
    US,
    WEB,
    Story,
    commit,
    direct,
    failure,
    hour,
    hours,
    marked,
    merge,
    opened,
    push,
    recovered,
    resolved,
    sha,
    squashed,
    success,
)


def bad_deployment() -> Story:
    """Tell of deployments 1 (`a`, hour 2) and 2 (`b`, hour 4, with pull request 1)."""
    story = Story()
    story.tell(direct("root", "a", 1), success("1", "a", 2), squashed("a", 1, "b", 3), success("2", "b", 4))
    return story


def test_case_34_many_incidents_on_one_deployment_are_one_failure() -> None:
    story = bad_deployment()
    story.tell(opened("I1", 5), opened("I2", 6), opened("I3", 7, deployment="2"))
    assert story.value("change_failures", "incident") == 1
    assert story.value("incidents", "opened") == 3
    assert story.value("open_failures") == 1


def test_case_34_an_incident_that_names_a_deployment_is_that_ones() -> None:
    story = bad_deployment()
    story.tell(opened("I1", 5, deployment="1"), opened("I2", 6, deployment="2"), resolved("I1", 9))
    assert story.value("change_failures", "incident") == 2
    assert story.value("recovery", "incident") == hours(4)
    assert story.value("open_failures") == 1


def test_case_34_an_incident_without_a_name_is_the_latest_success_before_it() -> None:
    story = bad_deployment()
    story.tell(success("3", "b", 8), opened("I1", 6), opened("I2", 6.5, deployment="2"))
    assert story.value("change_failures", "incident") == 1


def test_case_34_an_incident_before_any_deployment_is_only_counted() -> None:
    story = Story()
    story.tell(opened("I1", 1), success("1", "a", 2), resolved("I1", 3))
    assert story.value("incidents", "opened") == 1
    assert story.value("incidents", "resolved") == 1
    assert not story.stepped("change_failures", "open_failures", "recovery")


def test_case_35_an_incident_of_another_service_or_environment_blames_nobody_here() -> None:
    story = Story()
    story.tell(success("1", "a", 1, environment=API), opened("I1", 2, environment=WEB))
    story.tell(opened("I2", 2, environment=STAGING))
    assert not story.stepped("change_failures", "open_failures")
    assert story.value("incidents", "opened", environment=WEB) == 1
    assert story.value("incidents", "opened", environment=STAGING) == 1
    assert story.value("incidents", "opened", environment=API) == 0
    assert story.value("deployments", "success", environment=STAGING) is None


def test_case_36_failed_deployments_in_a_row_have_one_recovery_from_the_first() -> None:
    story = Story()
    story.tell(failure("1", 1), failure("2", 2), failure("3", 4))
    assert story.value("change_failures", "deployment_failed") == 3
    assert story.value("open_failures") == 1
    story.tell(success("4", "a", 6))
    assert story.value("recovery", "deployment_failed") == hours(5)
    assert story.value("open_failures") == 0


def test_case_37_a_failure_that_nothing_ends_stays_open_without_a_value() -> None:
    story = bad_deployment()
    story.tell(opened("I1", 5), direct("b", "c", 6), success("3", "c", 7))
    assert story.value("recovery", "incident") == []
    assert story.value("open_failures") == 1


def test_case_38_a_revert_of_a_deployed_pull_request_shows_that_its_deployment_failed() -> None:
    story = bad_deployment()
    story.tell(direct("b", "c", 5), success("3", "c", 6))
    story.tell(squashed("c", 2, "d", 7, reverts=1), success("4", "d", 9))
    assert story.value("change_failures", "revert") == 1
    assert story.value("recovery", "revert") == hours(5)
    assert story.value("rework") == 1


@pytest.mark.parametrize("reverted", [2, 99])
def test_case_38_a_revert_of_what_ships_with_it_or_is_unknown_is_no_failure(reverted: int) -> None:
    story = bad_deployment()
    story.tell(squashed("b", 2, "c", 5), squashed("c", 3, "d", 6, reverts=reverted), success("3", "d", 7))
    assert not story.stepped("change_failures", "rework")


def test_case_38_a_revert_of_a_revert_is_an_ordinary_change() -> None:
    story = bad_deployment()
    story.tell(squashed("b", 2, "c", 5, reverts=1), success("3", "c", 6))
    story.tell(squashed("c", 3, "d", 7), success("4", "d", 8))
    assert story.value("change_failures", "revert") == 1
    assert story.value("rework") == 1


def test_case_39_two_reverts_of_one_deployment_are_one_failure_and_two_rework_deployments() -> None:
    story = Story()
    story.tell(direct("root", "a", 1), success("1", "a", 2))
    story.tell(squashed("a", 1, "b", 3), squashed("b", 2, "c", 3), success("2", "c", 4))
    story.tell(squashed("c", 3, "d", 5, reverts=1), success("3", "d", 6))
    story.tell(squashed("d", 4, "e", 7, reverts=2), success("4", "e", 8))
    assert story.value("change_failures", "revert") == 1
    assert story.value("recovery", "revert") == hours(2)
    assert story.value("rework") == 2


def test_case_40_a_resolution_that_comes_before_its_opening_is_paired() -> None:
    story = bad_deployment()
    story.tell(resolved("I1", 8), opened("I1", 5))
    assert story.value("change_failures", "incident") == 1
    assert story.value("recovery", "incident") == hours(3)
    assert story.value("open_failures") == 0


def test_case_41_of_an_incident_the_first_opening_and_the_first_resolution_count() -> None:
    story = bad_deployment()
    facts: tuple[Fact, ...] = (
        opened("I1", 5),
        opened("I1", 6),
        resolved("I1", 8),
        opened("I1", 9),
        resolved("I1", 10),
    )
    became = story.tell(*facts)
    assert became == [Status.COUNTED, Status.DUPLICATE, Status.COUNTED, Status.DUPLICATE, Status.DUPLICATE]
    assert story.value("recovery", "incident") == hours(3)
    assert story.value("incidents", "opened") == 1
    assert story.value("incidents", "resolved") == 1


def test_case_41_an_issue_belongs_to_the_only_chain_of_production() -> None:
    story = Story()
    story.tell(success("1", "a", 1, environment=API), success("2", "a", 1, environment=STAGING))
    story.tell(opened("7", 2, environment=None), resolved("7", 4, environment=None))
    assert story.value("change_failures", "incident", environment=API) == 1
    assert story.value("recovery", "incident", environment=API) == hours(2)


def test_case_41_an_issue_belongs_to_no_chain_if_several_are_production() -> None:
    story = Story()
    story.tell(success("1", "a", 1, environment=API), success("2", "a", 1, environment=WEB))
    story.tell(opened("7", 2, environment=None))
    assert not story.stepped("change_failures", "open_failures")


def test_case_42_a_rollback_of_a_deployment_that_failed_by_incident_ends_that_failure() -> None:
    story = bad_deployment()
    story.tell(opened("I1", 5), success("3", "a", 7), resolved("I1", 9))
    assert story.stepped("change_failures") == {("change_failures", "production", "", "incident"): 1}
    assert story.value("recovery", "incident") == hours(2)
    assert story.value("rework") == 1


def test_case_42_bad_rollback_hotfix_is_one_failure_and_two_rework_deployments() -> None:
    story = bad_deployment()
    story.tell(success("3", "a", 6), squashed("b", 2, "c", 7, hotfix=True), success("4", "c", 8))
    assert story.stepped("change_failures") == {("change_failures", "production", "", "rollback"): 1}
    assert story.value("recovery", "rollback") == hours(2)
    assert story.value("rework") == 2


def test_case_42_a_hotfix_after_a_redeployed_rollback_blames_nobody() -> None:
    story = bad_deployment()
    story.tell(success("3", "a", 6), success("4", "a", 6.5))
    story.tell(squashed("b", 2, "c", 7, hotfix=True), success("5", "c", 8))
    assert story.stepped("change_failures") == {("change_failures", "production", "", "rollback"): 1}


def test_case_30_a_rollback_sent_with_an_abbreviated_sha_is_one_and_its_redeploy_too() -> None:
    story = bad_deployment()
    story.tell(success("3", "", 6, full_sha=sha("a")[:8]), success("4", "", 6.5, full_sha=sha("a")[:9]))
    assert story.value("recovery", "rollback") == hours(2)
    story.tell(squashed("b", 2, "c", 7, hotfix=True), success("5", "c", 8))
    assert story.stepped("change_failures") == {("change_failures", "production", "", "rollback"): 1}
    assert story.value("rework") == 2


def test_a_hotfix_shows_that_its_predecessor_failed() -> None:
    story = bad_deployment()
    story.tell(squashed("b", 2, "c", 5, hotfix=True), success("3", "c", 7))
    assert story.stepped("change_failures") == {("change_failures", "production", "", "hotfix"): 1}
    assert story.value("recovery", "hotfix") == hours(3)
    assert story.value("rework") == 1


def test_fixes_blames_only_the_deployment_it_names() -> None:
    story = bad_deployment()
    story.tell(squashed("b", 2, "c", 5, hotfix=True), success("3", "c", 7, fixes="1"))
    assert story.stepped("change_failures") == {("change_failures", "production", "", "reported"): 1}
    assert story.value("recovery", "reported") == hours(5)
    assert story.value("rework") == 1


@pytest.mark.parametrize("kind", [Kind.HOTFIX, Kind.REVERT, Kind.ROLLBACK])
def test_a_deployment_sent_as_rework_blames_its_predecessor(kind: Kind) -> None:
    story = bad_deployment()
    story.tell(direct("b", "c", 5), success("3", "c", 7, kind=kind))
    assert story.stepped("change_failures") == {("change_failures", "production", "", kind.value): 1}
    assert story.value("recovery", kind.value) == hours(3)
    assert story.value("rework") == 1


def test_of_a_planned_deployment_nothing_is_inferred() -> None:
    story = bad_deployment()
    story.tell(success("3", "a", 7, kind=Kind.PLANNED))
    story.tell(squashed("b", 2, "c", 8, hotfix=True, reverts=1), success("4", "c", 9, kind=Kind.PLANNED))
    assert not story.stepped("change_failures", "rework")


def test_a_reported_failure_ends_with_the_first_later_success() -> None:
    story = bad_deployment()
    story.tell(marked("2", 6), direct("b", "c", 7), success("3", "c", 8))
    assert story.value("change_failures", "reported") == 1
    assert story.value("recovery", "reported") == hours(2)


def test_a_reported_failure_ends_when_its_recovery_is_reported() -> None:
    story = bad_deployment()
    story.tell(marked("2", 6), recovered("2", 7), success("3", "b", 9))
    assert story.value("recovery", "reported") == hours(1)


def test_an_incidents_failure_ends_when_its_recovery_is_reported() -> None:
    story = bad_deployment()
    story.tell(opened("I1", 6), recovered("2", 9), resolved("I1", 10))
    assert story.value("recovery", "incident") == hours(3)


def test_a_mark_of_a_deployment_not_known_yet_acts_when_it_arrives() -> None:
    story = bad_deployment()
    assert story.tell(marked("3", 8)) == [Status.STORED]
    assert not story.stepped("change_failures")
    story.tell(success("3", "b", 7))
    assert story.value("change_failures", "reported") == 1
    assert story.value("open_failures") == 1


def test_a_mark_and_a_recovery_of_a_deployment_not_known_yet_act_when_it_arrives() -> None:
    story = bad_deployment()
    story.tell(marked("3", 8), recovered("3", 10), success("3", "b", 7))
    assert story.value("recovery", "reported") == hours(2)
    assert story.value("open_failures") == 0


def test_an_incident_of_a_deployment_not_known_yet_acts_when_it_arrives() -> None:
    story = bad_deployment()
    story.tell(opened("I1", 8, deployment="3"))
    assert story.value("incidents", "opened") == 1
    assert not story.stepped("change_failures")
    story.tell(success("3", "b", 7), resolved("I1", 9))
    assert story.value("recovery", "incident") == hours(1)


def test_a_repair_of_a_deployment_not_known_yet_acts_when_it_arrives() -> None:
    story = Story()
    story.tell(success("9", "c", 9, fixes="5"))
    assert story.value("rework") == 1
    assert not story.stepped("change_failures")
    story.tell(success("5", "b", 5))
    assert story.value("change_failures", "reported") == 1
    assert story.value("recovery", "reported") == hours(4)
    assert story.value("open_failures") == 0


def test_a_late_failure_of_a_success_is_ended_by_a_rollback_once() -> None:
    story = bad_deployment()
    story.tell(failure("2", 5), failure("3", 6), success("4", "a", 8))
    assert story.stepped("change_failures") == {("change_failures", "production", "", "deployment_failed"): 2}
    assert story.value("recovery", "deployment_failed") == hours(3)
    assert story.value("rework") == 1


def test_case_43_every_fact_told_twice_is_a_duplicate_the_second_time() -> None:
    facts: tuple[Fact, ...] = (
        direct("root", "a", 1),
        success("1", "a", 2),
        *squashed("a", 1, "b", 3),
        failure("2", 4),
        success("3", "b", 5),
        opened("I1", 6),
        resolved("I1", 7),
        marked("1", 8),
    )
    once, twice = Story(), Story()
    once.tell(*facts)
    for fact in facts:
        twice.tell(fact)
        assert twice.tell(fact) == [Status.DUPLICATE]
    assert twice.tell(*facts) == [Status.DUPLICATE] * len(facts)
    assert twice.series == once.series


def test_case_44_an_older_success_that_comes_late_is_counted_and_changes_nothing_judged_before() -> None:
    story = Story()
    story.tell(direct("root", "a", 1), success("1", "a", 2), direct("a", "b", 3), direct("b", "c", 4))
    story.tell(success("3", "c", 6), success("2", "b", 5))
    assert story.value("deployments", "success") == 3
    assert story.value("lead_time") == hours(1, 3, 2)
    assert story.value("last_deployment") == hour(6)
    assert not story.stepped("unknown", "pending", "change_failures", "rework")


def test_case_44_an_older_success_that_comes_late_observes_what_no_newer_one_has() -> None:
    story = Story()
    story.tell(direct("root", "a", 1), success("1", "a", 2))
    story.tell(push(None, "a", branch="x"), push("a", "x", commit("x", 3), branch="x"), direct("a", "b", 4))
    story.tell(success("3", "b", 6), success("2", "x", 5))
    assert story.value("lead_time") == hours(1, 2, 2)


def test_case_44_the_same_facts_of_two_chains_in_any_order_give_the_same_numbers() -> None:
    ledger = (direct("root", "a", 1), *squashed("a", 1, "b", 3))
    here = (success("1", "a", 2), success("2", "b", 4))
    there = (success("3", "b", 4, environment=STAGING), success("4", "a", 5, environment=STAGING))
    outcomes = []
    for order in set(permutations("hhtt")):
        story, left = Story(), {"h": list(here), "t": list(there)}
        story.tell(*ledger, *(left[chain].pop(0) for chain in order))
        outcomes.append(story.series)
    assert len(outcomes) == 6
    assert all(outcome == outcomes[0] for outcome in outcomes)


@pytest.mark.parametrize("order", [("7", "9"), ("9", "7")])
def test_case_45_deployments_of_one_instant_are_as_if_one_came_after_the_other_by_id(order: tuple[str, ...]) -> None:
    story = Story()
    story.tell(direct("root", "r", 0), success("1", "r", 1), direct("r", "a", 2), direct("a", "b", 3))
    names = {"7": "a", "9": "b"}
    story.tell(*(success(deployment, names[deployment], 5) for deployment in order))
    assert story.value("deployments", "success") == 3
    assert story.value("lead_time") == hours(1, 3, 2)
    assert not story.stepped("unknown", "change_failures", "rework")


def test_case_48_a_renamed_repository_is_the_same_under_a_new_label_from_then_on() -> None:
    story = Story()
    renamed = Repository("acme/store", 42)
    story.tell(direct("root", "a", 1), success("1", "a", 2), direct("a", "b", 3))
    assert story.tell(success("1", "a", 2, repository=renamed)) == [Status.DUPLICATE]
    story.tell(success("2", "b", 5, repository=renamed))
    assert story.value("deployments", "success") == 1
    assert story.series["deployments", "acme/store", "production", "", "success"] == 1
    assert story.series["lead_time", "acme/store", "production", ""] == [2 * HOUR]
    assert story.of_repository("changes_merged", SHOP) == 0


def test_a_reported_failure_of_one_region_is_not_ended_by_another() -> None:
    story = Story()
    story.tell(success("1", "a", 1, environment=EU), success("2", "a", 1, environment=US))
    story.tell(marked("1", 2, environment=EU), success("3", "a", 3, environment=US))
    assert story.value("open_failures") == 1


def test_a_pull_request_merged_before_it_was_opened_took_no_time() -> None:
    story = Story()
    story.tell(merge(1, "a", 1, opened=2))
    assert story.of_repository("time_to_merge") == [0]
