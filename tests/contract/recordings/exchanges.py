"""Requests and answers: captured, scrubbed, stored, played back, and compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import httpx
import orjson
from attrs import define, field, frozen
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from dora.adapters.github.addresses import Addresses
from dora.adapters.github.app import App
from dora.adapters.github.credentials import Credential, PersonalToken
from dora.adapters.github.limits import Budget
from dora.adapters.github.lookup import GitHubLookup
from dora.adapters.github.ranges import Ranges
from dora.adapters.github.requests import Requests
from dora.adapters.github.sessions import Session
from dora.domain.questions import ChangesSought
from dora.policy import Policy
from dora.ports import Refused, Unavailable
from tests.contract.fake_github.world import Clock

FOLDER: Final = Path(__file__).parent
API: Final = "https://api.github.com"

_KEPT: Final = frozenset(
    {
        "accept",
        "content-type",
        "etag",
        "if-none-match",
        "link",
        "location",
        "retry-after",
        "x-accepted-github-permissions",
        "x-github-api-version",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-resource",
        "x-ratelimit-used",
    }
)
_PERSONS: Final = {"name": "Somebody", "email": "somebody@example.invalid"}
_SCRUBBED_TOKEN: Final = "ghs_scrubbed"


@frozen
class Request:
    method: str
    path: str
    """With its query, below the API's address."""
    headers: dict[str, str]
    body: object = None


@frozen
class Response:
    status: int
    headers: dict[str, str]
    body: object = None
    """JSON; or the text, if it is none."""


@frozen
class Exchange:
    request: Request
    response: Response


