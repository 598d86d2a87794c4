"""What is in order answers as a sorted list does, however much of it was forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dora.domain.order import Order

Value = tuple[int]

STEPS = st.lists(st.tuples(st.sampled_from(("late", "next", "next", "next", "remove", "forget")), st.integers(0, 400)))
TIMES = st.sampled_from((1, 40))


@given(steps=STEPS, times=TIMES)
def test_it_answers_as_a_sorted_list_does(steps: list[tuple[str, int]], times: int) -> None:
    order, plain = Order[Value](), list[Value]()
    for way, number in steps:
        for repeated in range(times):
            tell(order, plain, way, number + repeated)
        asked = (number,)
        assert order.below(asked) == max((value for value in plain if value < asked), default=None)
        assert order.at_most(asked) == max((value for value in plain if value <= asked), default=None)
        assert order.above(asked) == min((value for value in plain if value > asked), default=None)
        assert order.until(asked) == [value for value in plain if value <= asked]
    assert list(order) == plain
    assert len(order) == len(plain)
    assert order == Order(plain)
    assert order != plain
    assert not plain or order.first == plain[0]


def tell(order: Order[Value], plain: list[Value], way: str, number: int) -> None:
    """Do the same to both; values are entered once."""
    if way in {"late", "next"}:
        value = (number if way == "late" else plain[-1][0] + 1 if plain else 0,)
        if value not in plain:
            order.add(value)
            plain.append(value)
            plain.sort()
    elif plain and way == "remove":
        order.remove(plain.pop(number % len(plain)))
    elif plain:
        assert order.forget_first() == plain.pop(0)
