"""What the core asks, and what it makes of the answers."""

from __future__ import annotations

from attrs import Factory, define, evolve

from dora.domain.core import Core
from dora.domain.facts import (
    ChangesFound,
    DeploymentFinished,
    Environment,
    Fact,
    FoundCommit,
    FoundPullRequest,
    Predecessor,
    Unknown,
)
from dora.domain.observations import Cause, Chain
from dora.domain.outcome import Status
from dora.domain.questions import ChangesSought
from tests.unit.domain.series import Series, Value, fold, of, settled
from tests.unit.domain.story import (
    EU,
    PRODUCTION,
    SHOP,
    START,
    US,
    commit,
    direct,
    failure,
    hour,
    hours,
    marked,
    merge,
    push,
    recovered,
    sha,
    success,
)


@define
class Asking:
    """A core that may ask, and what it asked last."""

    core: Core = Factory(Core)
    series: Series = Factory(dict)
    asked: list[ChangesSought] = Factory(list)

    def tell(self, *facts: Fact) -> list[Status]:
        outcomes = []
        for fact in facts:
            asking = evolve(fact, lookups=True) if isinstance(fact, DeploymentFinished) else fact
            applied = self.core.apply(asking)
            fold(self.series, applied.observations)
            self.asked.extend(applied.questions)
            outcomes.append(applied.outcome.status)
        return outcomes

    def answer(
        self,
        *commits: FoundCommit,
        pull_requests: tuple[FoundPullRequest, ...] = (),
        predecessor: Predecessor | None = None,
        behind: bool = False,
        unknown: Unknown | None = None,
        full: str | None = None,
    ) -> Status:
        question = self.asked.pop(0)
        found = ChangesFound(
            repository=SHOP,
            received_at=START,
            environment=question.environment,
            deployment_id=question.deployment_id,
            commits=commits,
            pull_requests=pull_requests,
            predecessor=predecessor,
            behind=behind,
            unknown=unknown,
            sha=full,
        )
        return self.tell(found)[0]

    def value(self, family: str, *more: str, environment: Environment = PRODUCTION) -> Value | None:
        labels = Chain(SHOP.name, environment.label, environment.service)
        return settled(self.series).get(of(family, labels, *more))


def found(name: str, at: float, *pull_requests: int, parents: int = 1, authored: float | None = None) -> FoundCommit:
    return FoundCommit(
        sha=sha(name),
        committed_at=hour(at),
        authored_at=hour(at if authored is None else authored),
        parents=parents,
        pull_requests=pull_requests,
    )


def pull(number: int, merge_commit: str, at: float, *, first: float) -> FoundPullRequest:
    return FoundPullRequest(
        number=number,
        created_at=hour(0),
        merged_at=hour(at),
        merge_commit=sha(merge_commit),
        first_authored_at=hour(first),
        commits=1,
    )


def before(name: str, at: float = 0) -> Predecessor:
    return Predecessor(deployment_id="0", sha=sha(name), succeeded_at=hour(at))


def test_case_17_the_predecessor_and_the_range_come_with_one_answer() -> None:
    story = Asking()
    story.tell(success("1", "b", 4))
    assert [(one.find_predecessor, one.base, one.commits) for one in story.asked] == [(True, None, None)]
    assert story.value("pending") == 1
    story.answer(
        found("a", 1, 7),
        found("b", 2, parents=2),
        pull_requests=(pull(7, "b", 2, first=1),),
        predecessor=before("root"),
    )
    assert story.value("lead_time") == hours(2)
    assert story.value("commit_lead_time") == hours(3)
    assert story.value("pending") == 0
    assert story.asked == []


def test_what_github_knows_from_before_never_fails_and_is_counted_when_its_own_delivery_comes() -> None:
    story = Asking()
    story.tell(success("1", "b", 4))
    story.answer(predecessor=before("c"), behind=True)
    assert story.value("rework") == 1
    assert story.value("change_failures", Cause.ROLLBACK) == 0
    assert story.tell(marked("0", 1), recovered("0", 2)) == [Status.STORED, Status.STORED]
    assert story.tell(success("0", "c", 0), success("0", "c", 0)) == [Status.COUNTED, Status.DUPLICATE]
    assert story.value("deployments", "success") == 2
    assert story.value("recovery", Cause.REPORTED) == hours(1)