@define
class Recorder(httpx.AsyncBaseTransport):
    """Passes requests on and keeps what is said."""

    inner: httpx.AsyncBaseTransport
    base: str
    exchanges: list[Exchange] = field(factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        body = await response.aread()
        origin = self.base.split("/", 3)
        host = "/".join(origin[:3])
        kept = Exchange(
            Request(
                method=request.method,
                path=str(request.url).removeprefix(host),
                headers=_headers(request.headers, host),
                body=_body(request.content, host),
            ),
            Response(status=response.status_code, headers=_headers(response.headers, host), body=_body(body, host)),
        )
        self.exchanges.append(kept)
        headers = [(name, value) for name, value in response.headers.items() if name != "content-encoding"]
        return httpx.Response(response.status_code, headers=headers, content=body)

    async def aclose(self) -> None:
        await self.inner.aclose()


@define
class Player(httpx.AsyncBaseTransport):
    """Answers as recorded, and only to what was asked when it was recorded."""

    exchanges: Sequence[Exchange]
    played: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self.played < len(self.exchanges), f"one request more than recorded: {request.method} {request.url}"
        expected, answer = self.exchanges[self.played].request, self.exchanges[self.played].response
        self.played += 1
        assert (request.method, str(request.url)) == (expected.method, f"{API}{expected.path}")
        assert _body(request.content, API) == expected.body
        content = answer.body.encode() if isinstance(answer.body, str) else orjson.dumps(answer.body)
        if answer.status == httpx.codes.NOT_MODIFIED:
            content = b""
        return httpx.Response(answer.status, headers=answer.headers, content=content)


async def ask(
    transport: httpx.AsyncBaseTransport,
    question: ChangesSought,
    *,
    api: str,
    clock: Clock,
    times: int = 1,
    token: str = "a-token",  # noqa: S107 - made up
    app: tuple[str, RSAPrivateKey] | None = None,
    direct: bool = False,
) -> dict[str, object]:
    """Return what the adapter makes of it, the last time it is asked."""
    outcome: dict[str, object] = {}
    async with httpx.AsyncClient(transport=transport) as client:
        requests = Requests(client=client, addresses=Addresses.of(api), clock=clock)
        credential: Credential
        if app is None:
            credential = PersonalToken.of(token, budget=Budget(chance=lambda: 0.0))
        else:
            credential = App(requests=requests, app_id=app[0], key=app[1])
        session = Session(requests, credential)
        lookup = GitHubLookup(session, Policy())
        if direct:
            base = question.base or ""
            reached = await Ranges(session).between(question.repository.name, base, question.sha, most=1000)
            return plain({"range": reached if isinstance(reached, str) else attrs.asdict(reached)})
        for _ in range(times):
            try:
                outcome = {"answer": attrs.asdict(await lookup.changes(question))}
            except Refused as error:
                outcome = {"refused": str(error), "permission": error.permission}
            except Unavailable as error:
                outcome = {"unavailable": str(error), "retry_after": error.retry_after}
    return plain(outcome)


def plain(value: dict[str, Any]) -> dict[str, object]:
    """Return the object as JSON would have it: lists for tuples, words for enumerations."""
    read: dict[str, object] = orjson.loads(orjson.dumps(value))
    return read


def store(name: str, recipe: dict[str, object], exchanges: Sequence[Exchange], outcome: dict[str, object]) -> None:
    """Write a scenario's folder."""
    folder = FOLDER / name
    folder.mkdir(exist_ok=True)
    _write(folder / "recipe.json", recipe)
    # One exchange a line: a difference shows where it is, and 431 commits do not fill ten thousand lines.
    lines = [orjson.dumps(attrs.asdict(exchange)) for exchange in exchanges]
    (folder / "exchanges.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    _write(folder / "outcome.json", outcome)


def load(name: str) -> tuple[dict[str, Any], list[Exchange], dict[str, Any]]:
    """Return a scenario's recipe, exchanges and outcome."""
    folder = FOLDER / name
    lines = (folder / "exchanges.jsonl").read_bytes().splitlines()
    exchanges = [Exchange(Request(**raw["request"]), Response(**raw["response"])) for raw in map(orjson.loads, lines)]
    return _read(folder / "recipe.json"), exchanges, _read(folder / "outcome.json")


def scrubbed(exchange: Exchange) -> Exchange:
    """Return the exchange without people, secrets, and what nobody reads."""
    return attrs.evolve(exchange, response=attrs.evolve(exchange.response, body=_scrub(exchange.response.body)))


def differences(recorded: Sequence[Exchange], seen: Sequence[Exchange]) -> list[str]:
    """Return where what was seen differs from what is recorded, but for ids, times and counts.

    GitHub may add fields; those that are recorded must be there, and of the same kind.
    """
    if len(recorded) != len(seen):
        return [f"{len(recorded)} exchanges are recorded, {len(seen)} were seen"]
    left, right = _Names(), _Names()
    found: list[str] = []
    for index, (one, other) in enumerate(zip(recorded, seen, strict=True)):
        found += _differences(left.of(attrs.asdict(one)), right.of(attrs.asdict(other)), f"/{index}")
    return found


@define
class _Names:
    """Replaces what differs from one repository to another by when it was first seen."""

    known: dict[str, str] = field(factory=dict)

    def of(self, value: Any, key: str = "") -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            return {name: self.of(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.of(inner, key) for inner in value]
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            return "number" if key in _NUMBERS else value
        if key in _OPAQUE:
            return "opaque"
        text = _TIME.sub("time", str(value))
        return _SHA.sub(self._name, text)

    def _name(self, match: re.Match[str]) -> str:
        return self.known.setdefault(match[0], f"sha-{len(self.known)}")


_SHA: Final = re.compile(r"[0-9a-f]{40,64}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)")
_NUMBERS: Final = frozenset({"id", "databaseId", "app_id", "target_id", "number"})
_OPAQUE: Final = frozenset(
    {
        "etag",
        "if-none-match",
        "endCursor",
        "node_id",
        "token",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-used",
    }
)


def _differences(recorded: Any, seen: Any, place: str) -> list[str]:  # noqa: ANN401 - JSON
    if isinstance(recorded, dict) and isinstance(seen, dict):
        return [
            problem
            for name, value in recorded.items()
            for problem in (
                _differences(value, seen[name], f"{place}/{name}") if name in seen else [f"{place}/{name}: is gone"]
            )
        ]
    if isinstance(recorded, list) and isinstance(seen, list):
        if len(recorded) != len(seen):
            return [f"{place}: {len(recorded)} items are recorded, {len(seen)} were seen"]
        return [
            problem
            for index, (one, other) in enumerate(zip(recorded, seen, strict=True))
            for problem in _differences(one, other, f"{place}/{index}")
        ]
    return [] if recorded == seen else [f"{place}: {recorded!r} is recorded, {seen!r} was seen"]


def _scrub(value: Any, key: str = "") -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        if key in {"author", "committer"}:
            # Git's own signature keeps its date; GitHub's account behind it goes.
            return {**_PERSONS, "date": value["date"]} if "date" in value else None
        # What is optional and long, and a name of whoever signed.
        return {name: _scrub(inner, name) for name, inner in value.items() if name not in {"verification", "files"}}
    if isinstance(value, list):
        return [_scrub(inner, key) for inner in value]
    if key == "message" and isinstance(value, str) and value.startswith("Merge pull request"):
        return "Merge pull request #1 from somebody/topic"
    return _SCRUBBED_TOKEN if key == "token" else value


def _headers(headers: httpx.Headers, host: str) -> dict[str, str]:
    return {name: value.replace(host, API) for name, value in headers.items() if name in _KEPT}


def _body(content: bytes, host: str) -> object:
    text = content.replace(host.encode(), API.encode())
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.decode()


def _write(path: Path, value: object) -> None:
    path.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _read(path: Path) -> dict[str, Any]:
    value = orjson.loads(path.read_bytes())
    assert isinstance(value, dict)
    return value
