"""The questions asked in GraphQL, and the shapes of their answers.

Fields keep GitHub's own names (docs: graphql/reference). What GitHub may leave null is optional here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import field, frozen

from dora.wire import Moment

FULL_LENGTHS: Final = frozenset({40, 64})
"""Digits of a whole commit id: SHA-1, SHA-256. Shorter ones are abbreviated."""

_PULL_REQUEST: Final = """
fragment P on PullRequest {
  number merged createdAt mergedAt baseRefName headRefName
  mergeCommit { oid }
  labels(first: 20) { nodes { name } }
  commits(first: 100) { totalCount nodes { commit { authoredDate } } }
}"""

_COMMIT: Final = """
fragment C on Commit {
  oid authoredDate committedDate
  parents(first: 2) { totalCount }
  associatedPullRequests(first: $pulls) { totalCount nodes { ...P } }
}"""

DEPLOYMENTS: Final = """
query Deployments($owner: String!, $name: String!, $environments: [String!], $after: String) {
  repository(owner: $owner, name: $name) {
    deployments(
      first: 100, after: $after, environments: $environments, orderBy: {field: CREATED_AT, direction: DESC}
    ) {
      pageInfo { hasNextPage endCursor }
      nodes {
        id databaseId commitOid state updatedAt
        statuses(first: 100) { nodes { state environment createdAt } }
      }
    }
  }
}"""
"""A page of an environment's deployments, newest first, with the history of each: one point of the limit."""


def changes(shas: Sequence[str], numbers: Sequence[int], *, pulls: int) -> tuple[str, dict[str, object]]:
    """Return the document that asks for commits with their pull requests, and for pull requests; and its variables.

    Commits go by the aliases c0, c1…, pull requests by p0, p1….

    Args:
        shas: Commit ids, whole or abbreviated.
        numbers: Numbers of pull requests.
        pulls: Pull requests asked for per commit, at most.
    """
    variables: dict[str, object] = {}
    declared: list[str] = []
    asked: list[str] = ["defaultBranchRef { name }"]
    fragments = [_PULL_REQUEST]
    if shas:
        declared.append("$pulls: Int!")
        variables["pulls"] = pulls
        fragments.append(_COMMIT)
    for index, sha in enumerate(shas):
        kind, argument = ("GitObjectID", "oid") if len(sha) in FULL_LENGTHS else ("String", "expression")
        declared.append(f"$c{index}: {kind}!")
        asked.append(f"c{index}: object({argument}: $c{index}) {{ ...C }}")
        variables[f"c{index}"] = sha
    for index, number in enumerate(numbers):
        declared.append(f"$p{index}: Int!")
        asked.append(f"p{index}: pullRequest(number: $p{index}) {{ ...P }}")
        variables[f"p{index}"] = number
    head = f"query Changes($owner: String!, $name: String!, {', '.join(declared)})"
    lines = "\n    ".join(asked)
    document = f"{head} {{\n  repository(owner: $owner, name: $name) {{\n    {lines}\n  }}\n}}{''.join(fragments)}"
    return document, variables


@frozen
class Branch:
    """A branch, by its short name."""

    name: str


@frozen
class Oid:
    """A commit, by its id."""

    oid: str


@frozen
class Total:
    """A list, by its length."""

    total: int = field(alias="totalCount")


@frozen
class Dates:
    """When a commit was written."""

    authored_at: Moment = field(alias="authoredDate")


@frozen
class OwnCommit:
    """A commit of a pull request's own."""

    commit: Dates


@frozen
class OwnCommits:
    """A pull request's own commits: how many, and the first 100."""

    total: int = field(alias="totalCount")
    nodes: tuple[OwnCommit | None, ...] | None


@frozen
class Label:
    """A label."""

    name: str


@frozen
class Labels:
    """A pull request's first 20 labels."""

    nodes: tuple[Label | None, ...] | None


@frozen
class PullRequest:
    """A pull request; `mergeCommit` is null if it is not merged, or if that commit is gone."""

    number: int
    merged: bool
    created_at: Moment = field(alias="createdAt")
    merged_at: Moment | None = field(alias="mergedAt")
    base: str = field(alias="baseRefName")
    head: str = field(alias="headRefName")
    merge_commit: Oid | None = field(alias="mergeCommit")
    labels: Labels | None
    commits: OwnCommits


@frozen
class PullRequests:
    """The pull requests that introduced a commit."""

    total: int = field(alias="totalCount")
    nodes: tuple[PullRequest | None, ...] | None


@frozen
class Commit:
    """A commit with the pull requests that introduced it."""

    oid: str
    authored_at: Moment = field(alias="authoredDate")
    committed_at: Moment = field(alias="committedDate")
    parents: Total
    pull_requests: PullRequests | None = field(alias="associatedPullRequests")


@frozen
class Changes:
    """What `changes` asks for, but for the aliases, which are read one by one."""

    default_branch: Branch | None = field(alias="defaultBranchRef")


@frozen
class Status:
    """A status that a deployment had."""

    state: str
    environment: str | None
    created_at: Moment = field(alias="createdAt")


@frozen
class Statuses:
    """A deployment's statuses, as far as GitHub keeps them."""

    nodes: tuple[Status | None, ...] | None


@frozen
class Deployment:
    """A deployment. `databaseId` is null where GitHub cannot tell it as GraphQL's 32-bit integer."""

    id: str
    database_id: int | None = field(alias="databaseId")
    sha: str = field(alias="commitOid")
    state: str | None
    updated_at: Moment = field(alias="updatedAt")
    statuses: Statuses | None


@frozen
class Page:
    """Whether a list goes on, and where."""

    more: bool = field(alias="hasNextPage")
    end: str | None = field(alias="endCursor")


@frozen
class DeploymentPage:
    """A page of deployments."""

    page: Page = field(alias="pageInfo")
    nodes: tuple[Deployment | None, ...] | None


@frozen
class Deployments:
    """What `DEPLOYMENTS` asks for."""

    deployments: DeploymentPage


def variables_of(repository: str, more: Mapping[str, object]) -> dict[str, object]:
    """Return the variables of a document about the repository `owner/name`."""
    owner, _, name = repository.partition("/")
    return {"owner": owner, "name": name, **more}
