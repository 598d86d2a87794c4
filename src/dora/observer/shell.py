"""The shell: the only place that awaits between two decisions.

One task writes: it takes what came in meanwhile, asks the core which of it matters, appends that to the journal in one
go, applies what the log then holds, records the observations and answers the senders. So a 2xx means kept and counted,
and the core sees facts in the log's order, live as in replay.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from attrs import define, field

from dora.domain.core import Core, Limits
from dora.domain.facts import ChangesFound, Fact
from dora.domain.instant import Instant, seconds
from dora.domain.outcome import Outcome
from dora.observer.admission import Admission
from dora.observer.inbox import Inbox, Submission
from dora.observer.inquiry import LEASE, Inquiry
from dora.observer.snapshots import SNAPSHOT_AFTER, Snapshots, StateCodec
from dora.ports import (
    CommitLookup,
    Entry,
    Journal,
    MetricSink,
    Snapshot,
    StateDamaged,
    StateTaken,
    Unavailable,
)

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds after which a sender may come back when something is wrong."""

HEALING = 1.0
"""Seconds between asking a journal that could not write whether it can again."""

BREATH = 500
"""Facts replayed before other tasks (the health check) get a turn."""


class Standing(StrEnum):
    """What an observer can do."""

    STARTING = "starting"
    READY = "ready"
    UNWRITABLE = "unwritable"
    """The journal cannot write now; senders are told to come back."""
    LOST = "lost"
    """The state is damaged, another process took it over, or it was left half applied: nothing more is written."""
    DRAINING = "draining"


def _now() -> Instant:
    return time.time_ns() // 1_000


