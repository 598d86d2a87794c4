"""The GitHub adapter of `dora.ports.CommitLookup`.

How many requests a question costs: one for each hundred deployments searched, one for each hundred commits of a range,
and of GraphQL one for up to 50 commits or pull requests, two for up to 1,000. An abbreviated id costs one more.
"""

from __future__ import annotations

from attrs import define, evolve, field

from dora.adapters.github import queries
from dora.adapters.github.predecessors import Predecessors
from dora.adapters.github.pull_requests import Found, PullRequests
from dora.adapters.github.ranges import Range, Ranges
from dora.adapters.github.sessions import Session
from dora.domain.facts import ChangesFound, Unknown
from dora.domain.questions import ChangesSought
from dora.policy import Policy


@define
class GitHubLookup:
    """Answers questions about commits by asking GitHub. See `dora.ports.CommitLookup` for what it promises."""

    session: Session
    policy: Policy
    _ranges: Ranges = field(init=False)
    _predecessors: Predecessors = field(init=False)
    _pull_requests: PullRequests = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ranges = Ranges(self.session)
        self._predecessors = Predecessors(self.session)
        self._pull_requests = PullRequests(self.session, self.policy)

    async def changes(self, question: ChangesSought) -> ChangesFound:
        """Return the answer.

        Raises:
            Refused: GitHub says no.
            Unavailable: no answer now.
        """
        answer = await self._find(question)
        return evolve(answer, received_at=self.session.requests.clock())

    async def _find(self, question: ChangesSought) -> ChangesFound:
        name = question.repository.name
        answer = ChangesFound(
            repository=question.repository,
            received_at=self.session.requests.clock(),
            environment=question.environment,
            deployment_id=question.deployment_id,
        )
        sha = await self._full(name, question.sha)
        if sha is None:
            return evolve(answer, unknown=Unknown.NOT_FOUND)
        if sha != question.sha:
            answer = evolve(answer, sha=sha)
        if question.commits is not None:
            commits = tuple(sha if commit == question.sha else commit for commit in question.commits)
            return _with(answer, await self._pull_requests.of(name, commits, question.pull_requests))
        base = question.base
        if question.find_predecessor:
            predecessor = await self._predecessors.before(question)
            answer = evolve(answer, predecessor=predecessor)
            base = base if predecessor is None else predecessor.sha
        if base is None:
            return _with(answer, await self._merged_by(name, sha))
        reached = await self._range(name, base, sha, most=question.max_commits)
        if isinstance(reached, Unknown):
            return evolve(answer, unknown=reached)
        found = await self._pull_requests.of(name, reached.shas, question.pull_requests)
        return _with(evolve(answer, behind=reached.behind), found)

    async def _full(self, repository: str, sha: str) -> str | None:
        return sha if len(sha) in queries.FULL_LENGTHS else await self._ranges.full(repository, sha)

    async def _range(self, repository: str, base: str, head: str, *, most: int) -> Range | Unknown:
        whole = await self._full(repository, base)
        if whole is None:
            return Unknown.HISTORY_REWRITTEN
        return Range() if whole == head else await self._ranges.between(repository, whole, head, most=most)

    async def _merged_by(self, repository: str, sha: str) -> Found:
        """Return the commit, and of its pull requests those that it merged."""
        found = await self._pull_requests.of(repository, (sha,), ())
        merged = tuple(pull for pull in found.pull_requests if pull.merge_commit == sha)
        return evolve(found, pull_requests=merged)


def _with(answer: ChangesFound, found: Found) -> ChangesFound:
    return evolve(
        answer,
        unknown=Unknown.NOT_FOUND if found.missing else None,
        commits=found.commits,
        pull_requests=found.pull_requests,
    )
