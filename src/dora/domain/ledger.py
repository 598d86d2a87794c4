"""The ledger: what landed in one repository, as pushes, merged pull requests, push clients and GitHub's API tell it.

It only remembers, and forgets the oldest beyond a count; what it proves about ancestry is in `dora.domain.ancestry`,
what it makes of a range of commits in `dora.domain.changes`.
"""

from __future__ import annotations

from collections import deque
from itertools import chain, islice

from attrs import Factory, define, field

from dora.domain.facts import ChangeMerged, Commit, CommitsPushed, FoundCommit, FoundPullRequest, PullRequestMerged
from dora.domain.instant import Instant
from dora.domain.order import Order

REMEMBERED = 10_000
"""Landed commits, and pull requests, that a repository remembers: the newest."""

FORGOTTEN_AT_ONCE = 100
"""Commits known from the API alone that are forgotten at once beyond the one that was too many."""

FULL_SHA = (40, 64)
"""Lengths of a whole SHA-1 and SHA-256 in hex; anything else may be an abbreviation."""


@define(weakref_slot=False)
class LandedCommit:
    """A commit, with whatever is known of it."""

    committed_at: Instant
    authored_at: Instant | None = None
    merge_subject: bool = False
    places: list[int] = field(factory=list)
    """Numbers of the pushes that listed it."""
    parents: int | None = None
    """Known from the API alone."""
    pull_requests: tuple[int, ...] | None = None
    """What the API said it belongs to; None: not asked."""


@define(weakref_slot=False)
class Push:
    """One move of a branch."""

    identity: tuple[str, str | None, str]
    """Branch, before, after."""
    commits: tuple[str, ...]
    tracked: bool
    forced: bool

    @property
    def before(self) -> str | None:
        """Where the branch was; None if the push created it."""
        return self.identity[1]

    @property
    def after(self) -> str:
        """Where the branch is since."""
        return self.identity[2]


@define
class LandedPullRequest:
    """A pull request that was merged into a tracked branch."""

    number: int
    created_at: Instant
    merged_at: Instant
    merge_commit: str
    commits: int | None = None
    hotfix: bool = False
    reverts: int | None = None
    first_authored_at: Instant | None = None
    """As the API told it."""
    asked: bool = False
    """The API was asked for the first commit."""


@define
class ReportedChange:
    """A merge that a push client reported."""

    merged_at: Instant
    committed_at: Instant | None


