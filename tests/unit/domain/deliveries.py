"""The orders in which a history may arrive without a number changing (hard case 44), and histories ready to compare.

A chain's statuses and marks keep their order. A push may come late, but before the next success of each chain whose
deployment it belongs to, and before later word about deployments that this deployment may blame. A pull request comes
before the deployments that contain it, or before its own push. Incidents move between the successes around them. All
else is free, and anything may come again.
"""

from __future__ import annotations

from heapq import heappop, heappush

from attrs import Factory, define, evolve

from dora.domain.facts import Commit, CommitsPushed, DeploymentFinished, Fact, PullRequestMerged
from tests.unit.domain.choices import Choices
from tests.unit.domain.histories import PLENTY, Event, World
from tests.unit.domain.truth import History


@define
class _Order:
    """What must come before what, by the events' places in their own time."""

    after: list[set[int]]
    """For each event, those that wait for it."""

    def put(self, first: int, then: int) -> None:
        self.after[first].add(then)


@define
class _Bounds:
    """The bounds of one history."""

    events: list[Event]
    choose: Choices
    order: _Order = Factory(lambda self: _Order([set() for _ in self.events]), takes_self=True)

    def find(self) -> _Order:
        chains: dict[tuple[str, str], list[int]] = {}
        for place, event in enumerate(self.events):
            if event.chain is not None:
                chains.setdefault(event.chain, []).append(place)
        for places in chains.values():
            self._order_chain(places)
            self._order_pushes(places)
        for place, event in enumerate(self.events):
            if event.role == "merge":
                self._order_merge(place)
        return self.order

    def _order_chain(self, places: list[int]) -> None:
        """Keep statuses in order, and incidents between the successes around them."""
        last_success = last_status = None
        recent: list[int] = []
        for place in places:
            event = self.events[place]
            if event.role == "incident":
                if last_success is not None:
                    self.order.put(last_success, place)
            elif last_status is not None:
                self.order.put(last_status, place)
            for other in recent:
                told = self.events[other]
                if event.role == "success" or (told.deployment == event.deployment and not _paired(told, event)):
                    self.order.put(other, place)
            recent.append(place)
            if event.role == "success":
                last_success, recent = place, []
            if event.role != "incident":
                last_status = place

    def _order_pushes(self, places: list[int]) -> None:
        """Close a deployment's gaps before the next success, or before word about older deployments."""
        succeeded: list[tuple[int, str | None]] = []
        for place in places:
            event = self.events[place]
            if event.role == "success":
                until = succeeded[-1][0] if succeeded and not self._hasty(event) else place
            elif event.deployment in [deployment for _, deployment in succeeded[:-1]]:
                until = succeeded[-1][0]
            else:
                continue
            for push in range(until):
                if self.events[push].role in {"push", "merge"}:
                    self.order.put(push, place)
            if event.role == "success":
                succeeded.append((place, event.deployment))

    def _order_merge(self, place: int) -> None:
        merge = self.events[place]
        assert merge.node is not None
        push = place + 1 if self._is_push_of(place + 1, merge.node.sha) else place - 1
        alone = self._listed_once(push)
        if push > place and self.choose.chance(50) and alone:
            self.order.put(place, push)
            return
        for other, event in enumerate(self.events):
            contains = event.role == "success" and event.node is not None and event.node.reach & merge.claims
            if contains and place < other:
                self.order.put(place, other)
            if contains and push < other and not alone:
                # Known from another push, its commits look like direct ones until their own push says whose they are.
                self.order.put(push, other)

    def _hasty(self, deployed: Event) -> bool:
        """Say whether what is known at once could be judged otherwise later; what has been observed stands.

        A pull request whose merge commit is deployed needs no push. If it is a hotfix or a revert, or if there may be
        too many commits, the missing push would have told more.
        """
        assert isinstance(deployed.fact, DeploymentFinished)
        if deployed.fact.max_commits < PLENTY:
            return True
        merges = [event.fact for event in self.events if event.role == "merge" and event.node is deployed.node]
        return any(isinstance(fact, PullRequestMerged) and (fact.hotfix or fact.reverts) for fact in merges)

    def _listed_once(self, place: int) -> bool:
        """Say whether no other push lists any of this push's commits: then nothing of it is known before."""
        own = {commit.sha for commit in _listed(self.events[place])}
        return not any(
            commit.sha in own for other, event in enumerate(self.events) if other != place for commit in _listed(event)
        )

    def _is_push_of(self, place: int, sha: str) -> bool:
        fact = self.events[place].fact if place < len(self.events) else None
        return isinstance(fact, CommitsPushed) and fact.tracked and fact.after == sha


