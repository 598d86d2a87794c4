from __future__ import annotations

import asyncio
import time

import pytest

from dora.domain.core import Core, Limits
from dora.domain.facts import ChangesFound
from dora.domain.outcome import Ignored, Outcome, Status
from dora.observer import Observer, Standing
from dora.observer.shell import BREATH
from dora.ports import Invalid, StateDamaged, StateTaken, Unavailable
from tests.fakes.journal import FakeState
from tests.fakes.lookup import FakeLookup
from tests.fakes.time import breathe
from tests.unit.observer.house import (
    House,
    answer_to,
    deployments,
    environment_seen,
    keyed,
    living,
    seen,
    sha,
    success,
    writing_held,
)


async def test_an_answer_means_kept_and_counted() -> None:
    async with living(House()) as house:
        assert await house.tell(success(1)) == ["counted"]
        assert house.state.facts() == [success(1)]
        assert deployments(house.sink.observations) == ["1"]


async def test_nothing_is_counted_before_it_is_kept() -> None:
    async with living(House()) as house:
        house.journal.answers.clear()
        sent = house.send(success(1))
        await breathe()
        assert house.state.facts() == [success(1)]
        assert house.sink.calls == []
        assert house.observer.waiting == 1
        house.journal.answers.set()
        assert (await sent)[0].status is Status.COUNTED
        assert deployments(house.sink.observations) == ["1"]
        assert house.observer.waiting == 0


async def test_what_an_entry_says_is_kept_together_and_answered_in_order() -> None:
    async with living(House()) as house:
        assert await house.tell(seen(), success(1), success(1), success(2)) == [
            "stored",
            "counted",
            "duplicate",
            "counted",
        ]
        assert await house.tell(seen(), success(2), success(3)) == ["duplicate", "duplicate", "counted"]
        assert house.journal.asked[1] == ((success(3),),)
        house.assert_counted_as_replayed()


async def test_an_empty_entry_is_answered_and_not_kept() -> None:
    async with living(House()) as house:
        assert await house.tell() == []
        assert house.journal.asked == []


async def test_what_changes_nothing_is_not_kept() -> None:
    async with living(House()) as house:
        await house.tell(success(1))
        assert await house.tell(success(1)) == ["duplicate"]
        assert await house.tell(seen()) == ["duplicate"]
        assert len(house.journal.asked) == 1


async def test_the_sink_is_told_when_a_fact_was_received_and_nothing_where_nothing_was_observed() -> None:
    async with living(House()) as house:
        await house.tell(seen(), success(7))
        await house.tell(seen())
        assert [at for at, _ in house.sink.calls] == [seen().received_at, success(7).received_at]


async def test_entries_that_came_in_meanwhile_are_written_in_one_go_in_their_order() -> None:
    async with living(House()) as house:
        async with writing_held(house):
            sent = [house.send(success(number)) for number in (3, 1, 2)]
        await asyncio.gather(*sent)
        assert house.journal.asked[1] == ((success(3),), (success(1),), (success(2),))
        assert deployments(house.sink.observations) == ["3", "1", "2"]


async def test_the_same_fact_twice_in_one_go_is_counted_once() -> None:
    async with living(House()) as house:
        async with writing_held(house):
            sent = [house.send(success(1)) for _ in range(3)]
        answers = [(await one)[0].status for one in sent]
        assert answers == [Status.COUNTED, Status.DUPLICATE, Status.DUPLICATE]
        assert deployments(house.sink.observations) == ["1"]
        house.assert_counted_as_replayed()


# Senders that go away


async def test_a_sender_that_went_away_before_the_write_leaves_no_trace() -> None:
    async with living(House()) as house:
        async with writing_held(house):
            gone, stays = house.send(success(1)), house.send(success(2))
            await breathe()
            gone.cancel()
        await stays
        assert deployments(house.sink.observations) == ["2"]
        house.assert_counted_as_replayed()


async def test_what_was_written_is_counted_though_its_sender_went_away_meanwhile() -> None:
    async with living(House()) as house:
        house.journal.answers.clear()
        gone = house.send(success(1))
        await breathe()
        gone.cancel()
        await breathe()
        house.journal.answers.set()
        assert await house.tell(success(2)) == ["counted"]
        assert deployments(house.sink.observations) == ["1", "2"]
        assert await house.tell(success(1)) == ["duplicate"]
        house.assert_counted_as_replayed()