@define
class Ledger:
    """What landed in one repository."""

    commits: dict[str, LandedCommit] = Factory(dict)
    pushes: dict[int, Push] = Factory(dict)
    pushed: int = 0
    """Pushes ever kept; the next one's number."""
    push_identities: dict[tuple[str, str | None, str], int] = Factory(dict)
    befores: dict[str, int] = Factory(dict)
    """How many kept pushes started from a commit: such a commit existed before them."""
    pull_requests: dict[int, LandedPullRequest] = Factory(dict)
    merge_commits: dict[str, list[int]] = Factory(dict)
    """Merge commit -> the pull requests it merged."""
    reported: dict[str, ReportedChange] = Factory(dict)
    line: Order[tuple[Instant, str]] = Factory(Order)
    """The reported merges by time."""
    pull_request_times: Order[tuple[Instant, int]] = Factory(Order)
    forgotten_pull_requests_until: Instant | None = None
    """The newest merge among the forgotten pull requests and reports."""
    kept: dict[bool, deque[int]] = Factory(lambda: {True: deque(), False: deque()})
    """Tracked or not -> numbers of the kept pushes, oldest first."""
    sizes: dict[bool, int] = Factory(lambda: {True: 0, False: 0})
    """Tracked or not -> how many commits the kept pushes list."""
    found: dict[str, None] = Factory(dict)
    """Commits known from the API alone, oldest knowledge first."""

    @property
    def empty(self) -> bool:
        """Nothing was ever seen landing here."""
        return not (self.pushed or self.pull_requests or self.reported or self.found)

    def knows_push(self, push: CommitsPushed) -> bool:
        """Return whether this very move of the branch is kept."""
        return (push.branch, push.before, push.after) in self.push_identities

    def add_push(self, push: CommitsPushed) -> tuple[str, ...]:
        """Keep a push. Returns the commits forgotten for it."""
        number = self.pushed
        self.pushed += 1
        listed = {commit.sha: commit for commit in push.commits}
        kept = Push(
            identity=(push.branch, push.before, push.after),
            commits=tuple(listed),
            tracked=push.tracked,
            # A list without the commit that the branch ended on is cut short: it proves as little as a forced push.
            forced=push.forced or push.after not in listed,
        )
        self.pushes[number] = kept
        self.push_identities[kept.identity] = number
        if push.before is not None:
            self.befores[push.before] = self.befores.get(push.before, 0) + 1
        for commit in listed.values():
            self._place(commit, number)
        self.kept[push.tracked].append(number)
        self.sizes[push.tracked] += len(kept.commits)
        forgotten: list[str] = []
        # One push is kept whatever its size: it is what the next deployment needs.
        while self.sizes[push.tracked] > REMEMBERED and len(self.kept[push.tracked]) > 1:
            forgotten += self._forget_push(self.kept[push.tracked].popleft())
        return tuple(forgotten)

    def _place(self, commit: Commit, number: int) -> None:
        landed = self.commits.get(commit.sha)
        if landed is None:
            landed = self.commits[commit.sha] = LandedCommit(
                committed_at=commit.committed_at, authored_at=commit.authored_at, merge_subject=commit.merge_subject
            )
        elif landed.authored_at is None:
            landed.authored_at = commit.authored_at
        self.found.pop(commit.sha, None)
        landed.places.append(number)

    def _forget_push(self, number: int) -> list[str]:
        push = self.pushes.pop(number)
        del self.push_identities[push.identity]
        self.sizes[push.tracked] -= len(push.commits)
        if push.before is not None:
            self.befores[push.before] -= 1
            if not self.befores[push.before]:
                del self.befores[push.before]
        forgotten = []
        for sha in push.commits:
            landed = self.commits[sha]
            landed.places.remove(number)
            if not landed.places:
                del self.commits[sha]
                forgotten.append(sha)
        return forgotten

    def add_found_commit(self, found: FoundCommit) -> tuple[str, ...]:
        """Keep what the API said of a commit. Returns the commits forgotten for it."""
        landed = self.commits.get(found.sha)
        if landed is None:
            landed = self.commits[found.sha] = LandedCommit(
                committed_at=found.committed_at, authored_at=found.authored_at
            )
            self.found[found.sha] = None
        landed.authored_at = found.authored_at
        landed.parents = found.parents
        landed.pull_requests = found.pull_requests
        forgotten: list[str] = []
        if len(self.found) > REMEMBERED:
            # Many at once: to find a dictionary's oldest key, Python walks over all that were deleted before it.
            forgotten += islice(self.found, FORGOTTEN_AT_ONCE + 1)
            for sha in forgotten:
                del self.found[sha], self.commits[sha]
        return tuple(forgotten)

    def too_old(self, merged_at: Instant) -> bool:
        """Return whether a merge is older than the oldest remembered, once any was forgotten."""
        return self.forgotten_pull_requests_until is not None and merged_at <= self.forgotten_pull_requests_until

    def add_pull_request(self, merged: PullRequestMerged) -> None:
        """Keep a merged pull request as its webhook tells it."""
        self._add_pull_request(
            LandedPullRequest(
                number=merged.number,
                created_at=merged.created_at,
                merged_at=merged.merged_at,
                merge_commit=merged.merge_commit,
                commits=merged.commits,
                hotfix=merged.hotfix,
                reverts=merged.reverts,
            )
        )

    def add_found_pull_request(self, found: FoundPullRequest) -> bool:
        """Keep what the API said of a pull request. Returns whether it was not known before."""
        known = self.pull_requests.get(found.number)
        if known is None:
            known = LandedPullRequest(
                number=found.number,
                created_at=found.created_at,
                merged_at=found.merged_at,
                merge_commit=found.merge_commit,
                commits=found.commits,
                hotfix=found.hotfix,
                reverts=found.reverts,
            )
            self._add_pull_request(known)
            new = True
        else:
            new = False
        known.first_authored_at = found.first_authored_at
        known.asked = True
        return new

    def _add_pull_request(self, landed: LandedPullRequest) -> None:
        self.pull_requests[landed.number] = landed
        self.merge_commits.setdefault(landed.merge_commit, []).append(landed.number)
        self.pull_request_times.add((landed.merged_at, landed.number))
        if len(self.pull_request_times) > REMEMBERED:
            merged_at, number = self.pull_request_times.forget_first()
            self._forgot_until(merged_at)
            forgotten = self.pull_requests.pop(number)
            numbers = self.merge_commits[forgotten.merge_commit]
            numbers.remove(number)
            if not numbers:
                del self.merge_commits[forgotten.merge_commit]

    def add_reported(self, sha: str, change: ChangeMerged) -> None:
        """Keep a merge that a push client reported."""
        self.reported[sha] = ReportedChange(merged_at=change.merged_at, committed_at=change.committed_at)
        self.line.add((change.merged_at, sha))
        if len(self.line) > REMEMBERED:
            merged_at, sha = self.line.forget_first()
            self._forgot_until(merged_at)
            del self.reported[sha]

    def _forgot_until(self, merged_at: Instant) -> None:
        if self.forgotten_pull_requests_until is None or merged_at > self.forgotten_pull_requests_until:
            self.forgotten_pull_requests_until = merged_at

    def reported_until(self, sha: str) -> tuple[str, ...]:
        """Return the reported merges up to and including this one, oldest first; nothing if it is none."""
        reported = self.reported.get(sha)
        if reported is None:
            return ()
        return tuple(other for _, other in self.line.until((reported.merged_at, sha)))

    def knows(self, sha: str) -> bool:
        """Return whether this commit was seen landing in any way."""
        return sha in self.commits or sha in self.merge_commits or sha in self.reported

    def beginning_with(self, sha: str) -> set[str]:
        """Return the known commits that a possibly abbreviated SHA may mean: itself, if it is one."""
        if self.knows(sha):
            return {sha}
        known = chain(self.commits, self.merge_commits, self.reported, self.befores)
        return {full for full in known if full.startswith(sha)}

    def full(self, sha: str) -> str:
        """Return the full SHA of a possibly abbreviated one; itself if it is unknown or ambiguous."""
        known = {sha} if len(sha) in FULL_SHA else self.beginning_with(sha)
        return known.pop() if len(known) == 1 else sha
