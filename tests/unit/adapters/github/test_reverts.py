from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.github.reverts import reverted


@given(number=st.integers(min_value=1, max_value=10**9), branch=st.text(min_size=1))
def test_a_branch_of_the_revert_button_names_the_pull_request(number: int, branch: str) -> None:
    expected = None if branch.startswith(tuple(f"revert-{digit}" for digit in range(10))) else number
    assert reverted(f"revert-{number}-{branch}") == expected


def test_case_38_a_revert_of_a_revert_is_an_ordinary_change() -> None:
    assert reverted("revert-12-revert-7-topic") is None


@pytest.mark.parametrize(
    "head", ["", "topic", "revert", "revert-", "revert-12", "revert-x-topic", "revert-0-topic", "my-revert-12-topic"]
)
def test_other_branches_revert_nothing(head: str) -> None:
    assert reverted(head) is None


def test_a_branch_that_only_begins_like_a_revert_is_reverted_all_the_same() -> None:
    assert reverted("revert-12-revert-button") == 12
    assert reverted("revert-12-reverts") == 12
