"""Making good what no delivery told: an `EventSource` that compares every repository with GitHub's lists.

Repositories take turns, evenly spread over the interval, one request after the other. A repository that GitHub does
not show holds up no other, and is asked about again in the next round.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from attrs import Factory, define, field, frozen

from dora.adapters.github.missed import Found, Mark, Reader, Since
from dora.domain.facts import DeploymentFinished, Environment, EnvironmentSeen, Fact, Repository
from dora.domain.instant import Duration, Instant, seconds
from dora.domain.outcome import Outcome, Status
from dora.ports import Entry, Refused, Unavailable

log = logging.getLogger(__name__)

CLAIM: Final = "reconcile"
"""What the replicas that share a state claim: one of them does it for all."""

PULSE: Final = 15.0
"""Seconds between two claims: several within a lease, and a replica takes over from a dead one within a minute."""

PATIENCE: Final = 5.0
"""Seconds until facts are offered again, if nobody said how many."""

AT_ONCE: Final = 100
"""Facts offered in one entry."""

_NEWS: Final = frozenset({Status.COUNTED, Status.STORED})


class Receive(Protocol):
    """Keeps facts and counts them."""

    async def __call__(self, entry: Entry, /) -> tuple[Outcome, ...]:
        """Return what became of each.

        Raises:
            Unavailable: they could not be kept now.
        """
        ...


class Report(Protocol):
    """Is told what was done."""

    def event(self, *, repository: str, source: str, type_: str, outcome: str) -> None:
        """Count a fact that was made good, as if its delivery had come."""
        ...

    def reconciled(self, result: str) -> None:
        """Count a repository's turn: `done`, `refused` or `unavailable`."""
        ...


@frozen
class Known:
    """A repository that the service knows."""

    repository: Repository
    since: Instant
    """When it was registered."""
    chain: Callable[[Environment], Instant | None]
    """Returns when the environment's chain was registered; None: it is not yet."""


@define(kw_only=True, eq=False)
class Reconciliation:
    """Brings what deliveries should have brought. See `dora.ports.EventSource` for what it promises."""

    reader: Reader
    interval: Duration
    """Microseconds in which every repository has its turn."""
    known: Callable[[], Iterable[Known]]
    receive: Receive
    claim: Callable[[str], Awaitable[bool]]
    release: Callable[[str], Awaitable[None]]
    report: Report
    clock: Callable[[], Instant]
    _marks: dict[str, Mark] = Factory(dict)
    """Repository -> how far it has been read, and all of it kept."""
    _told: set[tuple[str, str]] = Factory(set)
    """Repository, or none, and what failed: each is said once until it is over."""
    _unavailable: bool = field(init=False, default=False)
    """GitHub could not tell of some repository in this round."""

    async def run(self) -> None:
        """Bring facts until cancelled."""
        loop = asyncio.get_running_loop()
        process = self.clock()
        turns: deque[Known] = deque()
        due = loop.time()
        pace = seconds(self.interval)
        try:
            while True:
                await self._until(due)
                if not turns:
                    turns.extend(self.known())
                    self._begin_round(turns)
                    pace = seconds(self.interval) / max(len(turns), 1)
                due = loop.time() + pace
                if turns:
                    await self._take_turn(turns.popleft(), process)
        finally:
            await self.release(CLAIM)

    async def _until(self, when: float) -> None:
        """Wait for the time, by the loop's clock, and to be the one who does it for all who share the state."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                alone = await self.claim(CLAIM)
            except Unavailable:
                alone = False  # facts could not be kept either
            left = when - loop.time()
            if alone and left <= 0:
                return
            await asyncio.sleep(min(left, PULSE) if left > 0 else PULSE)

    async def _take_turn(self, known: Known, process: Instant) -> None:
        name = known.repository.name
        since = Since(repository=known.since, process=process, chain=known.chain)
        try:
            found = await self.reader.read(known.repository, since, self._marks.get(name), now=self.clock())
        except Refused as refused:
            self.report.reconciled("refused")
            self._tell(name, "GitHub refuses to tell what was missed", refused, permission=refused.permission)
            return
        except Unavailable as unavailable:
            self.report.reconciled("unavailable")
            self._unavailable = True
            self._tell("", "GitHub cannot tell now what was missed", unavailable)
            return
        self._told = {told for told in self._told if told[0] != name}
        await self._offer(name, found)
        self._marks[name] = found.mark
        self.report.reconciled("done")

    async def _offer(self, name: str, found: Found) -> None:
        made_good = 0
        for start in range(0, len(found.facts), AT_ONCE):
            facts = found.facts[start : start + AT_ONCE]
            for fact, outcome in zip(facts, await self._keep(facts), strict=True):
                if outcome.status in _NEWS and not isinstance(fact, EnvironmentSeen):
                    made_good += 1
                    self.report.event(
                        repository=name, source="github", type_=_event(fact), outcome=outcome.status.value
                    )
        if made_good:
            log.info("missed events made good", extra={"repository": name, "events": made_good})
        if found.left_out:
            log.warning("more may have been missed than is looked up at once", extra={"repository": name})

    async def _keep(self, entry: Entry) -> tuple[Outcome, ...]:
        while True:
            try:
                return await self.receive(entry)
            except Unavailable as unavailable:
                await asyncio.sleep(PATIENCE if unavailable.retry_after is None else unavailable.retry_after)

    def _tell(self, name: str, text: str, error: Unavailable, *, permission: str = "") -> None:
        told = (name, permission or text)
        if told not in self._told:
            self._told.add(told)
            whose = {"repository": name, "permission": permission or "unknown"} if name else {}
            log.warning(text, extra={**whose, "reason": str(error)})

    def _begin_round(self, turns: Iterable[Known]) -> None:
        """Forget repositories that are gone, and an outage that is over."""
        names = {known.repository.name for known in turns}
        if self._unavailable:
            names.add("")
        self._unavailable = False
        self._marks = {name: mark for name, mark in self._marks.items() if name in names}
        self._told = {told for told in self._told if told[0] in names}


def _event(fact: Fact) -> str:
    """Return the event whose delivery would have told it."""
    return "deployment_status" if isinstance(fact, DeploymentFinished) else "pull_request"
