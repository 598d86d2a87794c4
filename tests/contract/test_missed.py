"""What GitHub says was missed, asked for over real HTTP: only what happened since, as deliveries would have told it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import orjson
import pytest
from attrs import define, evolve

from dora.adapters.github.credentials import PersonalToken
from dora.adapters.github.limits import Budget
from dora.adapters.github.listings import Listings
from dora.adapters.github.missed import LOOK_BACK, Found, Mark, Reader, Since
from dora.adapters.github.sessions import Session
from dora.domain.facts import DeploymentFinished, Environment, EnvironmentSeen, PullRequestMerged, Repository, Result
from dora.domain.instant import Instant
from dora.policy import Policy, environment_rules
from dora.ports import Refused, Unavailable
from tests.contract.fake_github import rest
from tests.contract.fake_github.graph import Graph
from tests.contract.fake_github.server import ALL, Fault, Grant
from tests.contract.fake_github.world import HOUR, NOW, SECOND, TOKEN, World, asked, sha, world

SHOP = Repository("acme/shop", 4_200_000_001)
BORN = NOW - 10 * HOUR


def never(_: Environment) -> Instant | None:
    """No environment is known yet."""
    return None


@define
class Asked:
    """A GitHub with a repository, and a reader that goes on where it stopped."""

    world: World
    graph: Graph
    budget: Budget
    policy: Policy
    mark: Mark | None = None

    async def read(
        self,
        repository: Repository = SHOP,
        *,
        born: Instant = BORN,
        process: Instant = BORN,
        chain: Callable[[Environment], Instant | None] = never,
    ) -> Found:
        session = Session(self.world.requests, PersonalToken.of(TOKEN, budget=self.budget))
        since = Since(repository=born, process=process, chain=chain)
        found = await Reader(Listings(session), self.policy).read(repository, since, self.mark, now=self.world.clock())
        self.mark = found.mark
        return found

    def deployed(self, number: int, *states: str, at: Instant, environment: str = "production") -> None:
        """Let a deployment be made and have these states, a second apart."""
        self.graph.deployment(number, sha(number), environment, at=at)
        for second, state in enumerate(states):
            self.graph.status(number, state, at=at + second * SECOND)

    def merged(self, number: int, *, at: Instant, **more: str | tuple[str, ...]) -> None:
        self.graph.pull_request(number, sha(number), created_at=at - HOUR, **more)  # type: ignore[arg-type] # its fields
        self.graph.merged(number, sha(number), at=at)


@pytest.fixture
async def place() -> AsyncIterator[Asked]:
    async with world() as whole:
        graph = whole.github.repository()
        yield Asked(whole, graph, Budget(chance=lambda: 0.0), Policy(lookups=True))


def results(found: Found) -> list[tuple[str, Result, Instant]]:
    return [(fact.deployment_id, fact.result, fact.at) for fact in found.facts if isinstance(fact, DeploymentFinished)]


def merges(found: Found) -> list[int]:
    return [fact.number for fact in found.facts if isinstance(fact, PullRequestMerged)]


def environments(found: Found) -> list[str]:
    return [fact.environment.label for fact in found.facts if isinstance(fact, EnvironmentSeen)]


async def test_case_3_an_inactive_deployment_is_told_by_its_history(place: Asked) -> None:
    place.deployed(1, "queued", "failure", "success", "inactive", at=BORN + HOUR)
    (seen, failed, succeeded) = (await place.read()).facts
    assert isinstance(seen, EnvironmentSeen)
    assert failed == DeploymentFinished(
        repository=SHOP,
        received_at=NOW,
        environment=Environment("production", "production", listed=True),
        deployment_id="1",
        result=Result.FAILURE,
        at=BORN + HOUR + SECOND,
        sha=sha(1),
        lookups=True,
    )
    assert succeeded == evolve(failed, result=Result.SUCCESS, at=BORN + HOUR + 2 * SECOND)


async def test_what_happened_before_the_repository_was_known_is_never_told(place: Asked) -> None:
    place.deployed(1, "success", at=BORN - SECOND, environment="staging")
    place.deployed(2, "success", at=BORN)
    place.merged(3, at=BORN - SECOND)
    place.merged(4, at=BORN)
    found = await place.read()
    assert results(found) == [("2", Result.SUCCESS, BORN)]
    assert merges(found) == [4]
    assert environments(found) == ["production"]


async def test_a_deployment_that_succeeded_before_and_again_since_succeeded_before(place: Asked) -> None:
    place.deployed(1, "success", at=BORN - HOUR)
    place.graph.status(1, "success", at=BORN + HOUR)
    assert results(await place.read()) == []


async def test_an_environment_not_known_yet_counts_since_the_process_began(place: Asked) -> None:
    """Until then other settings may have ruled, which acted on what happened then."""
    place.deployed(1, "success", at=BORN + HOUR)
    place.deployed(2, "success", at=BORN + 3 * HOUR)
    found = await place.read(process=BORN + 2 * HOUR)
    assert results(found) == [("2", Result.SUCCESS, BORN + 3 * HOUR)]


async def test_an_environment_known_before_the_process_began_counts_since_it_is_known(place: Asked) -> None:
    place.deployed(1, "success", at=BORN + HOUR)
    place.deployed(2, "success", at=BORN + 3 * HOUR)
    found = await place.read(process=BORN + 4 * HOUR, chain=lambda _: BORN + 2 * HOUR)
    assert [number for number, _, _ in results(found)] == ["2"]


async def test_a_deployment_of_before_that_succeeds_since_is_told(place: Asked) -> None:
    place.deployed(1, "waiting", at=BORN - 200 * HOUR)
    place.graph.status(1, "success", at=BORN + HOUR)
    assert results(await place.read()) == [("1", Result.SUCCESS, BORN + HOUR)]


async def test_a_state_that_counts_nothing_tells_of_the_environment(place: Asked) -> None:
    place.deployed(1, "in_progress", at=BORN + HOUR, environment="staging")
    found = await place.read()
    assert (environments(found), results(found)) == (["staging"], [])


async def test_case_8_a_transient_environment_is_none_unless_the_settings_name_it(place: Asked) -> None:
    place.deployed(1, "success", at=BORN + HOUR, environment="preview-7")
    place.graph.deployments[1].transient = True
    assert (await place.read()).facts == ()
    place.mark, place.policy = None, Policy(environments=environment_rules("preview=preview-*"), lookups=True)
    assert environments(await place.read()) == ["preview"]


async def test_a_status_may_be_for_another_environment_than_its_deployment(place: Asked) -> None:
    place.deployed(1, at=BORN + HOUR)
    place.graph.status(1, "success", at=BORN + HOUR, environment="staging")
    found = await place.read()
    assert sorted(environments(found)) == ["production", "staging"]
    assert [fact.environment.label for fact in found.facts if isinstance(fact, DeploymentFinished)] == ["staging"]


async def test_a_merge_is_told_as_its_delivery_would_have_told_it(place: Asked) -> None:
    place.merged(7, at=BORN + HOUR, labels=("hotfix",), head="revert-5-topic")
    assert (await place.read()).facts == (
        PullRequestMerged(
            repository=SHOP,
            received_at=NOW,
            number=7,
            created_at=BORN,
            merged_at=BORN + HOUR,
            merge_commit=sha(7),
            hotfix=True,
            reverts=5,
        ),
    )


async def test_case_23_what_was_closed_or_merged_elsewhere_is_no_merge(place: Asked) -> None:
    place.merged(7, at=BORN + HOUR, base="release")
    place.graph.pull_request(8, sha(8), created_at=BORN)
    place.graph.closed(8, at=BORN + HOUR)
    place.graph.pull_request(9, sha(9), created_at=BORN)
    assert (await place.read()).facts == ()


async def test_what_is_too_old_to_be_counted_is_kept_for_linking(place: Asked) -> None:
    place.policy = Policy(lookups=True, max_event_age=2 * HOUR)
    place.deployed(1, "success", at=NOW - 3 * HOUR)
    place.deployed(2, "success", at=NOW - HOUR)
    place.merged(3, at=NOW - 3 * HOUR)
    found = await place.read()
    counted = {
        fact.deployment_id if isinstance(fact, DeploymentFinished) else fact.number: fact.counted
        for fact in found.facts
        if not isinstance(fact, EnvironmentSeen)
    }
    assert counted == {"1": False, "2": True, 3: False}


async def test_facts_come_in_the_order_of_their_time_and_merges_before_deployments(place: Asked) -> None:
    place.deployed(2, "success", at=BORN + 2 * HOUR)
    place.deployed(1, "success", at=BORN + 3 * HOUR)
    place.merged(8, at=BORN + 3 * HOUR)
    place.merged(7, at=BORN + HOUR)
    kinds = [
        fact.deployment_id if isinstance(fact, DeploymentFinished) else fact.number
        for fact in (await place.read()).facts
        if not isinstance(fact, EnvironmentSeen)
    ]
    assert kinds == [7, "2", 8, "1"]


async def test_a_second_look_at_an_unchanged_repository_costs_nothing(place: Asked) -> None:
    place.deployed(1, "success", at=BORN + HOUR)
    place.merged(7, at=BORN + HOUR)
    await place.read()
    before = dict(place.world.github.grants[TOKEN].used)
    place.world.github.seen.clear()
    assert (await place.read()).facts == ()
    assert [request.status for request in place.world.github.seen] == [304, 304, 304]
    assert place.world.github.grants[TOKEN].used == before


async def test_a_second_look_finds_what_has_happened_meanwhile(place: Asked) -> None:
    place.deployed(1, "success", at=BORN + HOUR)
    place.merged(7, at=BORN + HOUR)
    await place.read()
    place.graph.status(1, "failure", at=BORN + 2 * HOUR)
    place.merged(8, at=BORN + 2 * HOUR)
    found = await place.read()
    assert ("1", Result.FAILURE, BORN + 2 * HOUR) in results(found)
    assert 8 in merges(found)


async def test_what_is_under_way_is_looked_at_again_even_if_the_list_does_not_change(place: Asked) -> None:
    place.deployed(1, "in_progress", at=BORN + HOUR)
    await place.read()
    deployment = place.graph.deployments[1]
    updated_at = deployment.updated_at
    place.graph.status(1, "success", at=BORN + 2 * HOUR)
    deployment.updated_at = updated_at
    assert results(await place.read()) == [("1", Result.SUCCESS, BORN + 2 * HOUR)]


async def test_pages_are_read_until_none_can_hold_what_is_under_way(place: Asked) -> None:
    place.deployed(1, "waiting", at=NOW - 300 * HOUR)
    for number in range(2, 252):
        place.deployed(number, "success", at=NOW - 9 * HOUR + number * SECOND)
    assert len(results(await place.read())) == 250
    place.graph.status(1, "success", at=NOW - HOUR)
    assert ("1", Result.SUCCESS, NOW - HOUR) in results(await place.read())
    place.world.github.seen.clear()
    place.world.clock.pass_(60)
    await place.read()
    # Nothing is under way any more: the newest hundred are all there is to look at.
    pages = [request for request in place.world.github.seen if request.path.endswith("/deployments")]
    assert [request.query for request in pages] == ["per_page=100"]


async def test_what_was_made_too_long_ago_is_given_up(place: Asked) -> None:
    place.deployed(1, "waiting", at=NOW - LOOK_BACK - HOUR)
    await place.read()
    assert place.mark is not None
    assert place.mark.deployments_tag is not None


async def test_more_than_can_be_looked_at_at_once_is_said(place: Asked) -> None:
    for number in range(1, 1002):
        place.deployed(number, "success", at=BORN + number * SECOND)
    found = await place.read()
    assert len(results(found)) == 1000
    assert found.left_out


async def test_case_48_a_renamed_repository_is_told_of_by_its_new_name(place: Asked) -> None:
    place.deployed(1, "success", at=BORN + HOUR)
    place.world.github.rename("acme/shop", "acme/store")
    found = await place.read()
    assert {fact.repository for fact in found.facts} == {Repository("acme/store", SHOP.id)}
    assert results(found)


async def test_another_repository_that_took_the_name_is_refused(place: Asked) -> None:
    place.deployed(1, "success", at=BORN + HOUR)
    with pytest.raises(Refused, match="taken the name"):
        await place.read(Repository("acme/shop", 5))


async def test_a_repository_renamed_to_what_is_not_watched_is_told_of_no_more(place: Asked) -> None:
    place.deployed(1, "success", at=BORN + HOUR)
    place.policy = Policy(repositories=("acme/shop",), lookups=True)
    place.world.github.rename("acme/shop", "other/store")
    assert (await place.read()).facts == ()


@pytest.mark.parametrize("permission", ["deployments=read", "pull_requests=read"])
async def test_case_47_a_missing_permission_is_named(place: Asked, permission: str) -> None:
    place.world.github.grants[TOKEN] = Grant(permissions=ALL - {permission})
    with pytest.raises(Refused) as caught:
        await place.read()
    assert caught.value.permission == permission


async def test_case_47_a_repository_that_is_not_there_is_refused(place: Asked) -> None:
    with pytest.raises(Refused):
        await place.read(Repository("acme/gone"))


async def test_half_of_the_limit_is_left_to_look_ups(place: Asked) -> None:
    graph = place.graph
    graph.commit(sha(1), at=BORN, branch="main")
    place.deployed(1, "success", at=BORN + HOUR)
    place.world.github.grants[TOKEN].used = {"core": 2600, "graphql": 2600}
    place.world.github.grants[TOKEN].reset = NOW + HOUR
    with pytest.raises(Unavailable, match="left to others"):
        await place.read()
    credential = PersonalToken.of(TOKEN, budget=place.budget)
    answer = await place.world.lookup(credential=credential).changes(asked(sha(1)))
    assert answer.unknown is None


async def test_an_id_too_large_for_graphql_is_matched_by_graphqls_own(place: Asked) -> None:
    place.deployed(3_900_000_001, "success", at=BORN + HOUR)
    status = {"state": "SUCCESS", "environment": "production", "createdAt": rest.stamp(BORN + HOUR)}
    deployment = {
        "id": "DE_3900000001",
        "databaseId": None,
        "commitOid": sha(1),
        "state": "ACTIVE",
        "updatedAt": rest.stamp(BORN + HOUR),
        "statuses": {"nodes": [status, None]},
    }
    deployments = {"pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": [None, deployment]}
    body = orjson.dumps({"data": {"repository": {"deployments": deployments}}})
    place.world.github.faults.append(Fault(when="/graphql", body=body))
    assert results(await place.read()) == [("3900000001", Result.SUCCESS, BORN + HOUR)]


async def test_a_deployment_that_one_of_two_answers_lacks_is_told_the_next_time(place: Asked) -> None:
    place.deployed(1, "success", at=BORN + HOUR)
    nothing = {"pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": []}
    body = orjson.dumps({"data": {"repository": {"deployments": nothing}}})
    place.world.github.faults.append(Fault(when="/graphql", body=body))
    assert results(await place.read()) == []
    assert results(await place.read()) == [("1", Result.SUCCESS, BORN + HOUR)]


async def test_a_page_that_leads_elsewhere_is_not_followed(place: Asked) -> None:
    place.deployed(1, "success", at=BORN + HOUR)
    link = {"Link": '<https://elsewhere.example/repositories/1/deployments?page=2>; rel="next"'}
    place.world.github.faults.append(Fault(when="/deployments", headers=link))
    with pytest.raises(Unavailable, match="another host"):
        await place.read()


async def test_a_row_that_cannot_be_read_hides_no_other(place: Asked) -> None:
    place.deployed(1, "success", at=BORN + HOUR)
    place.deployed(2, "success", at=BORN + 2 * HOUR, environment="x" * 256)
    place.graph.deployments[3] = evolve(place.graph.deployments[1], id=-3)
    assert [number for number, _, _ in results(await place.read())] == ["1"]
