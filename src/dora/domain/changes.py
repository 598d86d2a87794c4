"""From commits to changes: which pull request a commit belongs to, which are changes of their own, which are merges."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from enum import Enum

from attrs import define, field

from dora.domain.instant import Instant
from dora.domain.ledger import LandedPullRequest, Ledger, Push


@define
class Change:
    """Something that landed and reaches a chain as one."""

    sha: str
    """The merge commit of a pull request, or the commit itself."""
    landed_at: Instant
    """Merged, or, for a direct commit, committed."""
    first_authored_at: Instant | None
    """Author date of its first commit; None if it is not known."""
    hotfix: bool = False
    reverts: int | None = None


@define
class Needed:
    """What GitHub would have to be asked for before a range is certain."""

    commits: tuple[str, ...]
    """Those whose pull requests are not known, or not for certain."""
    pull_requests: tuple[int, ...]
    """Those whose first commit is not known."""

    def __bool__(self) -> bool:
        return bool(self.commits or self.pull_requests)


class Belonging(Enum):
    """How a commit is known to be part of a pull request."""

    CERTAIN = "certain"
    """GitHub told, or the pull request's own merge pushed it."""
    BY_POSITION = "by position"
    """It stands before the merge commit in a push that goes on behind it: of several merges at once, as a merge queue
    pushes them, or of another branch's merge by hand if the merge's own push was lost."""


@define
class _Brought:
    """What the push of a merge says of the pull request."""

    number: int
    commits: tuple[str, ...]
    """Everything that belongs to it, its merge commit last."""
    made_merge_commit: bool
    own: tuple[str, ...]
    """Its own commits, if they are certain; else nothing."""


def _brought(ledger: Ledger, push: Push) -> list[_Brought]:
    """Find the pull requests that a push merged, by position.

    A pull request's commits stand right before its merge commit and right behind the previous merge in the same push
    (a merge queue pushes several at once). How many there are tells merge commit, rebase and squash apart. A push that
    carries an old merge to another branch, or is forced back to it, says nothing of it.
    """
    if not push.tracked or push.forced or ledger.merge_commits.keys().isdisjoint(push.commits):
        return []
    merges = [
        (index, number)
        for index, sha in enumerate(push.commits)
        for number in ledger.merge_commits.get(sha, ())
        if sha == push.after or not _ended_a_push(ledger, sha)
    ]
    starts = sorted({0, *(index + 1 for index, _ in merges)}, reverse=True)
    found = []
    for index, number in merges:
        reachable = starts if starts[0] <= index else [start for start in starts if start <= index]
        start, made_merge_commit, certain = _window(
            ledger.pull_requests[number].commits, reachable, index, whole=push.commits[index] == push.after
        )
        commits = push.commits[start : index + 1]
        own = commits[:-1] if made_merge_commit else commits
        found.append(
            _Brought(number=number, commits=commits, made_merge_commit=made_merge_commit, own=own if certain else ())
        )
    return found


def _ended_a_push(ledger: Ledger, sha: str) -> bool:
    """Return whether a commit was the end of a push to a tracked branch: then that push merged it, and no other."""
    pushes = (ledger.pushes[number] for number in ledger.commits[sha].places)
    return any(push.tracked and not push.forced and push.after == sha for push in pushes)


def _window(own: int | None, starts: list[int], index: int, *, whole: bool) -> tuple[int, bool, bool]:
    """Return where a pull request's commits start, whether a merge commit was made, and whether both are certain.

    Args:
        own: how many commits it had, if that is known.
        starts: where they may start, the nearest first.
        index: where its merge commit stands.
        whole: whether the push ends with that: then it is the push of this merge, and its count is certain.
    """
    nearest = starts[0]
    if own is None:
        return nearest, index > nearest, False
    if whole and starts == [0] and index in (own, own - 1):
        return 0, index == own, True
    for start in starts:
        if index - start + 1 in (own, own + 1):
            return start, index > start, False
    if index - nearest + 1 < own:
        # Squashed; or, of several commits in a push of their own, rebased without its merges and empty commits.
        return nearest, index > nearest and not (whole and nearest == 0), False
    return index - own, True, False  # more than it had: something else came along


