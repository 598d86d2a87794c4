from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest
from attrs import Factory, define, field

from dora.domain.facts import ChangesFound, Repository, Unknown
from dora.domain.questions import ChangesSought
from dora.observer.inquiry import AT_ONCE, DENIED, FIRST_PAUSE, LONGEST_PAUSE, Inquiry
from dora.ports import Refused, Unavailable
from tests.fakes.lookup import FakeLookup
from tests.fakes.time import breathe
from tests.unit.observer.house import NOW, PRODUCTION, answer_to, sha


@define(eq=False)
class Desk:
    """Where questions come from, and where answers go."""

    lookup: FakeLookup = Factory(FakeLookup)
    wanted: bool = True
    """Answers settle their questions."""
    follow_up: ChangesSought | None = None
    """What the next answer leads to."""
    unwritable: bool = False
    claimable: bool = True
    unreachable: bool = False
    """Nobody can tell whose a question is."""
    answers: list[ChangesFound] = Factory(list)
    answered_at: list[float] = Factory(list)
    released: list[str] = Factory(list)
    inquiry: Inquiry = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.inquiry = Inquiry(
            lookup=self.lookup, answer=self.answer, claim=self.claim, release=self.release, now=lambda: NOW
        )

    async def answer(self, found: ChangesFound) -> None:
        if self.unwritable:
            raise Unavailable("no space left")
        self.answers.append(found)
        self.answered_at.append(asyncio.get_running_loop().time())
        if self.wanted:
            self.inquiry.settle(found)
        if self.follow_up is not None:
            self.inquiry.put(self.follow_up)
            self.follow_up = None

    async def claim(self, name: str) -> bool:
        assert name
        if self.unreachable:
            raise Unavailable("nobody is there")
        return self.claimable

    async def release(self, name: str) -> None:
        self.released.append(name)

    def put(self, *numbers: int, repository: str = "acme/shop") -> None:
        for number in numbers:
            self.inquiry.put(question(number, repository=repository))

    def asked_after(self, number: int) -> list[float]:
        """Return how many seconds after it was first asked each time a question was asked."""
        times = self.lookup.asked_at[str(number)]
        return [round(time - times[0], 3) for time in times]


def question(number: int, *, repository: str = "acme/shop") -> ChangesSought:
    return ChangesSought(
        repository=Repository(repository),
        environment=PRODUCTION,
        deployment_id=str(number),
        sha=sha(number),
        succeeded_at=NOW,
        max_commits=1000,
    )


@asynccontextmanager
async def asking(desk: Desk) -> AsyncIterator[Desk]:
    running = asyncio.ensure_future(desk.inquiry.run())
    try:
        yield desk
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_question_is_asked_once_and_its_answer_handed_on() -> None:
    async with asking(Desk()) as desk:
        desk.put(1)
        assert desk.inquiry.pending == 1
        await asyncio.sleep(3600)
        assert desk.lookup.asked == [question(1)]
        assert [answer.deployment_id for answer in desk.answers] == ["1"]
        assert desk.inquiry.pending == 0


async def test_questions_that_were_there_before_are_asked_too() -> None:
    desk = Desk()
    desk.put(1, 2)
    async with asking(desk):
        await breathe()
        assert len(desk.answers) == 2


async def test_the_age_is_that_of_the_oldest_question() -> None:
    never = asyncio.Event()
    async with asking(Desk(FakeLookup(script={"1": [never]}))) as desk:
        assert desk.inquiry.oldest_age() == 0.0
        desk.put(1)
        await asyncio.sleep(40)
        desk.put(2, repository="acme/other")
        await asyncio.sleep(2)
        assert desk.inquiry.oldest_age() == pytest.approx(42)
        never.set()
        await breathe()
        assert desk.inquiry.oldest_age() == 0.0


async def test_settling_what_is_not_open_does_nothing() -> None:
    desk = Desk()
    desk.inquiry.settle(answer_to(1))
    desk.put(1)
    desk.inquiry.settle(answer_to(2))
    assert desk.inquiry.pending == 1


# Turns


async def test_several_questions_are_under_way_at_once_and_of_one_repository_only_one() -> None:
    async with asking(Desk(FakeLookup(takes=1.0))) as desk:
        for number in range(40):
            desk.put(number, repository=f"acme/{number % 10}")
        await asyncio.sleep(10.5)
        assert len(desk.answers) == 40
        assert desk.lookup.most_at_once == AT_ONCE
        assert desk.lookup.most_of_a_repository == 1


