"""Facts: what happened, in the sender's time, with what the door decided when it came in.

A fact is all that the core ever sees of the world. What depends on settings or on the clock (which label an
environment has, whether a branch is tracked, whether a fact is too old to count, whether GitHub may be asked) is
decided on arrival and written into the fact, so that replaying it later gives the same numbers without either.

All times are `dora.domain.instant.Instant`: microseconds since the epoch.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from attrs import frozen

from dora.domain.instant import Instant


class Result(StrEnum):
    """How a deployment ended; GitHub's `failure` and `error` are one."""

    SUCCESS = "success"
    FAILURE = "failure"


class Kind(StrEnum):
    """What a sender says a successful deployment was; without it the core infers."""

    PLANNED = "planned"
    HOTFIX = "hotfix"
    REVERT = "revert"
    ROLLBACK = "rollback"


class Unknown(StrEnum):
    """Why the changes of a deployment could not be (fully) measured."""

    FIRST_DEPLOYMENT = "first_deployment"
    HISTORY_REWRITTEN = "history_rewritten"
    TOO_MANY_COMMITS = "too_many_commits"
    NOT_FOUND = "not_found"
    NO_TOKEN = "no_token"  # noqa: S105 - a reason's name, not a credential
    GITHUB_REFUSED = "github_refused"


@frozen(cache_hash=True)
class Repository:
    """A repository as a sender names it: `owner/name`, and GitHub's id where the sender knows it."""

    name: str
    id: int | None = None


@frozen(cache_hash=True)
class Environment:
    """An environment: its name as sent (succession goes by it), and the label and service the door gave it."""

    name: str
    label: str
    service: str = ""
    listed: bool = False
    """True for `production` and for labels named in the settings: admitted however many environments there are."""


@frozen
class IdempotencyKey:
    """A push client's own name for an event, and a digest of the event's content."""

    client: str
    key: str
    digest: str


@frozen(kw_only=True)
class RepositorySeen:
    """A genuine event named the repository; nothing else about it matters."""

    repository: Repository
    received_at: Instant


@frozen(kw_only=True)
class EnvironmentSeen:
    """A deployment, or a status that counts nothing, named the environment."""

    repository: Repository
    received_at: Instant
    environment: Environment


@frozen(kw_only=True)
class DeploymentStarted:
    """A push client announced a deployment. It counts nothing; saying it twice is a duplicate."""

    repository: Repository
    received_at: Instant
    environment: Environment
    deployment_id: str
    at: Instant
    key: IdempotencyKey | None = None


@frozen
class SentChange:
    """A change that a push client names itself."""

    id: str
    merged_at: Instant | None = None
    committed_at: Instant | None = None


@frozen(kw_only=True)
class DeploymentFinished:
    """A deployment succeeded or failed."""

    repository: Repository
    received_at: Instant
    environment: Environment
    deployment_id: str
    """GitHub's id in decimal, or the push client's own."""
    result: Result
    at: Instant
    sha: str | None
    """Lower-case hex; required for a success."""
    counted: bool = True
    """False if the fact was too old on arrival: kept for linking, not counted."""
    lookups: bool = False
    """True if GitHub may be asked about this deployment's changes."""
    max_commits: int = 1000
    """Most commits measured for this deployment."""
    changes: tuple[SentChange, ...] | None = None
    """The changes, sent by a push client, instead of any look-up; None: find them."""
    kind: Kind | None = None
    fixes: str | None = None
    """Id of the deployment that this one repairs."""
    key: IdempotencyKey | None = None


@frozen(kw_only=True)
class DeploymentMarkedFailed:
    """Somebody reported that a deployment needed immediate intervention."""

    repository: Repository
    received_at: Instant
    environment: Environment
    deployment_id: str
    at: Instant
    key: IdempotencyKey | None = None


@frozen(kw_only=True)
class DeploymentRecovered:
    """Somebody reported that a failed deployment's failure is over."""

    repository: Repository
    received_at: Instant
    environment: Environment
    deployment_id: str
    at: Instant
    key: IdempotencyKey | None = None


