"""The hard cases about identity, time and changes, each told by hand; a test bears its case's number.

Cases that only a door, GitHub's API or the exposition can show are tested there: 3, 6, 8, 10, 22, 24, 46, 47, 49 to 55.
"""

from __future__ import annotations

from attrs import evolve

from dora.domain.facts import Environment, SentChange
from dora.domain.outcome import Status
from tests.unit.domain.story import (
    API,
    EU,
    HOUR,
    PRODUCTION,
    STAGING,
    US,
    WEB,
    Story,
    commit,
    direct,
    failure,
    hour,
    hours,
    merge,
    push,
    reported_merge,
    seen,
    sha,
    squashed,
    started,
    success,
)


def deployed_once() -> Story:
    """Tell of a repository whose commit `a` was pushed and deployed, at hours 1 and 2; nothing else is known."""
    story = Story()
    story.tell(direct("root", "a", 1), success("1", "a", 2))
    return story


def lead_times_since(story: Story, environment: Environment = PRODUCTION) -> list[int]:
    """Return the lead times observed, without the one hour of the first deployment of `deployed_once`."""
    found = story.value("lead_time", environment=environment)
    assert isinstance(found, list)
    found.remove(HOUR)
    return found


def test_case_01_several_successes_of_one_deployment_count_once() -> None:
    story = Story()
    statuses = story.tell(success("1", "a", 1), success("1", "a", 2), success("1", "a", 3))
    assert statuses == [Status.COUNTED, Status.DUPLICATE, Status.DUPLICATE]
    assert story.value("deployments", "success") == 1
    assert story.value("last_deployment") == hour(1)


def test_case_01_one_deployment_id_in_two_environments_is_two_deployments() -> None:
    story = Story()
    story.tell(success("1", "a", 1), success("1", "a", 2, environment=STAGING))
    assert story.value("deployments", "success") == 1
    assert story.value("deployments", "success", environment=STAGING) == 1


def test_case_02_the_time_is_the_status_own_whenever_it_is_received() -> None:
    story = Story()
    story.tell(merge(1, "a", 1), success("1", "a", 4, received=900))
    assert story.value("last_deployment") == hour(4)
    assert story.value("lead_time") == hours(3)


def test_case_04_a_state_that_is_no_result_registers_the_series_at_0_and_counts_nothing() -> None:
    story = Story()
    story.tell(seen(), started("1", 1, environment=STAGING))
    assert story.value("deployments", "success") == 0
    assert story.value("deployments", "failure", environment=STAGING) == 0
    assert story.value("lead_time") == []
    assert story.value("last_deployment") is None
    assert story.stepped() == {}


def test_case_05_failure_then_success_of_one_deployment_is_one_of_each_and_a_recovery() -> None:
    story = Story()
    story.tell(failure("1", 1), success("1", "a", 3))
    assert story.value("deployments", "failure") == 1
    assert story.value("deployments", "success") == 1
    assert story.value("change_failures", "deployment_failed") == 1
    assert story.value("recovery", "deployment_failed") == hours(2)
    assert story.value("open_failures") == 0


def test_case_05_success_then_failure_of_one_deployment_both_count_and_it_failed() -> None:
    story = Story()
    story.tell(success("1", "a", 1), failure("1", 3))
    assert story.value("deployments", "failure") == 1
    assert story.value("deployments", "success") == 1
    assert story.value("change_failures", "deployment_failed") == 1
    assert story.value("open_failures") == 1


def test_case_05_a_deployment_that_succeeded_and_failed_later_stays_a_predecessor() -> None:
    story = deployed_once()
    story.tell(failure("1", 3), direct("a", "b", 4), success("2", "b", 6))
    assert lead_times_since(story) == hours(2)
    assert story.value("recovery", "deployment_failed") == hours(3)


def test_case_07_a_deployment_told_by_two_hooks_counts_once() -> None:
    story = Story()
    fact = success("1", "a", 1)
    assert story.tell(fact, evolve(fact, received_at=hour(2))) == [Status.COUNTED, Status.DUPLICATE]
    assert story.value("deployments", "success") == 1


