"""Memory is bounded by counts, never by the clock, and nothing forgotten is counted twice."""

from __future__ import annotations

import pytest
from attrs import evolve

from dora.domain import chain, core, incidents, ledger
from dora.domain.chain import ChainState
from dora.domain.facts import (
    ChangesFound,
    FoundCommit,
    FoundPullRequest,
    IdempotencyKey,
    RepositorySeen,
)
from dora.domain.instant import instant, seconds
from dora.domain.ledger import Ledger
from dora.domain.observations import Chain
from dora.domain.outcome import Outcome, Status
from tests.unit.domain.story import (
    PRODUCTION,
    SHOP,
    STAGING,
    START,
    US,
    Story,
    commit,
    direct,
    failure,
    hour,
    marked,
    merge,
    opened,
    push,
    reported_merge,
    resolved,
    sha,
    started,
    success,
)

TOO_OLD = Outcome(Status.IGNORED, "too_old")


def test_a_chain_remembers_its_thousand_newest_deployments() -> None:
    story = Story()
    for number in range(chain.REMEMBERED + 1):
        story.tell(failure(str(number), number) if number % 2 else success(str(number), f"c{number}", number))
    kept = story.core.repositories[0].chains["production", ""]
    assert len(kept.deployments) == chain.REMEMBERED
    assert story.core.apply(success("0", "c0", 0)).outcome == TOO_OLD
    assert story.core.apply(success("early", "e", 0.5)).outcome == TOO_OLD
    assert story.core.apply(success("2", "c2", 2)).outcome.status is Status.DUPLICATE
    assert story.tell(success("late", "l", 1.5)) == [Status.COUNTED]


def test_a_forgotten_environment_name_leaves_nothing_behind() -> None:
    story = Story()
    story.tell(failure("us", 0, environment=US), success("us-2", "u", 0.5, environment=US))
    story.tell(success("marked", "m", 0.6), marked("marked", 0.7), failure("marked", 0.8))
    for number in range(chain.REMEMBERED):
        story.tell(success(str(number), f"c{number}", 1 + number))
    kept = story.core.repositories[0].chains["production", ""]
    assert set(kept.successions) == {"production"}
    assert kept.failures == {}


def test_open_failures_outlive_their_deployments_for_a_while() -> None:
    story = Story()
    for number in range(2 * chain.REMEMBERED + 2):
        story.tell(success(str(number), "same", number), opened(str(number), number + 0.5, deployment=str(number)))
    kept = story.core.repositories[0].chains["production", ""]
    assert len(kept.failures) == 2 * chain.REMEMBERED + 1  # trimmed before the last one opened
    assert story.value("open_failures") == 2 * chain.REMEMBERED + 2
    story.tell(resolved(str(2 * chain.REMEMBERED - 1), 9_999))
    assert story.value("open_failures") == 2 * chain.REMEMBERED + 1


def test_a_chain_remembers_what_it_has_had_up_to_a_bound() -> None:
    state = ChainState(Chain("acme/shop", "production", ""))
    state.ship([str(number) for number in range(chain.SHIPPED + 1)], "1")
    assert len(state.shipped) == chain.SHIPPED - chain.FORGOTTEN_AT_ONCE
    assert next(iter(state.shipped)) == str(chain.FORGOTTEN_AT_ONCE + 1)


def test_a_chain_remembers_the_newest_steps_back() -> None:
    state = ChainState(Chain("acme/shop", "production", ""))
    for number in range(chain.REMEMBERED + 1):
        state.went_behind(str(number), "base")
    assert len(state.within) == chain.REMEMBERED
    assert "0" not in state.within


def test_what_waits_for_unknown_deployments_is_bounded() -> None:
    story = Story()
    for number in range(chain.REMEMBERED + 1):
        story.tell(marked(str(number), 1), started(str(number), 1), opened(str(number), number))
    kept = story.core.repositories[0].chains["production", ""]
    assert len(kept.awaited) == len(kept.started) == chain.REMEMBERED
    assert len(story.core.repositories[0].incidents.known) == incidents.REMEMBERED
    assert story.core.apply(opened("0", 0)).outcome == TOO_OLD
    state = ChainState(Chain("acme/shop", "production", ""))
    for number in range(chain.REMEMBERED + 1):
        state.leave_unlinked(str(number), number)
    assert len(state.unlinked) == chain.REMEMBERED


def test_the_ledger_forgets_its_oldest_pushes_and_with_them_what_chains_had() -> None:
    story = Story()
    story.tell(direct("root", "c0", 0), success("1", "c0", 1))
    for start in range(0, ledger.REMEMBERED, 1000):
        names = [f"n{number}" for number in range(start, start + 1000)]
        before = f"n{start - 1}" if start else "c0"
        story.tell(push(before, names[-1], *(commit(name, 1) for name in names)))
    state = story.core.repositories[0]
    assert len(state.ledger.commits) == ledger.REMEMBERED
    assert sha("c0") not in state.chains["production", ""].shipped
    assert sha("root") not in state.ledger.befores
    one_push = Ledger()
    one_push.add_push(push("root", "n9", *(commit(f"n{number}", 1) for number in range(10))))
    assert len(one_push.commits) == 10


