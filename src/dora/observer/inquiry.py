"""The worker of questions: asks what the core wants to know, outside of any request, until it is answered.

Several questions are under way at once, of one repository only one, and repositories take turns, so that one with a
thousand deployments starves nobody. The core has at most one question out per chain. Whatever fails is asked again; a
refusal that still stands a minute later is an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from attrs import Factory, define

from dora.domain.facts import ChangesFound, Unknown
from dora.domain.instant import MICROSECONDS, Instant
from dora.domain.questions import ChangesSought
from dora.ports import CommitLookup, Refused, Unavailable

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Questions under way: the adapter is serial towards GitHub anyway; more would only wait there."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds between tries: half a minute at most, so that a recovery is noticed within one."""

CERTAIN_AFTER = 60.0
"""Seconds after which a refusal that still stands is certain."""

LEASE = 45 * MICROSECONDS
"""How long a question is one process' own where several share the state: longer than a pause and most answers.

Together with `DENIED` less than a minute: so soon another process takes over from one that was killed.
"""

DENIED = 10.0
"""Seconds after which a question is looked at again that is another process' own."""

Asked = tuple[str, str, str, str]
"""Repository, environment label, service, deployment id."""


def asked_of(question: ChangesSought | ChangesFound) -> Asked:
    """Return what a question, or an answer, is about: two about the same are one."""
    environment = question.environment
    return question.repository.name, environment.label, environment.service, question.deployment_id


def _name(asked: Asked) -> str:
    return "\n".join(asked)


@define
class _Open:
    question: ChangesSought
    since: float
    not_before: float = 0.0
    tries: int = 0
    refused_at: float | None = None
    found: ChangesFound | None = None
    """The answer, if it could not be kept yet."""


@define
class Inquiry:
    """The questions that are out, and the tasks that ask them."""

    lookup: CommitLookup
    answer: Callable[[ChangesFound], Awaitable[None]]
    """Takes an answer to be kept and applied; raises `Unavailable` if it could not be."""
    claim: Callable[[str], Awaitable[bool]]
    """Whether this process alone may ask; raises `Unavailable`."""
    release: Callable[[str], Awaitable[None]]
    """Lets another process ask."""
    now: Callable[[], Instant]
    _open: dict[str, OrderedDict[Asked, _Open]] = Factory(dict)
    """Repository -> its open questions, oldest first; the repository whose turn was longest ago stands first."""
    _busy: set[str] = Factory(set)
    _warned: set[tuple[str, str]] = Factory(set)
    _changed: asyncio.Event = Factory(asyncio.Event)

    def put(self, question: ChangesSought) -> None:
        """Add a question."""
        asked = asked_of(question)
        self._open.setdefault(asked[0], OrderedDict())[asked] = _Open(
            question=question, since=asyncio.get_running_loop().time()
        )
        self._changed.set()

    def settle(self, fact: ChangesFound) -> None:
        """Drop a question that was answered, by whomever."""
        self._drop(asked_of(fact))

    @property
    def pending(self) -> int:
        """How many questions are out."""
        return sum(len(questions) for questions in self._open.values())

    def oldest_age(self) -> float:
        """Return the seconds for which the oldest question has been out; 0 without any."""
        now = asyncio.get_running_loop().time()
        return max((now - one.since for questions in self._open.values() for one in questions.values()), default=0.0)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._ask_on())

    async def _ask_on(self) -> None:
        while True:
            repository, asked, wait = self._next()
            if asked is None:
                self._changed.clear()
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    pass  # the time of the next try has come
                continue
            self._busy.add(repository)
            try:
                await self._ask(asked, self._open[repository][asked])
            except asyncio.CancelledError:
                # Who goes on with it, after a restart maybe, must not wait for the lease.
                await self.release(_name(asked))
                raise
            finally:
                self._busy.discard(repository)
                self._changed.set()

    def _next(self) -> tuple[str, Asked | None, float | None]:
        """Return the next question whose time has come, or how many seconds that is from now (None: unknown)."""
        now = asyncio.get_running_loop().time()
        soonest: float | None = None
        for repository, questions in self._open.items():
            if repository in self._busy:
                continue
            for asked, one in questions.items():
                if one.not_before <= now:
                    self._open[repository] = self._open.pop(repository)  # its turn: to the end of the line
                    return repository, asked, None
                soonest = one.not_before if soonest is None else min(soonest, one.not_before)
        return "", None, None if soonest is None else max(0.0, soonest - now)

    async def _ask(self, asked: Asked, one: _Open) -> None:
        """Bring a question to an answer that is kept, or to a time when to try again."""
        loop = asyncio.get_running_loop()
        try:
            if one.found is None:
                if not await self.claim(_name(asked)):
                    one.not_before = loop.time() + DENIED
                    return
                one.found = await self.lookup.changes(one.question)
                self._warned.discard((asked[0], ""))
        except Refused as refused:
            self._warn(one.question, refused)
            now = loop.time()
            if one.refused_at is None:
                one.refused_at = now
            certain_at = one.refused_at + CERTAIN_AFTER
            if now < certain_at:
                one.not_before = min(certain_at, now + LONGEST_PAUSE)
                return
            one.found = ChangesFound(
                repository=one.question.repository,
                received_at=self.now(),
                environment=one.question.environment,
                deployment_id=one.question.deployment_id,
                unknown=Unknown.GITHUB_REFUSED,
            )
        except Unavailable as unavailable:
            one.refused_at = None
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(one.tries, 10))
            one.tries += 1
            asked_for = unavailable.retry_after
            one.not_before = loop.time() + (pause if asked_for is None else max(asked_for, FIRST_PAUSE))
            log.debug("lookup postponed", extra={"repository": asked[0], "reason": str(unavailable)})
            return
        if not self._is_open(asked, one):
            return  # another process' answer was first
        try:
            await self.answer(one.found)
        except Unavailable:
            one.not_before = loop.time() + FIRST_PAUSE
            return
        if self._is_open(asked, one):
            self._drop(asked)  # the core did not want it any more: deliveries told what it needed

    def _is_open(self, asked: Asked, one: _Open) -> bool:
        questions = self._open.get(asked[0])
        return questions is not None and questions.get(asked) is one

    def _drop(self, asked: Asked) -> None:
        questions = self._open.get(asked[0])
        if questions is not None:
            questions.pop(asked, None)
            if not questions:
                del self._open[asked[0]]

    def _warn(self, question: ChangesSought, refused: Refused) -> None:
        """Say once per repository and permission what is missing."""
        told = (question.repository.name, refused.permission)
        if told not in self._warned:
            self._warned.add(told)
            log.warning(
                "GitHub refuses a look-up",
                extra={
                    "repository": question.repository.name,
                    "permission": refused.permission or "unknown",
                    "reason": str(refused),
                },
            )