def test_case_09_the_second_region_of_a_release_observes_no_change_again() -> None:
    story = Story()
    story.tell(direct("root", "a", 1), success("1", "a", 2, environment=US), success("2", "a", 3, environment=EU))
    story.tell(direct("a", "b", 4), success("3", "b", 5, environment=US), success("4", "b", 7, environment=EU))
    assert story.value("deployments", "success") == 4
    assert story.value("lead_time") == hours(1, 1)
    assert not story.stepped("unknown")


def test_case_09_a_region_that_lags_is_no_rollback() -> None:
    story = Story()
    story.tell(direct("root", "a", 1), success("1", "a", 2, environment=US), success("2", "a", 3, environment=EU))
    story.tell(direct("a", "b", 4), success("3", "b", 5, environment=US), success("4", "a", 6, environment=EU))
    assert not story.stepped("change_failures", "rework")


def test_case_09_a_failure_of_one_region_is_not_ended_by_another() -> None:
    story = Story()
    story.tell(failure("1", 1, environment=EU), success("2", "a", 2, environment=US))
    assert story.value("open_failures") == 1
    story.tell(success("3", "a", 5, environment=EU))
    assert story.value("open_failures") == 0
    assert story.value("recovery", "deployment_failed") == hours(4)


def test_case_11_all_merges_between_two_deployments_are_observed_each_once() -> None:
    story = deployed_once()
    story.tell(squashed("a", 1, "b", 3), squashed("b", 2, "c", 4), squashed("c", 3, "d", 5), success("2", "d", 6))
    assert lead_times_since(story) == hours(3, 2, 1)
    assert story.of_repository("changes_merged") == 3
    assert story.of_repository("time_to_merge") == hours(3, 4, 5)


def test_case_12_a_failed_attempt_consumes_nothing() -> None:
    story = deployed_once()
    story.tell(squashed("a", 1, "b", 3), failure("2", 4), squashed("b", 2, "c", 5), success("3", "c", 6))
    assert lead_times_since(story) == hours(3, 1)


def test_case_13_the_same_commit_again_is_a_deployment_without_changes_and_nothing_is_unknown() -> None:
    story = deployed_once()
    story.tell(success("2", "a", 3))
    assert story.value("deployments", "success") == 2
    assert story.value("lead_time") == hours(1)
    assert not story.stepped("unknown", "pending", "change_failures", "rework")


def test_case_14_a_rollback_has_no_changes_is_rework_and_shows_that_the_replaced_deployment_failed() -> None:
    story = deployed_once()
    story.tell(direct("a", "b", 3), success("2", "b", 4), success("3", "a", 7))
    assert lead_times_since(story) == hours(1)
    assert story.value("change_failures", "rollback") == 1
    assert story.value("recovery", "rollback") == hours(3)
    assert story.value("rework") == 1
    assert not story.stepped("unknown", "pending", "open_failures")


def test_case_14_a_rollback_to_an_ancestor_that_never_was_deployed() -> None:
    story = deployed_once()
    story.tell(direct("a", "b", 3), direct("b", "c", 3), success("2", "c", 4), success("3", "b", 6))
    assert story.value("change_failures", "rollback") == 1
    assert story.value("recovery", "rollback") == hours(2)
    assert story.value("rework") == 1
    assert not story.stepped("unknown", "pending")


def test_case_15_a_roll_forward_after_a_rollback_observes_only_what_is_new() -> None:
    story = deployed_once()
    story.tell(direct("a", "b", 3), success("2", "b", 4), success("3", "a", 5))
    story.tell(direct("b", "c", 6), success("4", "c", 8))
    assert lead_times_since(story) == hours(1, 2)
    assert story.value("rework") == 1


def test_case_15_a_b_a_b_has_one_rollback() -> None:
    story = deployed_once()
    story.tell(direct("a", "b", 3), success("2", "b", 4), success("3", "a", 5), success("4", "b", 6))
    assert story.value("change_failures", "rollback") == 1
    assert story.value("rework") == 1
    assert lead_times_since(story) == hours(1)


def test_case_16_the_first_deployment_never_observes_the_history() -> None:
    story = Story()
    story.tell(success("1", "a", 1))
    assert story.value("unknown", "first_deployment") == 1
    assert story.value("lead_time") == []
    assert story.value("pending") == 0


def test_case_16_the_first_deployment_observes_what_was_seen_to_land() -> None:
    story = Story()
    story.tell(squashed("root", 1, "a", 1), direct("a", "b", 2), success("1", "b", 4))
    assert story.value("lead_time") == hours(3, 2)
    assert not story.stepped("unknown", "pending")