@define(eq=False)
class Observer:
    """Keeps facts, counts them, and has questions answered.

    `start`, then `run` as a task; `receive` from any task of the same loop; `drain` at the end.
    """

    core: Core
    journal: Journal
    sink: MetricSink
    lookup: CommitLookup | None = None
    codec: StateCodec | None = None
    """Writes snapshots; None where the journal keeps nothing."""
    snapshot_after: int = SNAPSHOT_AFTER
    """Facts after which a snapshot is written."""
    limits: Limits = field(factory=Limits)
    now: Callable[[], Instant] = _now
    standing: Standing = Standing.STARTING
    _inbox: Inbox = field(init=False, factory=Inbox)
    _inquiry: Inquiry | None = field(init=False, default=None)
    _poll_at: float | None = field(init=False, default=None)
    """When to ask the journal for the entries of others, by the loop's clock; None: there are none."""
    _limit_told: bool = False
    _restored: bool = field(init=False, default=False)
    _snapshots: Snapshots = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._snapshots = Snapshots(core=self.core, journal=self.journal, codec=self.codec)

    @property
    def ready(self) -> bool:
        """State is restored and facts are accepted."""
        return self.standing is Standing.READY

    @property
    def lost(self) -> bool:
        """Whether the state is another process' by now, or damaged: what is counted here is no longer what is kept."""
        return self.standing is Standing.LOST

    @property
    def waiting(self) -> int:
        """Entries not written and answered yet."""
        return len(self._inbox.submissions)

    @property
    def pending_questions(self) -> int:
        """Questions that are out."""
        return self._inquiry.pending if self._inquiry else 0

    def oldest_question_age(self) -> float:
        """Return the seconds for which the oldest question has been out."""
        return self._inquiry.oldest_age() if self._inquiry else 0.0

    async def start(self) -> None:
        """Take the state over and restore it. What cannot be read at once is waited for.

        Raises:
            Unavailable: it cannot be reached; nothing has happened yet, so this may be tried again.
            StateTaken: another process holds it.
            StateDamaged: it cannot be read.
        """
        snapshot = await self.journal.open()
        # Restoring makes millions of objects that stay: looking for garbage among them would take most of the time.
        gc.disable()
        try:
            if snapshot is not None:
                await self._load(snapshot)
            await self._replay()
        finally:
            gc.freeze()
            gc.enable()
        if self.lookup is not None:
            self._inquiry = Inquiry(
                lookup=self.lookup,
                answer=self._answer,
                claim=self.claim,
                release=self.journal.release,
                now=self.now,
            )
            for question in self.core.open_questions():
                self._inquiry.put(question)
        self._restored = True
        if self.standing is not Standing.DRAINING:
            self.standing = Standing.READY
        log.info("state restored", extra={"facts": self._snapshots.facts, "repositories": len(self.core.repositories)})

    async def _replay(self) -> None:
        rested = 0
        try:
            async for entry in self.journal.replay():
                for fact in entry:
                    self._apply(fact)
                # Between entries only: whoever ends the process meanwhile leaves no entry half applied.
                if self._snapshots.facts - rested >= BREATH:
                    rested = self._snapshots.facts
                    await asyncio.sleep(0)
        except Unavailable as unavailable:
            await self._heal(unavailable)  # the rest comes with the first append, and replaying anew would repeat facts

    async def _load(self, snapshot: Snapshot) -> None:
        if self.codec is None:
            raise StateDamaged("the journal holds a snapshot, and there is nothing here to read it")
        for _ in self.codec.load(self.core, snapshot):
            await asyncio.sleep(0)

    async def run(self) -> None:
        """Write and ask until cancelled, or until the state is lost.

        Raises:
            StateTaken: another process took the state over.
            StateDamaged: the state changed under this process.
        """
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(self._inquiry.run()) if self._inquiry is not None else None
            try:
                lost = await self._write(tasks)
            finally:
                for task in (asking, self._snapshots.keeping):
                    if task is not None:
                        task.cancel()
        raise lost  # here, since a group of tasks would wrap it

    async def receive(self, entry: Entry) -> tuple[Outcome, ...]:
        """Keep facts that came in together, and count them.

        Returns:
            What became of each.

        Raises:
            Unavailable: they could not be kept now. Sending them again is safe.
            Invalid: an idempotency key was used before with other content; nothing is kept.
        """
        if self.standing is not Standing.READY:
            raise Unavailable(f"the service is {self.standing}", retry_after=PATIENCE)
        return await self._inbox.put(entry)

    async def drain(self) -> None:
        """Accept nothing more, and wait until everything accepted is answered. Questions stay open."""
        if self.standing is not Standing.LOST:
            self.standing = Standing.DRAINING
        await self._inbox.emptied()

    async def close(self) -> None:
        """Shorten the next start by a snapshot if enough has come since the last, and release the state."""
        if self._restored and self.standing is Standing.DRAINING:
            await self._snapshots.write_last(self.snapshot_after)
        await self.journal.close()

    # Writing

    async def _write(self, tasks: asyncio.TaskGroup) -> StateTaken | StateDamaged:
        """Write until cancelled, or until the state is lost: then return why."""
        self._poll_at = None if self.journal.poll is None else asyncio.get_running_loop().time()
        gathering = seconds(self.journal.gathering)
        ending = Standing.LOST  # unless cancelled: whatever else broke, broke in the middle of something
        try:
            while True:
                if self._snapshots.writing is not None:
                    await self._snapshots.go_on(self._snapshots.writing, tasks)
                elif not self._inbox.submissions:
                    await self._inbox.arrival(until=self._poll_at)
                if gathering and self._inbox.submissions:
                    await self._inbox.settled(within=gathering)
                if self._inbox.submissions or self._is_poll_due():
                    await self._write_batch(self._inbox.batch())
                self._inbox.tell_if_empty()
        except asyncio.CancelledError:
            ending = Standing.DRAINING
            raise
        except (StateTaken, StateDamaged) as lost:
            log.critical("state lost", extra={"reason": str(lost)})
            return lost
        finally:
            # Nobody writes from now on, whatever the reason: nobody must wait for it.
            self.standing = ending
            self._inbox.refuse(Unavailable(f"the service is {self.standing}", retry_after=PATIENCE))

    def _is_poll_due(self) -> bool:
        return self._poll_at is not None and asyncio.get_running_loop().time() >= self._poll_at

    async def _write_batch(self, batch: Sequence[Submission]) -> None:
        admission = Admission(self.core, self.limits)
        kept = admission.admit(batch)
        if admission.limited:
            self._tell_limit()
        try:
            if kept or self._is_poll_due():
                await self._append(kept)
        except Unavailable as unavailable:
            await self._heal(unavailable)
            return
        for submission in batch:
            self._finish(submission)
            self._inbox.remove_first()
        if self._snapshots.is_due(self.snapshot_after):
            await self.begin_snapshot()

    async def _append(self, entries: Sequence[Entry]) -> int:
        """Append entries, and apply those that turn out to stand before them. Returns how many these are."""
        found = await self.journal.append(entries)
        poll = self.journal.poll
        self._poll_at = None if poll is None else asyncio.get_running_loop().time() + seconds(poll)
        for entry in found:
            for fact in entry:
                self._apply(fact)
        return len(found)

    def _finish(self, submission: Submission) -> None:
        """Apply what was written of a submission, though its sender may have gone meanwhile, and answer."""
        if submission.judged is None:
            return
        outcomes = tuple(
            [
                judged if judged is not None else self._apply(fact)
                for fact, judged in zip(submission.entry, submission.judged, strict=True)
            ]
        )
        if not submission.answered.done():
            submission.answered.set_result(outcomes)

    def _tell_limit(self) -> None:
        if not self._limit_told:
            self._limit_told = True
            log.warning(
                "a limit is reached: new repositories or environments are ignored", extra={"limits": str(self.limits)}
            )

    async def _heal(self, unavailable: Unavailable) -> None:
        """Wait until the journal can write again; apply what came through after all."""
        log.error("state unwritable", extra={"reason": str(unavailable)})
        if self.standing is Standing.READY:
            self.standing = Standing.UNWRITABLE
        healed = False
        while not healed:
            self._inbox.refuse(Unavailable("the state cannot be written now", retry_after=PATIENCE))
            await asyncio.sleep(HEALING)
            with contextlib.suppress(Unavailable):
                while await self._append(()):
                    pass  # others may be writing: pausing in between, there would always be something new
                healed = True
        if self.standing is Standing.UNWRITABLE:
            self.standing = Standing.READY
        log.info("state writable again")

    # Snapshots

    async def begin_snapshot(self) -> None:
        """Begin to write the state as it is now, unless the journal keeps none or another process does it."""
        if await self._snapshots.begin():
            self._inbox.wake()

    # Applying

    def _apply(self, fact: Fact) -> Outcome:
        self._snapshots.before(fact)
        applied = self.core.apply(fact)
        if applied.observations:
            self.sink.record(applied.observations, at=fact.received_at)
        if self._inquiry is not None:
            if isinstance(fact, ChangesFound):
                self._inquiry.settle(fact)
            for question in applied.questions:
                self._inquiry.put(question)
        return applied.outcome

    # Questions

    async def _answer(self, found: ChangesFound) -> None:
        await self._inbox.put((found,))

    async def claim(self, name: str) -> bool:
        """Return whether this process alone may do what the name stands for, for `LEASE`; see `Journal.claim`.

        Raises:
            Unavailable: nobody can tell now.
        """
        try:
            return await self.journal.claim(name, lease=LEASE)
        except (StateTaken, StateDamaged) as lost:
            # So does every other call from now on: the next append ends the run, and that is now.
            self._poll_at = asyncio.get_running_loop().time()
            self._inbox.wake()
            raise Unavailable("the state is lost to this process") from lost
