"""Of any history, the GitHub adapter says what set algebra over the commit graph says."""

from __future__ import annotations

import asyncio

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from dora.domain.facts import ChangesFound, Environment, Repository
from dora.domain.questions import ChangesSought
from dora.policy import Policy
from tests.contract.fake_github.graph import Graph
from tests.contract.fake_github.memory import MemoryLookup
from tests.contract.fake_github.world import HOUR, NOW, SECOND, sha, world

STATES = ("pending", "queued", "in_progress", "waiting", "success", "failure", "error", "inactive")
BRANCHES = st.sampled_from(["main", "develop"])
POLICY = Policy(hotfix_labels=("urgent",))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    graph = Graph(name="acme/shop")
    moments = st.integers(min_value=0, max_value=20).map(lambda hours: NOW - 100 * HOUR + hours * HOUR)
    known: list[str] = []
    for number in range(1, draw(st.integers(min_value=2, max_value=10)) + 1):
        parents = draw(st.lists(st.sampled_from(known), max_size=2, unique=True)) if known else []
        known.append(graph.commit(sha(number), *parents, at=draw(moments), authored_at=draw(moments)))
    graph.heads["main"] = draw(st.sampled_from(known))
    some = st.lists(st.sampled_from(known), max_size=4, unique=True)
    for number in range(1, draw(st.integers(min_value=0, max_value=4)) + 1):
        head = draw(st.sampled_from(["topic", "hotfix/a", "revert-1-topic"]))
        labels = ("urgent",) if draw(st.booleans()) else ()
        own = draw(some)
        graph.pull_request(number, *own, created_at=draw(moments), base=draw(BRANCHES), head=head, labels=labels)
        if draw(st.booleans()):
            graph.merged(number, draw(st.sampled_from(known)), *draw(some), at=draw(moments))
    for number in range(1, draw(st.integers(min_value=0, max_value=5)) + 1):
        at = draw(moments)
        graph.deployment(number, draw(st.sampled_from(known)), draw(st.sampled_from(["production", "staging"])), at=at)
        for state in draw(st.lists(st.sampled_from(STATES), max_size=3)):
            at += draw(st.integers(min_value=0, max_value=2)) * SECOND
            graph.status(number, state, at=at)
        if draw(st.integers(min_value=0, max_value=3)) == 0:
            graph.expire(number)
    return graph


@st.composite
def questions(draw: st.DrawFn, graph: Graph) -> ChangesSought:
    commits = [*graph.commits, sha(99)]
    known = draw(st.none() | st.lists(st.sampled_from(commits), max_size=5, unique=True).map(tuple))
    numbers = draw(st.lists(st.integers(min_value=1, max_value=5), max_size=3, unique=True).map(tuple))
    head = draw(st.sampled_from(commits))
    return ChangesSought(
        repository=Repository("acme/shop"),
        environment=Environment("production", "production"),
        deployment_id=str(draw(st.integers(min_value=1, max_value=6))),
        sha=head[: draw(st.sampled_from([40, 40, 8]))],
        succeeded_at=NOW - 100 * HOUR + draw(st.integers(min_value=0, max_value=21)) * HOUR,
        max_commits=draw(st.sampled_from([1000, 2])),
        # A commit is never compared with itself: deployed again it brings nothing, whatever GitHub knows of it.
        base=draw(st.none() | st.sampled_from([commit for commit in commits if commit != head])),
        find_predecessor=known is None and draw(st.booleans()),
        # A question asks for something.
        commits=(sha(1),) if known == () and not numbers else known,
        pull_requests=numbers if known is not None else (),
    )


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_adapter_says_of_any_history_what_the_graph_says(data: st.DataObject) -> None:
    graph = data.draw(graphs())
    asked = [data.draw(questions(graph)) for _ in range(4)]

    async def compare() -> None:
        async with world() as place:
            place.github.graphs["acme/shop"] = graph
            adapter = place.lookup(policy=POLICY)
            memory = MemoryLookup(place.github.graphs, place.clock, POLICY)
            for question in asked:
                assert ordered(await adapter.changes(question)) == ordered(await memory.changes(question)), question

    asyncio.run(compare())


def ordered(answer: ChangesFound) -> ChangesFound:
    return evolve(answer, pull_requests=tuple(sorted(answer.pull_requests, key=lambda pull: pull.number)))
