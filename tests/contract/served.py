"""Random histories as GitHub's API tells them: the same commit graph, pull requests and deployments, at any moment."""

from __future__ import annotations

from bisect import bisect_right

from attrs import Factory, define, frozen

from dora.domain.facts import (
    CommitsPushed,
    DeploymentFinished,
    DeploymentStarted,
    EnvironmentSeen,
    PullRequestMerged,
    RepositorySeen,
    Result,
)
from dora.domain.instant import MICROSECONDS, Instant
from tests.contract.fake_github.graph import Graph
from tests.unit.domain.choices import Choices
from tests.unit.domain.deliveries import deliver
from tests.unit.domain.graph import Merged, Node
from tests.unit.domain.histories import Event, World
from tests.unit.domain.truth import History


class WholeSeconds(World):
    """A world whose things happen at whole seconds, which is all that GitHub's API tells."""

    def _pass_time(self) -> None:
        super()._pass_time()
        self.now -= self.now % MICROSECONDS


@frozen
class Earlier:
    """A deployment from before the service was there."""

    id: int
    environment: str
    node: Node

    @property
    def at(self) -> Instant:
        """When it succeeded."""
        return self.node.committed_at + self.id * MICROSECONDS


@frozen
class Served:
    """A history, and what GitHub knows of it."""

    history: History
    merged: tuple[Merged, ...]
    """All pull requests, those too that nobody was told of."""
    heads: tuple[tuple[Instant, str], ...]
    """When the default branch moved, and whereto."""
    earlier: tuple[Earlier, ...]


def history_with_lookups(life: bytes, post: bytes) -> Served:
    """Return a history of which any share of pushes, pull requests and intermediate states is never told."""
    choose = Choices(post)
    world = WholeSeconds(Choices(life), rewrites=True, lookups=True)
    before = world.main
    world.live()
    pushes, merges, states = (choose.pick((0, 10, 40, 80, 100)) for _ in range(3))
    lost = [
        event
        for event in world.events
        if choose.chance(pushes if event.role == "push" else merges if event.role == "merge" else 0)
        or (_is_intermediate(event) and choose.chance(states))
    ]
    heads = [(event.fact.received_at, event.fact.after) for event in world.events if _moves_main(event)]  # type: ignore[union-attr] # `_moves_main` looked
    merged = tuple(world.merged)
    world.events = [event for event in world.events if not any(event is gone for gone in lost)]
    told = History(
        graph=world.graph,
        merged=merged,
        happened=tuple(event.fact for event in world.events),
        delivered=deliver(world.events, choose, shuffle=False),
        unseen=world.unseen,
        lookups=True,
        author_dates=world.author_dates,
        before=before,
        lost=tuple(event.fact.number for event in lost if isinstance(event.fact, PullRequestMerged)),
    )
    names = sorted({environment.name for environment in world.environments})
    earlier = tuple(Earlier(number, name, before) for number, name in enumerate(names, start=1))
    return Served(history=told, merged=merged, heads=((before.committed_at, before.sha), *heads), earlier=earlier)


def _is_intermediate(event: Event) -> bool:
    return isinstance(event.fact, EnvironmentSeen | DeploymentStarted | RepositorySeen)


def _moves_main(event: Event) -> bool:
    return isinstance(event.fact, CommitsPushed) and event.fact.branch == "main"


@define
class Serving:
    """Lets a graph of the fake GitHub grow with the history's time."""

    served: Served
    graph: Graph
    now: Instant = 0
    _statuses: list[DeploymentFinished] = Factory(list)
    _waiting: list[Merged] = Factory(list)

    @classmethod
    def begin(cls, served: Served, graph: Graph) -> Serving:
        """Put in what was there before."""
        serving = cls(served, graph)
        for node in served.history.graph.nodes:
            graph.commit(
                node.sha,
                *(parent.sha for parent in node.parents),
                at=node.committed_at,
                authored_at=node.authored_at,
            )
        graph.heads["main"] = served.heads[0][1]
        for known in served.earlier:
            graph.deployment(known.id, known.node.sha, known.environment, at=known.at)
            graph.status(known.id, "success", at=known.at)
        serving._statuses = [fact for fact in served.history.happened if isinstance(fact, DeploymentFinished)]
        serving._waiting = sorted(served.merged, key=lambda merged: merged.merged_at)
        return serving

    def go_on(self, until: Instant) -> None:
        """Let happen what happens until then."""
        self.now = max(self.now, until)
        moved = bisect_right(self.served.heads, self.now, key=lambda head: head[0])
        self.graph.heads["main"] = self.served.heads[max(moved, 1) - 1][1]
        while self._statuses and self._statuses[0].at <= self.now:
            self._deploy(self._statuses.pop(0))
        for merged in self._waiting:
            if merged.created_at <= self.now and merged.number not in self.graph.pull_requests:
                self._open(merged)
        while self._waiting and self._waiting[0].merged_at <= self.now:
            self._merge(self._waiting.pop(0))

    def _deploy(self, fact: DeploymentFinished) -> None:
        number = int(fact.deployment_id)
        assert fact.sha is not None
        if number not in self.graph.deployments:
            self.graph.deployment(number, fact.sha, fact.environment.name, at=fact.at)
        if fact.result is Result.SUCCESS:
            for other in self.graph.newest_deployments([fact.environment.name]):
                if other.state == "success" and other.id != number:
                    self.graph.status(other.id, "inactive", at=fact.at)
            # A retried deployment may be of another commit in these histories; GitHub's never are.
            self.graph.deployments[number].sha = fact.sha
        self.graph.status(number, fact.result.value, at=fact.at)

    def _open(self, merged: Merged) -> None:
        self.graph.pull_request(
            merged.number,
            *(node.sha for node in merged.own),
            created_at=merged.created_at,
            head=f"topic-{merged.number}" if merged.reverts is None else f"revert-{merged.reverts}-topic",
            labels=("hotfix",) if merged.hotfix else (),
        )

    def _merge(self, merged: Merged) -> None:
        # Its own commits too: what GitHub says of a squashed branch that comes to the default branch another way is not
        # documented, and the truth takes them for the pull request's.
        landed = (node.sha for node in self.served.history.graph.listed(merged.claims))
        self.graph.merged(merged.number, merged.merge_commit.sha, *landed, at=merged.merged_at)
