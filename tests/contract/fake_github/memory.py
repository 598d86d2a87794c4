"""A `CommitLookup` without a network: answers straight from the graph. For tests that are not about GitHub."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import define, evolve, field

from dora.adapters.github.reverts import reverted
from dora.domain.facts import ChangesFound, FoundCommit, FoundPullRequest, Predecessor, Unknown
from dora.domain.instant import Instant
from dora.domain.questions import ChangesSought
from dora.domain.succession import key
from dora.policy import Policy
from dora.ports import Refused
from tests.contract.fake_github.graph import Deployment, Graph, PullRequest

_FULL = 40


@define
class MemoryLookup:
    """Answers questions about these graphs, by repository name."""

    graphs: Mapping[str, Graph]
    clock: Callable[[], Instant]
    policy: Policy = field(factory=Policy)

    async def changes(self, question: ChangesSought) -> ChangesFound:
        """Return the answer.

        Raises:
            Refused: there is no such repository.
        """
        graph = self.graphs.get(question.repository.name.lower())
        if graph is None:
            raise Refused("no such repository")
        answer = ChangesFound(
            repository=question.repository,
            received_at=self.clock(),
            environment=question.environment,
            deployment_id=question.deployment_id,
        )
        sha = question.sha if len(question.sha) >= _FULL else graph.resolve(question.sha)
        if sha is None:
            return evolve(answer, unknown=Unknown.NOT_FOUND)
        answer = evolve(answer, sha=None if sha == question.sha else sha)
        if question.commits is not None:
            return self._with(graph, answer, question.commits, question.pull_requests)
        predecessor = _predecessor(graph, question) if question.find_predecessor else None
        base = question.base if predecessor is None else predecessor.sha
        answer = evolve(answer, predecessor=predecessor)
        if base is None:
            found = self._with(graph, answer, (sha,), ())
            merged = tuple(pull for pull in found.pull_requests if pull.merge_commit == sha)
            return evolve(found, pull_requests=merged)
        return self._range(graph, answer, question, base=graph.resolve(base), sha=sha)

    def _range(
        self, graph: Graph, answer: ChangesFound, question: ChangesSought, *, base: str | None, sha: str
    ) -> ChangesFound:
        if sha not in graph.commits:
            return evolve(answer, unknown=Unknown.NOT_FOUND)
        if base is None or not graph.ancestors(base) & graph.ancestors(sha):
            return evolve(answer, unknown=Unknown.HISTORY_REWRITTEN)
        reached = graph.between(base, sha)
        if len(reached) > question.max_commits:
            return evolve(answer, unknown=Unknown.TOO_MANY_COMMITS)
        behind = not reached and base != sha
        return self._with(graph, evolve(answer, behind=behind), reached, question.pull_requests)

    def _with(
        self, graph: Graph, answer: ChangesFound, shas: tuple[str, ...], numbers: tuple[int, ...]
    ) -> ChangesFound:
        commits = []
        pulls = {number: graph.pull_requests[number] for number in numbers if number in graph.pull_requests}
        for sha in shas:
            known = graph.commits.get(sha)
            if known is None:
                answer = evolve(answer, unknown=Unknown.NOT_FOUND)
                continue
            merged = {pull.number: pull for pull in graph.introduced_by(sha) if pull.merged_at is not None}
            pulls |= merged
            tracked = [pull.number for pull in merged.values() if self.policy.tracks(pull.base, graph.default_branch)]
            commits.append(
                FoundCommit(
                    sha=sha,
                    committed_at=known.committed_at,
                    authored_at=known.authored_at,
                    parents=min(len(known.parents), 2),
                    pull_requests=tuple(sorted(tracked)),
                )
            )
        found = tuple(one for pull in pulls.values() for one in self._pull_request(graph, pull))
        return evolve(answer, commits=tuple(commits), pull_requests=found)

    def _pull_request(self, graph: Graph, pull: PullRequest) -> tuple[FoundPullRequest, ...]:
        if pull.merged_at is None or pull.merge_commit is None:
            return ()
        own = [graph.commits[sha].authored_at for sha in pull.own[:100]]
        return (
            FoundPullRequest(
                number=pull.number,
                created_at=pull.created_at,
                merged_at=pull.merged_at,
                merge_commit=pull.merge_commit,
                tracked=self.policy.tracks(pull.base, graph.default_branch),
                commits=len(pull.own),
                first_authored_at=min(own, default=None),
                hotfix=self.policy.is_hotfix(pull.labels, pull.head),
                reverts=reverted(pull.head),
                counted=not self.policy.too_old(pull.merged_at, now=self.clock()),
            ),
        )


def _predecessor(graph: Graph, question: ChangesSought) -> Predecessor | None:
    asking = key(question.succeeded_at, question.deployment_id)
    earlier = [
        (place, deployment.sha)
        for deployment in graph.newest_deployments([question.environment.name])
        if (at := _succeeded_at(deployment)) is not None
        and str(deployment.id) != question.deployment_id
        and (place := key(at, str(deployment.id))) < asking
    ]
    if not earlier:
        return None
    (at, (_, _, deployment_id)), sha = max(earlier)
    return Predecessor(deployment_id=deployment_id, sha=sha, succeeded_at=at)


def _succeeded_at(deployment: Deployment) -> Instant | None:
    successes = [status.at for status in deployment.statuses if status.state == "success"]
    if successes:
        return min(successes)
    expired = all(status.state == "inactive" for status in deployment.statuses)
    return deployment.updated_at if expired and deployment.state in {"inactive", "success"} else None
