"""The gate: whether requests may change anything now, and which of them are under way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import Factory, define

if TYPE_CHECKING:
    from dora.adapters.http.needs import Receiver


@define
class Gate:
    """The stages of the service's life as the doors see them: starting, open, draining."""

    receiver: Receiver
    restored: bool = False
    """Set once the state is restored: until then nothing is shown, since replayed counters still climb."""
    draining: bool = False
    _active: int = 0
    _idle: asyncio.Event = Factory(asyncio.Event)

    @property
    def open(self) -> bool:
        """True if a request that comes now may change something."""
        return self.restored and not self.draining

    @property
    def ready(self) -> bool:
        """True if a sender should be sent here."""
        return self.open and self.receiver.ready

    def enter(self) -> bool:
        """Note that a request begins; return whether the drain has to wait for it."""
        if self.draining:
            return False
        self._active += 1
        return True

    def leave(self) -> None:
        """Note that a request which the drain waits for has ended."""
        self._active -= 1
        if self.draining and self._active == 0:
            self._idle.set()

    async def drained(self) -> None:
        """Let nothing new in, and return when the requests that were under way are answered."""
        self.draining = True
        if self._active:
            await self._idle.wait()
