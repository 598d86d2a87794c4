"""GraphQL's part of a look-up: the pull requests of many commits in one query, and the dates of many pull requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from attrs import define, field, frozen

from dora.adapters.github import queries
from dora.adapters.github.requests import Overtaxed
from dora.adapters.github.reverts import reverted
from dora.adapters.github.sessions import Session
from dora.domain.facts import FoundCommit, FoundPullRequest
from dora.policy import Policy
from dora.ports import Malformed, Unavailable
from dora.wire import structure

_FEW: Final = 50
"""Commits or pull requests asked for in one query without a thought: 6 points of the hourly 5,000, as GitHub counts."""
_MANY: Final = 500
"""At most so many: with 5 pull requests each, 100 commits and 20 labels to each, 300,000 of 500,000 nodes allowed."""
_PULLS: Final = 5
_MORE_PULLS: Final = 50
"""Pull requests asked for per commit, and for a commit that has more; beyond that GitHub's own list is no help."""


@frozen
class Found:
    """What GitHub told of commits and pull requests."""

    commits: tuple[FoundCommit, ...] = ()
    pull_requests: tuple[FoundPullRequest, ...] = ()
    missing: bool = False
    """A commit asked for is not there."""


@define
class _Part:
    """What one query told."""

    commits: list[FoundCommit] = field(factory=list)
    pull_requests: list[FoundPullRequest] = field(factory=list)
    crowded: list[str] = field(factory=list)
    """Commits with more pull requests than were asked for."""
    missing: bool = False


@define
class PullRequests:
    """Asks GraphQL for commits and pull requests."""

    session: Session
    policy: Policy
    _most_at_once: int = field(default=_MANY, init=False)
    """Smaller from the time on that GitHub did not finish so many."""

    async def of(self, repository: str, shas: Sequence[str], numbers: Sequence[int]) -> Found:
        """Return the commits with their pull requests, in the order asked, and the pull requests asked for.

        Raises:
            Refused: GitHub does not show them.
            Unavailable: no, or no whole answer.
        """
        items: list[str | int] = [*shas, *numbers]
        # Half of them at once, so that two queries do for up to a thousand; GitHub may have said that it is too much.
        size = max(_FEW, min(-(-len(items) // 2), self._most_at_once))
        parts = [
            await self._ask(repository, items[start : start + size], pulls=_PULLS)
            for start in range(0, len(items), size)
        ]
        crowded = [sha for part in parts for sha in part.crowded]
        parts += [
            await self._ask(repository, crowded[start : start + _FEW], pulls=_MORE_PULLS)
            for start in range(0, len(crowded), _FEW)
        ]
        commits: dict[str, FoundCommit] = {}
        pull_requests: dict[int, FoundPullRequest] = {}
        for part in parts:
            commits.update((commit.sha, commit) for commit in part.commits)
            pull_requests.update((pull.number, pull) for pull in part.pull_requests)
        return Found(
            commits=tuple(commits.values()),
            pull_requests=tuple(pull_requests.values()),
            missing=any(part.missing for part in parts),
        )

    async def _ask(self, repository: str, items: Sequence[str | int], *, pulls: int) -> _Part:
        shas = [item for item in items if isinstance(item, str)]
        numbers = [item for item in items if isinstance(item, int)]
        document, variables = queries.changes(shas, numbers, pulls=pulls)
        try:
            raw = await self.session.query(
                document, variables, dict[str, object], endpoint="changes", repository=repository
            )
        except Overtaxed:
            self._most_at_once = max(_FEW, min(self._most_at_once, len(items)) // 2)
            raise
        try:
            return self._read(raw, shas, numbers, whole=pulls == _MORE_PULLS)
        except Malformed as problem:
            raise Unavailable(f"GitHub's answer is not whole ({problem.problems[0].pointer})") from None

    def _read(self, raw: dict[str, object], shas: Sequence[str], numbers: Sequence[int], *, whole: bool) -> _Part:
        """Return what the answer says.

        Args:
            raw: The answer's `repository`.
            shas: The commits asked for.
            numbers: The pull requests asked for.
            whole: Whether to take a commit's pull requests as complete, however many more it has.

        Raises:
            Malformed: something asked for is not in it.
        """
        default = structure(raw, queries.Changes).default_branch
        part = _Part()
        pulls: list[queries.PullRequest] = []
        for index, asked in enumerate(shas):
            alias = f"c{index}"
            # No object; or one that is no commit, so that the fragment says nothing of it.
            if alias in raw and raw[alias] in (None, {}):
                part.missing = True
                continue
            commit = structure(raw.get(alias), queries.Commit, at=f"/{alias}")
            if not commit.oid.startswith(asked):
                part.missing = True
                continue
            listed = () if commit.pull_requests is None else commit.pull_requests.nodes or ()
            if commit.pull_requests is not None and len(listed) < commit.pull_requests.total and not whole:
                part.crowded.append(commit.oid)
            merged = [pull for pull in listed if pull is not None and _is_merged(pull)]
            pulls += merged
            part.commits.append(
                FoundCommit(
                    sha=commit.oid,
                    committed_at=commit.committed_at,
                    authored_at=commit.authored_at,
                    parents=commit.parents.total,
                    pull_requests=tuple(sorted(pull.number for pull in merged if self._tracks(pull, default))),
                )
            )
        for index in range(len(numbers)):
            alias = f"p{index}"
            if alias in raw and raw[alias] is None:
                continue  # no such pull request: its first commit stays unknown
            pulls.append(structure(raw.get(alias), queries.PullRequest, at=f"/{alias}"))
        known = {pull.number: pull for pull in pulls}
        part.pull_requests = [found for pull in known.values() for found in self._translate(pull, default)]
        return part

    def _tracks(self, pull: queries.PullRequest, default: queries.Branch | None) -> bool:
        return self.policy.tracks(pull.base, None if default is None else default.name)

    def _translate(self, pull: queries.PullRequest, default: queries.Branch | None) -> Iterable[FoundPullRequest]:
        if not pull.merged or pull.merged_at is None or pull.merge_commit is None:
            return
        labels = () if pull.labels is None else pull.labels.nodes or ()
        own = [commit.commit.authored_at for commit in pull.commits.nodes or () if commit is not None]
        yield FoundPullRequest(
            number=pull.number,
            created_at=pull.created_at,
            merged_at=pull.merged_at,
            merge_commit=pull.merge_commit.oid,
            tracked=self._tracks(pull, default),
            commits=pull.commits.total,
            first_authored_at=min(own, default=None),
            hotfix=self.policy.is_hotfix([label.name for label in labels if label is not None], pull.head),
            reverts=reverted(pull.head),
            counted=not self.policy.too_old(pull.merged_at, now=self.session.requests.clock()),
        )


def _is_merged(pull: queries.PullRequest) -> bool:
    """Return whether the pull request is merged, by a commit that is still there."""
    return pull.merged and pull.merged_at is not None and pull.merge_commit is not None
