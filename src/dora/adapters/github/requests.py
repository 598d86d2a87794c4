"""One request to GitHub: sent with a token that never leaves its host, answered whole or not at all."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Final, Protocol, TypeVar

import httpx
import orjson
from attrs import define, field, frozen

from dora.adapters.github.addresses import Addresses
from dora.adapters.github.limits import Budget, is_limit, retry_after
from dora.domain.instant import Instant
from dora.ports import Malformed, Refused, Unavailable
from dora.wire import structure

T = TypeVar("T")

API_VERSION: Final = "2022-11-28"
"""Later versions drop `merge_commit_sha`; Enterprise Servers before 3.21 know no later one."""

_JSON: Final = "application/vnd.github+json"
_MOST_REDIRECTS: Final = 5
_LARGEST_ANSWER: Final = 32 * 1024 * 1024
"""Bytes. A first page of compare brings up to 300 files with their patches: megabytes that nobody asked for."""
_DEADLINE: Final = 30.0
"""Seconds for one answer, whole. GitHub itself gives up after 10; an Enterprise Server may be slower."""
_QUOTED: Final = 500
"""Characters of an error's body that are looked at for GitHub's sentence."""
_MOVED: Final = frozenset({301, 302, 307, 308})
_MOVED_WITH_BODY: Final = frozenset({307, 308})
_TOO_MUCH: Final = frozenset({502, 504})
_PERMISSIONS: Final = re.compile(r"[a-z_]+=[a-z]+(?:[,;] ?[a-z_]+=[a-z]+)*", re.ASCII)
_HEADER_SAFE: Final = re.compile(r"[!-~]+", re.ASCII)


class Rejected(Refused):
    """GitHub does not take the token itself (401)."""


class Overtaxed(Unavailable):
    """GitHub did not finish in its time. Asking for less may succeed where asking again does not."""


class OnRequest(Protocol):
    """Is told of every answer, and of every request without one."""

    def __call__(
        self, endpoint: str, status: int | str, remaining: int | None, limit: int | None, resource: str
    ) -> None:
        """Take note.

        Args:
            endpoint: One word of a fixed list: `compare`, `commit`, `repository`, `changes`, `deployments`,
                `pulls`, `installation`, `access_token`; and, of `dora check` alone, `app`, `hooks`, `deliveries`.
            status: The HTTP status; or `timeout`, or `error` if there was no (whole) answer.
            remaining: What is left of the primary limit, if GitHub told.
            limit: The primary limit per hour, if GitHub told.
            resource: Which primary limit: `core` or `graphql`.
        """
        ...


@frozen
class Token:
    """A secret that GitHub knows somebody by, and what they may still ask."""

    secret: str = field(repr=False)
    budget: Budget

    def __attrs_post_init__(self) -> None:
        # An unprintable character would be refused deep in the HTTP library, with the secret in the error's text.
        if _HEADER_SAFE.fullmatch(self.secret) is None:
            raise ValueError("a token is made of printable ASCII characters without spaces")


@frozen(kw_only=True)
class Ask:
    """A request, but for who asks."""

    endpoint: str
    """What `OnRequest` is told."""
    url: str
    resource: str = "core"
    accept: str = _JSON
    body: bytes | None = None
    """JSON to be posted; None: a GET."""
    post: bool = False
    """True for a POST without a body."""
    background: bool = False
    """True if it can wait for everything else: it leaves more of the limit."""
    etag: str | None = None
    """As GitHub sent it: an answer may then be 304, which costs nothing of the primary limit."""


@frozen
class Answer:
    """An answer that is neither a limit nor a refusal nor a failure: 2xx, 304, or 404, 409, 422."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    url: str
    """Where it came from, after redirects."""
    next: str | None = None
    """The address of the next page, if there is one (docs: rest/using-the-rest-api/using-pagination)."""


def content(answer: Answer, shape: type[T]) -> T:
    """Return what a 200 says.

    Raises:
        Unavailable: it is no 200, no JSON, or of another shape.
    """
    if answer.status != HTTPStatus.OK:
        raise Unavailable(f"GitHub answered {answer.status}")
    try:
        return structure(orjson.loads(answer.body), shape)
    except orjson.JSONDecodeError:
        raise Unavailable("GitHub's answer is no JSON") from None
    except Malformed as problem:
        raise Unavailable(f"GitHub's answer is not whole ({problem.problems[0].pointer})") from None


