"""Section 4 of the contract, and the hard cases of "which changes", as histories over HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.acceptance.client import ZERO, Chain, Repository, Service, at, commit, epoch, serving, sha, told

HOUR = 3600.0


# Identity and time


def test_case_01_a_success_counts_once_a_deployment(repo: Repository) -> None:
    assert repo.deploy(1, "A", 60) == "accepted"
    assert repo.deploy(1, "A", 60) == "duplicate"
    assert repo.deploy(1, "A", 90) == "duplicate"
    assert repo.chain() == Chain(success=1, unknown={"first_deployment": 1})


def test_case_01_one_id_in_two_environments_is_two_deployments(repo: Repository) -> None:
    assert repo.deploy(1, "A", 60) == "accepted"
    assert repo.deploy(1, "A", 60, environment="staging") == "accepted"
    assert repo.chain().success == 1
    assert repo.chain("staging").success == 1


def test_case_02_the_time_is_the_status_created_at(repo: Repository) -> None:
    repo.merge(1, "A", 30)
    repo.deploy(1, "A", 60)
    assert repo.chain().lead == (1, 30 * 60)
    assert repo.value("dora_last_deployment_timestamp_seconds", environment="production", service="") == epoch(60)


@pytest.mark.parametrize("state", ["pending", "queued", "in_progress", "waiting", "inactive"])
def test_case_04_other_states_register_and_count_nothing(repo: Repository, state: str) -> None:
    assert repo.deploy(1, "A", 60, state=state).startswith("ignored: ")
    assert repo.value("dora_deployments_total", environment="production", service="", result="success") == 0
    assert repo.value("dora_deployments_total", environment="production", service="", result="failure") == 0
    assert repo.value("dora_last_deployment_timestamp_seconds", environment="production", service="") is None
    assert repo.chain() == Chain()


def test_case_05_failure_then_success_of_one_deployment_is_a_failure_a_success_and_a_recovery(repo: Repository) -> None:
    repo.deploy(1, "A", 60, state="failure")
    assert repo.chain() == Chain(failure=1, failures={"deployment_failed": 1}, open=1)
    repo.deploy(1, "A", 75, state="success")
    assert repo.chain() == Chain(
        success=1,
        failure=1,
        failures={"deployment_failed": 1},
        recovery={"deployment_failed": (1, 900)},
        unknown={"first_deployment": 1},
    )


def test_case_05_success_then_failure_both_count_and_it_stays_a_predecessor(repo: Repository) -> None:
    repo.push("base", [commit("A", committed=10)])
    repo.push("A", [commit("B", committed=100)])
    repo.deploy(1, "A", 60)
    repo.deploy(1, "A", 70, state="failure")
    chain = repo.chain()
    assert (chain.success, chain.failure, chain.failures, chain.open) == (1, 1, {"deployment_failed": 1}, 1)
    repo.deploy(2, "B", 130)
    chain = repo.chain()
    assert chain.lead == (2, 50 * 60 + 30 * 60)
    assert chain.recovery == {"deployment_failed": (1, HOUR)}


def test_case_06_error_is_a_failure(repo: Repository) -> None:
    assert repo.deploy(1, "A", 60, state="error") == "accepted"
    assert repo.deploy(1, "A", 61, state="failure") == "duplicate"
    assert repo.chain() == Chain(failure=1, failures={"deployment_failed": 1}, open=1)


def test_case_08_preview_environments_are_ignored_before_any_label_exists(repo: Repository) -> None:
    assert repo.deploy(1, "A", 60, environment="pr-7", transient_environment=True).startswith("ignored: ")
    assert not repo.service.scrape().select("dora_deployments_total", repository=repo.name)


def test_case_09_regions_of_one_label_observe_a_change_once_and_a_lagging_one_is_no_rollback() -> None:
    with serving(DORA_ENVIRONMENTS="production=prod-*") as service:
        repo = service.repository()
        repo.push("base", [commit("A", committed=0)])
        repo.push("A", [commit("B", committed=30)])
        repo.deploy(1, "A", 10, environment="prod-us")
        repo.deploy(2, "A", 20, environment="prod-eu")
        repo.deploy(3, "B", 40, environment="prod-us")
        repo.deploy(4, "A", 50, environment="prod-eu")
        assert repo.chain() == Chain(success=4, lead=(2, 20 * 60), commit_lead=(2, 20 * 60))
        repo.deploy(5, "B", 60, environment="prod-eu", state="failure")
        repo.deploy(6, "B", 70, environment="prod-us")
        assert repo.chain().open == 1
        repo.deploy(7, "B", 80, environment="prod-eu")
        assert repo.chain() == Chain(
            success=6,
            failure=1,
            lead=(2, 20 * 60),
            commit_lead=(2, 20 * 60),
            failures={"deployment_failed": 1},
            recovery={"deployment_failed": (1, 20 * 60)},
        )


# Which changes


def test_case_11_all_merges_between_two_deployments_each_once(repo: Repository) -> None:
    repo.squash(1, "base", "A", 10)
    repo.deploy(1, "A", 20)
    repo.squash(2, "A", "B", 30)
    repo.squash(3, "B", "C", 40)
    repo.squash(4, "C", "D", 50)
    repo.deploy(2, "D", 60)
    assert repo.chain().lead == (4, (10 + 30 + 20 + 10) * 60)
    assert repo.chain().pending == 0
    assert repo.value("dora_changes_merged_total") == 4
    assert repo.value("dora_time_to_merge_seconds_sum") == (10 + 30 + 40 + 50) * 60


def test_case_12_a_failed_attempt_consumes_nothing(repo: Repository) -> None:
    repo.squash(1, "base", "A", 10)
    repo.deploy(1, "A", 20)
    repo.squash(2, "A", "B", 30)
    repo.deploy(2, "B", 40, state="failure")
    repo.squash(3, "B", "C", 50)
    repo.deploy(3, "C", 60)
    assert repo.chain().lead == (3, (10 + 30 + 10) * 60)
    assert repo.chain().unknown == {}


def test_case_13_the_same_sha_again_has_no_changes_and_nothing_unknown(repo: Repository) -> None:
    repo.deploy(1, "A", 20)
    repo.deploy(2, "A", 40)
    assert repo.chain() == Chain(success=2, unknown={"first_deployment": 1})


def test_cases_14_and_15_a_b_a_b_is_one_rollback_and_no_change_twice(repo: Repository) -> None:
    repo.squash(1, "base", "A", 10)
    repo.squash(2, "A", "B", 30)
    repo.deploy(1, "A", 20)
    repo.deploy(2, "B", 40)
    repo.deploy(3, "A", 50)
    after = Chain(success=3, lead=(2, 20 * 60), failures={"rollback": 1}, recovery={"rollback": (1, 600)}, rework=1)
    assert repo.chain() == after
    repo.squash(3, "B", "C", 52)
    repo.deploy(4, "B", 60)
    assert repo.chain() == Chain(
        success=4, lead=(2, 20 * 60), failures={"rollback": 1}, recovery={"rollback": (1, 600)}, rework=1
    )
    repo.deploy(5, "C", 62)
    assert repo.chain().lead == (3, 30 * 60)


def test_case_14_a_rollback_to_a_sha_that_only_the_ledger_knows_as_an_ancestor(repo: Repository) -> None:
    repo.squash(1, "base", "A", 10)
    repo.squash(2, "A", "B", 20)
    repo.squash(3, "B", "C", 30)
    repo.deploy(1, "A", 15)
    repo.deploy(2, "C", 40)
    repo.deploy(3, "B", 50)
    assert repo.chain() == Chain(
        success=3, lead=(3, (5 + 20 + 10) * 60), failures={"rollback": 1}, recovery={"rollback": (1, 600)}, rework=1
    )


def test_case_16_the_first_deployment_measures_what_was_seen_to_land_and_never_the_history(repo: Repository) -> None:
    repo.push("base", [commit("A", committed=10, authored=5)])
    repo.deploy(1, "A", 20)
    assert repo.chain() == Chain(success=1, lead=(1, 600), commit_lead=(1, 900))


def test_case_18_a_squashed_pull_request_has_no_commit_lead_time_without_the_api(repo: Repository) -> None:
    repo.squash(1, "base", "A", 10)
    repo.deploy(1, "A", 20)
    assert repo.chain() == Chain(success=1, lead=(1, 600))


def test_case_18_a_squash_of_several_commits_has_none_either(repo: Repository) -> None:
    repo.merge(1, "A", 10, commits=3)
    repo.push("base", [commit("A", committed=10, authored=2)])
    repo.deploy(1, "A", 20)
    assert repo.chain() == Chain(success=1, lead=(1, 600))


@pytest.mark.parametrize("pushed_first", [False, True])
def test_case_19_a_rebase_merge_is_one_change_with_its_first_author_date(
    repo: Repository, *, pushed_first: bool
) -> None:
    deliveries: list[Callable[[], str]] = [
        lambda: repo.merge(1, "A3", 30, commits=3),
        lambda: repo.push(
            "base",
            [
                commit("A1", committed=30, authored=12),
                commit("A2", committed=30, authored=10),
                commit("A3", committed=30, authored=15),
            ],
        ),
    ]
    for deliver in reversed(deliveries) if pushed_first else deliveries:
        assert deliver() == "accepted"
    repo.deploy(1, "A3", 40)
    assert repo.chain() == Chain(success=1, lead=(1, 600), commit_lead=(1, 1800))


@pytest.mark.parametrize("pushed_first", [False, True])
def test_case_20_a_merge_commit_is_one_change_with_its_branch_commits(repo: Repository, *, pushed_first: bool) -> None:
    deliveries: list[Callable[[], str]] = [
        lambda: repo.merge(1, "M", 30, commits=2),
        lambda: repo.push(
            "base",
            [
                commit("b1", committed=11, authored=10),
                commit("b2", committed=12),
                commit("M", committed=30),
            ],
        ),
    ]
    for deliver in reversed(deliveries) if pushed_first else deliveries:
        assert deliver() == "accepted"
    repo.deploy(1, "M", 40)
    assert repo.chain() == Chain(success=1, lead=(1, 600), commit_lead=(1, 1800))


def test_case_20_a_merge_commit_of_one_commit(repo: Repository) -> None:
    repo.merge(1, "M", 30, commits=1)
    repo.push("base", [commit("b1", committed=11, authored=10), commit("M", committed=30)])
    repo.deploy(1, "M", 40)
    assert repo.chain() == Chain(success=1, lead=(1, 600), commit_lead=(1, 1800))


def test_case_19_a_rebase_of_one_commit_keeps_its_author_date(repo: Repository) -> None:
    repo.merge(1, "A", 30, commits=1)
    repo.push("base", [commit("A", committed=30, authored=10)])
    repo.deploy(1, "A", 40)
    assert repo.chain() == Chain(success=1, lead=(1, 600), commit_lead=(1, 1800))


def test_case_21_each_direct_commit_is_a_change_and_a_merge_by_hand_is_none(repo: Repository) -> None:
    repo.push(
        "base",
        [
            commit("d1", committed=10, authored=5),
            commit("d2", committed=20),
            commit("m", committed=25, message="Merge branch 'topic' into main\n\nmore"),
        ],
    )
    repo.deploy(1, "m", 30)
    assert repo.chain() == Chain(success=1, lead=(2, 1800), commit_lead=(2, 25 * 60 + 600))


@pytest.mark.parametrize(
    ("subject", "merge"),
    [
        ("Merge branch 'x'", True),
        ("Merge remote-tracking branch 'o/x'", True),
        ("Merge tag 'v1'", True),
        ("Merge commit 'abc'", True),
        ("Merge pull request #7 from a/b", True),
        ("Merge pull request 7", False),
        ("merge branch 'x'", False),
        ("Merge branches", False),
        ("Remerge branch x", False),
        ("Fix (#12)", False),
    ],
)
def test_case_31b_a_merge_commit_is_known_by_gits_own_subject(repo: Repository, subject: str, *, merge: bool) -> None:
    repo.push("base", [commit("d1", committed=10), commit("m", committed=20, message=subject)])
    repo.deploy(1, "m", 30)
    assert repo.chain().lead == ((1, 1200) if merge else (2, 1800))


def test_case_22_indistinct_commits_count_as_much(repo: Repository) -> None:
    repo.push("base", [commit("d1", committed=10, distinct=False), commit("d2", committed=20, distinct=False)])
    repo.deploy(1, "d2", 30)
    assert repo.chain().lead == (2, 1800)


def test_case_23_a_pull_request_into_an_untracked_branch_is_no_change(repo: Repository) -> None:
    repo.merge(1, "S", 5, base="develop")
    assert repo.value("dora_changes_merged_total") == 0
    repo.merge(2, "M", 30, commits=2, head="develop")
    repo.push("base", [commit("x", committed=4, authored=3), commit("S", committed=5), commit("M", committed=30)])
    repo.deploy(1, "M", 40)
    assert repo.chain() == Chain(success=1, lead=(1, 600), commit_lead=(1, 37 * 60))


def test_case_25_a_sha_in_the_middle_of_a_rebase_deploys_no_pull_request_yet(repo: Repository) -> None:
    repo.squash(9, "base0", "base", 1)
    repo.deploy(1, "base", 2)
    repo.merge(1, "A3", 30, commits=3)
    repo.push("base", [commit(f"A{n}", committed=30, authored=10 + n) for n in (1, 2, 3)])
    repo.deploy(2, "A2", 40)
    assert repo.chain() == Chain(success=2, lead=(1, 60))
    repo.deploy(3, "A3", 50)
    assert repo.chain() == Chain(success=3, lead=(2, 60 + 1200), commit_lead=(1, 39 * 60))


def test_case_26_commits_that_a_force_push_removed_are_never_measured(repo: Repository) -> None:
    repo.push("base", [commit("A", committed=1)])
    repo.deploy(1, "A", 2)
    repo.push("A", [commit("x", committed=10)])
    repo.push("x", [commit("y", committed=20)], forced=True)
    repo.push("y", [commit("z", committed=30)])
    repo.deploy(2, "z", 40)
    assert repo.chain().pending == 1
    assert repo.chain().lead == (1, 60)
    repo.deploy(3, "z", 50)
    assert repo.chain() == Chain(success=3, lead=(1, 60), commit_lead=(1, 60), unknown={"no_token": 1})


def test_case_28_a_branch_deployed_before_its_merge_has_direct_commits_then_one_pull_request(repo: Repository) -> None:
    repo.push("base", [commit("A", committed=1)])
    repo.deploy(1, "A", 2)
    repo.push("A", [commit("b1", committed=10), commit("b2", committed=12)], ref="refs/heads/topic")
    repo.deploy(2, "b2", 20)
    assert repo.chain().lead == (3, (1 + 10 + 8) * 60)
    repo.merge(1, "M", 30, commits=2)
    repo.push("A", [commit("b1", committed=10), commit("b2", committed=12), commit("M", committed=30)])
    repo.deploy(3, "M", 40)
    assert repo.chain() == Chain(success=3, lead=(4, (1 + 10 + 8 + 10) * 60), commit_lead=(4, (1 + 10 + 8 + 30) * 60))


def test_case_29_old_author_dates_are_observed_and_dates_after_the_deployment_are_zero(repo: Repository) -> None:
    repo.push(
        "base",
        [
            commit("d1", committed=10, authored=-60 * 24 * 200),
            commit("d2", committed=1000, authored=1000),
        ],
    )
    repo.deploy(1, "d2", 30)
    assert repo.chain() == Chain(success=1, lead=(2, 1200), commit_lead=(2, (60 * 24 * 200 + 30) * 60))


def test_case_31_a_push_after_its_deployment_closes_the_gap(repo: Repository) -> None:
    repo.push("base", [commit("A", committed=1)])
    repo.deploy(1, "A", 2)
    repo.deploy(2, "B", 20)
    assert repo.chain().pending == 1
    repo.push("A", [commit("B", committed=10)])
    assert repo.chain() == Chain(success=2, lead=(2, 660), commit_lead=(2, 660))


def test_case_31_a_push_that_never_came_is_no_token_at_the_next_success_and_not_later(repo: Repository) -> None:
    repo.push("base", [commit("A", committed=1)])
    repo.deploy(1, "A", 2)
    repo.deploy(2, "B", 20)
    repo.push("B", [commit("C", committed=25)])
    repo.deploy(3, "C", 30)
    expected = Chain(success=3, lead=(2, 360), commit_lead=(2, 360), unknown={"no_token": 1})
    assert repo.chain() == expected
    repo.push("A", [commit("B", committed=10)])
    chain = repo.chain()
    assert chain.unknown == {"no_token": 1}
    assert chain.pending == 0


def test_case_31a_a_pull_request_after_its_deployment_counts_as_the_direct_commits_it_looks_like(
    repo: Repository,
) -> None:
    repo.push("base", [commit("A", committed=1)])
    repo.deploy(1, "A", 2)
    repo.push("A", [commit("b1", committed=10, authored=5), commit("b2", committed=11)])
    repo.deploy(2, "b2", 20)
    assert repo.merge(1, "b2", 11, commits=2) == "accepted"
    repo.deploy(3, "b2", 30)
    assert repo.chain() == Chain(success=3, lead=(3, 60 + 600 + 540), commit_lead=(3, 60 + 900 + 540))
    assert repo.value("dora_changes_merged_total") == 1


def test_case_32_deletions_tags_null_heads_and_queues_are_no_change(repo: Repository) -> None:
    payloads: list[dict[str, object]] = [
        {"ref": "refs/heads/x", "before": sha("A"), "after": ZERO, "deleted": True, "commits": [], "head_commit": None},
        {"ref": "refs/tags/v1", "before": ZERO, "after": sha("A"), "created": True, "commits": [], "head_commit": None},
        {
            "ref": "refs/heads/gh-readonly-queue/main/pr-7",
            "before": ZERO,
            "after": sha("Q"),
            "created": True,
            "commits": [commit("Q", committed=4)],
            "head_commit": commit("Q", committed=4),
        },
        {"ref": "refs/heads/y", "before": ZERO, "after": ZERO, "commits": [], "head_commit": None},
    ]
    for payload in payloads:
        answer = repo.deliver("push", payload)
        assert answer.status_code in {200, 202}, answer.text
    repo.push("base", [commit("A", committed=5)])
    repo.deploy(1, "A", 20)
    assert repo.chain() == Chain(success=1, lead=(1, 900), commit_lead=(1, 900))


def test_case_32_a_merge_queue_pushes_the_same_commit_again_to_main(repo: Repository) -> None:
    repo.push("base", [commit("A", committed=1)])
    repo.deploy(1, "A", 2)
    repo.push(ZERO, [commit("Q", committed=4)], ref="refs/heads/gh-readonly-queue/main/pr-7-abc")
    repo.merge(7, "Q", 10)
    repo.push("A", [commit("Q", committed=4)])
    repo.deploy(2, "Q", 20)
    assert repo.chain().lead == (2, 660)


def test_case_33_each_service_has_its_own_predecessor_and_observes_the_change_once(service: Service) -> None:
    repo = service.repository()
    repo.squash(1, "base", "A", 10)
    for name, minutes in (("web", 20), ("api", 30)):
        assert repo.pushed(f"{name}-1", "A", minutes, service=name) == "counted"
    repo.squash(2, "A", "B", 40)
    repo.pushed("web-2", "B", 50, service="web")
    assert repo.chain(service="web").lead == (2, 1200)
    assert repo.chain(service="api").lead == (1, 1200)


def test_case_44_ledger_facts_may_come_in_any_order_before_the_next_success(service: Service) -> None:
    def history(repo: Repository) -> list[Callable[[], str]]:
        return [
            lambda: repo.push("base", [commit("A", committed=10)]),
            lambda: repo.merge(2, "B", 30, commits=1),
            lambda: repo.push("A", [commit("B", committed=30, authored=20)]),
            lambda: repo.merge(3, "C2", 35, commits=2),
            lambda: repo.push("B", [commit("C1", committed=35, authored=31), commit("C2", committed=35, authored=33)]),
        ]

    for order in list(itertools.permutations(range(5)))[::4]:
        repo = service.repository()
        repo.push("older", [commit("base", committed=1)])
        repo.deploy(1, "base", 2)
        deliveries = history(repo)
        for index in order:
            assert deliveries[index]() == "accepted"
        repo.deploy(2, "C2", 40)
        expected = Chain(success=2, lead=(4, (1 + 30 + 10 + 5) * 60), commit_lead=(4, (1 + 30 + 20 + 9) * 60))
        assert repo.chain() == expected, order


def test_case_44_pushes_after_the_deployment_in_any_order(service: Service) -> None:
    for order in itertools.permutations(range(3)):
        repo = service.repository()
        repo.push("older", [commit("base", committed=1)])
        repo.deploy(1, "base", 2)
        repo.deploy(2, "C", 40)
        deliveries = [
            lambda repo=repo: repo.push("base", [commit("A", committed=10)]),
            lambda repo=repo: repo.push("A", [commit("B", committed=20)]),
            lambda repo=repo: repo.push("B", [commit("C", committed=30)]),
        ]
        for index in order:
            deliveries[index]()
        assert repo.chain() == Chain(success=2, lead=(4, (1 + 30 + 20 + 10) * 60), commit_lead=(4, 61 * 60)), order


def test_case_44_an_older_success_that_arrives_late_observes_only_what_is_not_observed(repo: Repository) -> None:
    repo.push("older", [commit("base", committed=1)])
    repo.deploy(1, "base", 2)
    repo.squash(1, "base", "A", 10)
    repo.squash(2, "A", "B", 20)
    repo.deploy(3, "B", 30)
    assert repo.chain().lead == (3, (1 + 20 + 10) * 60)
    assert repo.deploy(2, "A", 15) == "accepted"
    assert repo.chain() == Chain(success=3, lead=(3, 31 * 60), commit_lead=(1, 60))


def test_case_45_two_deployments_at_one_instant_are_as_if_by_id(service: Service) -> None:
    seen = []
    for order in ((1, 2), (2, 1)):
        repo = service.repository()
        repo.squash(1, "base", "A", 10)
        repo.squash(2, "A", "B", 11)
        for number in order:
            repo.deploy(number, "AB"[number - 1], 20)
        repo.deploy(3, "B", 30)
        seen.append(repo.chain())
    assert seen[0] == seen[1] == Chain(success=3, lead=(2, 10 * 60 + 9 * 60))


def test_case_48_a_renamed_repository_is_the_same_under_a_new_label(repo: Repository) -> None:
    repo.squash(1, "base", "A", 10)
    repo.deploy(1, "A", 20)
    old = repo.name
    renamed = repo.service.repository(f"{old}-new", number=repo.number)
    assert renamed.deploy(1, "A", 20) == "duplicate"
    renamed.squash(2, "A", "B", 30)
    assert renamed.deploy(2, "B", 40) == "accepted"
    assert repo.chain() == Chain(success=1, lead=(1, 600))
    assert renamed.chain() == Chain(success=1, lead=(1, 600))


def test_case_48_what_is_open_at_a_rename_goes_along_and_its_recovery_begins_at_0(repo: Repository) -> None:
    repo.deploy(1, "A", 20, state="failure")
    renamed = repo.service.repository(f"{repo.name}-new", number=repo.number)
    renamed.deliver("repository", {"action": "renamed"})
    where = {"environment": "production", "service": ""}
    assert repo.value("dora_open_failures", **where) is None
    assert renamed.value("dora_open_failures", **where) == 1
    assert renamed.value("dora_recovery_time_seconds_count", cause="deployment_failed", **where) == 0
    renamed.deploy(2, "A", 30)
    assert renamed.chain().recovery == {"deployment_failed": (1, 600)}


def test_the_first_spelling_of_a_repository_stays(service: Service) -> None:
    repo = service.repository("Acme/Spelling")
    repo.deploy(1, "A", 20)
    other = service.repository("acme/spelling", number=repo.number)
    assert other.deploy(2, "A", 30) == "accepted"
    assert repo.chain().success == 2
    assert not service.scrape().of_repository("acme/spelling")


def test_negative_durations_become_zero(repo: Repository) -> None:
    assert repo.merge(1, "A", 50, opened=60) == "accepted"
    repo.deploy(1, "A", 20)
    assert repo.value("dora_time_to_merge_seconds_sum") == 0
    assert repo.value("dora_time_to_merge_seconds_count") == 1
    assert repo.chain().lead == (1, 0)


def test_a_merge_is_counted_once_whichever_way_it_is_learnt(repo: Repository) -> None:
    assert repo.merge(1, "A", 10) == "accepted"
    assert repo.merge(1, "A", 10) == "duplicate"
    assert told(repo.event("change.merged", 10, sha=sha("A"))) in {"duplicate", "stored", "counted"}
    assert repo.value("dora_changes_merged_total") == 1


def test_change_merged_alone_forms_a_line_by_time(repo: Repository) -> None:
    assert told(repo.event("change.merged", 10, sha=sha("A"), committed_at=at(5))) == "counted"
    assert told(repo.event("change.merged", 30, sha=sha("C"))) == "counted"
    assert told(repo.event("change.merged", 20, sha=sha("B"), committed_at=at(15))) == "counted"
    assert told(repo.event("change.merged", 20, sha=sha("B"), committed_at=at(15))) == "duplicate"
    assert repo.value("dora_changes_merged_total") == 3
    assert repo.pushed("d1", "B", 40) == "counted"
    assert repo.chain() == Chain(success=1, lead=(2, 30 * 60 + 20 * 60), commit_lead=(2, 35 * 60 + 25 * 60))
    assert repo.pushed("d2", "C", 50) == "counted"
    assert repo.chain() == Chain(success=2, lead=(3, (30 + 20 + 20) * 60), commit_lead=(2, 60 * 60))


def test_an_untracked_base_is_no_change_and_without_default_branch_every_base_is_tracked(service: Service) -> None:
    repo = service.repository()
    repo.merge(1, "A", 10, base="release")
    assert repo.value("dora_changes_merged_total") == 0
    bare = service.repository()
    bare.default_branch = None
    assert bare.merge(1, "A", 10, base="release") == "accepted"
    assert bare.value("dora_changes_merged_total") == 1


def test_absent_repository_id_is_identity_by_name(service: Service) -> None:
    repo = service.repository()
    payload = repo.status(1, "A", 10)
    del payload["repository"]["id"]
    assert told(service.deliver("deployment_status", payload)) == "accepted"
    assert told(service.deliver("deployment_status", payload)) == "duplicate"


def test_an_id_learnt_later_is_the_same_repository(service: Service) -> None:
    repo = service.repository()
    payload = repo.status(1, "A", 10)
    del payload["repository"]["id"]
    assert told(service.deliver("deployment_status", payload)) == "accepted"
    assert repo.deploy(1, "A", 10) == "duplicate"
    assert repo.pushed("1", "A", 10) == "duplicate"


@pytest.mark.parametrize("merged_first", [True, False])
def test_a_merge_queue_of_two_squashed_pull_requests_has_no_first_commits(
    repo: Repository, *, merged_first: bool
) -> None:
    """One push brings two squash commits: each is its own pull request's only commit, so each was squashed."""
    repo.push("older", [commit("base", committed=0)])
    repo.deploy(1, "base", 1)
    deliveries: list[Callable[[], str]] = [
        lambda: repo.merge(1, "Q1", 10, commits=1),
        lambda: repo.merge(2, "Q2", 10, commits=1),
        lambda: repo.push("base", [commit("Q1", committed=8), commit("Q2", committed=9)]),
    ]
    for deliver in deliveries if merged_first else reversed(deliveries):
        assert deliver() == "accepted"
    repo.deploy(2, "Q2", 20)
    assert repo.chain() == Chain(success=2, lead=(3, 60 + 600 + 600), commit_lead=(1, 60))


