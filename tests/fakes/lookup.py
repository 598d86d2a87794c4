"""A look-up that answers as it is told, deployment by deployment."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TypeAlias

from attrs import Factory, define

from dora.domain.facts import ChangesFound
from dora.domain.questions import ChangesSought
from dora.ports import Refused, Unavailable

Step: TypeAlias = ChangesFound | Unavailable | Refused | asyncio.Event
"""An answer, a failure, or something to wait for first."""


@define(eq=False)
class FakeLookup:
    """Answers that there are no changes, where it is not told otherwise."""

    script: dict[str, list[Step]] = Factory(dict)
    """Deployment id -> what happens when it is asked about, one step after the other."""
    always: Unavailable | None = None
    """What every question meets for which no step is left."""
    takes: float = 0.0
    """Seconds until an answer."""
    asked: list[ChangesSought] = Factory(list)
    asked_at: dict[str, list[float]] = Factory(dict)
    """Deployment id -> when it was asked about, by the loop's clock."""
    most_at_once: int = 0
    most_of_a_repository: int = 0
    _under_way: Counter[str] = Factory(Counter)

    async def changes(self, question: ChangesSought) -> ChangesFound:
        name, deployment = question.repository.name, question.deployment_id
        self.asked.append(question)
        self.asked_at.setdefault(deployment, []).append(asyncio.get_running_loop().time())
        self._under_way[name] += 1
        self.most_at_once = max(self.most_at_once, self._under_way.total())
        self.most_of_a_repository = max(self.most_of_a_repository, *self._under_way.values())
        try:
            await asyncio.sleep(self.takes)
            return await self._answer(question)
        finally:
            self._under_way[name] -= 1

    async def _answer(self, question: ChangesSought) -> ChangesFound:
        steps = self.script.get(question.deployment_id, [])
        step = steps.pop(0) if steps else self.always
        if isinstance(step, asyncio.Event):
            await step.wait()
            return await self._answer(question)
        if isinstance(step, Unavailable):
            raise step
        return step or nothing_found(question)


def nothing_found(question: ChangesSought) -> ChangesFound:
    """Return the answer that a deployment brought nothing."""
    return ChangesFound(
        repository=question.repository,
        received_at=question.succeeded_at,
        environment=question.environment,
        deployment_id=question.deployment_id,
    )
