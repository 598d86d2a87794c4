"""What a deployment costs at GitHub, counted where the requests arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.contract.outage import Beside, LoopbackLoop, at, beside, sha


def run(story: Callable[[Beside], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with beside() as there:
            await story(there)

    with asyncio.Runner(loop_factory=LoopbackLoop) as runner:
        runner.run(whole())


async def begun(there: Beside) -> None:
    """Let the first deployment, whose predecessor must be looked up, be measured, and count from here."""
    await there.deploys(10, "d", 7)
    await there.measured(within=60)
    there.github.seen.clear()


async def lands(there: Beside, way: str, number: int, before: str, hours: float, *, own: int, told: bool) -> str:
    """Merge a pull request of so many commits; return its merge commit."""
    graph = there.graph
    branch = [f"{number}-{place}" for place in range(own)]
    tip = before
    for place, name in enumerate(branch):
        tip = graph_commit(there, name, tip, hours=hours + place / 1000)
    graph.pull_request(number, *map(sha, branch), created_at=at(hours))
    landed = hours + own / 1000
    end = f"{number}-{way}"
    if way == "merge":
        graph.commit(sha(end), sha(before), sha(tip), at=at(landed), branch="main")
        brought = [*((name, hours + place / 1000) for place, name in enumerate(branch)), (end, landed)]
    elif way == "squash":
        graph.commit(sha(end), sha(before), at=at(landed), branch="main")
        brought = [(end, landed)]
    else:
        brought = []
        tip = before
        for place in range(own):
            name = f"{end}-{place}" if place < own - 1 else end
            authored = hours + place / 1000
            graph.commit(sha(name), sha(tip), at=at(authored), authored_at=at(authored), branch="main")
            brought.append((name, authored))
            tip = name
    graph.merged(number, sha(end), *(sha(name) for name, _ in brought), at=at(landed))
    if told:
        await there.merges(number)
        await there.pushes(before, *brought)
    return end


def graph_commit(there: Beside, name: str, parent: str, *, hours: float) -> str:
    there.graph.commit(sha(name), sha(parent), at=at(hours))
    return name


@pytest.mark.parametrize("way", ["merge", "rebase"])
@pytest.mark.parametrize("pulls", [1, 10])
def test_with_a_complete_ledger_merges_and_rebases_cost_no_request(way: str, pulls: int) -> None:
    async def story(there: Beside) -> None:
        await begun(there)
        tip = "d"
        for number in range(100, 100 + pulls):
            tip = await lands(there, way, number, tip, 8 + (number - 100) / 10, own=3, told=True)
        await there.deploys(11, tip, 9.5)
        await there.measured(within=60)
        assert there.github.paths() == []
        assert await there.chain("dora_lead_time_seconds_count") == 4 + pulls

    run(story)


@pytest.mark.parametrize("pulls", [1, 10, 50])
def test_with_a_complete_ledger_up_to_50_squashes_cost_one_request(pulls: int) -> None:
    async def story(there: Beside) -> None:
        await begun(there)
        tip = "d"
        for number in range(100, 100 + pulls):
            tip = await lands(there, "squash", number, tip, 8 + (number - 100) / 100, own=3, told=True)
        await there.deploys(11, tip, 9.5)
        await there.measured(within=60)
        assert there.github.paths() == ["POST /graphql"]
        assert await there.chain("dora_lead_time_seconds_count") == 4 + pulls
        assert await there.chain("dora_commit_lead_time_seconds_count") == 4 + pulls

    run(story)


@pytest.mark.parametrize("mixed", [(100, 1), (50, 2), (20, 5), (1, 99)])
def test_without_a_ledger_a_range_of_100_commits_and_its_predecessor_cost_at_most_4_requests(
    mixed: tuple[int, int],
) -> None:
    pulls, own = mixed

    async def story(there: Beside) -> None:
        tip = "d"
        there.graph.deployment(2, sha("d"), at=at(7))
        there.graph.status(2, "success", at=at(7))
        for number in range(100, 100 + pulls):
            way = "squash" if own == 1 else "rebase" if number % 2 else "merge" if own * pulls < 100 else "rebase"
            tip = await lands(there, way, number, tip, 8 + (number - 100) / 100, own=own, told=False)
        await there.deploys(11, tip, 9.5)
        await there.measured(within=60)
        assert len(there.github.paths()) <= 4, there.github.paths()
        assert await there.chain("dora_lead_time_seconds_count") == pulls
        assert await there.chain("dora_commit_lead_time_seconds_count") == pulls

    run(story)


def test_without_a_ledger_200_commits_more_cost_two_requests_more_and_a_search_of_250_deployments_two() -> None:
    async def story(there: Beside) -> None:
        tip = "d"
        there.graph.deployment(2, sha("d"), at=at(7))
        there.graph.status(2, "success", at=at(7))
        for number in range(250):
            there.graph.deployment(1000 + number, sha("d"), at=at(7.5))
            there.graph.status(1000 + number, "failure", at=at(7.5))
        for number in range(300):
            tip = graph_commit(there, f"direct-{number}", tip, hours=8 + number / 1000)
        there.graph.heads["main"] = sha(tip)
        await there.deploys(5000, tip, 9.5)
        await there.measured(within=60)
        assert len(there.github.paths()) <= 4 + 2 + 2, there.github.paths()
        assert await there.chain("dora_lead_time_seconds_count") == 300

    run(story)


def test_a_redeploy_and_a_failure_cost_nothing() -> None:
    async def story(there: Beside) -> None:
        await begun(there)
        await there.deploys(11, "d", 8)
        await there.deploys(12, "d", 8.5, "failure")
        await there.measured(within=60)
        assert there.github.paths() == []

    run(story)
