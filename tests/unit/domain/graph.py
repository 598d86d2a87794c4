"""A commit graph as Git has it, for tests: every commit knows the set of all it can reach.

Sets of commits are whole numbers with one bit a commit, so that a range is `reach(b) & ~reach(a)`: nothing is walked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from attrs import Factory, define, frozen

from dora.domain.facts import Commit
from dora.domain.instant import Instant

Commits: TypeAlias = int
"""A set of commits: bit n is the graph's n-th commit."""


@frozen
class Node:
    """A commit with its parents."""

    index: int
    sha: str
    parents: tuple[Node, ...]
    committed_at: Instant
    authored_at: Instant
    merge_subject: bool
    reach: Commits
    """Itself and all its ancestors."""

    def contains(self, other: Node) -> bool:
        """Say whether the other is this commit or an ancestor of it."""
        return bool(self.reach >> other.index & 1)


@frozen
class Merged:
    """A pull request that was merged into the tracked branch."""

    number: int
    created_at: Instant
    merged_at: Instant
    merge_commit: Node
    own: tuple[Node, ...]
    """The commits of its branch, as the pull request's page lists them."""
    landed: Commits
    """What its merge brought to the base: the merge commit and what it reaches, the squashed commit, or the copies."""
    told_commits: int | None
    """How many commits the event says it has."""
    hotfix: bool
    reverts: int | None

    @property
    def claims(self) -> Commits:
        """The commits that are no changes of their own, because they are this pull request's."""
        return self.landed | commits_of(self.own)

    @property
    def first_authored_at(self) -> Instant:
        """Earliest author date among its own commits."""
        return min(node.authored_at for node in self.own)


def commits_of(nodes: Iterable[Node]) -> Commits:
    """Return the set of the nodes."""
    found = 0
    for node in nodes:
        found |= 1 << node.index
    return found


@define
class Graph:
    """All commits of a repository, those that no branch holds any more included."""

    nodes: list[Node] = Factory(list)
    by_sha: dict[str, Node] = Factory(dict)

    def commit(
        self, *parents: Node, committed_at: Instant, authored_at: Instant | None = None, merge_subject: bool = False
    ) -> Node:
        """Add a commit."""
        index = len(self.nodes)
        reach = 1 << index
        for parent in parents:
            reach |= parent.reach
        sha = f"{(index + 1) * 0x9E3779B97F4A7C15 % (1 << 64):016x}".ljust(40, "0")
        node = Node(
            index=index,
            sha=sha,
            parents=parents,
            committed_at=committed_at,
            authored_at=committed_at if authored_at is None else authored_at,
            merge_subject=merge_subject,
            reach=reach,
        )
        self.nodes.append(node)
        self.by_sha[sha] = node
        return node

    def listed(self, commits: Commits) -> Iterator[Node]:
        """Yield the set's commits, parents before children (the order in which they were made)."""
        while commits:
            lowest = commits & -commits
            yield self.nodes[lowest.bit_length() - 1]
            commits ^= lowest

    def range(self, base: Node | None, tip: Node) -> tuple[Node, ...]:
        """Return what is reachable from the tip and not from the base, parents before children."""
        return tuple(self.listed(tip.reach & ~(base.reach if base else 0)))


def pushed(node: Node, *, author_dates: bool) -> Commit:
    """Return the commit as a push lists it."""
    return Commit(
        sha=node.sha,
        committed_at=node.committed_at,
        authored_at=node.authored_at if author_dates else None,
        merge_subject=node.merge_subject,
    )