def test_a_merge_queue_of_a_squash_of_one_and_a_squash_of_two_has_no_first_commits(repo: Repository) -> None:
    repo.push("older", [commit("base", committed=0)])
    repo.deploy(1, "base", 1)
    repo.merge(1, "Q1", 10, commits=1)
    repo.merge(2, "Q2", 10, commits=2)
    repo.push("base", [commit("Q1", committed=8), commit("Q2", committed=9)])
    repo.deploy(2, "Q2", 20)
    assert repo.chain() == Chain(success=2, lead=(3, 60 + 600 + 600), commit_lead=(1, 60))


def test_a_push_of_several_merge_commits_makes_no_first_commit_certain(repo: Repository) -> None:
    repo.push("older", [commit("base", committed=0)])
    repo.deploy(1, "base", 1)
    repo.merge(1, "M1", 10, commits=1)
    repo.merge(2, "M2", 10, commits=2)
    repo.push(
        "base",
        [
            commit("a", committed=3),
            commit("M1", committed=8),
            commit("b", committed=4),
            commit("c", committed=5),
            commit("M2", committed=9),
        ],
    )
    repo.deploy(2, "M2", 20)
    assert repo.chain() == Chain(success=2, lead=(3, 60 + 600 + 600), commit_lead=(1, 60))


