"""Choices read from bytes: the same bytes make the same history, and fewer or smaller bytes a simpler one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from attrs import define

T = TypeVar("T")

_BYTE = 256


@define
class Choices:
    """A source of choices. When the bytes are used up every choice is the first, the simplest one."""

    data: bytes
    _at: int = 0

    def below(self, limit: int) -> int:
        """Return a whole number from 0 up to, and not including, the limit (at most 65,536)."""
        drawn = self._byte()
        if limit > _BYTE:
            drawn = drawn * _BYTE + self._byte()
        return drawn % limit

    def chance(self, percent: int) -> bool:
        """Say yes in about so many of a hundred cases; no when the bytes are used up."""
        return self._byte() * 100 >= (100 - percent) * _BYTE

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options; the simplest stands first."""
        return options[self.below(len(options))]

    def weighted(self, options: Sequence[tuple[int, T]]) -> T:
        """Return one of the options, each as often as its weight says; the simplest stands first."""
        left = self.below(sum(weight for weight, _ in options))
        for weight, option in options:
            left -= weight
            if left < 0:
                return option
        raise AssertionError("weights are whole numbers above 0")

    @property
    def exhausted(self) -> bool:
        """Say whether all bytes are used up."""
        return self._at >= len(self.data)

    def _byte(self) -> int:
        if self._at >= len(self.data):
            return 0
        self._at += 1
        return self.data[self._at - 1]