@frozen(kw_only=True)
class IncidentOpened:
    """An incident began."""

    repository: Repository
    received_at: Instant
    incident_id: str
    at: Instant
    environment: Environment | None = None
    """None: the repository's only chain labelled `production` (a GitHub issue names no environment)."""
    deployment_id: str | None = None
    key: IdempotencyKey | None = None


@frozen(kw_only=True)
class IncidentResolved:
    """An incident ended."""

    repository: Repository
    received_at: Instant
    incident_id: str
    at: Instant
    environment: Environment | None = None
    deployment_id: str | None = None
    key: IdempotencyKey | None = None
    labelled: bool = True
    """False if it is a GitHub issue that is not labelled an incident (any more): it is one if it was one before."""


@frozen(kw_only=True)
class PullRequestMerged:
    """A pull request was merged into a tracked branch."""

    repository: Repository
    received_at: Instant
    number: int
    created_at: Instant
    merged_at: Instant
    merge_commit: str
    """GitHub's `merge_commit_sha`: the merge commit, the squashed commit, or the last commit of a rebase."""
    commits: int | None = None
    """How many commits the pull request had of its own."""
    hotfix: bool = False
    reverts: int | None = None
    """The pull request that GitHub's revert button made this one for."""
    counted: bool = True


@frozen(kw_only=True)
class ChangeMerged:
    """A push client reported a merge."""

    repository: Repository
    received_at: Instant
    sha: str
    merged_at: Instant
    committed_at: Instant | None = None
    """Author date of the change's first commit."""
    counted: bool = True
    key: IdempotencyKey | None = None


@frozen
class Commit:
    """A commit as a push lists it."""

    sha: str
    committed_at: Instant
    authored_at: Instant | None = None
    merge_subject: bool = False
    """True if the message begins with Git's or GitHub's own words for a merge."""


@frozen(kw_only=True)
class CommitsPushed:
    """A branch moved from one commit to another and gained commits."""

    repository: Repository
    received_at: Instant
    branch: str
    tracked: bool
    before: str | None
    """None if the push created the branch."""
    after: str
    forced: bool = False
    commits: tuple[Commit, ...]
    """Those reachable from `after` and not from `before`, oldest first."""


@frozen
class Predecessor:
    """The latest earlier successful deployment, as GitHub's history tells it."""

    deployment_id: str
    sha: str
    succeeded_at: Instant


@frozen
class FoundCommit:
    """A commit as GitHub's API shows it."""

    sha: str
    committed_at: Instant
    authored_at: Instant
    parents: int
    pull_requests: tuple[int, ...] = ()
    """Numbers of the merged pull requests into tracked branches that it belongs to."""


@frozen
class FoundPullRequest:
    """A merged pull request as GitHub's API shows it."""

    number: int
    created_at: Instant
    merged_at: Instant
    merge_commit: str
    tracked: bool = True
    commits: int | None = None
    first_authored_at: Instant | None = None
    """Earliest author date among its first 100 commits; None if it was not asked or not told."""
    hotfix: bool = False
    reverts: int | None = None
    counted: bool = True


@frozen(kw_only=True)
class ChangesFound:
    """The answer to `dora.domain.questions.ChangesSought`."""

    repository: Repository
    received_at: Instant
    environment: Environment
    deployment_id: str
    unknown: Unknown | None = None
    """Why there is no (full) answer; None if there is."""
    predecessor: Predecessor | None = None
    """Set if the question asked for it and GitHub knows one."""
    sha: str | None = None
    """The deployed commit in full, where the question had it abbreviated."""
    behind: bool = False
    """The deployed commit is a proper ancestor of the base."""
    commits: tuple[FoundCommit, ...] = ()
    """The range, oldest first; or, if the question named commits, those."""
    pull_requests: tuple[FoundPullRequest, ...] = ()


DeploymentFact: TypeAlias = DeploymentStarted | DeploymentFinished | DeploymentMarkedFailed | DeploymentRecovered
IncidentFact: TypeAlias = IncidentOpened | IncidentResolved
LandedFact: TypeAlias = PullRequestMerged | ChangeMerged | CommitsPushed
Fact: TypeAlias = RepositorySeen | EnvironmentSeen | DeploymentFact | IncidentFact | LandedFact | ChangesFound
