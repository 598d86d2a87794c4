from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from dora.ports import Malformed, Problem
from dora.wire import Maybe, Moment, Rule, escape, rfc3339, structure


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def short(text: str) -> str:
    if len(text) > 3:
        raise ValueError("must be short")
    return text.upper()


@frozen
class Part:
    name: str


@frozen
class Whole:
    number: int
    at: Moment
    id: str | int
    text: str | None = None
    share: float = 0.0
    flag: bool = False
    colour: Colour | None = None
    version: Literal["1.0"] | None = None
    parts: tuple[Part, ...] = ()
    nice: Maybe[tuple[Maybe[Part], ...]] = None
    code: Annotated[str, Rule(short)] | None = None
    camel_case: int = field(default=0, alias="camelCase")
    anything: object = None
    members: dict[str, object] | None = None


GOOD = {"number": 1, "at": "2026-01-05T11:00:00Z", "id": "x"}


def problems(raw: object, *, at: str = "", forbid_extra: bool = False) -> tuple[Problem, ...]:
    with pytest.raises(Malformed) as caught:
        structure(raw, Whole, at=at, forbid_extra=forbid_extra)
    return caught.value.problems


def test_a_whole_is_read() -> None:
    raw = GOOD | {
        "id": 7,
        "text": None,
        "share": 1,
        "colour": "blue",
        "version": "1.0",
        "parts": [{"name": "a"}],
        "nice": [{"name": "b"}, None, {"name": 3}],
        "code": "ab",
        "camelCase": 2,
        "anything": [1],
        "members": {"k": 1},
        "unknown": True,
    }
    assert structure(raw, Whole) == Whole(
        number=1,
        at=Moment(rfc3339("2026-01-05T11:00:00Z")),
        id=7,
        share=1,
        colour=Colour.BLUE,
        version="1.0",
        parts=(Part("a"),),
        nice=(Part("b"), None, None),
        code="AB",
        camelCase=2,
        anything=[1],
        members={"k": 1},
    )


def test_all_problems_are_told_at_once_by_pointer_and_never_by_value() -> None:
    raw = {
        "number": "5551",
        "id": 5552.5,
        "text": 5553,
        "share": "5554",
        "flag": 1,
        "colour": "5555",
        "version": 1.0,
        "parts": [{"name": "a"}, {"name": 5556}, {}, 5557],
        "nice": 5558,
        "code": "5559",
        "camelCase": True,
        "members": [5560],
    }
    found = problems(raw, at="/data/0")
    assert [problem.pointer.removeprefix("/data/0") for problem in found] == [
        "/number",
        "/at",
        "/id",
        "/text",
        "/share",
        "/flag",
        "/colour",
        "/version",
        "/parts/1/name",
        "/parts/2/name",
        "/parts/3",
        "/code",
        "/camelCase",
        "/members",
    ]
    assert found[1] == Problem("/data/0/at", "is required")
    assert "555" not in "".join(problem.detail for problem in found)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [], {}])
def test_nothing_but_an_integer_is_an_integer(value: object) -> None:
    assert problems(GOOD | {"number": value}) == (Problem("/number", "must be an integer"),)


@pytest.mark.parametrize("value", ["2026-01-05T11:00:00", "yesterday", 1767600000, None])
def test_case_50_a_zone_less_date_is_a_problem(value: object) -> None:
    (problem,) = problems(GOOD | {"at": value})
    assert problem.pointer == "/at"


@pytest.mark.parametrize("raw", [None, [], "x", 1, True])
def test_what_is_no_object_is_no_shape(raw: object) -> None:
    assert problems(raw, at="/data") == (Problem("/data", "must be an object"),)


def test_unknown_fields_are_problems_where_they_are_forbidden_even_within() -> None:
    raw = GOOD | {"a/b~c": 1, "parts": [{"name": "x", "y": 1}]}
    assert structure(raw, Whole).parts == (Part("x"),)
    assert {problem.pointer for problem in problems(raw, forbid_extra=True)} == {"/a~1b~0c", "/parts/0/y"}


def test_a_body_full_of_problems_tells_a_hundred() -> None:
    assert len(problems(GOOD | {"parts": [{}] * 100_000})) == 100
    assert len(problems(GOOD | {f"key{number}": 1 for number in range(1_000)}, forbid_extra=True)) == 100


@given(st.text())
def test_an_escaped_key_is_one_step_of_a_pointer(key: str) -> None:
    step = escape(key)
    assert "/" not in step
    assert step.replace("~1", "/").replace("~0", "~") == key


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_a_maybe_is_never_a_problem(value: object) -> None:
    assert structure(GOOD | {"nice": value}, Whole).number == 1


def test_of_a_nice_part_that_lacks_a_field_nothing_is_read() -> None:
    raw = GOOD | {"nice": [{}, {"name": "b"}]}
    for forbid_extra in (False, True):
        assert structure(raw, Whole, forbid_extra=forbid_extra).nice == (None, Part("b"))


def test_a_key_that_a_nice_part_does_not_know_makes_it_absent_only_where_extra_keys_are_forbidden() -> None:
    raw = GOOD | {"nice": [{"name": "b", "colour": "red"}]}
    assert structure(raw, Whole).nice == (Part("b"),)
    assert structure(raw, Whole, forbid_extra=True).nice == (None,)
