"""The oracle itself, on histories small enough to add up by hand."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from dora.domain.facts import Fact
from dora.domain.observations import Chain
from tests.unit.domain.deliveries import history
from tests.unit.domain.graph import Graph, Merged, Node
from tests.unit.domain.series import Series, Value, of, settled
from tests.unit.domain.story import PRODUCTION, failure, hour, hours, opened, resolved, success
from tests.unit.domain.truth import REPOSITORY, History, truth

CHAIN = Chain(REPOSITORY, PRODUCTION.label, PRODUCTION.service)


def told(
    graph: Graph, *happened: Fact, merged: tuple[Merged, ...] = (), unseen: int = 0, lookups: bool = False
) -> Series:
    """Return the truth of a history in which the commits are the graph's."""
    return truth(
        History(graph=graph, merged=merged, happened=happened, delivered=(), unseen=unseen, lookups=lookups),
    )


def value(series: Series, family: str, *more: str) -> Value | None:
    """Return the value of the production chain's series."""
    return settled(series).get(of(family, CHAIN, *more))


def deployment(number: str, node: Node, at: float) -> Fact:
    """Return the success of a deployment of a commit of the graph."""
    return success(number, "", at, full_sha=node.sha)


def line(graph: Graph, *committed: float) -> list[Node]:
    """Make one commit on top of the other, at these hours."""
    made: list[Node] = []
    for at in committed:
        made.append(graph.commit(*made[-1:], committed_at=hour(at)))
    return made


def test_a_range_is_what_the_new_reaches_and_the_old_does_not() -> None:
    graph = Graph()
    root, one, two = line(graph, 0, 1, 2)
    side = graph.commit(root, committed_at=hour(3))
    assert graph.range(one, two) == (two,)
    assert graph.range(two, side) == (side,)
    assert graph.range(None, side) == (root, side)
    assert two.contains(one)
    assert not side.contains(one)


def test_a_line_of_direct_commits_is_observed_once_each() -> None:
    graph = Graph()
    root, one, two, three = line(graph, 0, 1, 2, 3)
    series = told(graph, deployment("1", one, 4), deployment("2", three, 6), unseen=root.reach)
    assert value(series, "lead_time") == hours(3, 4, 3)
    assert value(series, "last_deployment") == hour(6)
    assert two.committed_at == hour(2)


def test_a_rollback_and_the_way_forward_again() -> None:
    graph = Graph()
    root, one, two = line(graph, 0, 1, 2)
    series = told(
        graph,
        deployment("1", one, 3),
        deployment("2", two, 4),
        deployment("3", one, 6),
        deployment("4", two, 7),
        unseen=root.reach,
    )
    assert value(series, "lead_time") == hours(2, 2)
    assert value(series, "change_failures", "rollback") == 1
    assert value(series, "recovery", "rollback") == hours(2)
    assert value(series, "rework") == 1


def merged_branch(graph: Graph) -> tuple[Node, Node, Merged]:
    """Make a branch of two commits (hours 1 and 2) and merge it at hour 5; return its base, its tip and the merge."""
    base, one, two = line(graph, 0, 1, 2)
    merge_commit = graph.commit(base, two, committed_at=hour(5))
    pull_request = Merged(
        number=7,
        created_at=hour(3),
        merged_at=hour(5),
        merge_commit=merge_commit,
        own=(one, two),
        landed=merge_commit.reach & ~base.reach,
        told_commits=2,
        hotfix=False,
        reverts=None,
    )
    return base, two, pull_request


def test_a_merged_pull_request_is_one_change() -> None:
    graph = Graph()
    base, _, merged = merged_branch(graph)
    happened = (deployment("1", base, 3), deployment("2", merged.merge_commit, 8))
    series = told(graph, *happened, merged=(merged,), unseen=base.reach)
    assert value(series, "lead_time") == hours(3)
    assert value(series, "commit_lead_time") == hours(7)
    assert value(series, "unknown", "first_deployment") == 1
    assert series["changes_merged", REPOSITORY] == 1
    assert series["time_to_merge", REPOSITORY] == hours(2)


def test_a_branch_deployed_before_its_merge_is_direct_commits_first() -> None:
    graph = Graph()
    base, tip, merged = merged_branch(graph)
    happened = (deployment("1", tip, 4), deployment("2", merged.merge_commit, 8))
    series = told(graph, *happened, merged=(merged,), unseen=base.reach)
    assert value(series, "lead_time") == hours(3, 2, 3)


def test_a_merge_commit_is_known_by_its_parents_only_with_look_ups() -> None:
    graph = Graph()
    base, tip, merged = merged_branch(graph)
    happened = (deployment("1", merged.merge_commit, 8),)
    assert value(told(graph, *happened, unseen=base.reach), "lead_time") == hours(7, 6, 3)
    assert value(told(graph, *happened, unseen=base.reach, lookups=True), "lead_time") == hours(7, 6)
    assert tip.authored_at == hour(2)


@pytest.mark.parametrize(("lookups", "expected"), [(False, []), (True, hours(7))])
def test_the_first_commit_of_a_squashed_pull_request_is_known_with_look_ups(
    *, lookups: bool, expected: list[int]
) -> None:
    graph = Graph()
    base, one, two = line(graph, 0, 1, 2)
    squashed = graph.commit(base, committed_at=hour(5))
    merged = Merged(
        number=7,
        created_at=hour(3),
        merged_at=hour(5),
        merge_commit=squashed,
        own=(one, two),
        landed=squashed.reach & ~base.reach,
        told_commits=2,
        hotfix=False,
        reverts=None,
    )
    series = told(graph, deployment("1", squashed, 8), merged=(merged,), unseen=base.reach, lookups=lookups)
    assert value(series, "lead_time") == hours(3)
    assert value(series, "commit_lead_time") == expected


def test_failures_and_their_ends() -> None:
    graph = Graph()
    root, one = line(graph, 0, 1)
    happened = (
        failure("1", 2),
        failure("2", 3),
        deployment("3", one, 5),
        opened("I1", 6),
        opened("I2", 7),
        resolved("I1", 9),
        failure("4", 10),
    )
    series = told(graph, *happened, unseen=root.reach)
    assert value(series, "change_failures", "deployment_failed") == 3
    assert value(series, "recovery", "deployment_failed") == hours(3)
    assert value(series, "change_failures", "incident") == 1
    assert value(series, "recovery", "incident") == hours(3)
    assert value(series, "open_failures") == 1


def test_the_generator_reaches_every_family_and_cause() -> None:
    """A generator that never makes a rollback would prove nothing about rollbacks."""
    reached: Counter[tuple[str, str]] = Counter()
    for seed in range(150):
        life = Random(seed).randbytes(500)  # noqa: S311 - no secret, the same every time
        for name, total in truth(history(life, b"")).items():
            kind = name[-1] if name[0] in {"change_failures", "recovery", "unknown", "deployments"} else ""
            reached[name[0], kind] += bool(total)
    wanted = {
        *(("change_failures", cause) for cause in ("deployment_failed", "rollback", "revert", "hotfix", "incident")),
        *(("recovery", cause) for cause in ("deployment_failed", "rollback", "revert", "hotfix", "incident")),
        *((family, "reported") for family in ("change_failures", "recovery")),
        *(("unknown", reason) for reason in ("first_deployment", "too_many_commits")),
        *((family, "") for family in ("lead_time", "commit_lead_time", "rework", "open_failures", "time_to_merge")),
    }
    assert {kind for kind in wanted if not reached[kind]} == set()