# Limits and keys


async def test_beyond_a_limit_a_repository_is_ignored_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with living(House(limits=Limits(repositories=1))) as house:
        assert await house.tell(seen("acme/one")) == ["stored"]
        for name in ("acme/two", "acme/three"):
            assert await house.observer.receive((seen(name),)) == (Outcome(Status.IGNORED, Ignored.LIMIT),)
        assert house.state.facts() == [seen("acme/one")]
    assert [record.levelname for record in caplog.records if "limit" in record.message] == ["WARNING"]


async def test_limits_hold_among_entries_that_are_written_in_one_go() -> None:
    async with living(House(limits=Limits(repositories=3, environments=2))) as house:
        async with writing_held(house):
            names = [house.send(seen(f"acme/{name}")) for name in ("one", "two", "three")]
            places = [house.send(environment_seen(label, repository="acme/one")) for label in ("a", "b", "c", "a")]
        assert [(await one)[0].reason for one in names] == [None, None, Ignored.LIMIT]
        assert [(await one)[0].reason for one in places] == [None, None, Ignored.LIMIT, None]
        assert len(house.observer.core.repositories) == 3


async def test_a_key_with_other_content_is_refused_and_nothing_of_its_entry_is_kept() -> None:
    async with living(House()) as house:
        await house.tell(keyed(success(1), "k", "one"))
        with pytest.raises(Invalid) as refused:
            await house.tell(success(2), keyed(success(3), "k", "two"))
        assert [problem.pointer for problem in refused.value.problems] == ["/1/id"]
        assert house.state.facts() == [keyed(success(1), "k", "one")]
        assert await house.tell(keyed(success(1), "k", "one")) == ["duplicate"]
        assert await house.tell(success(2)) == ["counted"]


async def test_of_two_contents_under_one_key_in_one_go_the_first_is_kept_and_the_second_refused() -> None:
    async with living(House()) as house:
        async with writing_held(house):
            first = house.send(keyed(success(1), "k", "one"))
            second = house.send(keyed(success(2), "k", "two"))
            again = house.send(keyed(success(1), "k", "one"))
        assert (await first)[0].status is Status.COUNTED
        with pytest.raises(Invalid):
            await second
        assert (await again)[0].status is Status.DUPLICATE
        assert deployments(house.sink.observations) == ["1"]
        house.assert_counted_as_replayed()


# A journal that cannot write


async def test_while_the_journal_cannot_write_senders_are_told_to_come_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with living(House()) as house:
        house.journal.broken = Unavailable("no space left")
        with pytest.raises(Unavailable) as refused:
            await house.tell(success(1))
        assert refused.value.retry_after == 5.0
        assert house.observer.standing is Standing.UNWRITABLE
        assert not house.observer.ready
        with pytest.raises(Unavailable, match="unwritable"):
            await house.tell(success(1))
        await asyncio.sleep(60)
        house.journal.broken = None
        await asyncio.sleep(1.1)
        assert house.observer.ready
        assert await house.tell(success(1)) == ["counted"]
        assert house.state.facts() == [success(1)]
    told = [record for record in caplog.records if "unwritable" in record.message]
    assert [record.__dict__["reason"] for record in told] == ["no space left"]
    assert "state writable again" in caplog.text


async def test_all_who_wait_when_the_journal_fails_are_told_so_at_once() -> None:
    async with living(House()) as house:
        house.journal.writes.clear()
        sent = [house.send(success(number)) for number in (1, 2)]
        await breathe()
        sent += [house.send(success(3)), house.send(success(4))]
        await breathe()
        house.journal.broken = Unavailable("cut off")
        house.journal.writes.set()
        before = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable] * 4
        assert asyncio.get_running_loop().time() == before
        assert house.observer.waiting == 0


async def test_what_came_through_though_it_was_refused_is_counted_once_and_the_repetition_is_a_duplicate() -> None:
    async with living(House()) as house:
        house.journal.lost_answers = 1
        with pytest.raises(Unavailable):
            await house.tell(success(1))
        assert deployments(house.sink.observations) == []
        await asyncio.sleep(2)
        assert house.observer.ready
        assert deployments(house.sink.observations) == ["1"]
        assert await house.tell(success(1)) == ["duplicate"]
        house.assert_counted_as_replayed()


