"""Answers: JSON for what went well, RFC 9457 problems for what did not, and the one table from errors to statuses."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from attrs import frozen

from dora.ports import DoraError, Forbidden, Invalid, Malformed, Problem, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

RETRY_AFTER: Final = 5
"""Seconds after which a refused sender may try again: longer than a drain or a failed write usually takes."""

Headers = tuple[tuple[bytes, bytes], ...]

_HEADERS: Final = "dora.headers"
"""Where a request's scope keeps its headers by name once anybody has asked."""

_JSON: Final = b"application/json"
_PROBLEM: Final = b"application/problem+json"

_REASONS: Final = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    405: "method",
    408: "slow",
    413: "too_large",
    415: "content_type",
    422: "invalid",
    503: "unavailable",
}
"""Why a delivery was rejected, in a word, by status: the label of a metric."""


class RefusedError(DoraError):
    """A request that this room itself refuses."""

    def __init__(self, status: int, detail: str, *, headers: Headers = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


@frozen
class Answer:
    """A whole answer, ready to be sent."""

    status: int
    body: bytes
    headers: Headers

    @property
    def reason(self) -> str:
        """Why it is a refusal, in a word from a fixed list."""
        return _REASONS.get(self.status, "other")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it: an answer is an ASGI application."""
        del receive
        await self.send(scope, send)

    async def send(self, scope: Scope, send: Send, *, more: bool = False) -> None:
        """Send it. With `more`, the connection is left open for whatever the client is still sending."""
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        body = b"" if scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body, "more_body": more})


def answer(status: int, value: object, *, headers: Headers = (), content_type: bytes = _JSON) -> Answer:
    """Return a JSON answer."""
    # ASCII only: whatever text gets in, the body is valid UTF-8.
    text = json.dumps(value, separators=(",", ":"))
    return whole(status, text.encode(), content_type=content_type, headers=headers)


def whole(status: int, body: bytes, *, content_type: bytes, headers: Headers = ()) -> Answer:
    """Return an answer with this body."""
    length = str(len(body)).encode()
    return Answer(status, body, ((b"content-type", content_type), (b"content-length", length), *headers))


def problem(status: int, detail: str, *, errors: tuple[Problem, ...] = (), headers: Headers = ()) -> Answer:
    """Return a problem (RFC 9457). Its type says no more than its status, so it is `about:blank`."""
    value: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        value["errors"] = [{"detail": error.detail, "pointer": error.pointer} for error in errors]
    return answer(status, value, headers=headers, content_type=_PROBLEM)


def refusal(error: DoraError, *, challenge: bytes) -> Answer:
    """Return the answer to a request that ended in the error: the one table from errors to statuses.

    Args:
        error: what went wrong.
        challenge: how to authenticate here, for `WWW-Authenticate`.

    Raises:
        DoraError: the error itself, if it is none that a sender can do anything about.
    """
    match error:
        case RefusedError():
            return problem(error.status, error.detail, headers=error.headers)
        case Unauthenticated():
            return problem(401, str(error), headers=((b"www-authenticate", challenge),))
        case Forbidden():
            return problem(403, str(error))
        case Invalid():
            return problem(422, "The event breaks a rule.", errors=error.problems)
        case Malformed():
            return problem(400, "The body cannot be read as what it should be.", errors=error.problems)
        case Unavailable():
            seconds = RETRY_AFTER if error.retry_after is None else max(1, math.ceil(error.retry_after))
            return unavailable(
                "This cannot be done now. It may have been stored; sending it again is safe.", retry_after=seconds
            )
    raise error


def unavailable(detail: str, *, retry_after: int = RETRY_AFTER) -> Answer:
    """Return a 503 that says in how many seconds to come again."""
    return problem(503, detail, headers=((b"retry-after", str(retry_after).encode()),))


def header(scope: Scope, name: bytes) -> str | None:
    """Return the request's first header of the name (lower case), None if there is none."""
    headers = scope.get(_HEADERS)
    if headers is None:
        headers = scope[_HEADERS] = dict(reversed(scope["headers"]))
    value = headers.get(name)
    return None if value is None else str(value, "latin-1")
