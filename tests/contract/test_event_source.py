"""What `dora.ports.EventSource` promises, and how the one there is takes turns: over HTTP, in a time that jumps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from attrs import Factory, define

from dora.adapters.github.credentials import PersonalToken
from dora.adapters.github.listings import Listings
from dora.adapters.github.missed import Reader
from dora.adapters.github.reconciliation import CLAIM, PULSE, Known, Reconciliation
from dora.adapters.github.sessions import Session
from dora.domain.core import Core
from dora.domain.facts import DeploymentFinished, Repository
from dora.domain.instant import MICROSECONDS, Duration
from dora.domain.outcome import Outcome
from dora.policy import Policy
from dora.ports import Entry, EventSource, Unavailable
from tests.contract.fake_github.server import Fault
from tests.contract.fake_github.world import HOUR, NOW, SECOND, TOKEN, World, sha, world
from tests.contract.outage import LoopbackLoop
from tests.fakes.journal import FakeJournal, FakeState

MINUTE: Duration = 60 * MICROSECONDS
BORN = NOW - 10 * HOUR


@define
class Taker:
    """Takes entries; fails as often as it is told to."""

    failures: list[Unavailable] = Factory(list)
    entries: list[Entry] = Factory(list)
    offered_at: list[float] = Factory(list)
    core: Core = Factory(Core)

    async def receive(self, entry: Entry) -> tuple[Outcome, ...]:
        self.offered_at.append(asyncio.get_running_loop().time())
        if self.failures:
            raise self.failures.pop(0)
        self.entries.append(entry)
        return tuple(self.core.apply(fact).outcome for fact in entry)

    @property
    def deployments(self) -> list[str]:
        return [fact.deployment_id for entry in self.entries for fact in entry if isinstance(fact, DeploymentFinished)]


@define
class Reports:
    events: list[tuple[str, str, str, str]] = Factory(list)
    results: list[str] = Factory(list)

    def event(self, *, repository: str, source: str, type_: str, outcome: str) -> None:
        self.events.append((repository, source, type_, outcome))

    def reconciled(self, result: str) -> None:
        self.results.append(result)


@define(eq=False)
class Replica:
    """One process' source, what takes its facts, and what it reports."""

    place: World
    journal: FakeJournal
    known: list[Repository]
    interval: Duration = 5 * MINUTE
    taker: Taker = Factory(Taker)
    reports: Reports = Factory(Reports)

    def source(self, *, claim: Callable[[str], Awaitable[bool]] | None = None) -> EventSource:
        session = Session(self.place.requests, PersonalToken.of(TOKEN))
        return Reconciliation(
            reader=Reader(Listings(session), Policy(lookups=True)),
            interval=self.interval,
            known=lambda: (Known(repository, BORN, lambda _: None) for repository in self.known),
            receive=self.taker.receive,
            claim=claim or (lambda name: self.journal.claim(name, lease=45 * MICROSECONDS)),
            release=self.journal.release,
            report=self.reports,
            clock=lambda: BORN,
        )


def in_time(test: Callable[[World], Awaitable[None]]) -> None:
    """Run a test beside a GitHub with a repository that had a deployment."""

    async def run() -> None:
        async with world() as place:
            deployed(place, "acme/shop", 1)
            await test(place)

    with asyncio.Runner(loop_factory=LoopbackLoop) as runner:
        runner.run(run())


def deployed(place: World, name: str, number: int) -> None:
    graph = place.github.find(name) or place.github.repository(name, id=sum(name.encode()))
    graph.deployment(number, sha(number), at=BORN + number * SECOND)
    graph.status(number, "success", at=BORN + number * SECOND)


async def during(replica: Replica, *seconds: float, then: Callable[[], None] = lambda: None) -> None:
    """Let the source run for so many seconds, do something, and so on; then end it."""
    running = asyncio.create_task(replica.source().run())
    for some in seconds:
        await asyncio.sleep(some)
        then()
    assert not running.done()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def alone(place: World, *names: str) -> Replica:
    return Replica(place, FakeState().journal(), [Repository(name) for name in names or ("acme/shop",)])


def test_a_source_brings_facts_until_it_is_cancelled() -> None:
    async def test(place: World) -> None:
        replica = alone(place)
        await during(replica, 10, 300, then=lambda: deployed(place, "acme/shop", 2))
        assert replica.taker.deployments[:1] == ["1"]
        assert replica.taker.deployments[-1] == "2"

    in_time(test)


def test_what_could_not_be_kept_is_offered_again_after_the_time_asked_for() -> None:
    async def test(place: World) -> None:
        replica = alone(place)
        replica.taker.failures = [Unavailable("full", retry_after=7), Unavailable("unwritable")]
        await during(replica, 60)
        assert replica.taker.deployments == ["1"]
        first, second, third = replica.taker.offered_at
        assert second - first >= 7
        assert third - second >= 5

    in_time(test)


def test_what_was_never_kept_is_offered_by_the_next_process() -> None:
    async def test(place: World) -> None:
        replica = alone(place)
        replica.taker.failures = [Unavailable("draining")] * 100
        await during(replica, 20)
        assert replica.taker.deployments == []
        replica.taker.failures = []
        await during(replica, 20)
        assert replica.taker.deployments == ["1"]

    in_time(test)


