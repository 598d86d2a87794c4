"""What the ledger proves about ancestry, from pushes alone.

A push that was not forced says: `after` reaches exactly what `before` reaches and the commits listed. So does each
commit of the list behind which no merge commit follows, with the list up to it: without merges the rest is a straight
line. Chains of such steps, down from two commits to one that both reach, give the exact difference of what the two
reach. A forced push proves nothing about what lies below it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define

from dora.domain.ledger import Ledger

IsMerge = Callable[[str], bool]


@define
class Span:
    """What lies between two commits."""

    commits: tuple[str, ...]
    """Reachable from the head and not from the base, oldest first."""
    behind: bool
    """The head is a proper ancestor of the base."""


@define
class Gap:
    """The ledger does not connect two commits."""

    missing: frozenset[str]
    """Commits at which the proof ends: a push that lists one of them may close the gap."""


@define
class Contained:
    """What a commit certainly contains, of all that was seen."""

    commits: tuple[str, ...]
    """Oldest first."""
    missing: frozenset[str]


class _Walk:
    """A walk downwards from one commit, breadth first."""

    def __init__(self, ledger: Ledger, is_merge: IsMerge, start: str) -> None:
        self._ledger = ledger
        self._is_merge = is_merge
        self.reached: dict[str, tuple[str, tuple[str, ...]] | None] = {start: None}
        """Commit -> the commit above it and what the step between them adds, oldest first; None: the start."""
        self.bottoms: list[tuple[str, ...]] = []
        """What is contained in branches that were created with commits: nothing is known below."""
        self.ends: set[str] = set()
        self._queue = deque([start])

    def __bool__(self) -> bool:
        return bool(self._queue)

    def advance(self) -> list[str]:
        """Take one commit's steps; returns the commits newly reached."""
        above = self._queue.popleft()
        fresh: list[str] = []
        ended = True
        for below, added in self._steps(above):
            if below is None:
                self.bottoms.append(added)
                continue
            ended = False
            if below not in self.reached:
                self.reached[below] = (above, added)
                self._queue.append(below)
                fresh.append(below)
        if ended:
            self.ends.add(above)
        return fresh

    def _steps(self, sha: str) -> list[tuple[str | None, tuple[str, ...]]]:
        landed = self._ledger.commits.get(sha)
        pushes = [self._ledger.pushes[number] for number in landed.places] if landed else []
        proving = [push for push in pushes if not push.forced]
        ends = [(push.before, push.commits) for push in proving if push.after == sha]
        if any(before is not None for before, _ in ends):
            return ends
        # In the middle of a push the proof is as good as what is known of the merges behind it: the first push to list
        # the commit, on the branch it was made on, is the best witness; one that carries it elsewhere adds nothing.
        for push in (push for push in proving if push.after != sha):
            index = push.commits.index(sha)
            if push.commits[-1] == push.after and not any(self._is_merge(later) for later in push.commits[index + 1 :]):
                return [*ends, (push.before, push.commits[: index + 1])]
        return ends

    def above(self, sha: str) -> list[str]:
        """Return what was added on the way down to a reached commit, oldest first."""
        segments: list[tuple[str, ...]] = []
        step = self.reached[sha]
        while step is not None:
            sha, added = step
            segments.append(added)
            step = self.reached[sha]
        return [commit for segment in segments for commit in segment]


def between(ledger: Ledger, is_merge: IsMerge, *, base: str, head: str) -> Span | Gap:
    """Return what `head` reaches and `base` does not, or where the proof ends."""
    if head == base:
        return Span(commits=(), behind=False)
    down = _Walk(ledger, is_merge, head)
    if base in down.advance():  # as usual, one push
        return Span(commits=tuple(dict.fromkeys(down.above(base))), behind=False)
    across = _Walk(ledger, is_merge, base)
    common = next((sha for sha in across.advance() if sha in down.reached), None)
    while common is None and (down or across):
        for walk, other in ((down, across), (across, down)):
            if common is None and walk:
                common = next((sha for sha in walk.advance() if sha in other.reached), None)
    if common is None:
        return Gap(missing=frozenset(down.ends | across.ends))
    below_head = dict.fromkeys(down.above(common))
    below_base = dict.fromkeys(across.above(common))
    commits = tuple(sha for sha in below_head if sha not in below_base)
    return Span(commits=commits, behind=not commits and any(sha not in below_head for sha in below_base))


def contained(ledger: Ledger, is_merge: IsMerge, *, head: str) -> Contained:
    """Return what `head` certainly contains of all that was seen."""
    walk = _Walk(ledger, is_merge, head)
    while walk:
        walk.advance()
    steps = [step[1] for step in walk.reached.values() if step is not None]
    newest_first = [segment for segment in (*steps, *walk.bottoms) if segment]
    commits = dict.fromkeys(sha for segment in reversed(newest_first) for sha in segment)
    landed = ledger.commits.get(head)
    if landed is not None and landed.places:
        commits[head] = None
    return Contained(commits=tuple(commits), missing=frozenset(walk.ends))
