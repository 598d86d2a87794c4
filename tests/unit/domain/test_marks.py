"""What is said of deployments: marks, kinds, repairs, sent changes; and merges that a push client reports."""

from __future__ import annotations

from attrs import evolve

from dora.domain.core import Core
from dora.domain.facts import (
    DeploymentFinished,
    IdempotencyKey,
    IncidentResolved,
    Kind,
    SentChange,
    Unknown,
)
from dora.domain.observations import Cause, Observation
from dora.domain.outcome import Status
from dora.domain.rework import tell
from tests.unit.domain.story import (
    PRODUCTION,
    SHOP,
    STAGING,
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
    reported_merge,
    resolved,
    sha,
    squashed,
    success,
)


def uncounted(fact: DeploymentFinished) -> DeploymentFinished:
    """Return a deployment that was too old on arrival."""
    return evolve(fact, counted=False)


def test_deployments_too_old_to_count_link_all_the_same() -> None:
    story = Story()
    story.tell(
        push("root", "b", commit("a", 1), commit("b", 2)),
        uncounted(success("1", "a", 1.5)),
        uncounted(failure("f", 1.6)),
        success("2", "b", 3),
    )
    assert story.value("deployments", "success") == 1
    assert story.value("deployments", "failure") == 0
    assert story.value("lead_time") == hours(1)
    assert story.value("unknown", Unknown.FIRST_DEPLOYMENT) == 0
    story.tell(marked("1", 4), uncounted(success("3", "a", 5)))
    assert story.value("change_failures", Cause.REPORTED) == 0
    assert story.value("rework") == 0


def test_changes_of_an_uncounted_deployment_are_not_observed_ever() -> None:
    story = Story()
    sent = (SentChange("x", hour(0), hour(0)),)
    story.tell(
        uncounted(success("1", "a", 1, changes=sent)),
        success("2", "b", 2, changes=sent),
        uncounted(success("3", "?", 3, full_sha="0123456")),
        merge(7, "m", 1, commits=2),
        uncounted(success("4", "m", 4)),
        push("root", "m", commit("k", 1), commit("m", 1)),
    )
    assert story.value("lead_time") == []
    assert story.value("commit_lead_time") == []
    assert story.value("unknown", Unknown.NOT_FOUND) == 0


def test_merges_too_old_to_count_are_known_all_the_same() -> None:
    story = Story()
    old = [evolve(fact, counted=False) for fact in (merge(7, "m", 1), reported_merge("r", 1))]
    story.tell(*old, success("1", "m", 2))
    assert story.of_repository("changes_merged") == 0
    assert story.value("lead_time") == hours(1)


def test_an_episode_ended_by_a_mark_is_over_and_a_later_failure_begins_another() -> None:
    story = Story()
    story.tell(failure("1", 1), recovered("1", 2), failure("2", 3), failure("3", 1.5), success("4", "a", 5))
    assert story.value("change_failures", Cause.DEPLOYMENT_FAILED) == 3
    assert story.value("recovery", Cause.DEPLOYMENT_FAILED) == hours(1, 2)
    assert story.value("open_failures") == 0


def test_a_recovery_known_before_the_failure_joins_its_row_ends_the_row() -> None:
    story = Story()
    story.tell(failure("1", 1), recovered("2", 3), failure("2", 2))
    assert story.value("recovery", Cause.DEPLOYMENT_FAILED) == hours(2)


def test_a_failing_status_of_what_failed_already_begins_nothing() -> None:
    story = Story()
    story.tell(success("1", "a", 1), marked("1", 2), failure("1", 3), success("2", "b", 4))
    assert story.value("deployments", "failure") == 1
    assert story.value("change_failures", Cause.DEPLOYMENT_FAILED) == 0
    assert story.value("recovery", Cause.REPORTED) == hours(2)


def test_a_report_is_ended_by_a_success_of_its_own_environment_name() -> None:
    story = Story()
    elsewhere = evolve(PRODUCTION, name="prod-us")
    story.tell(success("1", "a", 1), marked("1", 2), success("2", "b", 3, environment=elsewhere))
    assert story.value("open_failures") == 1


def test_what_was_said_before_a_deployment_came_acts_by_its_times() -> None:
    story = Story()
    story.tell(marked("1", 3), opened("early", 2, deployment="1"), opened("late", 4, deployment="1"))
    story.tell(success("1", "a", 1))
    assert story.value("change_failures", Cause.INCIDENT) == 1
    other = Story()
    other.tell(marked("1", 2), opened("later", 3, deployment="1"), recovered("1", 5), success("1", "a", 1))
    assert other.value("change_failures", Cause.REPORTED) == 1
    assert other.value("recovery", Cause.REPORTED) == hours(3)


def test_a_repair_of_what_is_not_known_yet_acts_when_it_comes() -> None:
    story = Story()
    story.tell(success("2", "b", 4, fixes="1"), success("1", "a", 1))
    assert story.value("change_failures", Cause.REPORTED) == 1
    assert story.value("recovery", Cause.REPORTED) == hours(3)
    assert story.value("rework") == 1