def test_case_16_a_pull_request_whose_merge_commit_is_deployed_first_is_contained() -> None:
    story = Story()
    story.tell(merge(1, "a", 1), success("1", "a", 4))
    assert story.value("lead_time") == hours(3)
    assert not story.stepped("unknown")


def test_case_16_the_first_deployment_of_what_was_there_before_is_unknown() -> None:
    story = Story()
    story.tell(direct("root", "a", 1), success("1", "root", 2), success("2", "a", 3))
    assert story.value("unknown", "first_deployment") == 1
    assert story.value("lead_time") == hours(2)


def test_case_17_without_state_and_token_the_next_deployment_is_a_first_one() -> None:
    before = deployed_once()
    after = Story()
    after.tell(success("2", "b", 5))
    assert after.value("unknown", "first_deployment") == 1
    assert before.value("unknown", "first_deployment") == 0


def test_case_18_a_squashed_pull_request_is_one_change_whose_first_commit_is_not_known_without_the_api() -> None:
    story = deployed_once()
    story.tell(merge(1, "s", 5, commits=3), push("a", "s", commit("s", 5)), success("2", "s", 6))
    assert lead_times_since(story) == hours(1)
    assert story.value("commit_lead_time") == hours(1)
    assert not story.stepped("unknown")


def test_case_18_a_single_commit_squashed_is_told_by_its_equal_dates() -> None:
    story = deployed_once()
    story.tell(merge(1, "s", 5), push("a", "s", commit("s", 5)), success("2", "s", 6))
    assert lead_times_since(story) == hours(1)
    assert story.value("commit_lead_time") == hours(1)


def test_case_19_a_rebased_pull_request_is_one_change_with_its_own_first_commit() -> None:
    story = deployed_once()
    copies = (commit("r1", 5, authored=3), commit("r2", 5, authored=2.5), commit("r3", 5, authored=4))
    story.tell(merge(1, "r3", 5, commits=3), push("a", "r3", *copies), success("2", "r3", 6))
    assert lead_times_since(story) == hours(1)
    assert story.value("commit_lead_time") == hours(1, 3.5)


def test_case_19_a_single_commit_rebased_keeps_its_author_date() -> None:
    story = deployed_once()
    story.tell(merge(1, "r", 5), push("a", "r", commit("r", 5, authored=3)), success("2", "r", 6))
    assert story.value("commit_lead_time") == hours(1, 3)


def test_case_20_a_merged_pull_request_is_one_change_and_its_merge_commit_none() -> None:
    story = deployed_once()
    brought = (commit("x", 3), commit("y", 4), commit("m", 5))
    story.tell(merge(1, "m", 5, commits=2), push("a", "m", *brought), success("2", "m", 6))
    assert lead_times_since(story) == hours(1)
    assert story.value("commit_lead_time") == hours(1, 3)


def test_case_21_every_commit_pushed_directly_is_a_change() -> None:
    story = deployed_once()
    story.tell(push("a", "c", commit("b", 3, authored=2), commit("c", 4)), success("2", "c", 6))
    assert lead_times_since(story) == hours(3, 2)
    assert story.value("commit_lead_time") == hours(1, 4, 2)
    assert story.of_repository("changes_merged") == 0


def test_case_21_a_merge_pushed_by_hand_is_no_change_and_what_it_brings_is() -> None:
    story = deployed_once()
    story.tell(push("a", "m", commit("x", 3), commit("y", 4), commit("m", 5, merge=True)), success("2", "m", 6))
    assert lead_times_since(story) == hours(3, 2)


def test_case_23_commits_of_an_untracked_merge_belong_to_the_pull_request_that_carries_them_on() -> None:
    story = deployed_once()
    story.tell(
        push("a", "x", commit("x", 3), branch="develop"),
        push("x", "n", commit("y", 3), commit("n", 4, merge=True), branch="develop"),
        merge(2, "m", 5, commits=3),
        push("a", "m", commit("x", 3), commit("y", 3), commit("n", 4, merge=True), commit("m", 5)),
        success("2", "m", 6),
    )
    assert lead_times_since(story) == hours(1)
    assert story.value("commit_lead_time") == hours(1, 3)