async def test_a_journal_heals_although_others_never_stop_writing() -> None:
    async with living(House()) as house:
        house.journal.lost_answers = 1
        with pytest.raises(Unavailable):
            await house.tell(success(1))
        for number in range(2, 40):
            house.state.add(success(number))
            await asyncio.sleep(0.1)
        assert house.observer.ready
        assert await house.tell(success(40)) == ["counted"]
        house.assert_counted_as_replayed()


async def test_a_sender_that_went_away_while_the_journal_failed_disturbs_nobody() -> None:
    async with living(House()) as house:
        house.journal.writes.clear()
        gone, stays = house.send(success(1)), house.send(success(2))
        await breathe()
        gone.cancel()
        house.journal.broken = Unavailable("cut off")
        house.journal.writes.set()
        with pytest.raises(Unavailable):
            await stays
        assert gone.cancelled()


# A state that is lost


@pytest.mark.parametrize("lost", [StateTaken("by another process"), StateDamaged("entry 7")])
async def test_a_lost_state_ends_the_run_and_nobody_waits_for_it(lost: StateTaken | StateDamaged) -> None:
    async with living(House(lookup=FakeLookup())) as house:
        house.journal.writes.clear()
        sent = [house.send(success(1))]
        await breathe()
        sent.append(house.send(success(2)))
        await breathe()
        house.journal.lost = lost
        house.journal.writes.set()
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable] * 2
        assert house.running is not None
        with pytest.raises(type(lost)) as raised:
            await house.running
        assert raised.value is lost
        house.running = None
        assert house.observer.standing is Standing.LOST
        assert house.observer.lost
        with pytest.raises(Unavailable, match="lost"):
            await house.tell(success(3))
        await house.observer.drain()
        assert house.observer.standing is Standing.LOST
        assert house.state.facts() == []


async def test_a_state_taken_while_the_journal_heals_is_lost() -> None:
    async with living(House()) as house:
        house.journal.broken = Unavailable("cut off")
        with pytest.raises(Unavailable):
            await house.tell(success(1))
        house.journal.lost = StateTaken("by another process")
        assert house.running is not None
        with pytest.raises(StateTaken):
            await house.running
        house.running = None
        assert house.observer.standing is Standing.LOST


async def test_a_state_that_a_claim_finds_lost_ends_the_run() -> None:
    async with living(House(lookup=FakeLookup())) as house:
        house.journal.answers.clear()
        sent = house.send(success(1, asks=True))
        await breathe()
        house.journal.lost = StateTaken("by another process")
        house.journal.answers.set()
        assert (await sent)[0].status is Status.COUNTED
        assert house.running is not None
        with pytest.raises(StateTaken):
            await house.running
        house.running = None
        assert house.observer.standing is Standing.LOST


async def test_a_sink_that_fails_ends_the_run_and_nobody_waits_for_it() -> None:
    class Broken(RuntimeError):
        pass

    class BrokenSink:
        def record(self, observations: object, *, at: int) -> None:
            del observations, at
            raise Broken

    async with living(House()) as house:
        house.observer.sink = BrokenSink()
        house.journal.writes.clear()
        sent = [house.send(success(1))]
        await breathe()
        sent += [house.send(success(2)), house.send(success(3))]
        await breathe()
        house.journal.writes.set()
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable] * 3
        assert house.running is not None
        with pytest.raises(ExceptionGroup) as raised:
            await house.running
        assert raised.group_contains(Broken)
        house.running = None
        assert house.observer.standing is Standing.LOST
        with pytest.raises(Unavailable):
            await house.tell(success(4))


# The end


async def test_a_drain_lets_nothing_in_and_returns_when_what_was_taken_is_answered() -> None:
    async with living(House()) as house:
        house.journal.writes.clear()
        sent = [house.send(success(1))]
        await breathe()
        sent.append(house.send(success(2)))
        await breathe()
        draining = asyncio.ensure_future(house.observer.drain())
        await breathe()
        with pytest.raises(Unavailable, match="draining"):
            await house.tell(success(3))
        assert not draining.done()
        house.journal.writes.set()
        await draining
        assert all(one.done() for one in sent)
        assert deployments(house.sink.observations) == ["1", "2"]


