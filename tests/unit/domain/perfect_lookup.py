"""A `CommitLookup` that knows the whole graph: what GitHub's API would say if it never failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from dora.domain.facts import ChangesFound, FoundCommit, FoundPullRequest, Predecessor, Unknown
from dora.domain.instant import Instant
from dora.domain.questions import ChangesSought
from tests.unit.domain.graph import Graph, Merged, Node


@frozen
class TrueDeployment:
    """A deployment that succeeded, whether or not the service was there."""

    environment: str
    """The environment's name."""
    deployment_id: str
    sha: str
    succeeded_at: Instant


@frozen
class PerfectLookup:
    """Answers from the true graph, by set algebra."""

    graph: Graph
    merged: Sequence[Merged]
    """All pull requests merged by the time of asking, into tracked branches."""
    deployments: Sequence[TrueDeployment]

    async def changes(self, question: ChangesSought) -> ChangesFound:
        """Return the answer; see `dora.ports.CommitLookup`."""
        return self.answer(question)

    def answer(self, question: ChangesSought) -> ChangesFound:
        """Return the answer."""
        if question.commits is not None:
            nodes = [self.graph.by_sha[sha] for sha in question.commits]
            return self._found(question, nodes, numbers=question.pull_requests)
        tip = self._resolved(question.sha)
        if tip is None:
            return self._found(question, (), unknown=Unknown.NOT_FOUND)
        before = self._predecessor(question) if question.find_predecessor else None
        base_sha = before.sha if before else question.base
        if base_sha is None:
            head = [merged.number for merged in self.merged if merged.merge_commit is tip]
            return self._found(question, (), numbers=head, tip=tip)
        base = self._resolved(base_sha)
        if base is None:
            return self._found(question, (), unknown=Unknown.HISTORY_REWRITTEN, before=before, tip=tip)
        nodes = list(self.graph.range(base, tip))
        if len(nodes) > question.max_commits:
            return self._found(question, (), unknown=Unknown.TOO_MANY_COMMITS, before=before, tip=tip)
        behind = base is not tip and base.contains(tip)
        return self._found(question, nodes, before=before, tip=tip, behind=behind)

    def _resolved(self, sha: str) -> Node | None:
        found = [node for node in self.graph.nodes if node.sha.startswith(sha)]
        return found[0] if len(found) == 1 else None

    def _predecessor(self, question: ChangesSought) -> Predecessor | None:
        earlier = [
            deployment
            for deployment in self.deployments
            if deployment.environment == question.environment.name
            and deployment.deployment_id != question.deployment_id
            and deployment.succeeded_at < question.succeeded_at
        ]
        if not earlier:
            return None
        latest = max(earlier, key=lambda deployment: deployment.succeeded_at)
        return Predecessor(deployment_id=latest.deployment_id, sha=latest.sha, succeeded_at=latest.succeeded_at)

    def _found(
        self,
        question: ChangesSought,
        nodes: Sequence[Node],
        *,
        numbers: Iterable[int] = (),
        unknown: Unknown | None = None,
        before: Predecessor | None = None,
        tip: Node | None = None,
        behind: bool = False,
    ) -> ChangesFound:
        wanted = set(numbers)
        commits = []
        for node in nodes:
            of_node = tuple(merged.number for merged in self.merged if merged.claims >> node.index & 1)
            wanted.update(of_node)
            commits.append(
                FoundCommit(
                    sha=node.sha,
                    committed_at=node.committed_at,
                    authored_at=node.authored_at,
                    parents=len(node.parents),
                    pull_requests=of_node,
                )
            )
        return ChangesFound(
            repository=question.repository,
            received_at=question.succeeded_at,
            environment=question.environment,
            deployment_id=question.deployment_id,
            unknown=unknown,
            predecessor=before,
            sha=tip.sha if tip else None,
            behind=behind,
            commits=tuple(commits),
            pull_requests=tuple(_found(merged) for merged in self.merged if merged.number in wanted),
        )


def _found(merged: Merged) -> FoundPullRequest:
    return FoundPullRequest(
        number=merged.number,
        created_at=merged.created_at,
        merged_at=merged.merged_at,
        merge_commit=merged.merge_commit.sha,
        commits=len(merged.own),
        first_authored_at=merged.first_authored_at,
        hotfix=merged.hotfix,
        reverts=merged.reverts,
    )