async def test_a_repository_with_many_questions_keeps_no_other_waiting() -> None:
    async with asking(Desk(FakeLookup(takes=1.0))) as desk:
        for name in ("acme/a", "acme/b", "acme/c", "acme/d"):
            desk.put(*range(100), repository=name)
        await asyncio.sleep(10.5)
        desk.put(1000, repository="acme/quiet")
        await asyncio.sleep(3)
        assert "1000" in [answer.deployment_id for answer in desk.answers]


async def test_a_question_that_waits_keeps_no_other_of_its_repository_waiting() -> None:
    async with asking(Desk(FakeLookup(script={"1": [Unavailable(retry_after=3600)]}))) as desk:
        desk.put(1, 2, 3)
        await asyncio.sleep(1)
        assert [answer.deployment_id for answer in desk.answers] == ["2", "3"]


async def test_a_look_up_that_hangs_keeps_no_other_repository_waiting() -> None:
    async with asking(Desk(FakeLookup(script={"1": [asyncio.Event()]}))) as desk:
        desk.put(1, repository="acme/hangs")
        desk.put(2, repository="acme/shop")
        await breathe()
        desk.put(3, repository="acme/hangs")
        await asyncio.sleep(600)
        assert [answer.deployment_id for answer in desk.answers] == ["2"]


# Failures that may pass


async def test_case_46_a_failure_is_no_answer_and_pauses_grow_to_half_a_minute() -> None:
    failures = [Unavailable("down") for _ in range(8)]
    async with asking(Desk(FakeLookup(script={"1": [*failures]}))) as desk:
        desk.put(1)
        await asyncio.sleep(600)
        times = desk.asked_after(1)
        assert [later - earlier for earlier, later in pairwise(times)] == [1, 2, 4, 8, 16, 30, 30, 30]
        assert [answer.unknown for answer in desk.answers] == [None]


async def test_case_46_a_recovery_is_noticed_within_a_minute_however_long_the_outage_was() -> None:
    async with asking(Desk(FakeLookup(always=Unavailable("down")))) as desk:
        desk.put(1)
        await asyncio.sleep(86_400)
        desk.lookup.always = None
        recovered = asyncio.get_running_loop().time()
        await asyncio.sleep(3600)
        assert desk.answered_at[0] - recovered <= LONGEST_PAUSE


@pytest.mark.parametrize(("asked_for", "waits"), [(300.0, 300.0), (0.0, FIRST_PAUSE), (12.5, 12.5)])
async def test_case_46_it_waits_as_long_as_github_asks_for(asked_for: float, waits: float) -> None:
    async with asking(Desk(FakeLookup(script={"1": [Unavailable(retry_after=asked_for)]}))) as desk:
        desk.put(1)
        await asyncio.sleep(1000)
        assert desk.asked_after(1) == [0, waits]


# Refusals


@pytest.mark.parametrize("begin", [0.1, 0.7, 12345.678])
async def test_case_47_a_refusal_that_stands_a_minute_later_is_an_answer(begin: float) -> None:
    await asyncio.sleep(begin)  # certain at whatever fraction of a second it began
    async with asking(Desk(FakeLookup(always=Refused("no")))) as desk:
        desk.put(1)
        await asyncio.sleep(59.9)
        assert desk.answers == []
        await asyncio.sleep(0.2)
        (answer,) = desk.answers
        assert (answer.unknown, answer.deployment_id, answer.received_at) == (Unknown.GITHUB_REFUSED, "1", NOW)
        assert (answer.repository, answer.environment) == (Repository("acme/shop"), PRODUCTION)
        assert desk.asked_after(1) == [0, 30, 60]
        assert desk.inquiry.pending == 0


async def test_case_47_a_refusal_that_passes_is_no_answer() -> None:
    async with asking(Desk(FakeLookup(script={"1": [Refused("no")]}))) as desk:
        desk.put(1)
        await asyncio.sleep(LONGEST_PAUSE + 1)
        assert [answer.unknown for answer in desk.answers] == [None]


async def test_case_47_a_refusal_is_not_certain_while_github_is_down() -> None:
    steps = [Refused("no"), Unavailable("down"), Refused("no")]
    async with asking(Desk(FakeLookup(script={"1": [*steps]}, always=Refused("no")))) as desk:
        desk.put(1)
        await asyncio.sleep(90)
        assert desk.answers == []
        await asyncio.sleep(10)
        assert desk.asked_after(1) == [0, 30, 31, 61, 91]
        assert [answer.unknown for answer in desk.answers] == [Unknown.GITHUB_REFUSED]