def test_a_forgotten_repair_repairs_nothing() -> None:
    story = Story()
    story.tell(success("2", "b", 1, fixes="1"))
    story.tell(*(success(f"n{number}", "b", 2 + number) for number in range(1_001)))
    story.tell(failure("1", 1_500))
    assert story.value("change_failures", Cause.REPORTED) == 0


def test_a_repair_of_what_only_failed_ends_that() -> None:
    story = Story()
    story.tell(failure("1", 1), success("2", "b", 4, fixes="1"))
    assert story.value("recovery", Cause.DEPLOYMENT_FAILED) == hours(3)
    uncountable = Story()
    uncountable.tell(uncounted(failure("1", 1)), success("2", "b", 4, fixes="1"))
    assert uncountable.value("open_failures") == 0


def test_a_second_word_about_one_deployment_is_not_taken() -> None:
    story = Story()
    story.tell(success("0", "z", 0), success("1", "a", 1))
    first = story.core.apply(success("1", "a", 1, kind=Kind.PLANNED))
    assert first.outcome.status is Status.DUPLICATE
    assert story.tell(success("1", "a", 1, kind=Kind.HOTFIX)) == [Status.DUPLICATE]
    assert story.value("rework") == 0
    chain = story.core.repositories[0].chains["production", ""]
    observed: list[Observation] = []
    tell(chain, chain.deployments["1"], Kind.HOTFIX, None, observed.append)
    assert observed == []


def test_each_kind_blames_the_predecessor_and_planned_nobody() -> None:
    for kind, cause in ((Kind.REVERT, Cause.REVERT), (Kind.ROLLBACK, Cause.ROLLBACK), (Kind.HOTFIX, Cause.HOTFIX)):
        story = Story()
        story.tell(success("1", "a", 1), success("2", "b", 3, kind=kind))
        assert story.value("change_failures", cause) == 1
        assert story.value("recovery", cause) == hours(2)
        assert story.value("rework") == 1
    planned = Story()
    planned.tell(success("1", "a", 1), success("2", "b", 2), success("3", "a", 3, kind=Kind.PLANNED))
    assert planned.value("rework") == 0


def test_a_repair_of_another_leaves_the_predecessor_alone() -> None:
    story = Story()
    story.tell(
        *squashed("root", 5, "a", 0), *squashed("a", 7, "b", 1, hotfix=True), *squashed("b", 8, "c", 2, reverts=5)
    )
    story.tell(success("1", "a", 1), success("2", "x", 1.5), success("3", "a", 1.7, fixes="1"))
    story.tell(success("4", "c", 3, fixes="2"))
    assert story.value("change_failures", Cause.ROLLBACK) == 0
    assert story.value("change_failures", Cause.HOTFIX) == 0
    assert story.value("change_failures", Cause.REVERT) == 0
    assert story.value("change_failures", Cause.REPORTED) == 2


def test_reported_merges_form_a_line() -> None:
    story = Story()
    story.tell(
        reported_merge("m1", 1, committed=0.5),
        success("1", "m1", 2),
        reported_merge("m3", 4),
        reported_merge("m2", 3, committed=2),
        success("2", "m3", 5),
        success("3", "m2", 6),
    )
    assert story.value("lead_time") == hours(1, 1, 2)
    assert story.value("commit_lead_time") == hours(1.5, 3)
    assert story.of_repository("changes_merged") == 3
    assert story.value("change_failures", Cause.ROLLBACK) == 1


def test_what_was_reported_after_an_unknown_base_is_new_and_the_rest_unproved() -> None:
    story = Story()
    story.tell(reported_merge("m1", 1), success("1", "x", 2), reported_merge("m2", 3), success("2", "m2", 4))
    assert story.value("lead_time") == hours(1)
    assert story.value("pending") == 1
    story.tell(reported_merge("x", 2), success("3", "m2", 5))
    assert story.value("pending") == 0
    certain = Story()
    certain.tell(success("1", "x", 2), reported_merge("m2", 3), success("2", "m2", 4))
    assert certain.value("lead_time") == hours(1)
    assert certain.value("pending") == 0


def test_a_reported_merge_that_is_a_pull_requests_too_counts_once() -> None:
    story = Story()
    assert story.tell(reported_merge("m", 1), reported_merge("m", 1)) == [Status.COUNTED, Status.DUPLICATE]
    story.tell(merge(7, "m", 1), merge(8, "n", 1), reported_merge("n", 1))
    assert story.of_repository("changes_merged") == 2
    shortened = evolve(reported_merge("n", 1), sha=sha("n")[:7])
    assert story.tell(shortened) == [Status.DUPLICATE]


def test_a_late_merge_before_the_first_deployments_own_is_contained() -> None:
    story = Story()
    story.tell(reported_merge("m2", 2), success("1", "m2", 3), reported_merge("m1", 1))
    assert story.value("lead_time") == hours(1, 2)