def test_a_push_of_several_rebases_makes_no_first_commit_certain(repo: Repository) -> None:
    repo.push("older", [commit("base", committed=0)])
    repo.deploy(1, "base", 1)
    repo.merge(1, "R2", 10, commits=2)
    repo.merge(2, "S2", 10, commits=2)
    repo.push(
        "base",
        [
            commit("R1", committed=9, authored=3),
            commit("R2", committed=9, authored=4),
            commit("S1", committed=9, authored=5),
            commit("S2", committed=9, authored=6),
        ],
    )
    repo.deploy(2, "S2", 20)
    assert repo.chain() == Chain(success=2, lead=(3, 60 + 600 + 600), commit_lead=(1, 60))


def test_direct_commits_beside_a_squash_in_one_push_are_changes(repo: Repository) -> None:
    """A pushed range of a direct commit and a squash commit, as after a missed or combined push."""
    repo.push("older", [commit("base", committed=0)])
    repo.deploy(1, "base", 1)
    repo.merge(1, "Q", 10, commits=1)
    repo.push("base", [commit("d", committed=8, authored=7), commit("Q", committed=10, authored=10)])
    repo.deploy(2, "Q", 20)
    chain = repo.chain()
    assert chain.lead in {(2, 60 + 600), (3, 60 + 600 + 720)}


