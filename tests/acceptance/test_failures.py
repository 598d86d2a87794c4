"""Section 4: failure, recovery, rework and incidents, each number computed by hand."""

from __future__ import annotations

import itertools

import pytest

from tests.acceptance.client import Chain, Repository, Service, at, sha, told


def incidents(repo: Repository, environment: str = "production", service: str = "") -> tuple[float, float]:
    scrape = repo.service.scrape(only=repo.name)
    where = {"repository": repo.name, "environment": environment, "service": service}
    return tuple(scrape.value("dora_incidents_total", state=state, **where) or 0 for state in ("opened", "resolved"))  # type: ignore[return-value]


def landed(repo: Repository, *names: str, start: float = 1) -> None:
    """Land one squashed pull request after another, a minute apart."""
    before = "base"
    for number, name in enumerate(names, 1):
        repo.squash(number, before, name, start + number - 1)
        before = name


def test_case_36_failed_deployments_in_a_row_are_failures_each_with_one_recovery_from_the_first(
    repo: Repository,
) -> None:
    repo.deploy(1, "A", 10, state="failure")
    repo.deploy(2, "A", 20, state="error")
    repo.deploy(3, "A", 30, state="failure")
    assert repo.chain() == Chain(failure=3, failures={"deployment_failed": 3}, open=1)
    repo.deploy(4, "A", 40)
    chain = repo.chain()
    assert chain.recovery == {"deployment_failed": (1, 1800)}
    assert (chain.open, chain.rework) == (0, 0)


def test_case_36_failures_that_arrive_in_another_order(service: Service) -> None:
    for order in itertools.permutations((10, 20, 30)):
        repo = service.repository()
        for minutes in order:
            repo.deploy(minutes, "A", minutes, state="failure")
        repo.deploy(4, "A", 40)
        assert repo.chain().recovery == {"deployment_failed": (1, 1800)}, order
        assert repo.chain().failures == {"deployment_failed": 3}


def test_case_37_never_recovered_has_no_value_and_is_open(repo: Repository) -> None:
    repo.deploy(1, "A", 10, state="failure")
    assert repo.chain().open == 1
    where = {"environment": "production", "service": "", "cause": "deployment_failed"}
    assert repo.value("dora_recovery_time_seconds_count", **where) == 0
    assert repo.value("dora_recovery_time_seconds_count", **where | {"cause": "rollback"}) is None


def test_case_38_a_revert_of_a_deployed_pull_request_fails_the_deployment_that_carried_it(repo: Repository) -> None:
    landed(repo, "A", "B", "C")
    repo.deploy(1, "A", 10)
    repo.deploy(2, "B", 20)
    repo.deploy(3, "C", 30)
    repo.squash(9, "C", "R", 35, head="revert-2-a-change")
    repo.deploy(4, "R", 40)
    chain = repo.chain()
    assert chain.failures == {"revert": 1}
    assert chain.recovery == {"revert": (1, 20 * 60)}
    assert (chain.rework, chain.open) == (1, 0)


@pytest.mark.parametrize(
    "head", ["revert-77-x", "revert-2-revert-1-x", "revert-x-1", "revert-1", "Revert-1-x", "my-revert-1-x"]
)
def test_case_38_other_reverts_are_ordinary_changes(repo: Repository, head: str) -> None:
    landed(repo, "A", "B")
    repo.deploy(1, "A", 10)
    repo.deploy(2, "B", 20)
    repo.squash(9, "B", "R", 35, head=head)
    repo.deploy(4, "R", 40)
    assert (repo.chain().failures, repo.chain().rework) == ({}, 0)


def test_case_38_a_revert_of_the_same_deployment_is_nothing(repo: Repository) -> None:
    landed(repo, "A", "B")
    repo.deploy(1, "A", 10)
    repo.squash(9, "B", "R", 35, head="revert-2-a-change")
    repo.deploy(4, "R", 40)
    assert (repo.chain().failures, repo.chain().rework) == ({}, 0)


