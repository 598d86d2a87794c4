from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dora.domain.core import Core, Limits
from dora.domain.facts import Environment, Fact, Repository
from dora.domain.outcome import Ignored, Outcome, Status
from dora.observer.admission import Admission
from dora.ports import Problem
from tests.unit.observer.house import answer_to, environment_seen, keyed, pushed, seen, success

LIMIT = Outcome(Status.IGNORED, Ignored.LIMIT)
OTHER_CONTENT = "this idempotency key was used with other content"


def core(*facts: Fact) -> Core:
    known = Core()
    for fact in facts:
        known.apply(fact)
    return known


def admission(known: Core | None = None, *, repositories: int = 100, environments: int = 100) -> Admission:
    return Admission(known or Core(), Limits(repositories=repositories, environments=environments))


def test_what_the_core_knows_already_is_what_the_core_says() -> None:
    judging = admission(core(success(1)))
    assert judging.judge(success(1)) == Outcome(Status.DUPLICATE)
    assert judging.judge(answer_to(9)) == Outcome(Status.IGNORED, Ignored.UNASKED)
    assert judging.judge(success(2)) is None


def test_new_repositories_count_against_the_limit_before_they_are_applied() -> None:
    judging = admission(core(seen("acme/known")), repositories=2)
    assert judging.judge(seen("acme/new")) is None
    assert judging.judge(seen("acme/newer")) == LIMIT
    assert judging.judge(success(1, repository="acme/new")) is None
    assert judging.judge(success(1, repository="ACME/New")) is None
    assert judging.judge(success(1, repository="acme/known")) is None
    assert judging.judge(seen("acme/newer")) == LIMIT


def test_new_environments_count_against_the_limit_before_they_are_applied() -> None:
    judging = admission(core(environment_seen("a")), environments=2)
    assert judging.judge(environment_seen("b")) is None
    assert judging.judge(environment_seen("c")) == LIMIT
    assert judging.judge(environment_seen("b")) is None
    assert judging.judge(environment_seen("a")) == Outcome(Status.DUPLICATE)
    assert judging.judge(pushed(1, 2)) is None


def test_a_service_makes_another_environment_of_the_same_label() -> None:
    judging = admission(environments=1)
    assert judging.judge(success(1, environment=Environment("prod", "prod", "api"))) is None
    assert judging.judge(success(2, environment=Environment("prod", "prod", "web"))) == LIMIT
    assert judging.judge(success(3, environment=Environment("PROD", "prod", "api"))) is None


def test_listed_environments_are_admitted_whatever_the_limit_and_count_against_it() -> None:
    judging = admission(environments=1)
    assert judging.judge(environment_seen("production", listed=True)) is None
    assert judging.judge(environment_seen("a")) == LIMIT
    assert judging.judge(environment_seen("staging", listed=True)) is None


def test_each_repository_has_environments_of_its_own() -> None:
    judging = admission(core(seen("acme/known")), environments=1)
    for name in ("acme/known", "acme/new"):
        assert judging.judge(environment_seen("a", repository=name)) is None
        assert judging.judge(environment_seen("b", repository=name)) == LIMIT


def test_a_repository_under_two_names_has_one_set_of_environments() -> None:
    judging = admission(core(seen("acme/old", 7)), environments=1)
    renamed = environment_seen("a")
    assert judging.judge(environment_seen("b", repository="acme/old")) is None
    assert judging.judge(evolve(renamed, repository=Repository("acme/new", 7))) == LIMIT


def test_a_key_stands_for_one_content() -> None:
    judging = admission(core(keyed(success(1), "known", "one")))
    for key in ("known", "new"):
        assert judging.key_problems((keyed(success(1), key, "one"),)) == []
        assert judging.key_problems((keyed(success(2), key, "two"),)) == [Problem("/0/id", OTHER_CONTENT)]
        assert judging.key_problems((keyed(success(2), key, "two", client="another"),)) == []


def test_within_one_entry_too_and_every_problem_is_told() -> None:
    entry = (
        keyed(success(1), "k", "one"),
        success(2),
        keyed(success(3), "k", "two"),
        keyed(success(1), "k", "one"),
        keyed(success(4), "k", "three"),
    )
    assert admission().key_problems(entry) == [Problem("/2/id", OTHER_CONTENT), Problem("/4/id", OTHER_CONTENT)]


def test_an_entry_that_is_refused_uses_no_key() -> None:
    judging = admission(core(keyed(success(1), "old", "one")))
    assert judging.key_problems((keyed(success(2), "new", "two"), keyed(success(2), "old", "two")))
    assert judging.key_problems((keyed(success(3), "new", "three"),)) == []


def test_what_sends_no_key_breaks_no_rule() -> None:
    assert admission().key_problems((seen(), answer_to(1), success(1), success(1))) == []


@given(
    st.lists(
        st.builds(
            lambda repository, label, listed: environment_seen(label, repository=f"acme/{repository}", listed=listed),
            st.integers(0, 4),
            st.sampled_from("abcde"),
            st.booleans(),
        )
    ),
    st.integers(0, 20),
)
def test_judging_a_batch_admits_what_judging_one_after_the_other_admits(facts: list[Fact], known: int) -> None:
    limits = Limits(repositories=3, environments=2)
    one_by_one, at_once = Core(), Core()
    for fact in facts[:known]:
        if one_by_one.judge(fact, limits) is None:
            one_by_one.apply(fact)
            at_once.apply(fact)
    judging = Admission(at_once, limits)
    for fact in facts[known:]:
        alone = one_by_one.judge(fact, limits)
        assert (judging.judge(fact) == LIMIT) == (alone == LIMIT)
        if alone is None:
            one_by_one.apply(fact)
