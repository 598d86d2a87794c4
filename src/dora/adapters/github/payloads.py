"""The shapes of GitHub's deliveries: only what a number needs, and no more than that is checked.

GitHub's own schemas are stricter than its deliveries, and it adds fields at any time. A field that a number cannot do
without is required here; every other is `Maybe`: read if it is what it should be, and otherwise as absent.

They are not frozen: what is made of a delivery lives until its fact is made, and freezing doubles what making it costs.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from attrs import define

from dora.wire import Maybe, Moment, Rule

LARGEST_ID: Final = 2**63 - 1
"""GitHub's ids are 64-bit; a larger number cannot be one, and no store could keep it as an integer."""

LONGEST_ENVIRONMENT: Final = 255
"""Characters of an environment's name, GitHub's own limit."""

_LONGEST_NAME: Final = 255
"""Characters of `owner/name`; GitHub allows 39 and 100."""

_LONGEST_REF: Final = 1024
"""Characters of a ref; far beyond what a file system, and so Git, can hold."""

_LONGEST_SHA: Final = 64
"""Hexadecimal digits of a SHA-256 object id, the longest that Git has."""


def _sha(text: str) -> str:
    if not 0 < len(text) <= _LONGEST_SHA:
        raise ValueError("must be a commit id of 1 to 64 characters")
    return text.lower()


def _ref(text: str) -> str:
    if not 0 < len(text) <= _LONGEST_REF:
        raise ValueError("must be a ref of 1 to 1024 characters")
    return text


def full_name(text: str) -> str:
    """Return a repository's `owner/name`.

    Raises:
        ValueError: it is none.
    """
    owner, _, name = text.partition("/")
    if not owner or not name or "/" in name or len(text) > _LONGEST_NAME:
        raise ValueError("must be owner/name, of at most 255 characters")
    return text


def _not_negative(number: int) -> int:
    if number < 0:
        raise ValueError("must not be negative")
    return number


def _id(number: int) -> int:
    if not 0 <= number <= LARGEST_ID:
        raise ValueError("must be an integer from 0 to 2^63 - 1")
    return number


Sha: TypeAlias = Annotated[str, Rule(_sha)]
Ref: TypeAlias = Annotated[str, Rule(_ref)]
FullName: TypeAlias = Annotated[str, Rule(full_name)]
DeploymentId: TypeAlias = Annotated[int, Rule(_not_negative)]
Id: TypeAlias = Annotated[int, Rule(_id)]


@define
class Repository:
    """`repository`: its name, and the id that stays when the name changes."""

    full_name: FullName
    id: Maybe[Id] = None


@define
class Deployment:
    """`deployment`. Its `ref` moves and is not read; its `production_environment` proves nothing."""

    id: DeploymentId
    sha: Sha


@define
class DeploymentStatus:
    """`deployment_status`, of a state that counts."""

    state: Literal["success", "failure", "error"]
    created_at: Moment


@define
class DeploymentStatusDelivery:
    """The event `deployment_status`."""

    repository: Repository
    deployment: Deployment
    deployment_status: DeploymentStatus


@define
class Label:
    """A label of an issue or pull request."""

    name: str


Labels: TypeAlias = Maybe[tuple[Maybe[Label], ...]]


@define
class Base:
    """Where a pull request goes."""

    ref: Ref


@define
class Head:
    """Where a pull request comes from."""

    ref: str


@define
class PullRequest:
    """`pull_request`, merged."""

    number: Id
    created_at: Moment
    merged_at: Moment
    merge_commit_sha: Sha
    base: Base
    head: Maybe[Head] = None
    labels: Labels = None
    commits: Maybe[Id] = None


@define
class PullRequestDelivery:
    """The event `pull_request`."""

    repository: Repository
    pull_request: PullRequest


@define
class Signature:
    """Who wrote a commit, of which only the time is read."""

    date: Moment


@define
class PushedCommit:
    """One of `commits`."""

    id: Sha
    timestamp: Moment
    """The committer's time."""
    message: Maybe[str] = None
    author: Maybe[Signature] = None


@define
class PushDelivery:
    """The event `push`, of a branch that gained commits."""

    repository: Repository
    ref: Ref
    before: Sha
    after: Sha
    commits: tuple[PushedCommit, ...]


@define
class Issue:
    """`issue`."""

    number: Id
    created_at: Moment
    closed_at: Moment | None = None
    updated_at: Maybe[Moment] = None


@define
class IssuesDelivery:
    """The event `issues`."""

    repository: Repository
    issue: Issue


@define
class Installation:
    """The events `installation` and `installation_repositories`."""

    repositories: Maybe[tuple[Maybe[Repository], ...]] = None
    repositories_added: Maybe[tuple[Maybe[Repository], ...]] = None
