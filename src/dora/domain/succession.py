"""Deployments of one environment, in the order of their own times, whatever order they arrive in."""

from __future__ import annotations

from bisect import bisect_right
from typing import TypeAlias

from attrs import Factory, define, field

from dora.domain.facts import Kind
from dora.domain.instant import Instant
from dora.domain.observations import Cause, Exemplar
from dora.domain.order import Order

Rank: TypeAlias = tuple[int, int, str]
"""Where a deployment id stands among those of one instant: numbers before texts."""

Key: TypeAlias = tuple[Instant, Rank]
"""A place in the order of statuses: time, then deployment id."""


LOWEST: Rank = (-1, 0, "")
"""Before every deployment id."""


def rank(deployment_id: str) -> Rank:
    """Return where a deployment stands among those of one instant."""
    if deployment_id.isascii() and deployment_id.isdigit():
        return 0, int(deployment_id), deployment_id
    return 1, 0, deployment_id


def key(at: Instant, deployment_id: str) -> Key:
    """Return the place of a deployment's status: two at the same instant stand in the order of their ids."""
    return at, rank(deployment_id)


def deployment_of(place: Key) -> str:
    """Return the id of the deployment at a place."""
    return place[1][2]


@define(weakref_slot=False)
class Deployment:
    """One deployment of a chain, as far as it is known."""

    id: str
    environment: str
    """The name as sent: succession goes by it."""
    sha: str | None = None
    succeeded_at: Instant | None = None
    failed_at: Instant | None = None
    """When a status said `failure` or `error`."""
    counted: bool = False
    """A status of it was counted here; only then can it fail."""
    found: bool = False
    """Its success is known from GitHub's history alone."""
    failure: int | None = None
    """The failure that it is part of, once it failed."""
    recovered_at: Instant | None = None
    marked: bool = False
    rollback: bool = False
    """It is a rollback, or a redeploy of one."""
    rework: bool = False
    told: bool = False
    """A sender said what it was or what it fixes."""
    kind: Kind | None = None
    fixes: str | None = None
    rank: Rank = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        self.rank = rank(self.id)

    @property
    def place(self) -> Key:
        """Where its success stands, or, without one, its failing."""
        at = self.succeeded_at if self.succeeded_at is not None else self.failed_at
        return at or 0, self.rank

    def exemplar(self) -> Exemplar:
        """Return what an observation of it names."""
        return Exemplar(deployment_id=self.id, sha=self.sha or "")


@define
class Failure:
    """A failure and its end. Failed deployments in a row share one."""

    cause: Cause
    environment: str
    deployment_id: str
    sha: str
    opened_at: Instant
    closed_at: Instant | None = None

    def exemplar(self) -> Exemplar:
        """Return what an observation of its end names: the deployment that failed first."""
        return Exemplar(deployment_id=self.deployment_id, sha=self.sha)


@define(weakref_slot=False)
class Succession:
    """The statuses of one environment name, each list in the order of places."""

    successes: Order[Key] = Factory(Order)
    failures: list[Key] = Factory(list)
    """Failing statuses that are part of a `deployment_failed` episode."""
    firsts: dict[str, Key] = Factory(dict)
    """SHA -> its first success here, ever."""
    counts: dict[str, int] = Factory(dict)
    """SHA -> remembered successes."""

    def succeeded(self, place: Key, sha: str) -> None:
        """Enter a success."""
        self.successes.add(place)
        self.counts[sha] = self.counts.get(sha, 0) + 1
        first = self.firsts.get(sha)
        if first is None or place < first:
            self.firsts[sha] = place

    def resolved(self, place: Key, abbreviated: str, full: str) -> None:
        """Enter a success under its full SHA instead of the abbreviated one."""
        self._forget_sha(abbreviated)
        self.successes.remove(place)
        self.succeeded(place, full)

    def forget(self, place: Key, sha: str) -> None:
        """Forget a success."""
        self.successes.remove(place)
        self._forget_sha(sha)

    def forget_first(self, sha: str) -> None:
        """Forget the earliest success."""
        self.successes.forget_first()
        self._forget_sha(sha)

    def forget_failing(self, place: Key) -> None:
        """Forget a failing status, if it is part of an episode."""
        if place in self.failures:
            self.failures.remove(place)

    def _forget_sha(self, sha: str) -> None:
        self.counts[sha] -= 1
        if not self.counts[sha]:
            del self.counts[sha], self.firsts[sha]

    def predecessor(self, place: Key) -> str | None:
        """Return the id of the latest success before a place."""
        before = self.successes.below(place)
        return None if before is None else deployment_of(before)

    def next_success(self, place: Key) -> Key | None:
        """Return the first success behind a place."""
        return self.successes.above(place)

    def first_success_after(self, at: Instant) -> Key | None:
        """Return the first success later than an instant."""
        return self.successes.above((at + 1, LOWEST))

    def failing_row(self, place: Key) -> list[Key]:
        """Return the failing statuses between which and a place no success lies."""
        return self._failing(self.successes.at_most(place), self.successes.above(place))

    def rows_around(self, success: Key) -> tuple[list[Key], list[Key]]:
        """Return the failing statuses in a row before an entered success, and those in a row behind it."""
        if not self.failures:  # as usual
            return [], []
        before, behind = self.successes.below(success), self.successes.above(success)
        return self._failing(before, success), self._failing(success, behind)

    def _failing(self, before: Key | None, until: Key | None) -> list[Key]:
        """Return the failing statuses behind one success and not behind another; None: there is no such success."""
        low = 0 if before is None else bisect_right(self.failures, before)
        high = None if until is None else bisect_right(self.failures, until)
        return self.failures[low:high]