def _listed(event: Event) -> tuple[Commit, ...]:
    return event.fact.commits if isinstance(event.fact, CommitsPushed) else ()


def _paired(one: Event, other: Event) -> bool:
    """Say whether the two are an incident's opening and resolution: either may come first."""
    name = getattr(one.fact, "incident_id", None)
    return name is not None and name == getattr(other.fact, "incident_id", None)


def deliver(events: list[Event], choose: Choices, *, shuffle: bool) -> tuple[Fact, ...]:
    """Return the facts in an order of arrival that must change no number, some more than once."""
    order = _Bounds(events, choose).find()
    waits = [0] * len(events)
    for waiters in order.after:
        for place in waiters:
            waits[place] += 1
    ready: list[tuple[int, int]] = []
    late = choose.pick((4, 12, 60))
    delays = [choose.below(late) if shuffle and choose.chance(35) else 0 for _ in events]
    for place, waiting in enumerate(waits):
        if not waiting:
            heappush(ready, (place + delays[place], place))
    arrived: list[Fact] = []
    while ready:
        _, place = heappop(ready)
        arrived.append(events[place].fact)
        for later in sorted(order.after[place]):
            waits[later] -= 1
            if not waits[later]:
                heappush(ready, (later + delays[later], later))
    assert len(arrived) == len(events), "the bounds contradict one another"
    return _repeated(arrived, choose)


def _repeated(arrived: list[Fact], choose: Choices) -> tuple[Fact, ...]:
    """Deliver some facts again, at any later time."""
    repeats: dict[int, list[Fact]] = {}
    for place, fact in enumerate(arrived):
        if choose.chance(12):
            repeats.setdefault(place + choose.below(len(arrived) - place), []).append(fact)
    told: list[Fact] = []
    for place, fact in enumerate(arrived):
        told += [fact, *repeats.get(place, ())]
    return tuple(told)


def history(life: bytes, post: bytes) -> History:
    """Return the history that the choices make: `life` is what happens, `post` is how it is delivered."""
    world = World(Choices(life))
    world.live()
    return _history(world, deliver(world.events, Choices(post), shuffle=bool(post)))


def history_with_losses(life: bytes, post: bytes) -> History:
    """Return a history whose tracked branch may be rewritten, some of whose pushes and pull requests are never told.

    A pull request that is never told is none that could be known: its commits are the direct commits they look like.
    """
    choose = Choices(post)
    world = World(Choices(life), rewrites=True)
    world.live()
    percent = choose.pick((10, 40, 80))
    world.events = [event for event in world.events if not (_loseable(event) and choose.chance(percent))]
    told = {event.fact.number for event in world.events if isinstance(event.fact, PullRequestMerged)}
    world.merged = [merged for merged in world.merged if merged.number in told]
    return _history(world, deliver(world.events, choose, shuffle=False))


def history_with_lookups(life: bytes, post: bytes) -> History:
    """Return a history some of whose pushes and pull requests are never told, of which GitHub may be asked.

    Every environment had its first deployment before the service was there. A pull request is always told that another
    one carries to the branch once more, after the branch was set back: each commit then belongs to a pull request that
    is known, and of such a range nobody asks.
    """
    choose = Choices(post)
    world = World(Choices(life), rewrites=True, lookups=True)
    before = world.main
    world.live()
    percent = choose.pick((0, 10, 40, 80, 100))
    carried = {node.sha for merged in world.merged for node in merged.own}
    lost = [
        event
        for event in world.events
        if _loseable(event)
        and not (isinstance(event.fact, PullRequestMerged) and event.fact.merge_commit in carried)
        and choose.chance(percent)
    ]
    world.events = [event for event in world.events if event not in lost]
    told = deliver(world.events, choose, shuffle=False)
    numbers = tuple(event.fact.number for event in lost if isinstance(event.fact, PullRequestMerged))
    return evolve(_history(world, told), before=before, lost=numbers)


def _loseable(event: Event) -> bool:
    return event.role in {"push", "merge"}


def _history(world: World, delivered: tuple[Fact, ...]) -> History:
    return History(
        graph=world.graph,
        merged=tuple(world.merged),
        happened=tuple(event.fact for event in world.events),
        delivered=delivered,
        unseen=world.unseen,
        lookups=world.lookups,
        author_dates=world.author_dates,
    )