def test_a_predecessor_that_had_only_failed_here_is_completed() -> None:
    story = Asking()
    story.tell(failure("0", 0.5), success("1", "b", 4))
    story.answer(predecessor=before("a", 1))
    assert story.tell(success("0", "a", 1)) == [Status.COUNTED]


def test_a_predecessor_that_has_arrived_meanwhile_is_left_as_it_is() -> None:
    story = Asking()
    story.tell(success("1", "b", 4), success("0", "a", 1))
    story.answer(found("b", 3), predecessor=before("a", 1))
    assert story.value("lead_time") == hours(1)
    assert story.tell(success("0", "a", 1)) == [Status.DUPLICATE]


def test_without_any_predecessor_only_what_was_seen_and_the_heads_pull_request_count() -> None:
    story = Asking()
    story.tell(success("1", "b", 4))
    story.answer(found("b", 2, 7), pull_requests=(pull(7, "b", 2, first=1),))
    assert story.value("lead_time") == hours(2)
    assert story.value("unknown", Unknown.FIRST_DEPLOYMENT) == 0
    story.tell(direct("root", "a", 1), direct("a", "b", 2))
    assert [one.commits for one in story.asked] == [(sha("a"),)]
    story.answer(found("a", 1))
    assert story.value("lead_time") == hours(2, 3)


def test_the_head_itself_is_history_if_it_is_no_pull_requests() -> None:
    story = Asking()
    story.tell(success("1", "b", 4))
    story.answer(found("b", 2))
    assert story.value("lead_time") == []
    assert story.value("unknown", Unknown.FIRST_DEPLOYMENT) == 1


def test_commits_of_no_known_pull_request_are_asked_about_and_nothing_else() -> None:
    story = Asking()
    story.tell(success("1", "root", 0))
    story.answer()
    story.tell(
        merge(7, "c", 3, commits=2), push("root", "c", commit("c", 3)), direct("c", "d", 3.5), success("2", "d", 4)
    )
    assert [(one.commits, one.pull_requests) for one in story.asked] == [((sha("d"),), (7,))]
    story.answer(found("d", 3.5), pull_requests=(pull(7, "c", 3, first=1),))
    assert story.value("lead_time") == hours(0.5, 1)
    assert story.value("commit_lead_time") == hours(0.5, 3)


def test_a_range_that_is_known_costs_no_question() -> None:
    story = Asking()
    story.tell(success("1", "root", 0))
    story.answer()
    rebased = push("root", "b", commit("a", 2, authored=1), commit("b", 2, authored=1.5))
    story.tell(merge(7, "b", 2, commits=2), rebased, success("2", "b", 4))
    assert story.asked == []
    assert story.value("commit_lead_time") == hours(3)


def test_a_late_delivery_may_make_a_question_needless() -> None:
    story = Asking()
    story.tell(success("1", "root", 0))
    story.answer()
    story.tell(success("2", "b", 4))
    assert len(story.asked) == 1
    story.tell(merge(7, "b", 2, commits=1), push("root", "b", commit("b", 2, authored=1)))
    assert story.value("lead_time") == hours(2)
    assert story.answer(found("b", 2)) is Status.IGNORED


def test_deployments_of_a_chain_are_measured_in_order_however_late_github_answers() -> None:
    story = Asking()
    story.tell(success("1", "a", 1), success("2", "b", 2), success("3", "a", 3), success("4", "b", 4))
    assert [one.deployment_id for one in story.asked] == ["1"]
    assert list(story.core.open_questions()) == story.asked
    story.answer(found("a", 0.5), predecessor=before("root"))
    assert [one.deployment_id for one in story.asked] == ["2"]
    story.answer(found("b", 1))
    assert story.value("lead_time") == hours(0.5, 1)
    assert story.value("change_failures", Cause.ROLLBACK) == 1


def test_reasons_are_told_and_the_pull_request_that_was_deployed_is_certain_all_the_same() -> None:
    for unknown in (Unknown.HISTORY_REWRITTEN, Unknown.GITHUB_REFUSED):
        story = Asking()
        story.tell(merge(7, "b", 2), success("1", "b", 4))
        story.answer(unknown=unknown)
        assert story.value("unknown", unknown) == 1
        assert story.value("lead_time") == hours(2)


def test_case_27_too_many_commits_are_all_taken_as_deployed() -> None:
    story = Asking()
    story.tell(merge(7, "b", 2), success("1", "b", 4))
    story.answer(unknown=Unknown.TOO_MANY_COMMITS)
    assert story.value("unknown", Unknown.TOO_MANY_COMMITS) == 1
    assert story.value("lead_time") == []