def test_case_23_commits_of_an_untracked_merge_that_are_pushed_on_by_hand_are_direct() -> None:
    story = deployed_once()
    story.tell(
        push("a", "x", commit("x", 3), branch="develop"),
        push("a", "x", commit("x", 3)),
        success("2", "x", 6),
    )
    assert lead_times_since(story) == hours(3)


def test_case_25_a_pull_request_is_deployed_with_the_last_commit_of_its_rebase() -> None:
    story = deployed_once()
    copies = (commit("r1", 5, authored=3), commit("r2", 5, authored=4))
    story.tell(merge(1, "r2", 5, commits=2), push("a", "r2", *copies))
    story.tell(success("2", "r1", 6))
    assert lead_times_since(story) == []
    assert not story.stepped("unknown", "pending")
    story.tell(success("3", "r2", 8))
    assert lead_times_since(story) == hours(3)
    assert story.value("commit_lead_time") == hours(1, 5)


def test_case_26_commits_that_a_force_push_took_away_are_never_measured() -> None:
    story = deployed_once()
    story.tell(direct("a", "b", 3), push("b", "a", forced=True), direct("a", "c", 4), success("2", "c", 5))
    assert lead_times_since(story) == hours(1)
    assert not story.stepped("unknown", "pending")


def test_case_26_a_forced_push_proves_nothing() -> None:
    story = deployed_once()
    story.tell(push("a", "b", commit("b", 3), forced=True), success("2", "b", 5))
    assert story.value("pending") == 1
    story.tell(success("3", "b", 6))
    assert story.value("pending") == 0
    assert story.value("unknown", "no_token") == 1


def test_case_27_too_many_commits_are_not_observed_then_or_later() -> None:
    story = deployed_once()
    story.tell(push("a", "d", commit("b", 3), commit("c", 3), commit("d", 3)), success("2", "d", 4, max_commits=2))
    assert story.value("unknown", "too_many_commits") == 1
    story.tell(direct("d", "e", 5), success("3", "a", 6), success("4", "e", 7))
    assert lead_times_since(story) == hours(2)
    assert story.value("deployments", "success") == 4


def test_case_28_of_a_diverged_deployment_what_the_new_has_and_the_old_has_not_counts() -> None:
    story = deployed_once()
    story.tell(push(None, "a", branch="x"), push("a", "x", commit("x", 3), branch="x"), success("2", "x", 4))
    story.tell(direct("a", "b", 5), success("3", "b", 6))
    assert lead_times_since(story) == hours(1, 1)
    assert not story.stepped("unknown", "pending", "change_failures")


def test_case_28_a_branch_deployed_before_its_merge_is_direct_commits_then_and_a_pull_request_later() -> None:
    story = deployed_once()
    story.tell(push(None, "a", branch="x"), push("a", "y", commit("x", 3), commit("y", 3.5), branch="x"))
    story.tell(success("2", "y", 4))
    assert lead_times_since(story) == hours(1, 0.5)
    story.tell(
        merge(1, "m", 5, commits=2),
        push("a", "m", commit("x", 3), commit("y", 3.5), commit("m", 5)),
        success("3", "m", 7),
    )
    assert lead_times_since(story) == hours(1, 0.5, 2)


def test_case_29_author_dates_are_observed_as_they_are_and_the_future_is_0() -> None:
    story = deployed_once()
    story.tell(push("a", "c", commit("b", 3, authored=-2400), commit("c", 30, authored=40)), success("2", "c", 6))
    assert lead_times_since(story) == hours(3, 0)
    assert story.value("commit_lead_time") == hours(1, 2406, 0)


def test_case_30_an_abbreviated_sha_is_resolved_against_known_commits() -> None:
    story = deployed_once()
    story.tell(direct("a", "wxyz", 3), success("2", "", 4, full_sha=sha("wxyz")[:8]))
    assert lead_times_since(story) == hours(1)
    assert not story.stepped("unknown")


def test_case_30_an_unknown_or_ambiguous_abbreviation_is_not_found() -> None:
    story = deployed_once()
    story.tell(success("2", "", 4, full_sha="abcdef0"))
    assert story.value("unknown", "not_found") == 1
    story.tell(direct("a", "wxyz1", 5), direct("wxyz1", "wxyz2", 5), success("3", "", 6, full_sha=sha("wxyz")[:8]))
    assert story.value("unknown", "not_found") == 2


