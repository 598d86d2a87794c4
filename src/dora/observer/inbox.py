"""What came in and is not written yet, and who waits for an answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from attrs import Factory, define, field

from dora.domain.outcome import Outcome
from dora.ports import Entry, Unavailable

CAPACITY = 10_000
"""Entries waiting to be written; beyond it senders are told to come back."""

BATCH = 1_000
"""Facts written in one go, about: bounds how long the event loop is held, and the first waits for the last."""

QUIET = 4
"""Turns of the loop without an arrival after which none is expected: a request that was read takes two or three until
it is here. A turn with nothing else to do takes some microseconds."""


@define(eq=False)
class Submission:
    """An entry and its sender's wait."""

    entry: Entry
    answered: asyncio.Future[tuple[Outcome, ...]]
    judged: tuple[Outcome | None, ...] | None = None
    """What the core says of each fact before anything is written (None: to be written); None if none is admitted."""


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@define(eq=False)
class Inbox:
    """Submissions in the order in which they came in."""

    submissions: deque[Submission] = Factory(deque)
    """Those that are not answered yet."""
    _arrived: asyncio.Event = Factory(asyncio.Event)
    _empty: asyncio.Event = field(init=False, factory=_set)

    async def put(self, entry: Entry) -> tuple[Outcome, ...]:
        """Submit an entry and wait for the answer.

        Raises:
            Unavailable: too much is waiting already, or it could not be written.
            Invalid: it breaks a rule.
        """
        if len(self.submissions) >= CAPACITY:
            raise Unavailable("too much is waiting to be written", retry_after=1.0)
        submission = Submission(entry, asyncio.get_running_loop().create_future())
        self.submissions.append(submission)
        self._empty.clear()
        self._arrived.set()
        return await submission.answered

    async def arrival(self, *, until: float | None) -> None:
        """Wait for something to do, at most until a time by the loop's clock."""
        self._arrived.clear()
        if until is None:
            await self._arrived.wait()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._arrived.wait()

    async def settled(self, *, within: float) -> None:
        """Wait until `QUIET` turns of the loop have brought nothing, so many seconds have passed or a batch is full."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        quiet, before = 0, len(self.submissions)
        while quiet < QUIET and before < BATCH and loop.time() < until:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self.submissions) == before else 0
            before = len(self.submissions)

    def wake(self) -> None:
        """End a wait for an arrival: there is something else to do."""
        self._arrived.set()

    def batch(self) -> list[Submission]:
        """Return what is to be written in one go; it stays here until it is answered."""
        batch = []
        facts = 0
        for submission in self.submissions:
            batch.append(submission)
            facts += len(submission.entry)
            if facts >= BATCH:
                break
        return batch

    def remove_first(self) -> None:
        """Remove the oldest submission: it is answered."""
        self.submissions.popleft()

    def refuse(self, why: Unavailable) -> None:
        """Tell everybody who waits for an answer to come back."""
        for submission in self.submissions:
            if not submission.answered.done():
                submission.answered.set_exception(Unavailable(str(why), retry_after=why.retry_after))
        self.submissions.clear()
        self._empty.set()

    async def emptied(self) -> None:
        """Wait until everything that came in is answered, and `tell_if_empty` has said so."""
        await self._empty.wait()

    def tell_if_empty(self) -> None:
        """Let those go on who wait until everything is answered, if it is."""
        if not self.submissions:
            self._empty.set()
