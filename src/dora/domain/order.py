"""Values in ascending order, of which the least can be forgotten at a cost that does not grow with how many there are.

What a chain or a ledger remembers by time is a list that nearly always grows at its end and, once it is full, loses its
first value for each that comes. Taken out of a list, that one moves all behind it: some kilobytes of memory for each
fact, which no cache holds for many lists. Here the forgotten stay in front until they are many, and are passed over.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from attrs import Factory, define, field

_V = TypeVar("_V", bound=tuple[Any, ...])

_FORGOTTEN_AT_ONCE = 64
"""Forgotten values that are taken out together."""

_NEWEST = 8
"""Values at the end among which a place is sought first: they are the ones that a processor has at hand."""


@define(eq=False, weakref_slot=False)
class Order(Generic[_V]):
    """Values in ascending order."""

    _values: list[_V] = Factory(list)
    _start: int = field(default=0, init=False)
    """How many in front are forgotten."""

    def __len__(self) -> int:
        return len(self._values) - self._start

    def __iter__(self) -> Iterator[_V]:
        values = iter(self._values)
        for _ in range(self._start):
            next(values)
        return values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Order) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # it changes

    @property
    def first(self) -> _V:
        """The least value; there must be one."""
        return self._values[self._start]

    def add(self, value: _V) -> None:
        """Enter a value."""
        values = self._values
        if not values or value > values[-1]:  # as usual
            values.append(value)
        else:
            insort(values, value, self._start)

    def remove(self, value: _V) -> None:
        """Take out a value that is here."""
        del self._values[bisect_left(self._values, value, self._low(value))]

    def forget_first(self) -> _V:
        """Take out the least value, which there must be, and return it."""
        value = self._values[self._start]
        self._start += 1
        if self._start > _FORGOTTEN_AT_ONCE or self._start == len(self._values):
            del self._values[: self._start]
            self._start = 0
        return value

    def below(self, value: _V) -> _V | None:
        """Return the greatest that is less than a value."""
        index = bisect_left(self._values, value, self._low(value))
        return self._values[index - 1] if index > self._start else None

    def at_most(self, value: _V) -> _V | None:
        """Return the greatest that is not greater than a value."""
        index = bisect_right(self._values, value, self._low(value))
        return self._values[index - 1] if index > self._start else None

    def above(self, value: _V) -> _V | None:
        """Return the least that is greater than a value."""
        index = bisect_right(self._values, value, self._low(value))
        return self._values[index] if index < len(self._values) else None

    def until(self, value: _V) -> list[_V]:
        """Return those that are not greater than a value."""
        return self._values[self._start : bisect_right(self._values, value, self._start)]

    def _low(self, value: _V) -> int:
        """Return from where on a value is to be sought."""
        low = len(self._values) - _NEWEST
        return low if low > self._start and self._values[low] < value else self._start
