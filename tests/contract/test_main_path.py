"""From deliveries to numbers, GitHub asked over real HTTP: every series is the truth, whatever was lost."""

from __future__ import annotations

import asyncio

from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from dora.domain.core import Core
from dora.domain.facts import Fact
from dora.domain.questions import ChangesSought
from dora.ports import CommitLookup
from tests.contract.anew import in_line, truth_anew
from tests.contract.fake_github.world import World, world
from tests.contract.served import Served, Serving, history_with_lookups
from tests.unit.domain.series import Series, differences, fold
from tests.unit.domain.test_any_history import LIVES, POSTS
from tests.unit.domain.truth import REPOSITORY, History, truth

OVER_HTTP = settings(
    deadline=None,
    max_examples=max(20, settings().max_examples // 4),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
"""A quarter of what the profile says. Not shrunk: with a server an example that takes minutes."""

MERGES = {"changes_merged", "time_to_merge"}
MEASURED = {"lead_time", "commit_lead_time", "unknown", "pending", "deployments"}


async def asked(core: Core, series: Series, waiting: list[ChangesSought], lookup: CommitLookup) -> None:
    """Let GitHub answer until nothing is open."""
    while waiting:
        applied = core.apply(await lookup.changes(waiting.pop(0)))
        fold(series, applied.observations)
        waiting.extend(applied.questions)


async def told(served: Served, place: World, *, outage: bool) -> Series:
    """Return what the core makes of the deliveries and of GitHub's answers, given at once or all in the end."""
    core, series, waiting = Core(), Series(), list[ChangesSought]()
    serving = Serving.begin(served, place.github.repository(REPOSITORY, id=42))
    lookup = place.lookup()
    for fact in served.history.delivered:
        serving.go_on(fact.received_at)
        place.clock.now = serving.now
        applied = core.apply(fact)
        fold(series, applied.observations)
        waiting.extend(applied.questions)
        if not outage:
            await asked(core, series, waiting, lookup)
    place.clock.pass_(3600)
    await asked(core, series, waiting, lookup)
    return series


def served_and_told(served: Served, *, outage: bool) -> Series:
    async def run() -> Series:
        async with world() as place:
            return await told(served, place, outage=outage)

    return asyncio.run(run())


def assert_every_merge_deployed_is_counted(found: Series, history: History) -> None:
    """A lost pull request is learnt with the changes it is one of, or by chance with another's commits."""
    merges, expected = (
        found.get(("changes_merged", REPOSITORY), 0),
        truth(history).get(("changes_merged", REPOSITORY), 0),
    )
    assert isinstance(merges, int)
    assert isinstance(expected, int)
    assert expected <= merges <= len(history.merged)


@OVER_HTTP
@given(life=LIVES, post=POSTS)
def test_with_github_answering_every_series_is_the_truth_whatever_was_lost(life: bytes, post: bytes) -> None:
    served = history_with_lookups(life, post)
    found = served_and_told(served, outage=False)
    differing = differences(found, truth(served.history))
    assert {name: pair for name, pair in differing.items() if name[0] not in MERGES} == {}
    assert_every_merge_deployed_is_counted(found, served.history)


@OVER_HTTP
@given(life=LIVES, post=POSTS)
def test_after_an_outage_every_change_is_measured_as_if_there_had_been_none(life: bytes, post: bytes) -> None:
    """Failures are judged by what was known; the changes, each once, are not."""
    served = history_with_lookups(life, post)
    found = served_and_told(served, outage=True)
    differing = differences(found, truth(served.history))
    assert {name: pair for name, pair in differing.items() if name[0] in MEASURED} == {}
    assert_every_merge_deployed_is_counted(found, served.history)


async def told_anew(served: Served, place: World, *, lost: int, outage: bool) -> tuple[Series, list[Fact]]:
    """Return what a service that begins after so many deliveries makes of the others, and which those are."""
    core, series, waiting = Core(), Series(), list[ChangesSought]()
    serving = Serving.begin(served, place.github.repository(REPOSITORY, id=42))
    lookup = place.lookup()
    before, after = served.history.delivered[:lost], served.history.delivered[lost:]
    known = {id(fact) for fact in before}
    after = tuple(fact for fact in after if id(fact) not in known)
    for fact in after:
        serving.go_on(fact.received_at)
        place.clock.now = serving.now
        applied = core.apply(fact)
        fold(series, applied.observations)
        waiting.extend(applied.questions)
        if not outage:
            await asked(core, series, waiting, lookup)
    place.clock.pass_(3600)
    await asked(core, series, waiting, lookup)
    once = {id(fact): fact for fact in after}
    return series, [fact for fact in served.history.happened if id(fact) in once]


@OVER_HTTP
@given(life=LIVES, post=POSTS, share=st.integers(0, 99), outage=st.booleans())
def test_case_17_after_a_stateless_restart_everything_is_measured_from_where_github_says_it_was(
    life: bytes,
    post: bytes,
    share: int,
    outage: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    served = history_with_lookups(life, post)
    lost = len(served.history.delivered) * share // 100

    async def run() -> tuple[Series, list[Fact]]:
        async with world() as place:
            return await told_anew(served, place, lost=lost, outage=outage)

    found, facts = asyncio.run(run())
    expected = truth_anew(served, facts)
    assume(in_line(served, facts))
    differing = differences(
        {name: value for name, value in found.items() if name[0] in MEASURED and value},
        {name: value for name, value in expected.items() if name[0] in MEASURED and value},
    )
    assert differing == {}