def connect(*, tls: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """Return the HTTP client for GitHub: keeps connections, waits for nothing for ever, follows nothing by itself.

    Args:
        tls: Whom to trust; None: whom the machine trusts (`SSL_CERT_FILE`, for an Enterprise Server's own authority).
    """
    return httpx.AsyncClient(
        verify=True if tls is None else tls,
        follow_redirects=False,
        timeout=httpx.Timeout(15, connect=5),
        # One request at a time per credential: more connections than owners of an App are never open at once.
        limits=httpx.Limits(max_connections=16, max_keepalive_connections=8, keepalive_expiry=60),
        headers={"User-Agent": f"dora-observer/{version('dora')}"},
    )


@define(kw_only=True)
class Requests:
    """Sends requests to one GitHub."""

    client: httpx.AsyncClient
    addresses: Addresses
    clock: Callable[[], Instant]
    on_request: OnRequest | None = None
    deadline: float = _DEADLINE
    largest_answer: int = _LARGEST_ANSWER

    async def send(self, ask: Ask, token: Token) -> Answer:
        """Return the answer, after redirects within the configured host.

        Raises:
            Rejected: the token is not taken.
            Refused: it is taken and does not suffice.
            Overtaxed: GitHub ran out of its own time.
            Unavailable: no, or half an answer; a limit; a redirect to another host.
        """
        url = ask.url
        async with token.budget.turn:
            for _ in range(_MOST_REDIRECTS + 1):
                answer = await self._once(ask, url, token)
                if answer.status not in _MOVED:
                    return answer
                if ask.body is not None and answer.status not in _MOVED_WITH_BODY:
                    raise Unavailable(f"GitHub redirected what was posted ({answer.status})")
                target = self.addresses.follow(answer.headers.get("location", ""), base=url)
                if target is None:
                    raise Unavailable("GitHub redirected to another host; the token stays here")
                url = target
        raise Unavailable("GitHub redirected in a circle")

    async def _once(self, ask: Ask, url: str, token: Token) -> Answer:
        token.budget.admit(ask.resource, now=self.clock(), background=ask.background)
        try:
            async with asyncio.timeout(self.deadline):
                answer = await self._exchange(ask, url, token)
        except (httpx.TimeoutException, TimeoutError):
            self._tell(ask, "timeout")
            raise Overtaxed("GitHub did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Only the kind of the error: its text may quote headers.
            self._tell(ask, "error")
            raise Unavailable(f"GitHub could not be reached or broke off ({type(error).__name__})") from None
        now = self.clock()
        token.budget.note(answer.headers, ask.resource, now=now)
        self._tell(ask, answer.status, token.budget)
        return self._judge(answer, token.budget, now)

    async def _exchange(self, ask: Ask, url: str, token: Token) -> Answer:
        headers = {
            "Accept": ask.accept,
            "Authorization": f"Bearer {token.secret}",
            "X-GitHub-Api-Version": API_VERSION,
        }
        if ask.etag is not None:
            headers["If-None-Match"] = ask.etag
        if ask.body is not None:
            headers["Content-Type"] = "application/json"
        method = "GET" if ask.body is None and not ask.post else "POST"
        body = bytearray()
        async with self.client.stream(method, url, headers=headers, content=ask.body) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self.largest_answer:
                    self._tell(ask, "error")
                    raise Unavailable(f"GitHub's answer is longer than {self.largest_answer} bytes")
        # httpx's headers ignore the case of names; the last of equal names would do, GitHub repeats none of ours.
        return Answer(
            status=response.status_code,
            body=bytes(body),
            headers=response.headers,
            url=url,
            next=response.links.get("next", {}).get("url"),
        )

    def _judge(self, answer: Answer, budget: Budget, now: Instant) -> Answer:
        """Return the answer if it is one.

        Raises:
            Unavailable: it is none; see `send`.
        """
        status = answer.status
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or status == HTTPStatus.NOT_MODIFIED:
            budget.succeeded()
            return answer
        if status in _MOVED or status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
            return answer
        if status == HTTPStatus.UNAUTHORIZED:
            raise Rejected("GitHub does not accept the credentials (401)")
        if status in (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS):
            if is_limit(status, answer.headers, answer.body[:_QUOTED].decode(errors="replace")):
                raise budget.limited(answer.headers, now=now)
            raise Refused("GitHub refuses this to the credentials (403)", permission=_missing(answer.headers))
        if status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
            raise Refused("GitHub shows this repository to nobody (451)")
        wait = retry_after(answer.headers, now=now)
        if wait is not None:
            budget.silence(wait, now=now)
            raise Unavailable(f"GitHub answered {status}", retry_after=wait)
        if status in _TOO_MUCH:
            raise Overtaxed(f"GitHub answered {status}")
        raise Unavailable(f"GitHub answered {status}")

    def _tell(self, ask: Ask, status: int | str, budget: Budget | None = None) -> None:
        if self.on_request is None:
            return
        known = None if budget is None else budget.remaining(ask.resource)
        remaining, limit = (None, None) if known is None else (known.remaining, known.limit)
        self.on_request(ask.endpoint, status, remaining, limit, ask.resource)


def _missing(headers: Mapping[str, str]) -> str:
    """Return the permission that GitHub says an endpoint wants; empty if it does not say."""
    if "x-github-sso" in headers:
        return "an authorisation of the token for the organisation's single sign-on"
    accepted = headers.get("x-accepted-github-permissions", "")
    return accepted if _PERMISSIONS.fullmatch(accepted) else ""
