"""Whatever deliveries were lost: once GitHub has been asked what was missed, the numbers are those without a loss."""

from __future__ import annotations

import asyncio

from attrs import Factory, define, evolve
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.github.listings import Listings
from dora.adapters.github.missed import Reader, Since
from dora.domain.core import Core
from dora.domain.facts import DeploymentFinished, Fact, PullRequestMerged, RepositorySeen
from dora.domain.instant import Instant
from dora.domain.questions import ChangesSought
from dora.policy import Policy, environment_rules
from dora.ports import CommitLookup
from tests.contract.fake_github.world import World, world
from tests.contract.served import Served, Serving, history_with_lookups
from tests.contract.test_main_path import MEASURED, MERGES, OVER_HTTP
from tests.unit.domain.choices import Choices
from tests.unit.domain.histories import REPO, START
from tests.unit.domain.series import Series, differences, fold, settled
from tests.unit.domain.test_any_history import LIVES, POSTS
from tests.unit.domain.truth import REPOSITORY, History, truth

ENVIRONMENTS = "production={service}-prod,production=prod-*,production,staging,tools"
POLICY = Policy(environments=environment_rules(ENVIRONMENTS), lookups=True)
REGISTERED = RepositorySeen(repository=REPO, received_at=START)


@define
class Told:
    """A core, what it made of what it was told, and what it asks."""

    lookup: CommitLookup
    core: Core = Factory(Core)
    series: Series = Factory(dict)
    waiting: list[ChangesSought] = Factory(list)

    def tell(self, fact: Fact) -> None:
        applied = self.core.apply(fact)
        fold(self.series, applied.observations)
        self.waiting += applied.questions

    async def ask(self) -> None:
        while self.waiting:
            self.tell(await self.lookup.changes(self.waiting.pop(0)))


async def told(served: Served, place: World, delivered: tuple[Fact, ...], *, promptly: bool) -> Series:
    """Return the numbers after these deliveries, and then after one look at what was missed."""
    serving = Serving.begin(served, place.github.repository(REPOSITORY, id=42))
    service = Told(place.lookup(policy=POLICY))
    service.tell(REGISTERED)
    for fact in delivered:
        serving.go_on(fact.received_at)
        place.clock.now = serving.now
        service.tell(fact)
        await service.ask()
    moments = [fact.received_at for fact in served.history.happened]
    serving.go_on(max([START, *moments, *(merged.merged_at for merged in served.merged)]))
    place.clock.now = serving.now
    place.clock.pass_(3600)
    reader = Reader(Listings(place.lookup().session), POLICY)
    since = Since(repository=START, process=START, chain=lambda _: None)
    for _ in range(2):
        # The second time everything is known already.
        found = await reader.read(REPO, since, None, now=place.clock.now)
        for missed in found.facts:
            service.tell(missed)
            if promptly:
                await service.ask()
        await service.ask()
    return service.series


def as_github_tells(fact: Fact) -> Fact:
    """Return a deployment without what only its sender knows."""
    if not isinstance(fact, DeploymentFinished):
        return fact
    return evolve(fact, kind=None, fixes=None, changes=None, max_commits=POLICY.max_commits)


def after_an_outage(served: Served, begins: Instant) -> tuple[tuple[Fact, ...], History]:
    """Return what is delivered before an outage, and the history without what GitHub cannot tell of the rest."""
    happened = served.history.happened
    before = tuple(fact for fact in happened if fact.received_at < begins)
    lost = (fact for fact in happened if fact.received_at >= begins)
    tellable = (as_github_tells(fact) for fact in lost if isinstance(fact, DeploymentFinished | PullRequestMerged))
    return before, evolve(served.history, happened=(REGISTERED, *before, *tellable), lost=())


def run(served: Served, delivered: tuple[Fact, ...], *, promptly: bool) -> Series:
    async def asked() -> Series:
        async with world() as place:
            return await told(served, place, delivered, promptly=promptly)

    return asyncio.run(asked())


def cut(served: Served, share: int) -> Instant:
    happened = served.history.happened
    return happened[len(happened) * share // 100].received_at if happened else START


@OVER_HTTP
@given(life=LIVES, post=POSTS, share=st.integers(0, 99))
def test_after_an_outage_made_good_every_series_is_the_truth(life: bytes, post: bytes, share: int) -> None:
    served = history_with_lookups(life, post)
    delivered, expected = after_an_outage(served, cut(served, share))
    assert differences(run(served, delivered, promptly=True), truth(expected)) == {}


@OVER_HTTP
@given(life=LIVES, post=POSTS, share=st.integers(0, 99))
def test_however_late_github_then_tells_the_changes_each_is_measured_once(life: bytes, post: bytes, share: int) -> None:
    """Failures are judged by what was known; the changes, each once, are not."""
    served = history_with_lookups(life, post)
    delivered, expected = after_an_outage(served, cut(served, share))
    differing = differences(run(served, delivered, promptly=False), truth(expected))
    assert {name: pair for name, pair in differing.items() if name[0] in MEASURED | MERGES} == {}


@OVER_HTTP
@given(life=LIVES, post=POSTS, losses=st.binary(min_size=64, max_size=256))
def test_whichever_deployments_and_merges_were_lost_each_is_counted_once(
    life: bytes, post: bytes, losses: bytes
) -> None:
    served, choose = history_with_lookups(life, post), Choices(losses)
    delivered = tuple(
        fact
        for fact in served.history.happened
        if not (isinstance(fact, DeploymentFinished | PullRequestMerged) and choose.chance(50))
    )
    found, expected = (
        {
            name: value
            for name, value in settled(series).items()
            if name[0] in {"deployments", "last_deployment", "pending"} | MERGES and value
        }
        for series in (run(served, delivered, promptly=True), truth(evolve(served.history, lost=())))
    )
    assert found == expected
