"""A repository as GitHub knows it: a graph of commits, pull requests, and deployments with statuses.

It is the truth that the fake GitHub serves, and that tests can compute answers from by set algebra.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import define, field, frozen

from dora.domain.instant import Instant


@frozen
class Commit:
    sha: str
    parents: tuple[str, ...]
    authored_at: Instant
    committed_at: Instant


@define
class PullRequest:
    number: int
    created_at: Instant
    base: str
    head: str
    own: tuple[str, ...]
    """Its own commits, on its branch, oldest first."""
    labels: tuple[str, ...] = ()
    merged_at: Instant | None = None
    merge_commit: str | None = None
    closed_at: Instant | None = None
    updated_at: Instant = 0
    brought: frozenset[str] = frozenset()
    """The commits that its merge brought to the base, the merge commit among them."""


@frozen
class Status:
    state: str
    at: Instant
    environment: str | None = None


@define
class Deployment:
    id: int
    sha: str
    environment: str
    created_at: Instant
    statuses: list[Status] = field(factory=list)
    """Oldest first."""
    state: str = "pending"
    updated_at: Instant = 0
    transient: bool = False


@define
class Graph:
    """One repository. Methods that add something return what identifies it."""

    name: str
    id: int = 4_200_000_001
    default_branch: str = "main"
    heads: dict[str, str] = field(factory=dict)
    """Branches: where they point."""
    commits: dict[str, Commit] = field(factory=dict)
    pull_requests: dict[int, PullRequest] = field(factory=dict)
    deployments: dict[int, Deployment] = field(factory=dict)
    _ancestors: dict[str, frozenset[str]] = field(factory=dict, init=False, repr=False)

    def commit(
        self,
        sha: str,
        *parents: str,
        at: Instant,
        authored_at: Instant | None = None,
        branch: str | None = None,
    ) -> str:
        """Add a commit, whose parents are there already; move the branch to it, if one is named."""
        missing = [parent for parent in parents if parent not in self.commits]
        if missing:
            raise ValueError(f"unknown parents: {missing}")
        self.commits[sha] = Commit(sha, parents, at if authored_at is None else authored_at, at)
        if branch is not None:
            self.heads[branch] = sha
        return sha

    def pull_request(
        self,
        number: int,
        *own: str,
        created_at: Instant,
        base: str | None = None,
        head: str = "topic",
        labels: tuple[str, ...] = (),
    ) -> int:
        """Open a pull request with these commits of its own."""
        self.pull_requests[number] = PullRequest(
            number=number,
            created_at=created_at,
            base=base or self.default_branch,
            head=head,
            own=own,
            labels=labels,
            updated_at=created_at,
        )
        return number

    def merged(self, number: int, merge_commit: str, *brought: str, at: Instant) -> int:
        """Record that a pull request was merged by a commit (or, rebased, up to it), which brought others with it."""
        pull_request = self.pull_requests[number]
        pull_request.merged_at = pull_request.closed_at = pull_request.updated_at = at
        pull_request.merge_commit = merge_commit
        pull_request.brought = frozenset((merge_commit, *brought))
        return number

    def closed(self, number: int, *, at: Instant) -> int:
        """Record that a pull request was closed without being merged."""
        pull_request = self.pull_requests[number]
        pull_request.closed_at = pull_request.updated_at = at
        return number

    def deployment(self, deployment_id: int, sha: str, environment: str = "production", *, at: Instant) -> int:
        """Add a deployment; it may name a commit that is not there any more."""
        self.deployments[deployment_id] = Deployment(deployment_id, sha, environment, at, updated_at=at)
        return deployment_id

    def status(self, deployment_id: int, state: str, *, at: Instant, environment: str | None = None) -> None:
        """Add a status to a deployment, in GitHub's lower-case words."""
        deployment = self.deployments[deployment_id]
        deployment.statuses.append(Status(state, at, environment))
        deployment.state = state
        deployment.updated_at = at

    def expire(self, deployment_id: int) -> None:
        """Let the statuses of a deployment go, as they do after 90 days; its state stays."""
        self.deployments[deployment_id].statuses.clear()

    def forget(self, *shas: str) -> None:
        """Take commits away, as a forced push and GitHub's clearing up do in the end."""
        for sha in shas:
            del self.commits[sha]
        self._ancestors.clear()

    def ancestors(self, sha: str) -> frozenset[str]:
        """Return the commit and everything that it was made on, as far as that is there."""
        known = self._ancestors.get(sha)
        if known is None:
            seen: set[str] = set()
            front = [sha]
            while front:
                current = front.pop()
                if current in self.commits and current not in seen:
                    seen.add(current)
                    front += self.commits[current].parents
            known = self._ancestors[sha] = frozenset(seen)
        return known

    def between(self, base: str, head: str) -> tuple[str, ...]:
        """Return what is reachable from `head` and not from `base`, parents before children, else by commit time."""
        wanted = self.ancestors(head) - self.ancestors(base)
        return tuple(self._in_order(wanted))

    def introduced_by(self, sha: str) -> list[PullRequest]:
        """Return a commit's pull requests as GitHub does.

        Merged ones that brought it; and, of a commit that is not on the default branch, all that hold it.
        """
        tip = self.heads.get(self.default_branch)
        landed = tip is not None and sha in self.ancestors(tip)
        return sorted(
            (
                pull_request
                for pull_request in self.pull_requests.values()
                if sha in pull_request.brought or (not landed and sha in pull_request.own)
            ),
            key=lambda pull_request: (pull_request.created_at, pull_request.number),
        )

    def resolve(self, revision: str) -> str | None:
        """Return the commit that a branch, an id, `HEAD`, or an unambiguous beginning of an id names."""
        revision = self.default_branch if revision == "HEAD" else revision
        if revision in self.commits:
            return revision
        if revision in self.heads:
            return self.heads[revision]
        found = [sha for sha in self.commits if sha.startswith(revision)]
        return found[0] if len(found) == 1 and len(revision) >= _SHORTEST else None

    def newest_closed(self) -> list[PullRequest]:
        """Return the pull requests that are merged or closed, the latest updated first."""
        closed = [known for known in self.pull_requests.values() if known.closed_at is not None]
        return sorted(closed, key=lambda known: (known.updated_at, known.number), reverse=True)

    def newest_deployments(self, environments: Iterable[str] | None) -> list[Deployment]:
        """Return the deployments of the environments, or all, newest first."""
        wanted = None if environments is None else set(environments)
        found = [known for known in self.deployments.values() if wanted is None or known.environment in wanted]
        return sorted(found, key=lambda deployment: (deployment.created_at, deployment.id), reverse=True)

    def _in_order(self, wanted: Iterable[str]) -> Iterator[str]:
        waiting = sorted(wanted, key=lambda sha: (self.commits[sha].committed_at, sha), reverse=True)
        left = set(waiting)
        while waiting:
            sha = waiting.pop()
            if sha not in left:
                continue
            parents = [parent for parent in self.commits[sha].parents if parent in left]
            if parents:
                waiting += [sha, *parents]
                continue
            left.remove(sha)
            yield sha


_SHORTEST = 4
"""Digits that git wants of an abbreviated id."""