def test_an_old_sender_without_dates_has_no_author_date(repo: Repository) -> None:
    old = {"author": {"name": "x"}, "committer": {"name": "x"}}
    repo.push("base", [commit("A", committed=10) | old])
    repo.deploy(1, "A", 20)
    assert repo.chain() == Chain(success=1, lead=(1, 600))
    rebase = repo.service.repository()
    rebase.merge(1, "R2", 10, commits=2)
    rebase.push("base", [commit("R1", committed=10, authored=2), commit("R2", committed=10) | old])
    rebase.deploy(1, "R2", 20)
    assert rebase.chain().lead == (1, 600)
    assert rebase.chain().commit_lead in {(0, 0), (1, 18 * 60)}


def test_a_pull_request_without_its_number_of_commits_has_no_certain_first_commit(repo: Repository) -> None:
    repo.merge(1, "M", 10, commits=None)
    repo.push("base", [commit("a", committed=3), commit("M", committed=10)])
    repo.deploy(1, "M", 20)
    assert repo.chain().lead[0] in {1, 2}
    assert repo.chain().commit_lead[0] <= 1


def test_a_deployment_older_than_what_a_chain_remembers_is_too_old(repo: Repository) -> None:
    for start in range(0, 1001, 91):
        batch = [
            {
                "type": "deployment.succeeded",
                "repository": repo.name,
                "occurred_at": at(1000 + number),
                "deployment_id": f"d{number}",
                "sha": sha("A"),
                "changes": [],
            }
            for number in range(start, min(start + 91, 1001))
        ]
        assert repo.service.push(batch).status_code in {200, 201}
    assert repo.chain().success == 1001
    assert repo.pushed("d0", "A", 1000) == "ignored: too_old"
    assert repo.pushed("older", "A", 999) == "ignored: too_old"
    assert repo.pushed("d1", "A", 1001) == "duplicate"
    assert repo.chain().success == 1001


def test_a_name_used_again_by_another_repository_never_lowers_a_counter(service: Service) -> None:
    first = service.repository()
    first.deploy(1, "A", 10)
    moved = service.repository(f"{first.name}-moved", number=first.number)
    assert moved.deploy(2, "A", 20) == "accepted"
    second = service.repository(first.name)
    assert second.deploy(1, "Z", 30) == "accepted"
    assert second.chain().success == 2
    assert moved.chain().success == 1
    assert moved.deploy(1, "A", 10) == "duplicate"
