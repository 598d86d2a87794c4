"""What every `CommitLookup` promises: the GitHub adapter against the fake GitHub, and the fake without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from attrs import frozen

from dora.domain.facts import ChangesFound, FoundCommit, FoundPullRequest, Predecessor, Unknown
from dora.policy import Policy
from dora.ports import CommitLookup, Refused
from tests.contract.fake_github.graph import Graph
from tests.contract.fake_github.memory import MemoryLookup
from tests.contract.fake_github.world import HOUR, NOW, SECOND, World, asked, line, sha, world


@frozen
class Case:
    """An implementation over a repository that tests fill."""

    kind: str
    graph: Graph
    world: World

    def lookup(self, policy: Policy | None = None) -> CommitLookup:
        if self.kind == "memory":
            return MemoryLookup(self.world.github.graphs, self.world.clock, policy or Policy())
        return self.world.lookup(policy=policy)


@pytest.fixture(params=["github", "enterprise server", "memory"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    async with world("/api/v3" if request.param == "enterprise server" else "") as place:
        yield Case(request.param, place.github.repository(), place)


def shas(answer: ChangesFound) -> list[str]:
    return [commit.sha for commit in answer.commits]


def by_number(answer: ChangesFound) -> dict[int, FoundPullRequest]:
    return {pull.number: pull for pull in answer.pull_requests}


async def test_an_answer_is_about_the_deployment_that_was_asked_about_and_bears_the_time_of_receipt(case: Case) -> None:
    first, second = line(case.graph, 2)
    question = asked(second, base=first, deployment_id="17", environment="staging")
    answer = await case.lookup().changes(question)
    assert answer.repository == question.repository
    assert answer.environment == question.environment
    assert answer.deployment_id == "17"
    assert answer.received_at == NOW
    assert answer.unknown is None
    assert answer.sha is None
    assert answer.predecessor is None


async def test_a_range_is_what_the_head_reaches_and_the_base_does_not_oldest_first(case: Case) -> None:
    commits = line(case.graph, 5)
    answer = await case.lookup().changes(asked(commits[-1], base=commits[1]))
    assert shas(answer) == commits[2:]
    known = case.graph.commits[commits[2]]
    assert answer.commits[0] == FoundCommit(commits[2], known.committed_at, known.authored_at, 1)
    assert not answer.behind


async def test_a_range_of_one_commit_with_itself_is_empty_and_not_unknown(case: Case) -> None:
    commits = line(case.graph, 3)
    answer = await case.lookup().changes(asked(commits[1], base=commits[1]))
    assert (answer.unknown, answer.commits, answer.behind) == (None, (), False)


async def test_a_commit_behind_the_base_brings_nothing_and_is_called_behind(case: Case) -> None:
    commits = line(case.graph, 3)
    answer = await case.lookup().changes(asked(commits[0], base=commits[2]))
    assert (answer.unknown, answer.commits, answer.behind) == (None, (), True)


async def test_case_28_of_diverged_commits_what_is_reachable_from_the_new_and_not_from_the_old(case: Case) -> None:
    commits = line(case.graph, 3)
    case.graph.heads["topic"] = commits[0]
    other = line(case.graph, 2, start=100, branch="topic")
    answer = await case.lookup().changes(asked(other[-1], base=commits[-1]))
    assert shas(answer) == other
    assert not answer.behind


@pytest.mark.parametrize("count", [99, 100, 101, 250, 251, 431])
async def test_case_27_a_range_of_many_commits_is_read_whole_the_oldest_included(case: Case, count: int) -> None:
    commits = line(case.graph, count + 1)
    answer = await case.lookup().changes(asked(commits[-1], base=commits[0]))
    assert shas(answer) == commits[1:]


async def test_case_27_more_commits_than_asked_for_are_too_many(case: Case) -> None:
    commits = line(case.graph, 12)
    question = asked(commits[-1], base=commits[0], max_commits=10)
    answer = await case.lookup().changes(question)
    assert (answer.unknown, answer.commits) == (Unknown.TOO_MANY_COMMITS, ())
    just_enough = await case.lookup().changes(asked(commits[-1], base=commits[1], max_commits=10))
    assert (just_enough.unknown, len(just_enough.commits)) == (None, 10)


async def test_case_26_a_base_that_is_gone_is_a_history_rewritten(case: Case) -> None:
    commits = line(case.graph, 3)
    case.graph.forget(commits[0])
    answer = await case.lookup().changes(asked(commits[2], base=commits[0]))
    assert (answer.unknown, answer.commits) == (Unknown.HISTORY_REWRITTEN, ())


async def test_a_base_without_a_common_ancestor_is_a_history_rewritten(case: Case) -> None:
    commits = line(case.graph, 2)
    orphans = line(case.graph, 2, start=50, branch="orphan")
    answer = await case.lookup().changes(asked(orphans[1], base=commits[1]))
    assert answer.unknown is Unknown.HISTORY_REWRITTEN


async def test_a_deployed_commit_that_is_not_there_is_not_found(case: Case) -> None:
    commits = line(case.graph, 2)
    for question in (
        asked(sha(77), base=commits[0]),
        asked(sha(77), commits=(sha(77),)),
        asked(sha(77), find_predecessor=True),
        asked("77777777"),
    ):
        assert (await case.lookup().changes(question)).unknown is Unknown.NOT_FOUND


async def test_case_47_a_repository_that_is_not_there_is_refused(case: Case) -> None:
    line(case.graph, 2)
    for question in (
        asked(sha(2), base=sha(1), repository="acme/other"),
        asked(sha(2), commits=(sha(2),), repository="acme/other"),
        asked(sha(2), find_predecessor=True, repository="acme/other"),
        asked(sha(2)[:8], repository="acme/other"),
    ):
        with pytest.raises(Refused):
            await case.lookup().changes(question)


async def test_case_30_an_abbreviated_commit_is_found_and_told_in_full(case: Case) -> None:
    commits = line(case.graph, 3)
    answer = await case.lookup().changes(asked(commits[2][:8], base=commits[0]))
    assert answer.sha == commits[2]
    assert shas(answer) == commits[1:]


async def test_case_30_an_ambiguous_abbreviation_is_not_found(case: Case) -> None:
    case.graph.commit("abcdef0" + "1" * 33, at=NOW)
    case.graph.commit("abcdef0" + "2" * 33, at=NOW)
    answer = await case.lookup().changes(asked("abcdef0"))
    assert (answer.unknown, answer.sha) == (Unknown.NOT_FOUND, None)


async def test_case_18_a_squashed_pull_request_tells_the_earliest_author_date_of_its_own_commits(case: Case) -> None:
    graph = case.graph
    base = line(graph, 1)[0]
    own = [
        graph.commit(sha(10), base, at=NOW - 50 * HOUR, authored_at=NOW - 40 * HOUR),
        graph.commit(sha(11), sha(10), at=NOW - 49 * HOUR, authored_at=NOW - 60 * HOUR),
    ]
    squashed = graph.commit(sha(20), base, at=NOW - 30 * HOUR, branch="main")
    graph.pull_request(7, *own, created_at=NOW - 45 * HOUR)
    graph.merged(7, squashed, at=NOW - 30 * HOUR)
    answer = await case.lookup().changes(asked(squashed, base=base))
    assert answer.commits == (FoundCommit(squashed, NOW - 30 * HOUR, NOW - 30 * HOUR, 1, (7,)),)
    assert answer.pull_requests == (
        FoundPullRequest(
            number=7,
            created_at=NOW - 45 * HOUR,
            merged_at=NOW - 30 * HOUR,
            merge_commit=squashed,
            commits=2,
            first_authored_at=NOW - 60 * HOUR,
        ),
    )


async def test_case_20_a_merge_commit_brings_the_branch_and_shows_two_parents(case: Case) -> None:
    graph = case.graph
    base = line(graph, 1)[0]
    own = [graph.commit(sha(10), base, at=NOW - 9 * HOUR), graph.commit(sha(11), sha(10), at=NOW - 8 * HOUR)]
    merge = graph.commit(sha(20), base, own[-1], at=NOW - 7 * HOUR, branch="main")
    graph.pull_request(3, *own, created_at=NOW - 8 * HOUR)
    graph.merged(3, merge, *own, at=NOW - 7 * HOUR)
    answer = await case.lookup().changes(asked(merge, base=base))
    assert [(commit.sha, commit.parents, commit.pull_requests) for commit in answer.commits] == [
        (own[0], 1, (3,)),
        (own[1], 1, (3,)),
        (merge, 2, (3,)),
    ]
    assert by_number(answer)[3].first_authored_at == NOW - 9 * HOUR


async def test_case_19_a_rebased_pull_request_is_found_for_each_of_its_new_commits(case: Case) -> None:
    graph = case.graph
    base = line(graph, 1)[0]
    own = [graph.commit(sha(10), base, at=NOW - 9 * HOUR), graph.commit(sha(11), sha(10), at=NOW - 8 * HOUR)]
    first = graph.commit(sha(20), base, at=NOW - 7 * HOUR, authored_at=NOW - 9 * HOUR, branch="main")
    last = graph.commit(sha(21), first, at=NOW - 7 * HOUR, authored_at=NOW - 8 * HOUR, branch="main")
    graph.pull_request(3, *own, created_at=NOW - 8 * HOUR)
    graph.merged(3, last, first, at=NOW - 7 * HOUR)
    answer = await case.lookup().changes(asked(last, base=base))
    assert [(commit.sha, commit.parents, commit.pull_requests) for commit in answer.commits] == [
        (first, 1, (3,)),
        (last, 1, (3,)),
    ]
    assert by_number(answer)[3].merge_commit == last


async def test_case_25_the_middle_of_a_rebase_belongs_to_a_pull_request_that_is_merged_later(case: Case) -> None:
    graph = case.graph
    base, first, last = line(graph, 3)
    graph.pull_request(3, sha(10), created_at=NOW - 8 * HOUR)
    graph.commit(sha(10), base, at=NOW - 9 * HOUR)
    graph.merged(3, last, first, at=NOW - 7 * HOUR)
    answer = await case.lookup().changes(asked(first, base=base))
    assert answer.commits[0].pull_requests == (3,)
    assert by_number(answer)[3].merge_commit == last


async def test_case_21_direct_commits_belong_to_no_pull_request(case: Case) -> None:
    commits = line(case.graph, 3)
    case.graph.pull_request(1, commits[2], created_at=NOW - HOUR)
    answer = await case.lookup().changes(asked(commits[2], base=commits[0]))
    assert [commit.pull_requests for commit in answer.commits] == [(), ()]
    assert answer.pull_requests == ()


async def test_case_28_an_open_pull_request_is_no_pull_request_of_a_deployed_branch(case: Case) -> None:
    graph = case.graph
    base = line(graph, 1)[0]
    own = graph.commit(sha(10), base, at=NOW - HOUR, branch="topic")
    graph.pull_request(4, own, created_at=NOW - HOUR)
    answer = await case.lookup().changes(asked(own, base=base))
    assert shas(answer) == [own]
    assert answer.pull_requests == ()


async def test_case_23_a_pull_request_into_an_untracked_branch_is_told_and_not_tracked(case: Case) -> None:
    graph = case.graph
    base = line(graph, 1)[0]
    own = graph.commit(sha(10), base, at=NOW - 9 * HOUR)
    graph.pull_request(1, own, created_at=NOW - 8 * HOUR, base="develop")
    graph.merged(1, own, at=NOW - 7 * HOUR)
    merge = graph.commit(sha(20), base, own, at=NOW - 5 * HOUR, branch="main")
    graph.pull_request(2, own, created_at=NOW - 6 * HOUR)
    graph.merged(2, merge, own, at=NOW - 5 * HOUR)
    answer = await case.lookup().changes(asked(merge, base=base))
    assert [commit.pull_requests for commit in answer.commits] == [(2,), (2,)]
    assert {number: pull.tracked for number, pull in by_number(answer).items()} == {1: False, 2: True}
    widened = await case.lookup(Policy(branches=("main", "dev*"))).changes(asked(merge, base=base))
    assert [commit.pull_requests for commit in widened.commits] == [(1, 2), (2,)]


async def test_a_commit_with_more_pull_requests_than_fit_into_one_query_tells_them_all(case: Case) -> None:
    graph = case.graph
    base, head = line(graph, 2)
    for number in range(1, 9):
        graph.pull_request(number, head, created_at=NOW - HOUR + number * SECOND)
        graph.merged(number, head, at=NOW)
    answer = await case.lookup().changes(asked(head, base=base))
    assert answer.commits[0].pull_requests == tuple(range(1, 9))
    assert sorted(by_number(answer)) == list(range(1, 9))


async def test_what_the_settings_decide_of_a_pull_request_is_decided_in_the_answer(case: Case) -> None:
    graph = case.graph
    base, first, second, third = line(graph, 4)
    graph.pull_request(1, first, created_at=NOW - 9 * HOUR, labels=("docs", "HotFix"))
    graph.merged(1, first, at=NOW - 8 * HOUR)
    graph.pull_request(2, second, created_at=NOW - 9 * HOUR, head="hotfix/late")
    graph.merged(2, second, at=NOW - 2 * HOUR)
    graph.pull_request(3, third, created_at=NOW - 9 * HOUR, head="revert-1-topic")
    graph.merged(3, third, at=NOW - HOUR)
    answer = await case.lookup(Policy(max_event_age=4 * HOUR)).changes(asked(third, base=base))
    pulls = by_number(answer)
    assert [pulls[number].hotfix for number in (1, 2, 3)] == [True, True, False]
    assert [pulls[number].reverts for number in (1, 2, 3)] == [None, None, 1]
    assert [pulls[number].counted for number in (1, 2, 3)] == [False, True, True]


async def test_a_known_range_is_answered_commit_by_commit_in_the_order_asked(case: Case) -> None:
    commits = line(case.graph, 4)
    answer = await case.lookup().changes(asked(commits[3], commits=(commits[3], commits[1])))
    assert shas(answer) == [commits[3], commits[1]]


async def test_pull_requests_asked_for_by_number_come_with_their_first_author_dates(case: Case) -> None:
    graph = case.graph
    base, head = line(graph, 2)
    graph.commit(sha(10), base, at=NOW - 9 * HOUR, authored_at=NOW - 20 * HOUR)
    graph.pull_request(5, sha(10), created_at=NOW - 9 * HOUR)
    graph.merged(5, head, at=NOW - 8 * HOUR)
    answer = await case.lookup().changes(asked(head, commits=(), pull_requests=(5,)))
    assert (answer.unknown, answer.commits) == (None, ())
    assert by_number(answer)[5].first_authored_at == NOW - 20 * HOUR


async def test_a_pull_request_that_is_not_there_is_left_out_and_leaves_the_rest_whole(case: Case) -> None:
    graph = case.graph
    head = line(graph, 1)[0]
    graph.pull_request(5, head, created_at=NOW - 9 * HOUR)
    graph.merged(5, head, at=NOW - 8 * HOUR)
    answer = await case.lookup().changes(asked(head, commits=(head,), pull_requests=(5, 6)))
    assert answer.unknown is None
    assert sorted(by_number(answer)) == [5]


async def test_a_commit_of_a_known_range_that_is_gone_is_not_found_and_the_rest_is_told(case: Case) -> None:
    commits = line(case.graph, 2)
    answer = await case.lookup().changes(asked(commits[1], commits=(sha(77), commits[1])))
    assert answer.unknown is Unknown.NOT_FOUND
    assert shas(answer) == [commits[1]]


def deployed(graph: Graph, number: int, head: str, *states: str, at: int, environment: str = "production") -> None:
    graph.deployment(number, head, environment, at=at)
    for index, state in enumerate(states):
        graph.status(number, state, at=at + index * SECOND)


async def test_case_17_the_predecessor_is_the_latest_earlier_success_and_the_range_begins_there(case: Case) -> None:
    graph = case.graph
    commits = line(graph, 5)
    deployed(graph, 1, commits[0], "in_progress", "success", at=NOW - 9 * HOUR)
    deployed(graph, 2, commits[2], "in_progress", "success", at=NOW - 5 * HOUR)
    deployed(graph, 3, commits[3], "in_progress", "failure", at=NOW - 4 * HOUR)
    deployed(graph, 900, commits[4], "success", at=NOW)
    answer = await case.lookup().changes(asked(commits[4], base=commits[0], find_predecessor=True))
    assert answer.predecessor == Predecessor("2", commits[2], NOW - 5 * HOUR + SECOND)
    assert shas(answer) == commits[3:]


async def test_case_3_a_success_behind_an_inactive_status_is_found_in_the_history(case: Case) -> None:
    graph = case.graph
    commits = line(graph, 4)
    deployed(graph, 1, commits[0], "success", "inactive", at=NOW - 9 * HOUR)
    deployed(graph, 2, commits[1], "failure", "inactive", at=NOW - 8 * HOUR)
    answer = await case.lookup().changes(asked(commits[3], find_predecessor=True))
    assert answer.predecessor == Predecessor("1", commits[0], NOW - 9 * HOUR)


async def test_an_inactive_deployment_whose_statuses_have_expired_succeeded_at_its_last_update(case: Case) -> None:
    graph = case.graph
    commits = line(graph, 3)
    deployed(graph, 1, commits[0], "success", "inactive", at=NOW - 9 * HOUR)
    deployed(graph, 2, commits[1], "failure", at=NOW - 8 * HOUR)
    graph.expire(1)
    graph.expire(2)
    answer = await case.lookup().changes(asked(commits[2], find_predecessor=True))
    assert answer.predecessor == Predecessor("1", commits[0], NOW - 9 * HOUR + SECOND)


async def test_case_5_a_deployment_that_failed_after_its_success_is_a_predecessor_by_its_first_success(
    case: Case,
) -> None:
    graph = case.graph
    commits = line(graph, 2)
    deployed(graph, 1, commits[0], "failure", "success", "failure", "success", at=NOW - 9 * HOUR)
    answer = await case.lookup().changes(asked(commits[1], find_predecessor=True))
    assert answer.predecessor == Predecessor("1", commits[0], NOW - 9 * HOUR + SECOND)


async def test_case_9_only_deployments_to_the_same_environment_name_precede(case: Case) -> None:
    graph = case.graph
    commits = line(graph, 4)
    deployed(graph, 1, commits[0], "success", at=NOW - 9 * HOUR, environment="prod-eu")
    deployed(graph, 2, commits[2], "success", at=NOW - 5 * HOUR, environment="prod-us")
    question = asked(commits[3], find_predecessor=True, environment="prod-eu")
    answer = await case.lookup().changes(question)
    assert answer.predecessor is not None
    assert answer.predecessor.deployment_id == "1"


async def test_a_later_success_and_the_deployment_itself_do_not_precede(case: Case) -> None:
    graph = case.graph
    commits = line(graph, 4)
    deployed(graph, 1, commits[0], "success", at=NOW - 9 * HOUR)
    deployed(graph, 900, commits[2], "success", at=NOW - 5 * HOUR)
    deployed(graph, 901, commits[3], "success", at=NOW - 4 * HOUR)
    question = asked(commits[2], find_predecessor=True, succeeded_at=NOW - 5 * HOUR)
    answer = await case.lookup().changes(question)
    assert answer.predecessor is not None
    assert answer.predecessor.deployment_id == "1"


async def test_case_45_of_two_successes_at_one_instant_the_smaller_id_precedes(case: Case) -> None:
    graph = case.graph
    commits = line(graph, 3)
    deployed(graph, 99, commits[0], "success", at=NOW)
    deployed(graph, 900, commits[1], "success", at=NOW)
    deployed(graph, 1000, commits[2], "success", at=NOW)
    answer = await case.lookup().changes(asked(commits[1], find_predecessor=True))
    assert answer.predecessor is not None
    assert answer.predecessor.deployment_id == "99"


async def test_a_predecessor_a_hundred_and_more_deployments_back_is_found(case: Case) -> None:
    graph = case.graph
    commits = line(graph, 2)
    deployed(graph, 1, commits[0], "success", at=NOW - 500 * HOUR)
    for number in range(2, 253):
        deployed(graph, number, commits[1], "failure", at=NOW - 500 * HOUR + number * HOUR)
    answer = await case.lookup().changes(asked(commits[1], find_predecessor=True))
    assert answer.predecessor is not None
    assert answer.predecessor.deployment_id == "1"


async def test_without_a_predecessor_the_range_begins_at_the_base(case: Case) -> None:
    commits = line(case.graph, 4)
    answer = await case.lookup().changes(asked(commits[3], base=commits[1], find_predecessor=True))
    assert answer.predecessor is None
    assert shas(answer) == commits[2:]


async def test_case_16_without_predecessor_and_base_only_what_the_head_merged_is_told(case: Case) -> None:
    graph = case.graph
    commits = line(graph, 4)
    graph.pull_request(1, commits[2], created_at=NOW - 9 * HOUR)
    graph.merged(1, commits[3], at=NOW - 8 * HOUR)
    graph.pull_request(2, commits[3], created_at=NOW - 9 * HOUR)
    graph.merged(2, commits[2], commits[3], at=NOW - 7 * HOUR)
    answer = await case.lookup().changes(asked(commits[3], find_predecessor=True))
    assert shas(answer) == [commits[3]]
    assert sorted(by_number(answer)) == [1]


async def test_a_predecessor_whose_commit_is_gone_is_told_with_the_history_rewritten(case: Case) -> None:
    graph = case.graph
    commits = line(graph, 3)
    deployed(graph, 1, sha(66), "success", at=NOW - 9 * HOUR)
    answer = await case.lookup().changes(asked(commits[2], find_predecessor=True))
    assert answer.unknown is Unknown.HISTORY_REWRITTEN
    assert answer.predecessor == Predecessor("1", sha(66), NOW - 9 * HOUR)