async def test_case_47_what_is_missing_is_told_once_a_repository_and_permission(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = {
        str(number): [Refused("no", permission=permission) for _ in range(3)]
        for number, permission in enumerate(["contents=read", "contents=read", "", "", "metadata=read"])
    }
    async with asking(Desk(FakeLookup(script={name: [*steps] for name, steps in script.items()}))) as desk:
        desk.put(0, 2, 4)
        await asyncio.sleep(100)
        desk.put(1, 3)
        await asyncio.sleep(100)
        assert [answer.unknown for answer in desk.answers] == [Unknown.GITHUB_REFUSED] * 5
    told = [(record.__dict__["repository"], record.__dict__["permission"]) for record in caplog.records]
    assert told == [("acme/shop", "contents=read"), ("acme/shop", "unknown"), ("acme/shop", "metadata=read")]


async def test_case_47_a_refusal_after_an_answer_is_told_anew(caplog: pytest.LogCaptureFixture) -> None:
    async with asking(Desk(FakeLookup(script={"1": [Refused("no")], "2": [Refused("no")]}))) as desk:
        desk.put(1)
        await asyncio.sleep(100)
        desk.put(2)
        await asyncio.sleep(100)
    assert len(caplog.records) == 2


# Answers


async def test_an_answer_that_cannot_be_kept_is_offered_again_without_asking_github_again() -> None:
    async with asking(Desk(unwritable=True)) as desk:
        desk.put(1)
        await asyncio.sleep(300)
        desk.unwritable = False
        await asyncio.sleep(FIRST_PAUSE)
        assert len(desk.lookup.asked) == 1
        assert len(desk.answers) == 1


async def test_a_certain_refusal_that_cannot_be_kept_is_offered_again() -> None:
    async with asking(Desk(FakeLookup(always=Refused("no")), unwritable=True)) as desk:
        desk.put(1)
        await asyncio.sleep(300)
        desk.unwritable = False
        await asyncio.sleep(FIRST_PAUSE)
        assert desk.asked_after(1) == [0, 30, 60]
        assert [answer.unknown for answer in desk.answers] == [Unknown.GITHUB_REFUSED]


async def test_a_question_whose_answer_nobody_wants_any_more_is_dropped() -> None:
    async with asking(Desk(wanted=False)) as desk:
        desk.put(1)
        await asyncio.sleep(3600)
        assert len(desk.lookup.asked) == 1
        assert desk.inquiry.pending == 0


async def test_an_answer_may_lead_to_another_question_about_the_same_deployment() -> None:
    async with asking(Desk(FakeLookup(takes=1.0), follow_up=question(1))) as desk:
        desk.put(1)
        await asyncio.sleep(1.5)
        assert desk.inquiry.pending == 1
        await asyncio.sleep(10)
        assert len(desk.answers) == 2
        assert desk.inquiry.pending == 0


async def test_an_answer_is_not_handed_on_when_another_process_was_first() -> None:
    hangs = asyncio.Event()
    async with asking(Desk(FakeLookup(script={"1": [hangs]}))) as desk:
        desk.put(1, 2)
        await breathe()
        desk.inquiry.settle(answer_to(1))
        hangs.set()
        await asyncio.sleep(60)
        assert [answer.deployment_id for answer in desk.answers] == ["2"]
        assert len(desk.lookup.asked) == 2


# Claims


async def test_a_question_that_another_process_asks_is_looked_at_again_later() -> None:
    async with asking(Desk(claimable=False)) as desk:
        desk.put(1)
        await asyncio.sleep(100)
        assert desk.lookup.asked == []
        assert desk.inquiry.pending == 1
        desk.claimable = True
        await asyncio.sleep(DENIED)
        assert len(desk.answers) == 1


async def test_when_nobody_can_tell_whose_a_question_is_it_is_not_asked() -> None:
    async with asking(Desk(unreachable=True)) as desk:
        desk.put(1)
        await asyncio.sleep(100)
        assert desk.lookup.asked == []
        desk.unreachable = False
        await asyncio.sleep(LONGEST_PAUSE)
        assert len(desk.answers) == 1


async def test_at_the_end_a_question_that_is_under_way_is_left_to_others() -> None:
    async with asking(Desk(FakeLookup(script={"1": [asyncio.Event()]}))) as desk:
        desk.put(1, 2)
        await asyncio.sleep(1)
    assert desk.released == ["acme/shop\nproduction\n\n1"]