def test_a_change_whose_date_is_awaited_may_be_forgotten() -> None:
    story = Story()
    undated = evolve(commit("a", 1), authored_at=None)
    story.tell(push("root", "a", undated), success("1", "a", 2))
    names = [f"n{number}" for number in range(ledger.REMEMBERED)]
    story.tell(push("a", names[-1], *(commit(name, 3) for name in names)))
    assert sha("a") not in story.core.repositories[0].ledger.commits
    story.tell(push("old", "other", commit("root", 1), commit("other", 4)))
    assert (story.value("lead_time"), story.value("commit_lead_time")) == ([hour(1) - hour(0)], [])


def test_a_commit_listed_by_a_kept_push_too_is_not_forgotten() -> None:
    kept = Ledger()
    kept.add_push(push("root", "a", commit("a", 1), branch="old"))
    kept.add_push(push(None, "a", commit("a", 1), branch="new"))
    kept.add_push(push("root", "b", commit("b", 1), branch="other"))
    names = [f"n{number}" for number in range(ledger.REMEMBERED - 2)]
    assert kept.add_push(push("a", names[-1], *(commit(name, 1) for name in names), branch="new")) == ()
    assert sha("a") in kept.commits
    assert kept.befores[sha("root")] == 1
    assert kept.add_push(push(names[-1], "z", commit("z", 1), branch="new")) == (sha("a"),)


def test_a_repository_remembers_its_ten_thousand_newest_merges() -> None:
    story = Story()
    for number in range(ledger.REMEMBERED + 2):
        story.tell(merge(number, f"m{number // 2}", number), reported_merge(f"r{number}", number))
    state = story.core.repositories[0].ledger
    assert len(state.pull_requests) == len(state.reported) == len(state.line) == ledger.REMEMBERED
    assert sha("m0") not in state.merge_commits
    assert story.core.apply(merge(0, "m0", 0)).outcome == TOO_OLD
    assert story.core.apply(reported_merge("r0", 0)).outcome == TOO_OLD


def test_half_a_merge_commits_pull_requests_may_be_forgotten() -> None:
    state = Ledger()
    for number in range(ledger.REMEMBERED + 1):
        state.add_pull_request(merge(number, f"m{number // 2}", number))
    assert state.merge_commits[sha("m0")] == [1]


def test_commits_known_from_the_api_alone_are_bounded_too() -> None:
    state = Ledger()
    forgotten: list[str] = []
    for number in range(ledger.REMEMBERED + 1):
        forgotten += state.add_found_commit(
            FoundCommit(sha=str(number), committed_at=START, authored_at=START, parents=1)
        )
    assert forgotten == [str(number) for number in range(ledger.FORGOTTEN_AT_ONCE + 1)]
    assert set(state.commits) == set(state.found) == {str(number) for number in range(len(forgotten), number + 1)}


def test_a_forgotten_pull_request_found_again_is_not_counted_again() -> None:
    story = Story()
    story.tell(evolve(success("1", "m0", 1)))
    for number in range(ledger.REMEMBERED + 1):
        story.tell(merge(number, f"m{number}", number))
    asking = story.core.apply(evolve(success("2", "q", 20_000, environment=STAGING), lookups=True))
    assert len(asking.questions) == 1
    answer = ChangesFound(
        repository=SHOP,
        received_at=START,
        environment=STAGING,
        deployment_id="2",
        pull_requests=(
            FoundPullRequest(number=0, created_at=hour(0), merged_at=hour(0), merge_commit=sha("m0")),
            FoundPullRequest(
                number=-1, created_at=hour(9e3), merged_at=hour(9e3), merge_commit=sha("x"), tracked=False
            ),
        ),
    )
    applied = story.core.apply(answer)
    assert not {0, -1} & set(story.core.repositories[0].ledger.pull_requests)
    assert all(type(one).__name__ != "ChangeCounted" for one in applied.observations)


def test_a_client_has_its_ten_thousand_newest_keys_remembered() -> None:
    story = Story()
    for number in range(core.REMEMBERED_KEYS + 1):
        key = IdempotencyKey(client="ci", key=str(number), digest="d")
        story.tell(evolve(started(str(number), 1), key=key))
    assert story.core.key_digest("ci", "0") is None
    assert story.core.key_digest("ci", "1") == "d"
    assert story.core.key_digest("nobody", "1") is None


@pytest.mark.parametrize("limits", [core.Limits(repositories=0), core.Limits(repositories=1, environments=0)])
def test_what_is_beyond_a_limit_is_ignored_and_what_is_listed_admitted(limits: core.Limits) -> None:
    story = Story()
    if limits.repositories:
        story.tell(RepositorySeen(repository=SHOP, received_at=START))
        assert story.core.judge(success("1", "a", 1, environment=PRODUCTION), limits) is None
    limited = story.core.judge(success("1", "a", 1, environment=STAGING), limits)
    assert limited == Outcome(Status.IGNORED, "limit")


def test_an_instant_needs_a_time_zone() -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 - the one test that speaks of calendars

    assert instant(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)) == 1_000_005
    assert seconds(1_500_000) == 1.5
    with pytest.raises(ValueError, match="time zone"):
        instant(datetime(1970, 1, 1))  # noqa: DTZ001 - the point