def test_case_39_two_reverts_of_one_deployment_are_one_failure_and_two_rework(repo: Repository) -> None:
    landed(repo, "A", "B", "C")
    repo.deploy(1, "A", 10)
    repo.deploy(2, "C", 20)
    repo.squash(8, "C", "R1", 25, head="revert-2-a-change")
    repo.deploy(3, "R1", 30)
    repo.squash(9, "R1", "R2", 35, head="revert-3-a-change")
    repo.deploy(4, "R2", 40)
    chain = repo.chain()
    assert (chain.failures, chain.rework, chain.recovery) == ({"revert": 1}, 2, {"revert": (1, 600)})


@pytest.mark.parametrize(
    "marks", [{"labels": ["hotfix"]}, {"head": "hotfix/x"}, {"head": "hotfix-x"}, {"labels": ["HotFix"]}]
)
def test_a_hotfix_fails_its_predecessor(repo: Repository, marks: dict[str, object]) -> None:
    landed(repo, "A", "B")
    repo.deploy(1, "A", 10)
    repo.deploy(2, "B", 20)
    repo.squash(3, "B", "H", 25, **marks)
    repo.deploy(3, "H", 30)
    chain = repo.chain()
    assert (chain.failures, chain.rework, chain.recovery) == ({"hotfix": 1}, 1, {"hotfix": (1, 600)})


def test_case_42_bad_rollback_hotfix_is_one_failure_and_two_rework(repo: Repository) -> None:
    landed(repo, "A", "B")
    repo.deploy(1, "A", 10)
    repo.deploy(2, "B", 20)
    repo.deploy(3, "A", 30)
    repo.squash(3, "B", "H", 35, head="hotfix/x")
    repo.deploy(4, "H", 40)
    chain = repo.chain()
    assert (chain.failures, chain.rework, chain.recovery) == ({"rollback": 1}, 2, {"rollback": (1, 600)})


def test_case_42_a_redeploy_of_the_rollback_changes_nothing(repo: Repository) -> None:
    landed(repo, "A", "B")
    repo.deploy(1, "A", 10)
    repo.deploy(2, "B", 20)
    repo.deploy(3, "A", 30)
    repo.deploy(4, "A", 32)
    repo.squash(3, "B", "H", 35, head="hotfix/x")
    repo.deploy(5, "H", 40)
    chain = repo.chain()
    assert (chain.failures, chain.rework, chain.recovery) == ({"rollback": 1}, 2, {"rollback": (1, 600)})


def test_case_42_a_rollback_of_a_deployment_failed_by_incident_closes_that_failure(repo: Repository) -> None:
    landed(repo, "A", "B")
    repo.deploy(1, "A", 10)
    repo.deploy(2, "B", 20)
    repo.event("incident.opened", 25, incident_id="i", deployment_id="2")
    assert repo.chain().open == 1
    repo.deploy(3, "A", 30)
    chain = repo.chain()
    assert (chain.failures, chain.rework, chain.open) == ({"incident": 1}, 1, 0)
    assert chain.recovery == {"incident": (1, 300)}
    repo.event("incident.resolved", 50, incident_id="i")
    assert repo.chain().recovery == {"incident": (1, 300)}


def test_two_rollbacks_in_a_row(repo: Repository) -> None:
    landed(repo, "A", "B", "C")
    for number, name in enumerate("ABCBA", 1):
        repo.deploy(number, name, number * 10)
    chain = repo.chain()
    assert chain.failures == {"rollback": 2}
    # C failed at 30 and ended at 40; the second B failed at 40 and ended at 50.
    assert chain.recovery == {"rollback": (2, 1200)}
    assert chain.rework == 2


