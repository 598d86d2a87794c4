"""Whatever happens to senders and to the journal: what was acknowledged is kept, and counted once, as in a replay."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from attrs import Factory, define
from hypothesis import given, settings
from hypothesis import strategies as st

from dora.domain.facts import ChangesFound
from dora.domain.instant import Duration
from dora.domain.outcome import Outcome, Status
from dora.ports import Refused, Unavailable
from tests.fakes.journal import FakeState
from tests.fakes.lookup import FakeLookup, Step
from tests.fakes.time import VirtualLoop, breathe
from tests.unit.observer.house import House, deployments, living, success

POLL = 250_000
DEPLOYMENTS = range(1, 9)

Sent = tuple[frozenset[int], "asyncio.Task[tuple[Outcome, ...]]"]


@define(eq=False)
class Schedule:
    """What happens, step by step, to two processes that share a log."""

    one: House
    two: House
    sent: list[Sent] = Factory(list)

    async def restart(self) -> None:
        await self.one.stop()
        self.one = House(self.one.state, lookup=self.one.lookup, poll=POLL, gathering=self.one.gathering)
        await self.one.observer.start()
        await self.one.run()

    async def step(self, what: str, number: int) -> None:  # noqa: C901, PLR0912 - one arm a kind of step
        match what:
            case "send" | "send to the other":
                house = self.one if what == "send" else self.two
                numbers = [number, number % 3 + 1]
                facts = [success(each, repository=f"acme/{each % 3}", asks=True) for each in numbers]
                self.sent.append((frozenset(numbers), house.send(*facts)))
            case "cancel":
                self.sent[number % len(self.sent)][1].cancel() if self.sent else None
            case "lose an answer":
                self.one.journal.lost_answers += 1
            case "break":
                self.one.journal.broken = Unavailable("cut off")
            case "mend":
                self.one.journal.broken = None
            case "hang before writing":
                self.one.journal.writes.clear()
            case "hang after writing":
                self.one.journal.answers.clear()
            case "go on":
                self.one.journal.writes.set()
                self.one.journal.answers.set()
            case "restart":
                await self.restart()
            case "wait":
                await asyncio.sleep(number * 0.2)
            case "turn":
                for _ in range(number):
                    await asyncio.sleep(0)
            case _:
                await breathe()


STEPS = (
    "send", "send", "send to the other", "cancel", "lose an answer", "break", "mend",
    "hang before writing", "hang after writing", "go on", "restart", "wait", "turn", "breathe",
)  # fmt: skip


async def live(steps: list[tuple[str, int]], gathering: Duration) -> None:
    state = FakeState()
    script: dict[str, list[Step]] = {"1": [Unavailable("down")], "2": [Refused("no")]}
    one = House(state, lookup=FakeLookup(script=script, takes=0.3), poll=POLL, gathering=gathering)
    two = House(state, lookup=FakeLookup(takes=0.3), poll=POLL)
    async with living(one), living(two):
        schedule = Schedule(one, two)
        for what, number in [*steps, ("mend", 0), ("go on", 0)]:
            await schedule.step(what, number)
        await asyncio.sleep(100)
        kept = [await acknowledged_by(sent) for sent in schedule.sent]
        acknowledged = {str(number) for numbers in kept for number in numbers}
        for house in (schedule.one, two):
            house.assert_counted_as_replayed()
            counted = Counter(deployments(house.sink.observations))
            assert acknowledged <= counted.keys(), "something acknowledged was lost"
            assert set(counted.values()) <= {1}, "something was counted twice"
            assert house.observer.ready
            assert house.observer.pending_questions == 0
            assert list(house.observer.core.open_questions()) == []
            answered = {fact.deployment_id for fact in state.facts() if isinstance(fact, ChangesFound)}
            assert answered == counted.keys(), "a question was lost"
        await schedule.one.stop()


async def acknowledged_by(sent: Sent) -> frozenset[int]:
    """Return what a sender was told is kept."""
    numbers, task = sent
    assert task.done(), "somebody was never answered"
    with suppress(Unavailable, asyncio.CancelledError):
        outcomes = await task
        assert {outcome.status for outcome in outcomes} <= {Status.COUNTED, Status.DUPLICATE}
        return numbers
    return frozenset()


@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(DEPLOYMENTS)), max_size=30), st.sampled_from([0, 5_000])
)
@settings(deadline=None)
def test_what_was_acknowledged_is_kept_and_counted_once(steps: list[tuple[str, int]], gathering: Duration) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(live(steps, gathering))