def test_case_30_an_abbreviation_that_a_later_push_explains_is_a_predecessor_like_others() -> None:
    story = Story()
    story.tell(success("1", "", 1, full_sha=sha("wxyz")[:7]))
    assert story.value("unknown", "not_found") == 1
    story.tell(direct("wxyz", "b", 2), success("2", "", 4, full_sha=sha("b")[:7]))
    assert story.value("lead_time") == hours(2)
    story.tell(
        success("3", "", 5, full_sha=sha("wxyz")[:7]), direct("b", "c", 6), success("4", "", 7, full_sha=sha("c")[:7])
    )
    assert story.value("lead_time") == hours(2, 1)
    assert story.value("recovery", "rollback") == hours(1)
    assert not story.stepped("pending")


def test_case_31_a_push_that_comes_after_its_deployment_is_observed_when_the_gap_closes() -> None:
    story = deployed_once()
    story.tell(success("2", "c", 5))
    assert story.value("pending") == 1
    story.tell(direct("b", "c", 4))
    story.tell(direct("a", "b", 3))
    assert lead_times_since(story) == hours(2, 1)
    assert not story.stepped("unknown", "pending")


def test_case_31_a_push_that_never_comes_is_no_token_at_the_next_success() -> None:
    story = deployed_once()
    story.tell(success("2", "c", 5))
    assert not story.stepped("unknown")
    story.tell(direct("c", "d", 6), success("3", "d", 8))
    assert story.value("unknown", "no_token") == 1
    assert story.value("pending") == 0
    assert lead_times_since(story) == hours(2)


def test_case_31a_commits_of_a_pull_request_told_late_stay_the_direct_commits_they_looked_like() -> None:
    story = deployed_once()
    story.tell(push("a", "r2", commit("r1", 3), commit("r2", 4)), success("2", "r2", 5))
    assert lead_times_since(story) == hours(2, 1)
    story.tell(merge(1, "r2", 4, commits=2), success("3", "r2", 6))
    assert lead_times_since(story) == hours(2, 1)
    assert story.of_repository("changes_merged") == 1


def test_case_31b_a_merge_by_hand_is_recognised_by_gits_own_subject() -> None:
    story = deployed_once()
    story.tell(push("a", "m", commit("x", 3), commit("m", 4, merge=True)), success("2", "m", 5))
    assert lead_times_since(story) == hours(2)


def test_case_32_a_push_without_commits_is_no_change_and_no_error() -> None:
    story = deployed_once()
    story.tell(push(None, "a", branch="x"), push("a", "root", forced=True), success("2", "a", 3))
    assert lead_times_since(story) == []
    assert not story.stepped("unknown", "pending")


def test_case_33_each_service_observes_a_change_once() -> None:
    story = Story()
    story.tell(direct("root", "a", 1), success("1", "a", 2, environment=API))
    story.tell(direct("a", "b", 3), success("2", "b", 4, environment=WEB), success("3", "b", 6, environment=API))
    assert story.value("lead_time", environment=API) == hours(1, 3)
    assert story.value("lead_time", environment=WEB) == hours(3, 1)


def test_changes_that_are_sent_are_taken_as_they_are() -> None:
    story = Story()
    sent = (
        SentChange("A", merged_at=hour(1), committed_at=hour(0)),
        SentChange("B", merged_at=hour(2)),
        SentChange("C", committed_at=hour(1)),
    )
    story.tell(success("1", "a", 3, changes=sent), success("2", "b", 4, changes=()))
    assert story.value("lead_time") == hours(2, 1)
    assert story.value("commit_lead_time") == hours(3, 2)
    assert not story.stepped("unknown", "pending")


def test_merges_that_are_pushed_form_one_line_by_their_time() -> None:
    story = Story()
    story.tell(reported_merge("b", 2), reported_merge("a", 1, committed=0), reported_merge("c", 5))
    story.tell(success("1", "b", 4), success("2", "c", 6))
    assert story.value("lead_time") == hours(3, 2, 1)
    assert story.value("commit_lead_time") == hours(4)
    assert story.of_repository("changes_merged") == 3


def test_a_pushed_merge_that_is_a_pull_requests_steps_once() -> None:
    story = Story()
    story.tell(reported_merge("a", 1), merge(1, "a", 1), reported_merge("a", 1))
    assert story.of_repository("changes_merged") == 1
    assert story.of_repository("time_to_merge") == hours(1)