async def test_a_drain_with_nothing_to_write_returns_at_once() -> None:
    async with living(House()) as house:
        await house.observer.drain()
        assert house.observer.standing is Standing.DRAINING


async def test_a_drain_does_not_wait_for_a_journal_that_cannot_write() -> None:
    async with living(House()) as house:
        house.journal.broken = Unavailable("cut off")
        sent = house.send(success(1))
        await breathe()
        await house.observer.drain()
        with pytest.raises(Unavailable):
            await sent
        house.journal.broken = None
        await asyncio.sleep(5)
        assert house.observer.standing is Standing.DRAINING


async def test_a_drain_does_not_wait_for_questions() -> None:
    never = asyncio.Event()
    async with living(House(lookup=FakeLookup(script={"1": [never]}))) as house:
        await house.tell(success(1, asks=True))
        await breathe()
        await house.observer.drain()
        assert house.observer.pending_questions == 1


async def test_a_drain_during_the_start_stays_one() -> None:
    state = FakeState()
    for number in range(3 * BREATH):
        state.add(success(number))
    house = House(state)
    starting = asyncio.ensure_future(house.observer.start())
    await asyncio.sleep(0)
    await house.observer.drain()
    await starting
    assert house.observer.standing is Standing.DRAINING


async def test_when_the_run_is_cancelled_nobody_is_left_waiting() -> None:
    async with living(House()) as house:
        house.journal.writes.clear()
        sent = [house.send(success(1))]
        await breathe()
        sent.append(house.send(success(2)))
        await breathe()
        await house.stop()
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable] * 2
        with pytest.raises(Unavailable):
            await house.tell(success(3))
        await house.observer.drain()


# The start


async def test_before_the_state_is_restored_nothing_is_taken() -> None:
    house = House()
    assert not house.observer.ready
    assert (house.observer.pending_questions, house.observer.oldest_question_age()) == (0, 0.0)
    with pytest.raises(Unavailable, match="starting"):
        await house.tell(success(1))


async def test_a_restart_counts_what_the_log_holds_and_nothing_twice() -> None:
    async with living(House()) as house:
        await house.tell(seen(), success(1))
        await house.tell(success(2))
    async with living(House(house.state)) as again:
        assert again.sink.calls == house.sink.calls
        assert await again.tell(success(2), success(3)) == ["duplicate", "counted"]
        again.assert_counted_as_replayed()


async def test_others_get_their_turn_during_a_long_replay() -> None:
    state = FakeState()
    for number in range(3 * BREATH):
        state.add(success(number))
    house = House(state)
    starting = asyncio.ensure_future(house.observer.start())
    turns = 0
    while not starting.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 3
    assert house.observer.ready


async def test_a_start_that_cannot_reach_the_state_may_be_tried_again() -> None:
    house = House()
    house.state.add(success(1))
    house.journal.can_open = False
    with pytest.raises(Unavailable):
        await house.observer.start()
    assert not house.observer.ready
    house.journal.can_open = True
    await house.observer.start()
    assert deployments(house.sink.observations) == ["1"]


async def test_a_replay_that_is_cut_off_goes_on_where_it_was() -> None:
    house = House()
    for number in range(1, 6):
        house.state.add(success(number))
    house.journal.breaks_replay_after = 2
    async with living(house):
        assert house.observer.ready
        assert await house.tell(success(6)) == ["counted"]
        house.assert_counted_as_replayed()


@pytest.mark.parametrize("lost", [StateTaken("by another process"), StateDamaged("entry 7")])
async def test_a_state_that_is_not_ours_or_not_whole_refuses_the_start(lost: StateTaken | StateDamaged) -> None:
    house = House()
    house.journal.lost = lost
    with pytest.raises(type(lost)):
        await house.observer.start()
    assert not house.observer.ready


async def test_by_itself_an_observer_goes_by_the_systems_clock() -> None:
    house = House()
    before = time.time_ns() // 1_000
    now = Observer(core=Core(), journal=house.journal, sink=house.sink).now()
    assert before <= now <= time.time_ns() // 1_000


# Several processes, one log

QUARTER = 250_000


