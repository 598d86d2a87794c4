"""The whole service makes good what no delivery told, beside a fake GitHub, in a time that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

from tests.contract.fake_github.server import Fault
from tests.contract.outage import Beside, LoopbackLoop, at, beside, sha

EVENTS = 'dora_events_total{{outcome="{}",repository="acme/shop",source="github",type="{}"}}'


def in_time(test: Callable[[], Coroutine[None, None, None]]) -> None:
    with asyncio.Runner(loop_factory=LoopbackLoop) as runner:
        runner.run(test())


async def looked_up(place: Beside, times: int = 1) -> None:
    """Wait until the repository was looked up so many more times."""

    async def done() -> float:
        return (await place.samples("/internal/metrics")).get('dora_reconciliations_total{result="done"}', 0)

    wanted = await done() + times
    while await done() < wanted:  # noqa: ASYNC110 - only the metric tells it
        await asyncio.sleep(5)
    await place.measured(within=60)


async def registered(place: Beside) -> None:
    graph = place.graph
    answer = await place.deliver(
        "ping", {"repository": {"id": graph.id, "full_name": "acme/shop", "default_branch": "main"}}
    )
    assert answer.status_code == 200


def deployed(place: Beside, number: int, name: str, hours: float, *states: str) -> None:
    """Let GitHub know a deployment of which no delivery tells."""
    place.graph.deployment(number, sha(name), at=at(hours))
    for state in states:
        place.graph.status(number, state, at=at(hours))


def merged(place: Beside, number: int, name: str, before: str, hours: float) -> None:
    """Let GitHub know a squashed pull request of which no delivery tells."""
    graph = place.graph
    graph.commit(sha(name), sha(before), at=at(hours), branch="main")
    graph.pull_request(number, sha(name), created_at=at(hours - 0.01))
    graph.merged(number, sha(name), at=at(hours))


def test_lost_deployments_and_merges_are_counted_and_measured_as_if_they_had_been_delivered() -> None:
    async def test() -> None:
        async with beside(DORA_RECONCILE="5m") as place:
            await registered(place)
            deployed(place, 2, "b", 10.01, "in_progress", "success", "inactive")
            merged(place, 9, "e", "d", 10.02)
            deployed(place, 3, "d", 10.03, "failure")
            deployed(place, 4, "e", 10.05, "success")
            await looked_up(place)
            # The deployment and the merges of before are history.
            assert await place.chain("dora_deployments_total", result="success") == 2
            assert await place.chain("dora_deployments_total", result="failure") == 1
            assert await place.chain("dora_change_failures_total", cause="deployment_failed") == 1
            assert await place.chain("dora_recovery_time_seconds_sum", cause="deployment_failed") == 72
            # Of the first success one commit; of the second two pull requests and a commit of before, and the new one.
            assert await place.chain("dora_lead_time_seconds_count") == 5
            seen = await place.samples("/internal/metrics")
            assert seen[EVENTS.format("counted", "deployment_status")] == 3
            assert seen[EVENTS.format("counted", "pull_request")] == 1

    in_time(test)


def test_what_was_delivered_counts_once_and_is_no_duplicate_of_anybodys() -> None:
    async def test() -> None:
        async with beside(DORA_RECONCILE="5m") as place:
            await registered(place)
            await place.deploys(2, "b", 10.01)
            merged(place, 9, "e", "d", 10.02)
            await place.merges(9)
            await looked_up(place, 2)
            assert await place.chain("dora_deployments_total", result="success") == 1
            seen = await place.samples("/internal/metrics")
            assert seen[EVENTS.format("counted", "deployment_status")] == 1
            assert EVENTS.format("duplicate", "deployment_status") not in seen
            # A delivery that comes after all is one.
            await place.merges(9)
            assert (await place.samples("/internal/metrics"))[EVENTS.format("duplicate", "pull_request")] == 1

    in_time(test)


def test_what_happened_while_the_service_was_down_is_made_good_when_it_is_back(tmp_path: Path) -> None:
    async def test() -> None:
        state = tmp_path.as_uri()
        async with beside(DORA_STATE=state, DORA_RECONCILE="5m") as place:
            await registered(place)
            await place.deploys(2, "b", 10.01)
            await place.measured(within=60)
        async with beside(begins=11, DORA_STATE=state, DORA_RECONCILE="5m") as place:
            # The new GitHub knows the deployment too, and one that happened meanwhile.
            deployed(place, 2, "b", 10.01, "success", "inactive")
            deployed(place, 3, "d", 10.04, "success")
            await looked_up(place)
            assert await place.chain("dora_deployments_total", result="success") == 2
            assert await place.chain("dora_lead_time_seconds_count") == 4

    in_time(test)


def test_a_state_that_is_lost_begins_anew_and_never_with_what_was_before() -> None:
    async def test() -> None:
        async with beside(DORA_RECONCILE="5m", DORA_REPOSITORIES="acme/shop") as place:
            deployed(place, 2, "b", 9.99, "success")
            deployed(place, 3, "d", 10.04, "success")
            await looked_up(place)
            assert await place.chain("dora_deployments_total", result="success") == 1

    in_time(test)


def test_deliveries_are_answered_whatever_github_does_and_all_is_made_good_in_the_next_round() -> None:
    async def test() -> None:
        async with beside(DORA_RECONCILE="2m") as place:
            await registered(place)
            deployed(place, 2, "b", 10.01, "success")
            place.github.faults.append(Fault(stall=True, times=2))
            await asyncio.sleep(130)
            await place.deploys(3, "d", 10.04)
            assert place.slowest < 1
            await looked_up(place)
            assert await place.chain("dora_deployments_total", result="success") == 2

    in_time(test)


def test_the_service_ends_while_github_does_not_answer() -> None:
    async def test() -> None:
        async with beside(DORA_RECONCILE="2m", DORA_REPOSITORIES="acme/shop") as place:
            place.github.faults.append(Fault(stall=True))
            await asyncio.sleep(5)
            ending = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - ending < 10

    in_time(test)


def test_nothing_is_looked_up_unless_it_is_wanted() -> None:
    async def test() -> None:
        async with beside() as place:
            await registered(place)
            deployed(place, 2, "b", 10.01, "success")
            await asyncio.sleep(600)
            assert place.github.seen == []

    in_time(test)