def test_sent_changes_are_taken_whatever_the_ledger_knows_and_go_back_all_the_same() -> None:
    story = Story()
    story.tell(
        direct("root", "a", 1),
        direct("a", "b", 2),
        success("1", "b", 3, changes=(SentChange("#1", hour(1)), SentChange("#1", hour(1)))),
        success("2", "a", 4, changes=()),
        success("3", "c", 5, changes=()),
        direct("b", "c", 4.5),
        success("4", "c", 6),
    )
    assert story.value("lead_time") == hours(2)
    assert story.value("rework") == 1
    assert story.value("pending") == 0


def test_a_sha_too_short_to_be_one_commit_is_not_found() -> None:
    story = Story()
    story.tell(push("root", "ab", commit("aa", 1), commit("ab", 2)), success("1", "root", 2))
    story.tell(success("2", "?", 3, full_sha=sha("aa")[:2]))
    assert story.value("unknown", Unknown.NOT_FOUND) == 1
    certain = Story()
    certain.tell(push("root", "ab", commit("aa", 1), commit("ab", 2)), success("1", "root", 2))
    certain.tell(success("2", "?", 4, full_sha=sha("ab")[:4]))
    assert certain.value("lead_time") == hours(2, 3)


def test_an_unlabelled_issue_ends_an_incident_only_if_it_was_one() -> None:
    story = Story()
    closed: IncidentResolved = evolve(resolved("#1", 3, environment=None), labelled=False)
    assert Core().apply(closed).outcome.reason == "label"
    assert story.tell(success("1", "a", 1), closed) == [Status.COUNTED, Status.IGNORED]
    story.tell(opened("#1", 2, environment=None))
    assert story.tell(closed, closed) == [Status.COUNTED, Status.DUPLICATE]
    assert story.value("recovery", Cause.INCIDENT) == hours(1)


def test_an_incident_is_linked_when_the_success_before_it_comes_late() -> None:
    story = Story()
    story.tell(opened("I", 2), success("2", "b", 3), success("1", "a", 1), resolved("I", 4))
    assert story.value("change_failures", Cause.INCIDENT) == 1
    assert story.value("recovery", Cause.INCIDENT) == hours(2)


def test_forgotten_incidents_link_nothing() -> None:
    story = Story()
    story.tell(opened("gone", 1, deployment="1"))
    story.tell(*(opened(str(number), 2 + number, environment=STAGING) for number in range(1_000)))
    story.tell(success("1", "a", 0))
    assert story.value("change_failures", Cause.INCIDENT) == 0
    assert story.core.repositories[0].repository == SHOP


def test_a_branch_created_with_commits_contains_them_and_proves_nothing_below() -> None:
    story = Story()
    story.tell(
        push(None, "b", commit("a", 1), commit("b", 2), branch="topic"),
        push("x", "x", branch="topic"),
        push("b", "c", commit("c", 3), branch="topic"),
        success("1", "c", 4),
    )
    assert story.value("lead_time") == hours(1, 2, 3)
    story.tell(success("2", "a", 5))
    assert story.value("pending") == 1


def test_a_late_earlier_failure_moves_the_beginning_of_an_open_row() -> None:
    story = Story()
    story.tell(failure("2", 3), failure("1", 1), success("3", "a", 5))
    assert story.value("change_failures", Cause.DEPLOYMENT_FAILED) == 2
    assert story.value("recovery", Cause.DEPLOYMENT_FAILED) == hours(4)


def test_a_late_success_parts_a_row_of_failures() -> None:
    story = Story()
    story.tell(failure("1", 1), failure("2", 3), failure("3", 3.5), success("4", "a", 2))
    assert story.value("recovery", Cause.DEPLOYMENT_FAILED) == hours(1)
    assert story.value("open_failures") == 1
    story.tell(success("5", "b", 4))
    assert story.value("recovery", Cause.DEPLOYMENT_FAILED) == hours(1, 1)


def test_what_waited_behind_another_is_measured_when_the_next_success_ends_the_waiting() -> None:
    story = Story()
    story.tell(success("0", "root", 0), success("2", "gap", 5), direct("root", "a", 1), success("1", "a", 2))
    assert story.value("pending") == 2
    story.tell(success("3", "next", 6))
    assert story.value("lead_time") == hours(1)
    assert story.value("unknown", Unknown.NO_TOKEN) == 1


def test_too_many_commits_found_late_in_a_first_deployment_are_not_observed_either() -> None:
    story = Story()
    story.tell(success("1", "b", 4, max_commits=1), push("root", "b", commit("a", 1), commit("b", 2)))
    assert story.value("lead_time") == []
    assert story.value("unknown", Unknown.TOO_MANY_COMMITS) == 0
    assert story.value("unknown", Unknown.FIRST_DEPLOYMENT) == 1


def test_a_short_sha_that_was_reported_is_itself() -> None:
    story = Story()
    story.tell(evolve(reported_merge("m", 1), sha="abc1234"), success("1", "m", 2, full_sha="abc1234"))
    assert story.value("lead_time") == hours(1)


def test_a_key_that_was_used_makes_a_duplicate() -> None:
    story = Story()
    keyed = evolve(marked("1", 1), key=IdempotencyKey(client="ci", key="k", digest="d"))
    assert story.tell(keyed, evolve(keyed, deployment_id="2")) == [Status.STORED, Status.DUPLICATE]