def test_case_30_an_abbreviated_commit_is_resolved_by_github() -> None:
    story = Asking()
    story.tell(success("1", "b", 4, full_sha=sha("b")[:8]))
    story.answer(found("b", 2), predecessor=before("root"), full=sha("b"))
    assert story.value("lead_time") == hours(2)
    story.tell(success("2", "b", 5))
    assert story.asked == []
    story.tell(success("3", "?", 6, full_sha="0123456"))
    story.answer(unknown=Unknown.NOT_FOUND)
    assert story.value("unknown", Unknown.NOT_FOUND) == 1


def test_case_30_a_short_commit_may_mean_one_that_was_deployed() -> None:
    story = Asking()
    story.tell(success("1", "b", 4))
    story.answer()
    story.tell(success("2", "b", 5, full_sha=sha("b")[:9]))
    assert story.asked == []
    assert story.value("unknown", Unknown.NOT_FOUND) == 0


def test_an_answer_that_comes_when_its_deployment_is_forgotten_still_counts_its_changes() -> None:
    story = Asking()
    story.tell(success("1", "b", 4, full_sha=sha("b")[:8]))
    question = story.asked.pop()
    for number in range(1_001):
        story.tell(failure(f"f{number}", 5 + number))
    story.asked.append(question)
    story.answer(found("b", 2), predecessor=before("root"), full=sha("b"))
    assert story.value("lead_time") == hours(2)


def test_case_09_a_lagging_region_is_judged_by_its_own_predecessor() -> None:
    story = Asking()
    story.tell(success("1", "b", 1, environment=EU))
    story.answer(predecessor=before("root"))
    story.tell(success("2", "b", 2, environment=US))
    assert [(one.find_predecessor, one.environment) for one in story.asked] == [(True, US)]
    story.answer(predecessor=evolve(before("c"), deployment_id="us-0"), behind=True)
    assert story.value("rework") == 1
    assert story.value("lead_time") == []


def test_questions_that_are_out_can_be_asked_again() -> None:
    story = Asking()
    story.tell(success("1", "b", 4))
    assert list(story.core.open_questions()) == story.asked
    story.answer(found("b", 2), predecessor=before("root"))
    assert list(story.core.open_questions()) == []


def test_an_answer_about_what_nobody_asked_is_ignored() -> None:
    story = Asking()
    story.tell(success("1", "b", 4))
    question = story.asked[0]
    unasked = ChangesFound(repository=SHOP, received_at=START, environment=US, deployment_id="9")
    assert Core().apply(unasked).outcome.status is Status.IGNORED
    assert story.tell(unasked, evolve(unasked, environment=EU)) == [Status.IGNORED, Status.IGNORED]
    assert question in story.asked


def test_settled_first_deployments_do_not_hold_up_what_follows_while_they_are_asked_about() -> None:
    story = Asking()
    story.tell(success("1", "b", 4))
    story.answer()
    assert story.value("pending") == 0
    story.tell(push("root", "b", commit("b", 2)))
    assert story.value("pending") == 1
    story.tell(push("x", "y", commit("y", 2)))
    story.answer(found("b", 2))
    assert story.value("pending") == 0
    assert story.value("lead_time") == hours(2)


def test_a_commit_that_only_its_place_gives_to_a_pull_request_is_asked_about() -> None:
    """The merge's own push was lost; another one carries the merge to the branch again, behind a stranger's commit."""
    asking = Asking()
    asking.tell(merge(1, "m1", 2, commits=1), success("1", "base", 0))
    asking.answer(predecessor=before("base", -1))
    again = (commit("stranger", 1), commit("m1", 2), commit("end", 3))
    asking.tell(push("base", "end", *again), success("2", "end", 4))
    assert asking.asked[0].commits == (sha("stranger"), sha("end"))
    asking.answer(found("stranger", 1), found("end", 3), pull_requests=(pull(1, "m1", 2, first=1.5),))
    assert asking.value("lead_time") == hours(1, 2, 3)


def test_a_commit_that_a_pull_requests_own_merge_pushed_costs_no_question() -> None:
    asking = Asking()
    asking.tell(merge(1, "m1", 2, commits=1), success("1", "base", 0))
    asking.answer(predecessor=before("base", -1))
    asking.tell(push("base", "m1", commit("own", 1), commit("m1", 2, merge=True)), success("2", "m1", 4))
    assert asking.asked == []
    assert asking.value("lead_time") == hours(2)