def test_an_incident_without_a_name_belongs_to_the_latest_success_before_it(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    repo.deploy(2, "A", 20)
    assert told(repo.event("incident.opened", 25, incident_id="i")) == "counted"
    assert told(repo.event("incident.opened", 26, incident_id="i")) == "duplicate"
    assert told(repo.event("incident.resolved", 40, incident_id="i")) == "counted"
    assert told(repo.event("incident.resolved", 41, incident_id="i")) == "duplicate"
    chain = repo.chain()
    assert (chain.failures, chain.recovery) == ({"incident": 1}, {"incident": (1, 900)})
    assert incidents(repo) == (1, 1)


def test_an_incident_before_any_success_only_counts(repo: Repository) -> None:
    repo.event("incident.opened", 5, incident_id="i")
    repo.deploy(1, "A", 10)
    assert repo.chain().failures == {}
    assert incidents(repo) == (1, 0)


def test_case_34_many_incidents_on_one_deployment_are_one_failure(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    for name in "abc":
        repo.event("incident.opened", 20, incident_id=name)
    repo.event("incident.resolved", 30, incident_id="b")
    chain = repo.chain()
    assert chain.failures == {"incident": 1}
    assert incidents(repo) == (3, 1)


def test_case_34_a_named_deployment_is_blamed_and_may_come_later(repo: Repository) -> None:
    repo.deploy(2, "A", 20)
    assert told(repo.event("incident.opened", 25, incident_id="i", deployment_id="1")) in {"counted", "stored"}
    assert repo.chain().failures == {}
    assert incidents(repo) == (1, 0)
    repo.deploy(1, "A", 10)
    assert repo.chain().failures == {"incident": 1}
    repo.event("incident.resolved", 30, incident_id="i")
    assert repo.chain().recovery == {"incident": (1, 300)}


def test_case_35_an_incident_elsewhere_never_blames_this_chain(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    repo.event("incident.opened", 20, incident_id="a", environment="staging")
    repo.event("incident.opened", 20, incident_id="b", service="api")
    assert repo.chain().failures == {}
    assert incidents(repo, "staging") == (1, 0)
    assert incidents(repo, service="api") == (1, 0)


def test_case_40_resolved_before_opened_is_paired(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    assert told(repo.event("incident.resolved", 40, incident_id="i")) in {"stored", "counted"}
    assert told(repo.event("incident.opened", 20, incident_id="i")) == "counted"
    chain = repo.chain()
    assert (chain.failures, chain.recovery, chain.open) == ({"incident": 1}, {"incident": (1, 1200)}, 0)
    assert incidents(repo) == (1, 1)


def test_case_41_github_issues_open_and_resolve_once(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    assert repo.issue("opened", 7, opened=20) == "accepted"
    assert repo.issue("labeled", 7, opened=20, label={"name": "incident"}) == "duplicate"
    assert repo.issue("closed", 7, opened=20, closed=40) == "accepted"
    assert repo.issue("reopened", 7, opened=20) in {"duplicate", "ignored: action"}
    assert repo.issue("closed", 7, opened=20, closed=80) == "duplicate"
    chain = repo.chain()
    assert (chain.failures, chain.recovery) == ({"incident": 1}, {"incident": (1, 1200)})
    assert incidents(repo) == (1, 1)


def test_a_label_set_later_counts_then_with_the_time_of_that(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    assert repo.issue("opened", 7, opened=20, labels=[]).startswith("ignored")
    assert repo.issue("labeled", 7, opened=20, updated=30, labels=["bug"], label={"name": "bug"}).startswith("ignored")
    assert repo.chain().failures == {}
    assert (
        repo.issue("labeled", 7, opened=20, updated=35, labels=["Incident", "bug"], label={"name": "Incident"})
        == "accepted"
    )
    assert repo.issue("unlabeled", 7, opened=20, updated=36, labels=["bug"], label={"name": "Incident"}).startswith(
        "ignored"
    )
    assert repo.chain().open == 1
    assert repo.issue("closed", 7, opened=20, closed=65) == "accepted"
    assert repo.chain().recovery == {"incident": (1, 1800)}


def test_a_labelled_issue_closed_after_its_label_was_removed_still_resolves(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    repo.issue("opened", 7, opened=20)
    repo.issue("unlabeled", 7, opened=20, updated=25, labels=[], label={"name": "incident"})
    repo.issue("closed", 7, opened=20, closed=40, labels=[])
    assert repo.chain().recovery == {"incident": (1, 1200)}


def test_a_github_issue_belongs_to_the_only_production_chain_else_to_none(repo: Repository) -> None:
    repo.deploy(1, "A", 10, environment="staging")
    repo.issue("opened", 7, opened=20)
    assert repo.chain("staging").failures == {}
    repo.pushed("web", "A", 30, service="web")
    repo.issue("opened", 8, opened=40)
    assert repo.chain(service="web").failures == {"incident": 1}
    repo.pushed("api", "A", 50, service="api")
    repo.issue("opened", 9, opened=60)
    assert repo.chain(service="api").failures == {}


def test_marks_and_recoveries(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    assert told(repo.event("deployment.marked_failed", 20, deployment_id="1")) == "counted"
    assert told(repo.event("deployment.marked_failed", 21, deployment_id=1)) == "duplicate"
    assert repo.chain().failures == {"reported": 1}
    assert told(repo.event("deployment.recovered", 30, deployment_id="1")) == "counted"
    assert told(repo.event("deployment.recovered", 31, deployment_id="1")) == "duplicate"
    assert repo.chain().recovery == {"reported": (1, 600)}
    repo.deploy(2, "A", 40)
    assert repo.chain().recovery == {"reported": (1, 600)}


def test_a_reported_failure_ends_at_the_first_later_success_and_an_incident_does_not(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    repo.event("deployment.marked_failed", 20, deployment_id="1")
    repo.deploy(2, "A", 30)
    assert repo.chain().recovery == {"reported": (1, 600)}
    repo.event("incident.opened", 35, incident_id="i", deployment_id="2")
    repo.deploy(3, "A", 40)
    assert repo.chain().open == 1
    assert repo.chain().recovery == {"reported": (1, 600)}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_mark_and_a_recovery_act_when_their_deployment_arrives(repo: Repository, order: tuple[int, ...]) -> None:
    deliveries = [
        lambda: repo.deploy(1, "A", 10),
        lambda: told(repo.event("deployment.marked_failed", 20, deployment_id="1")),
        lambda: told(repo.event("deployment.recovered", 30, deployment_id="1")),
    ]
    for index in order:
        assert deliveries[index]() in {"accepted", "counted", "stored"}
    chain = repo.chain()
    assert (chain.failures, chain.recovery, chain.open) == ({"reported": 1}, {"reported": (1, 600)}, 0)


def test_a_deployment_from_before_never_fails(repo: Repository) -> None:
    repo.deploy(2, "A", 20)
    repo.event("deployment.marked_failed", 30, deployment_id="1")
    assert repo.chain().failures == {}


def test_fixes_reports_the_named_one_and_only_that(repo: Repository) -> None:
    landed(repo, "A", "B", "C")
    repo.pushed("1", "A", 10)
    repo.pushed("2", "B", 20)
    repo.pushed("3", "C", 30, fixes="1")
    chain = repo.chain()
    assert (chain.failures, chain.rework, chain.open) == ({"reported": 1}, 1, 0)
    assert chain.recovery == {"reported": (1, 1200)}


def test_fixes_before_the_deployment_it_names(repo: Repository) -> None:
    assert repo.pushed("2", "B", 30, fixes="1") == "counted"
    assert repo.chain().failures == {}
    repo.pushed("1", "A", 10)
    chain = repo.chain()
    assert (chain.failures, chain.rework, chain.recovery) == ({"reported": 1}, 1, {"reported": (1, 1200)})


@pytest.mark.parametrize("kind", ["hotfix", "revert", "rollback"])
def test_a_kind_is_rework_and_fails_the_predecessor(repo: Repository, kind: str) -> None:
    repo.pushed("1", "A", 10)
    repo.pushed("2", "B", 20)
    assert repo.pushed("3", "C", 30, kind=kind, changes=[]) == "counted"
    chain = repo.chain()
    assert (chain.failures, chain.rework, chain.recovery) == ({kind: 1}, 1, {kind: (1, 600)})


def test_planned_infers_nothing(repo: Repository) -> None:
    landed(repo, "A", "B")
    repo.pushed("1", "A", 10)
    repo.pushed("2", "B", 20)
    repo.pushed("3", "A", 30, kind="planned")
    assert (repo.chain().failures, repo.chain().rework) == ({}, 0)


@pytest.mark.parametrize("kind", ["hotfix", "revert", "rollback", "planned"])
def test_fixes_beside_a_kind_blames_only_the_named(repo: Repository, kind: str) -> None:
    repo.pushed("1", "A", 10)
    repo.pushed("2", "B", 20)
    repo.pushed("3", "C", 30, kind=kind, fixes="1")
    chain = repo.chain()
    assert chain.recovery == {next(iter(chain.failures)): (1, 1200)}
    assert sum(chain.failures.values()) == 1
    assert chain.rework == 1


def test_a_kind_hotfix_after_a_rollback_lets_the_failure_stand(repo: Repository) -> None:
    landed(repo, "A", "B")
    repo.pushed("1", "A", 10)
    repo.pushed("2", "B", 20)
    repo.pushed("3", "A", 30)
    repo.pushed("4", "C", 40, kind="hotfix", changes=[])
    chain = repo.chain()
    assert (chain.failures, chain.rework) == ({"rollback": 1}, 2)


def test_kind_and_fixes_of_the_second_door_still_act_once_and_changes_never(repo: Repository) -> None:
    landed(repo, "A", "B")
    repo.deploy(1, "A", 10)
    repo.deploy(2, "B", 20)
    repo.squash(3, "B", "C", 22)
    repo.deploy(3, "C", 30)
    before = repo.chain()
    again = {"deployment_id": 3, "sha": sha("C"), "kind": "hotfix", "changes": [{"id": "x", "merged_at": at(1)}]}
    assert told(repo.event("deployment.succeeded", 30, **again)) == "duplicate"
    chain = repo.chain()
    assert chain.lead == before.lead
    assert (chain.failures, chain.rework, chain.recovery) == ({"hotfix": 1}, 1, {"hotfix": (1, 600)})
    assert told(repo.event("deployment.succeeded", 30, **again)) == "duplicate"
    assert told(repo.event("deployment.succeeded", 30, **again | {"fixes": "1"})) == "duplicate"
    assert repo.chain().rework == 1


def test_the_pushed_door_first_and_then_github_is_a_duplicate(repo: Repository) -> None:
    assert repo.pushed("42", "A", 10) == "counted"
    assert repo.deploy(42, "A", 10) == "duplicate"
    assert repo.deploy(42, "A", 20, state="failure") == "accepted"
    assert told(repo.event("deployment.failed", 20, deployment_id="42")) == "duplicate"
    assert repo.chain().success == 1
    assert repo.chain().failure == 1


def test_a_late_success_ends_an_earlier_failure_by_the_facts_own_times(repo: Repository) -> None:
    repo.deploy(3, "A", 60)
    repo.deploy(1, "A", 10, state="failure")
    chain = repo.chain()
    assert chain.failures == {"deployment_failed": 1}
    assert chain.recovery == {"deployment_failed": (1, 3000)}
    repo.deploy(2, "A", 20)
    assert repo.chain().recovery == {"deployment_failed": (1, 3000)}


def test_a_failure_keeps_its_first_cause(repo: Repository) -> None:
    landed(repo, "A", "B")
    repo.deploy(1, "A", 10)
    repo.deploy(2, "B", 20)
    repo.event("incident.opened", 22, incident_id="i")
    repo.event("deployment.marked_failed", 23, deployment_id="2")
    repo.deploy(2, "B", 24, state="failure")
    assert repo.chain().failures == {"incident": 1}
    repo.deploy(3, "A", 30)
    assert repo.chain().failures == {"incident": 1}


def test_an_incident_resolution_reaches_only_its_own_failure(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    repo.event("incident.opened", 15, incident_id="i")
    repo.deploy(2, "A", 20)
    repo.event("incident.opened", 25, incident_id="j")
    assert repo.chain().open == 2
    repo.event("incident.resolved", 35, incident_id="i")
    chain = repo.chain()
    assert (chain.open, chain.recovery) == (1, {"incident": (1, 1200)})


def test_rollback_wins_over_hotfix(repo: Repository) -> None:
    landed(repo, "A")
    repo.deploy(1, "A", 10)
    repo.squash(5, "A", "B", 11, head="hotfix/y")
    repo.squash(6, "B", "C", 12)
    repo.deploy(2, "C", 20, state="failure")
    assert repo.chain().failures == {"deployment_failed": 1}
    repo.deploy(3, "C", 30)
    chain = repo.chain()
    # C carries a hotfix, whose predecessor is A (C's attempt was no success).
    assert chain.failures == {"deployment_failed": 1, "hotfix": 1}
    assert chain.recovery == {"deployment_failed": (1, 600), "hotfix": (1, 1200)}