def test_what_is_made_good_is_reported_once_as_the_delivery_that_did_not_come() -> None:
    async def test(place: World) -> None:
        graph = place.github.find("acme/shop")
        assert graph is not None
        graph.pull_request(7, sha(7), created_at=BORN)
        graph.merged(7, sha(7), at=BORN + SECOND)
        replica = alone(place)
        await during(replica, 10, 600)
        assert replica.reports.events == [
            ("acme/shop", "github", "pull_request", "counted"),
            ("acme/shop", "github", "deployment_status", "counted"),
        ]
        assert replica.reports.results == ["done"] * 3

    in_time(test)


def test_repositories_take_turns_evenly_spread_over_the_interval() -> None:
    async def test(place: World) -> None:
        names = [f"acme/{number}" for number in range(5)]
        for number, name in enumerate(names):
            deployed(place, name, number)
        replica = alone(place, *names)
        await during(replica, 290)
        pauses = [
            then - now for now, then in zip(replica.taker.offered_at[:-1], replica.taker.offered_at[1:], strict=True)
        ]
        assert replica.taker.deployments == ["0", "1", "2", "3", "4"]
        assert [round(pause) for pause in pauses] == [60] * 4

    in_time(test)


def test_a_service_that_knows_no_repository_asks_nothing() -> None:
    async def test(place: World) -> None:
        replica = alone(place)
        replica.known = []
        await during(replica, 1000)
        assert place.github.seen == []

    in_time(test)


def test_many_facts_come_in_entries_of_a_hundred_at_most() -> None:
    async def test(place: World) -> None:
        for number in range(2, 251):
            deployed(place, "acme/shop", number)
        replica = alone(place)
        await during(replica, 60)
        assert [len(entry) for entry in replica.taker.entries] == [100, 100, 51]
        assert len(replica.taker.deployments) == 250

    in_time(test)


def test_case_47_a_repository_that_is_refused_holds_up_no_other_and_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(place: World) -> None:
        replica = alone(place, "acme/gone", "acme/shop")
        await during(replica, 1200)
        assert replica.taker.deployments == ["1"]
        assert replica.reports.results.count("refused") >= 3
        deployed(place, "acme/gone", 5)
        await during(replica, 200)
        assert replica.taker.deployments[-2:] == ["5", "1"]

    with caplog.at_level(logging.WARNING):
        in_time(test)
    assert [record.message for record in caplog.records] == ["GitHub refuses to tell what was missed"]


def test_case_46_an_outage_is_told_of_once_and_all_is_made_good_behind_it(caplog: pytest.LogCaptureFixture) -> None:
    async def test(place: World) -> None:
        deployed(place, "acme/lib", 2)
        place.github.faults.append(Fault(status=500, body=b"oops", times=6))
        replica = alone(place, "acme/shop", "acme/lib")
        await during(replica, 1190)
        assert sorted(replica.taker.deployments) == ["1", "2"]
        assert replica.reports.results == ["unavailable"] * 6 + ["done"] * 2

    with caplog.at_level(logging.WARNING):
        in_time(test)
    assert [record.message for record in caplog.records] == ["GitHub cannot tell now what was missed"]


def test_half_an_answer_is_none_and_the_repository_is_read_anew() -> None:
    async def test(place: World) -> None:
        place.github.faults += [
            Fault(when="/graphql", body=b'{"data": {"repository": null}}'),
            Fault(when="/deployments", cut=20),
            Fault(when="/pulls", body=b"{"),
            Fault(when="/pulls", body=b"{}"),
        ]
        replica = alone(place)
        await during(replica, 1490)
        assert replica.taker.deployments == ["1"]
        assert replica.reports.results == ["unavailable"] * 4 + ["done"]

    in_time(test)


def test_of_replicas_that_share_a_state_one_asks_and_another_takes_over_within_a_minute() -> None:
    async def test(place: World) -> None:
        shared = FakeState()
        first = Replica(place, shared.journal(), [Repository("acme/shop")])
        second = Replica(place, shared.journal(), [Repository("acme/shop")])
        one, other = asyncio.create_task(first.source().run()), asyncio.create_task(second.source().run())
        await asyncio.sleep(1000)
        assert (len(first.reports.results), second.reports.results) == (4, [])
        one.cancel()
        await asyncio.sleep(PULSE + 1)
        assert second.reports.results == ["done"]
        assert second.taker.deployments == ["1"]
        # The process is killed: its claim runs out.
        killed = shared.journal()
        other.cancel()
        await asyncio.sleep(1)
        assert await killed.claim(CLAIM, lease=45 * MICROSECONDS)
        third = Replica(place, shared.journal(), [Repository("acme/shop")])
        await during(third, 60)
        assert third.reports.results == ["done"]

    in_time(test)


def test_while_nobody_can_tell_who_may_ask_nobody_asks() -> None:
    async def test(place: World) -> None:
        replica = alone(place)
        answers = [Unavailable("the server is away")] * 3

        async def claim(name: str) -> bool:
            assert name == CLAIM
            if answers:
                raise answers.pop()
            return True

        running = asyncio.create_task(replica.source(claim=claim).run())
        await asyncio.sleep(2 * PULSE + 1)
        assert place.github.seen == []
        await asyncio.sleep(2 * PULSE)
        assert replica.taker.deployments == ["1"]
        running.cancel()

    in_time(test)
