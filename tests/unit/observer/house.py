"""An observer in a house of fakes, and facts to tell it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from attrs import Factory, define, evolve, field

from dora.domain.core import Core, Limits
from dora.domain.facts import (
    ChangesFound,
    Commit,
    CommitsPushed,
    DeploymentFinished,
    Environment,
    EnvironmentSeen,
    Fact,
    IdempotencyKey,
    Repository,
    RepositorySeen,
    Result,
)
from dora.domain.instant import MICROSECONDS, Duration, Instant
from dora.domain.observations import DeploymentCounted, Observation
from dora.domain.outcome import Outcome
from dora.observer import Observer
from dora.observer.snapshots import StateCodec
from dora.ports import CommitLookup, Entry
from tests.fakes.journal import FakeJournal, FakeState
from tests.fakes.sink import RecordingSink
from tests.fakes.time import breathe

NOW: Instant = 1_790_000_000 * MICROSECONDS
PRODUCTION = Environment("production", "production", listed=True)


@define(eq=False)
class House:
    """An observer, what it stands on, and what it did."""

    state: FakeState = Factory(FakeState)
    lookup: CommitLookup | None = None
    codec: StateCodec | None = None
    limits: Limits = Factory(Limits)
    poll: Duration | None = None
    gathering: Duration = 0
    sink: RecordingSink = Factory(RecordingSink)
    journal: FakeJournal = field(init=False)
    observer: Observer = field(init=False)
    running: asyncio.Task[None] | None = None

    def __attrs_post_init__(self) -> None:
        self.journal = self.state.journal(poll=self.poll, gathering=self.gathering, strict=True)
        self.observer = Observer(
            core=Core(),
            journal=self.journal,
            sink=self.sink,
            lookup=self.lookup,
            codec=self.codec,
            limits=self.limits,
            now=lambda: NOW,
        )

    def send(self, *facts: Fact) -> asyncio.Task[tuple[Outcome, ...]]:
        """Send facts as one entry, without waiting for the answer."""
        return asyncio.ensure_future(self.observer.receive(facts))

    async def tell(self, *facts: Fact) -> list[str]:
        """Send facts as one entry; return what became of each."""
        return [outcome.status.value for outcome in await self.observer.receive(facts)]

    async def run(self) -> None:
        self.running = asyncio.ensure_future(self.observer.run())
        await asyncio.sleep(0)  # a run that is cancelled before its first step has not begun

    async def stop(self) -> None:
        """End the run as the end of the process does."""
        if self.running is not None:
            self.running.cancel()
            with suppress(asyncio.CancelledError):
                await self.running
            self.running = None

    def assert_counted_as_replayed(self) -> None:
        """What was counted live is what a replay of the log counts."""
        assert self.sink.observations == replayed(self.state.facts())


@asynccontextmanager
async def living(house: House) -> AsyncIterator[House]:
    """Start an observer, and run it until the end of the block."""
    await house.observer.start()
    await house.run()
    try:
        yield house
    finally:
        await house.stop()


@asynccontextmanager
async def writing_held(house: House) -> AsyncIterator[None]:
    """Let the journal hang for the length of the block: what is sent within is written together afterwards."""
    house.journal.writes.clear()
    blocker = house.send(seen("acme/blocker"))
    await breathe()
    try:
        yield
        await breathe()
    finally:
        house.journal.writes.set()
    await blocker


def replayed(facts: Iterable[Fact]) -> list[Observation]:
    core = Core()
    return [observation for fact in facts for observation in core.apply(fact).observations]


def deployments(observations: Iterable[Observation]) -> list[str]:
    """Return the ids of the deployments that were counted, in order."""
    return [one.exemplar.deployment_id for one in observations if isinstance(one, DeploymentCounted)]


def seen(name: str = "acme/shop", id: int | None = None) -> RepositorySeen:  # noqa: A002 - the field's name
    return RepositorySeen(repository=Repository(name, id), received_at=NOW)


def environment_seen(label: str, *, repository: str = "acme/shop", listed: bool = False) -> EnvironmentSeen:
    return EnvironmentSeen(
        repository=Repository(repository),
        received_at=NOW,
        environment=Environment(label, label, listed=listed),
    )


def sha(number: int) -> str:
    return f"{number:040x}"


def success(
    number: int,
    *,
    repository: str = "acme/shop",
    environment: Environment = PRODUCTION,
    asks: bool = False,
    key: IdempotencyKey | None = None,
) -> DeploymentFinished:
    """Return deployment `number`, of a commit of its own; `asks` lets its first one in a chain be asked about."""
    return DeploymentFinished(
        repository=Repository(repository),
        received_at=NOW + number,
        environment=environment,
        deployment_id=str(number),
        result=Result.SUCCESS,
        at=NOW + number * MICROSECONDS,
        sha=sha(number),
        lookups=asks,
        key=key,
    )


def pushed(before: int, after: int) -> CommitsPushed:
    """Return a push of one commit."""
    return CommitsPushed(
        repository=Repository("acme/shop"),
        received_at=NOW,
        branch="main",
        tracked=True,
        before=sha(before),
        after=sha(after),
        commits=(Commit(sha=sha(after), committed_at=NOW, authored_at=NOW),),
    )


def keyed(fact: DeploymentFinished, key: str, content: str, *, client: str = "ci") -> DeploymentFinished:
    """Return the fact sent with an idempotency key."""
    return evolve(fact, key=IdempotencyKey(client, key, content))


def answer_to(number: int, *, repository: str = "acme/shop", environment: Environment = PRODUCTION) -> ChangesFound:
    """Return the answer that a deployment brought nothing."""
    return ChangesFound(
        repository=Repository(repository),
        received_at=NOW + number,
        environment=environment,
        deployment_id=str(number),
    )


def entry(*facts: Fact) -> Entry:
    return facts