async def test_what_others_wrote_is_counted_within_the_poll() -> None:
    state = FakeState()
    async with living(House(state, poll=QUARTER)) as one, living(House(state, poll=QUARTER)) as two:
        await one.tell(success(1))
        await asyncio.sleep(0.3)
        assert two.sink.observations == one.sink.observations
        assert await two.tell(success(1), success(2)) == ["duplicate", "counted"]
        await asyncio.sleep(0.3)
        assert one.sink.observations == two.sink.observations
        one.assert_counted_as_replayed()


async def test_what_others_wrote_is_counted_first_when_we_write() -> None:
    async with living(House(poll=3600 * 1_000_000)) as house:
        await house.tell(success(1))
        house.state.add(success(2))
        house.state.add(success(3))
        assert await house.tell(success(2), success(4)) == ["duplicate", "counted"]
        assert deployments(house.sink.observations) == ["1", "2", "3", "4"]
        house.assert_counted_as_replayed()


async def test_what_others_wrote_is_counted_in_time_though_only_duplicates_come_in() -> None:
    async with living(House(poll=QUARTER)) as house:
        await house.tell(success(1))
        house.state.add(success(2))
        for _ in range(10):
            await asyncio.sleep(0.1)
            assert await house.tell(success(1)) == ["duplicate"]
        assert deployments(house.sink.observations) == ["1", "2"]


async def test_a_journal_that_nobody_shares_is_not_asked_for_others_entries() -> None:
    async with living(House()) as house:
        await house.tell(success(1))
        await asyncio.sleep(3600)
        assert len(house.journal.asked) == 1


async def test_a_poll_notices_that_the_journal_cannot_write_and_that_it_can_again() -> None:
    async with living(House(poll=QUARTER)) as house:
        house.journal.broken = Unavailable("cut off")
        await asyncio.sleep(1)
        assert not house.observer.ready
        house.journal.broken = None
        await asyncio.sleep(1.5)
        assert house.observer.ready


# Questions


async def test_a_question_is_asked_and_its_answer_kept_like_any_fact() -> None:
    async with living(House(lookup=FakeLookup())) as house:
        assert await house.tell(success(1, asks=True)) == ["counted"]
        assert house.observer.pending_questions == 1
        await breathe()
        assert house.observer.pending_questions == 0
        assert isinstance(house.state.facts()[-1], ChangesFound)
        house.assert_counted_as_replayed()


async def test_a_question_that_a_restart_finds_open_is_asked() -> None:
    never = asyncio.Event()
    async with living(House(lookup=FakeLookup(script={"1": [never]}))) as house:
        await house.tell(success(1, asks=True))
    lookup = FakeLookup()
    async with living(House(house.state, lookup=lookup)) as again:
        assert again.observer.pending_questions == 1
        await breathe()
        assert [question.deployment_id for question in lookup.asked] == ["1"]
        assert again.observer.pending_questions == 0
        again.assert_counted_as_replayed()
    asks_nothing = FakeLookup()
    async with living(House(house.state, lookup=asks_nothing)):
        await breathe()
    assert asks_nothing.asked == []


async def test_a_question_without_anybody_to_ask_stays_open_and_disturbs_nobody() -> None:
    async with living(House()) as house:
        assert await house.tell(success(1, asks=True)) == ["counted"]
        assert house.observer.pending_questions == 0
        assert [question.sha for question in house.observer.core.open_questions()] == [sha(1)]


async def test_an_answer_that_nobody_asked_for_is_ignored() -> None:
    async with living(House(lookup=FakeLookup())) as house:
        assert await house.observer.receive((answer_to(1),)) == (Outcome(Status.IGNORED, Ignored.UNASKED),)
        assert house.state.facts() == []


async def test_an_answer_that_another_process_wrote_settles_the_question() -> None:
    state = FakeState()
    never = asyncio.Event()
    async with living(House(state, lookup=FakeLookup(script={"1": [never]}), poll=QUARTER)) as house:
        await house.tell(success(1, asks=True))
        await breathe()
        state.add(answer_to(1))
        await asyncio.sleep(0.3)
        assert house.observer.pending_questions == 0
        never.set()
        await asyncio.sleep(60)
        assert len(state.facts()) == 2
        house.assert_counted_as_replayed()
