"""GitHub's GraphQL API: one document, its variables, and a whole answer or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import orjson
from attrs import field, frozen

from dora.adapters.github.limits import speaks_of_limit
from dora.adapters.github.requests import Answer, Overtaxed
from dora.ports import Malformed, Refused, Unavailable
from dora.wire import Maybe, structure

T = TypeVar("T")

_REFUSALS: Final = frozenset({"FORBIDDEN", "INSUFFICIENT_SCOPES", "UNAUTHENTICATED"})
_LIMITS: Final = frozenset({"RATE_LIMITED", "RATE_LIMIT"})
_TOO_MUCH: Final = frozenset({"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED", "TIMEOUT"})
_TIMED_OUT: Final = "result of a timeout"
_REPOSITORY: Final = "repository"


class Limited(Unavailable):
    """The answer was a rate limit, though its HTTP status was 200."""


@frozen
class _Error:
    type: Maybe[str] = None
    message: Maybe[str] = None
    path: Maybe[tuple[object, ...]] = None


@frozen
class _Envelope:
    data: object = None
    errors: tuple[_Error, ...] | None = field(default=None)


def request(document: str, variables: Mapping[str, object]) -> bytes:
    """Return the body of a GraphQL request."""
    return orjson.dumps({"query": document, "variables": variables})


def result(answer: Answer, shape: type[T]) -> T:
    """Return the `repository` that a GraphQL answer holds.

    One error alone leaves an answer whole: that a thing asked for by its number or id does not exist.

    Raises:
        Limited: it is a rate limit.
        Refused: GitHub does not show the repository, or a part of it.
        Overtaxed: the query was too much at once.
        Unavailable: any other error: what it left out is not known.
    """
    try:
        envelope = structure(orjson.loads(answer.body), _Envelope)
    except (orjson.JSONDecodeError, Malformed):
        raise Unavailable("GitHub's answer is no GraphQL answer") from None
    for error in envelope.errors or ():
        _judge(error)
    try:
        found = structure(envelope.data, _Data)
        if found.repository is None:
            raise Unavailable("GitHub's answer lacks the repository")
        return structure(found.repository, shape)
    except Malformed as problem:
        raise Unavailable(f"GitHub's answer is not whole ({problem.problems[0].pointer})") from None


@frozen
class _Data:
    repository: dict[str, object] | None


def _judge(error: _Error) -> None:
    kind, message, path = error.type or "", error.message or "", error.path or ()
    if kind in _LIMITS or speaks_of_limit(message):
        raise Limited("GitHub's rate limit is reached")
    if kind in _TOO_MUCH or _TIMED_OUT in message:
        raise Overtaxed("GitHub did not finish the query")
    if kind in _REFUSALS:
        raise Refused("GitHub refuses a part of the query to the credentials", permission=_permission(path))
    if kind == "NOT_FOUND":
        if tuple(path) == (_REPOSITORY,):
            raise Refused("GitHub does not show the repository to the credentials")
        if len(path) == 2:  # noqa: PLR2004 - the repository, and what was asked of it
            return
    raise Unavailable("GitHub's answer has errors")


def _permission(path: Sequence[object]) -> str:
    """Return the permission (of a fine-grained token or an App) that the refused part of a query wants."""
    steps = {step for step in path if isinstance(step, str)}
    if "deployments" in steps:
        return "deployments=read"
    if "associatedPullRequests" in steps or any(step[:1] == "p" and step[1:].isdecimal() for step in steps):
        return "pull_requests=read"
    return "contents=read" if len(path) > 1 else ""
