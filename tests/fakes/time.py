"""An event loop with a clock of its own, which jumps to the next timer when there is nothing else to do."""

from __future__ import annotations

import asyncio
from selectors import DefaultSelector, SelectorKey

BUSY = 20_000
"""Turns of the loop without time passing that no test needs."""


class StuckError(AssertionError):
    """Nothing will ever happen, or the same for ever: a future is never resolved, or somebody never pauses."""


class _Selector(DefaultSelector):
    """Lets time pass instead of waiting."""

    now = 1_000.0
    turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise StuckError("every task waits for another")
        self.turns += 1
        if not ready and timeout:
            self.now += timeout
            self.turns = 0
        if self.turns > BUSY:
            raise StuckError("somebody does the same again and again, without a pause")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs hours in no time, always the same way; for code that talks to nobody outside the process."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Return the seconds that have passed by the loop's own clock."""
        return self._clock.now

    def keep_busy(self, seconds: float) -> None:
        """Let time pass as it does while the loop computes something."""
        self._clock.now += seconds


async def breathe() -> None:
    """Let everything happen that can happen without time passing."""
    for _ in range(50):
        await asyncio.sleep(0)
