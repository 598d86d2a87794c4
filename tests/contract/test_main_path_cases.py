"""Small histories, GitHub asked over real HTTP: what a range brings when deliveries and answers disagree."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from attrs import define, evolve

from dora.domain.core import Core
from dora.domain.facts import DeploymentFinished, Environment, Fact
from dora.domain.observations import Chain
from tests.contract.fake_github.graph import Graph
from tests.contract.fake_github.world import World, world
from tests.unit.domain.series import Series, Value, fold, of, settled
from tests.unit.domain.story import (
    EU,
    PRODUCTION,
    SHOP,
    STAGING,
    US,
    commit,
    hour,
    hours,
    merge,
    push,
    sha,
    success,
)


@define
class Told:
    """A core that is told facts and GitHub's answers as they come."""

    place: World
    graph: Graph
    core: Core
    series: Series

    def made(self, name: str, *parents: str, at: float, branch: str | None = None) -> None:
        """Let GitHub have a commit."""
        self.graph.commit(sha(name), *map(sha, parents), at=hour(at), branch=branch)

    def deployed(self, number: int, name: str, at: float, environment: Environment = PRODUCTION) -> DeploymentFinished:
        """Let GitHub have a deployment; return what it sends of it."""
        self.graph.deployment(number, sha(name), environment.name, at=hour(at))
        self.graph.status(number, "success", at=hour(at))
        return evolve(success(str(number), name, at, environment=environment), lookups=True)

    async def tell(self, *facts: Fact) -> None:
        lookup = self.place.lookup()
        for fact in facts:
            waiting = [self.core.apply(fact)]
            while waiting:
                applied = waiting.pop()
                fold(self.series, applied.observations)
                waiting += [self.core.apply(await lookup.changes(question)) for question in applied.questions]

    def value(self, family: str, environment: Environment = PRODUCTION, *more: str) -> Value | None:
        chain = Chain(SHOP.name, environment.label, environment.service)
        return settled(self.series).get(of(family, chain, *more))


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    async with world() as place:
        yield Told(place, place.github.repository(SHOP.name, id=42), Core(), {})


async def test_case_28_a_commit_deployed_before_its_merge_belongs_to_the_pull_request_in_the_next_chain(
    told: Told,
) -> None:
    told.made("a", at=-9, branch="main")
    told.deployed(1, "a", -8)
    await told.tell(told.deployed(2, "a", -8, STAGING))
    told.made("b", "a", at=1)
    told.graph.pull_request(7, sha("b"), created_at=hour(1))
    await told.tell(push(None, "a", branch="topic"), push("a", "b", commit("b", 1), branch="topic"))
    await told.tell(told.deployed(3, "b", 2))
    assert told.value("lead_time") == hours(1)
    told.made("m", "a", "b", at=3, branch="main")
    told.graph.merged(7, sha("m"), sha("b"), at=hour(3))
    await told.tell(merge(7, "m", 3), push("a", "m", commit("b", 1), commit("m", 3, merge=True)))
    await told.tell(told.deployed(4, "m", 5, STAGING))
    assert told.value("lead_time", STAGING) == hours(2)
    await told.tell(told.deployed(5, "m", 6))
    assert told.value("lead_time") == hours(1, 3)


async def test_commits_of_no_known_pull_request_are_asked_about_in_every_chain(told: Told) -> None:
    """What GitHub said before the merge is not what it says behind it."""
    told.made("a", at=-9, branch="main")
    told.deployed(1, "a", -8)
    await told.tell(told.deployed(2, "a", -8, STAGING))
    told.made("b", "a", at=1)
    told.graph.pull_request(7, sha("b"), created_at=hour(1))
    await told.tell(push(None, "a", branch="topic"), push("a", "b", commit("b", 1), branch="topic"))
    await told.tell(told.deployed(3, "b", 2))
    told.made("s", "a", at=3, branch="main")
    told.graph.merged(7, sha("s"), at=hour(3))
    await told.tell(merge(7, "s", 3), push("a", "s", commit("s", 3)))
    await told.tell(told.deployed(4, "b", 5, STAGING))
    assert told.value("lead_time", STAGING) == [], "it is the pull request's, whose merge commit is not deployed"


async def test_case_15_what_the_deployment_found_at_github_contains_is_not_counted_at_a_roll_forward(
    told: Told,
) -> None:
    """The service begins after v2; the first it sees is a step back to v1, then v3."""
    told.made("v1", at=-9, branch="main")
    told.made("v2", "v1", at=-7, branch="main")
    told.deployed(1, "v1", -8)
    told.deployed(2, "v2", -6)
    await told.tell(told.deployed(3, "v1", 1))
    assert told.value("lead_time") == []
    told.made("v3", "v2", at=2, branch="main")
    await told.tell(told.deployed(4, "v3", 3))
    assert told.value("lead_time") == hours(1)


async def test_case_9_what_one_region_had_before_the_service_began_is_not_counted_in_a_region_that_lagged(
    told: Told,
) -> None:
    told.made("v1", at=-9, branch="main")
    told.made("v2", "v1", at=-7, branch="main")
    told.deployed(1, "v1", -8, EU)
    told.deployed(2, "v2", -6, US)
    told.made("v3", "v2", at=2, branch="main")
    await told.tell(told.deployed(3, "v3", 3, US))
    assert told.value("lead_time") == hours(1)
    told.made("v4", "v3", at=3.5, branch="main")
    await told.tell(told.deployed(4, "v4", 4, EU))
    assert told.value("lead_time") == hours(1, 0.5)