@define
class Reading:
    """The ledger as one deployment's measuring reads it."""

    ledger: Ledger
    _brought: dict[int, list[_Brought]] = field(factory=dict)

    def _merges_in(self, sha: str) -> Iterator[tuple[Push, _Brought]]:
        landed = self.ledger.commits.get(sha)
        for number in landed.places if landed else ():
            push = self.ledger.pushes[number]
            brought = self._brought.get(number)
            if brought is None:
                brought = self._brought[number] = _brought(self.ledger, push)
            for one in brought:
                yield push, one

    def is_merge(self, sha: str) -> bool:
        """Return whether a commit is a merge commit.

        Two parents if the API told; else a known pull request's merge commit and not one of its own commits; else,
        where neither can be known, the subject in Git's or GitHub's words.
        """
        landed = self.ledger.commits[sha]
        if landed.parents is not None:
            return landed.parents > 1
        if sha in self.ledger.merge_commits:
            return any(one.made_merge_commit for _, one in self._merges_in(sha) if one.commits[-1] == sha)
        return landed.merge_subject

    def changes(
        self, commits: Iterable[str], *, deployed: Container[str], at: Instant
    ) -> tuple[tuple[Change, ...], Needed]:
        """Return the changes among commits that are not deployed yet, and what is not certain about them.

        Args:
            commits: what a deployment contains, oldest first.
            deployed: the commits that the chain has had already.
            at: when the deployment succeeded; a pull request merged later had not been one yet.
        """
        arrived = [sha for sha in commits if sha not in deployed]
        within = frozenset(arrived)
        found: list[Change] = []
        unasked: list[str] = []
        squashed: list[int] = []
        for sha in arrived:
            numbers = self.ledger.merge_commits.get(sha, ())
            for number in numbers:
                change, asked = self._pull_request(self.ledger.pull_requests[number])
                found.append(change)
                if change.first_authored_at is None and not asked:
                    squashed.append(number)
            if numbers:
                continue
            belongs = self._belongs(sha, within=within, deployed=deployed, at=at)
            if belongs is not None:
                if belongs is Belonging.BY_POSITION:
                    unasked.append(sha)
                continue
            if (own := self._own(sha)) is not None:
                found.append(own)
            landed = self.ledger.commits.get(sha)
            # One that belonged to none when it was asked about may belong to one since: it is asked about again.
            if landed is not None and not landed.pull_requests and sha not in self.ledger.reported:
                unasked.append(sha)
        return tuple(found), Needed(commits=tuple(unasked), pull_requests=tuple(squashed))

    def _own(self, sha: str) -> Change | None:
        """Return the change that a commit of no pull request is, if it is one."""
        reported = self.ledger.reported.get(sha)
        if reported is not None:
            return Change(sha=sha, landed_at=reported.merged_at, first_authored_at=reported.committed_at)
        if self.is_merge(sha):
            return None
        landed = self.ledger.commits[sha]
        return Change(sha=sha, landed_at=landed.committed_at, first_authored_at=landed.authored_at)

    def _belongs(self, sha: str, *, within: frozenset[str], deployed: Container[str], at: Instant) -> Belonging | None:
        """Return how a commit is known to be part of a pull request that was merged when the deployment succeeded."""
        found: Belonging | None = None
        for number, how in self._pull_requests_of(sha):
            merged = self.ledger.pull_requests.get(number)
            if merged is not None and (
                merged.merged_at <= at or merged.merge_commit in within or merged.merge_commit in deployed
            ):
                if how is Belonging.CERTAIN:
                    return how
                found = how
        return found

    def _pull_requests_of(self, sha: str) -> Iterator[tuple[int, Belonging]]:
        """Yield the pull requests of a commit: what GitHub told, or, without that, what its place in a push says."""
        landed = self.ledger.commits.get(sha)
        if landed is not None and landed.pull_requests is not None:
            for number in landed.pull_requests:
                yield number, Belonging.CERTAIN
            return
        for push, one in self._merges_in(sha):
            if sha in one.commits:
                yield one.number, Belonging.CERTAIN if one.commits[-1] == push.after else Belonging.BY_POSITION

    def _pull_request(self, merged: LandedPullRequest) -> tuple[Change, bool]:
        first = self._first_authored_at(merged)
        if first is None:
            first = merged.first_authored_at
        change = Change(
            sha=merged.merge_commit,
            landed_at=merged.merged_at,
            first_authored_at=first,
            hotfix=merged.hotfix,
            reverts=merged.reverts,
        )
        return change, merged.asked

    def _first_authored_at(self, merged: LandedPullRequest) -> Instant | None:
        """Return the first commit's author date if the merge's push makes it certain."""
        for _, one in self._merges_in(merged.merge_commit):
            if one.number != merged.number or not one.own:
                continue
            landed = [self.ledger.commits[sha] for sha in one.own]
            authored = [commit.authored_at for commit in landed if commit.authored_at is not None]
            alone = len(one.commits) == 1 and landed[0].authored_at == landed[0].committed_at
            if len(authored) == len(landed) and not alone:
                return min(authored)
        return None
