from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.github.limits import Budget, is_limit, retry_after, speaks_of_limit
from dora.ports import Unavailable

SECOND = 1_000_000
NOW = 1_700_000_000 * SECOND


def told(remaining: int, *, limit: int = 5000, reset: int = 1_700_000_600, **more: str) -> dict[str, str]:
    return {
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-reset": str(reset),
        **more,
    }


def wait_of(budget: Budget, *, now: int = NOW, resource: str = "core", background: bool = False) -> float | None:
    try:
        budget.admit(resource, now=now, background=background)
    except Unavailable as error:
        return error.retry_after
    return None


def test_who_was_told_nothing_is_admitted() -> None:
    assert wait_of(Budget()) is None


@pytest.mark.parametrize(("remaining", "wait"), [(5000, None), (501, None), (500, 600), (0, 600)])
def test_a_tenth_of_the_limit_is_left_to_others(remaining: int, wait: float | None) -> None:
    budget = Budget()
    budget.note(told(remaining), "core", now=NOW)
    assert wait_of(budget) == wait
    assert wait_of(budget, now=NOW + 600 * SECOND) is None


@pytest.mark.parametrize(("remaining", "wait"), [(2501, None), (2500, 600), (0, 600)])
def test_what_can_wait_leaves_half_of_the_limit_to_everything_else(remaining: int, wait: float | None) -> None:
    budget = Budget()
    budget.note(told(remaining), "core", now=NOW)
    assert wait_of(budget, background=True) == wait


def test_what_can_wait_leaves_no_less_than_what_cannot() -> None:
    budget = Budget(reserve=0.8)
    budget.note(told(4000), "core", now=NOW)
    assert wait_of(budget, background=True) == wait_of(budget) == 600


def test_without_a_reserve_everything_may_be_used() -> None:
    budget = Budget(reserve=0)
    budget.note(told(1), "core", now=NOW)
    assert wait_of(budget) is None
    budget.note(told(0), "core", now=NOW)
    assert wait_of(budget) == 600


def test_limits_are_counted_by_the_resource_that_github_names() -> None:
    budget = Budget()
    budget.note({**told(0), "x-ratelimit-resource": "graphql"}, "core", now=NOW)
    assert wait_of(budget, resource="core") is None
    assert wait_of(budget, resource="graphql") == 600
    remaining = budget.remaining("graphql")
    assert remaining is not None
    assert (remaining.remaining, remaining.limit) == (0, 5000)


def test_a_wrong_clock_here_does_not_change_how_long_is_waited() -> None:
    budget = Budget()
    budget.note({**told(0), "date": "Tue, 14 Nov 2023 22:13:20 GMT"}, "core", now=NOW - 86_400 * SECOND)
    assert wait_of(budget, now=NOW - 86_400 * SECOND) == 600


@pytest.mark.parametrize("wrong", ["", "-1", "many", "1.5", "9" * 100, "\u0661"])
def test_headers_that_are_no_numbers_say_nothing(wrong: str) -> None:
    budget = Budget()
    for name in told(0):
        budget.note({**told(0), name: wrong}, "core", now=NOW)
    assert wait_of(budget) is None


def test_jitter_only_ever_waits_longer() -> None:
    assert Budget(chance=lambda: 1.0).limited({}, now=NOW).retry_after == 75
    assert Budget(chance=lambda: 0.0).limited({}, now=NOW).retry_after == 60


@given(
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-limit", "date"]),
        st.text() | st.integers().map(str) | st.just("Tue, 14 Nov 2023 22:13:20 GMT"),
    )
)
def test_whatever_an_answer_says_the_wait_is_between_a_second_and_two_hours(headers: dict[str, str]) -> None:
    budget = Budget()
    budget.note(headers, "core", now=NOW)
    wait = budget.limited(headers, now=NOW).retry_after
    assert wait is not None
    assert 1 <= wait <= 7200
    refused = wait_of(budget)
    assert refused is not None
    assert refused == pytest.approx(wait)
    assert wait_of(budget, now=NOW + 7200 * SECOND) is None


@pytest.mark.parametrize(
    ("text", "wait"),
    [("0", 0), ("7", 7), ("Tue, 14 Nov 2023 22:14:20 GMT", 60), ("Tue, 14 Nov 2023 22:00:00 GMT", 0), ("x", None)],
)
def test_retry_after_is_seconds_or_a_date(text: str, wait: float | None) -> None:
    assert retry_after({"retry-after": text}, now=NOW) == wait


def test_a_403_is_a_limit_only_if_it_says_so() -> None:
    assert not is_limit(403, {"x-ratelimit-remaining": "4000"}, '{"message":"Must have admin rights"}')
    assert is_limit(429, {}, "")
    assert is_limit(403, {"retry-after": "1"}, "")
    assert is_limit(403, {"x-ratelimit-remaining": "0"}, "")
    assert is_limit(403, {"x-ratelimit-remaining": "4000"}, "You have exceeded a secondary rate limit.")
    assert speaks_of_limit("You have triggered an abuse detection mechanism.")
