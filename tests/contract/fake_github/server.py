"""A fake GitHub over real HTTP on loopback: REST and GraphQL over one graph, with GitHub's manners and its ill manners.

Written from GitHub's documentation. It enforces tokens, permissions, paging, the API version, the User-Agent, primary
and secondary limits; sends Link headers, ETags and redirects; and fails in whatever way it is told to.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import h11
import jwt
import orjson
from attrs import define, evolve, field, frozen

from dora.domain.instant import MICROSECONDS, Instant, seconds
from tests.contract.fake_github import hooks, rest
from tests.contract.fake_github.graph import Graph
from tests.contract.fake_github.hooks import Hook
from tests.contract.fake_github.queries import Context, Engine

Json: TypeAlias = dict[str, object]

ALL = frozenset({"metadata=read", "contents=read", "pull_requests=read", "deployments=read"})
VERSIONS = frozenset({"2022-11-28", "2026-03-10"})
_WANTED = {"/deployments": "deployments=read", "/pulls": "pull_requests=read"}
_HOUR = 3600 * MICROSECONDS
_MOST_AT_ONCE = 100
_MOST_A_MINUTE = 900
_LONGEST_ASSERTION = 10 * 60


@define
class Grant:
    """What GitHub knows of a token."""

    permissions: frozenset[str] = ALL
    repositories: frozenset[str] | None = None
    """Those it may see; None: all."""
    expires_at: Instant | None = None
    limit: int = 5000
    used: dict[str, int] = field(factory=dict)
    reset: Instant = 0
    recent: deque[Instant] = field(factory=deque)


@define
class Installed:
    """A GitHub App's installation at an owner."""

    id: int
    owner: str
    permissions: frozenset[str] = ALL


@frozen
class Fault:
    """What to do instead of answering."""

    status: int | None = None
    """Answer this; None: whatever the answer is."""
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes | None = None
    cut: int | None = None
    """Break the connection off after so many bytes of the body."""
    hang_up: bool = False
    """Break it off before the answer."""
    stall: bool = False
    """Never answer."""
    trickle: bool = False
    """Send the headers, then the body a byte now and then, for ever."""
    after: asyncio.Event | None = None
    """Keep the request waiting for this first."""
    when: str = ""
    """Only for requests whose path (or GraphQL document) holds this text."""
    times: int = 1
    """For so many requests; -1: for ever."""


@frozen
class Seen:
    """A request that arrived."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    status: int | None = None


@frozen
class _Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(factory=dict)


@define(kw_only=True)
class FakeGitHub:
    """One GitHub. `clock` is its time: nothing in it goes by the machine's."""

    clock: Callable[[], Instant]
    prefix: str = ""
    """`/api/v3` makes it an Enterprise Server."""
    graphs: dict[str, Graph] = field(factory=dict)
    renamed: dict[str, str] = field(factory=dict)
    """Old names of repositories, and what they are called now."""
    grants: dict[str, Grant] = field(factory=dict)
    app_id: int = 1234
    app_key: Any = None
    """The App's public key."""
    installations: list[Installed] = field(factory=list)
    faults: list[Fault] = field(factory=list)
    seen: list[Seen] = field(factory=list)
    hooks: dict[str, list[Hook]] = field(factory=dict)
    """Webhooks of repositories, by `owner/name`, and of organisations, by their login."""
    app_hook: Hook = field(factory=Hook)
    """The App's own webhook: an App has one."""
    app_permissions: frozenset[str] = ALL
    limits: bool = True
    """Whether to count; Enterprise Servers do not by default."""
    busiest: int = 0
    """Most requests at one time."""
    url: str = ""
    """Where the API is, once it is served."""
    _engine: Engine = field(factory=Engine, init=False)
    _now: int = field(default=0, init=False)
    _issued: int = field(default=0, init=False)
    _open: dict[asyncio.Task[object], asyncio.StreamWriter] = field(factory=dict, init=False)

    def repository(self, name: str = "acme/shop", **more: Any) -> Graph:  # noqa: ANN401 - the fields of a graph
        graph = Graph(name=name, **more)
        self.graphs[name.lower()] = graph
        return graph

    def token(self, secret: str = "a-token", **more: Any) -> str:  # noqa: ANN401, S107 - the fields of a grant; made up
        self.grants[secret] = Grant(**more)
        return secret

    def rename(self, old: str, new: str) -> None:
        graph = self.graphs.pop(old.lower())
        graph.name = new
        self.graphs[new.lower()] = graph
        self.renamed[old.lower()] = new.lower()

    def find(self, name: str) -> Graph | None:
        lower = name.lower()
        return self.graphs.get(self.renamed.get(lower, lower))

    def paths(self) -> list[str]:
        """Return what was asked for, in order, in few words."""
        return [f"{request.method} {request.path.removeprefix(self.prefix)}" for request in self.seen]

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[FakeGitHub]:
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}{self.prefix}"
        try:
            yield self
        finally:
            server.close()
            for writer in self._open.values():
                writer.transport.abort()
            await asyncio.gather(*self._open)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            connection = h11.Connection(h11.SERVER)
            while await self._serve_one(connection, reader, writer):
                connection.start_next_cycle()
        except (ConnectionError, h11.RemoteProtocolError):
            pass  # the client went away, which is its right
        finally:
            writer.transport.abort()
            del self._open[task]

    async def _serve_one(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        request = await _receive(connection, reader)
        if request is None:
            return False
        self._now += 1
        self.busiest = max(self.busiest, self._now)
        try:
            fault = self._fault(request)
            if fault.after is not None:
                await fault.after.wait()
            answer = _Answer(500) if fault.hang_up or fault.stall else self._answer(request)
            if fault.status is not None or fault.body is not None or fault.headers:
                answer = _Answer(
                    status=answer.status if fault.status is None else fault.status,
                    body=answer.body if fault.body is None else fault.body,
                    headers={**answer.headers, **fault.headers},
                )
            self.seen.append(evolve(request, status=None if fault.hang_up or fault.stall else answer.status))
            await asyncio.sleep(0)  # lets another request in, if there is one
            if fault.hang_up:
                return False
            if fault.stall:
                await reader.read()
                return False
            return await self._send(connection, writer, reader, answer, fault)
        finally:
            self._now -= 1

    async def _send(
        self,
        connection: h11.Connection,
        writer: asyncio.StreamWriter,
        reader: asyncio.StreamReader,
        answer: _Answer,
        fault: Fault,
    ) -> bool:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Server": "github.com",
            "Date": format_datetime(datetime.fromtimestamp(seconds(self.clock()), UTC), usegmt=True),
            "Content-Length": str(len(answer.body)),
            **answer.headers,
        }
        head = h11.Response(
            status_code=answer.status, headers=list(headers.items()), reason=HTTPStatus(answer.status).phrase
        )
        writer.write(connection.send(head) or b"")
        if fault.trickle:
            while not reader.at_eof():
                writer.write(answer.body[:1])
                await writer.drain()
                await asyncio.sleep(0)
            return False
        body = answer.body if fault.cut is None else answer.body[: fault.cut]
        if answer.status != HTTPStatus.NOT_MODIFIED:
            writer.write(connection.send(h11.Data(data=body)) or b"")
        await writer.drain()
        if fault.cut is not None:
            writer.close()
            return False
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        return connection.our_state is h11.DONE

    def _fault(self, request: Seen) -> Fault:
        for index, fault in enumerate(self.faults):
            if fault.when in f"{request.method} {request.path}?{request.query} {request.body.decode(errors='replace')}":
                if fault.times == 1:
                    del self.faults[index]
                elif fault.times > 0:
                    self.faults[index] = evolve(fault, times=fault.times - 1)
                return fault
        return Fault()

    # What GitHub says.

    def _answer(self, request: Seen) -> _Answer:
        if not request.headers.get("user-agent"):
            return _json(403, rest.error("Request forbidden by administrative rules.", 403))
        version = request.headers.get("x-github-api-version")
        if version is not None and version not in VERSIONS:
            return _json(400, rest.error("Invalid API version", 400))
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        as_app = self._as_app(request)
        if as_app is not None:
            return as_app
        grant = self.grants.get(secret) if scheme == "Bearer" else None
        if grant is None or (grant.expires_at is not None and grant.expires_at <= self.clock()):
            return _json(401, rest.error("Bad credentials", 401))
        graphql = request.path == self._graphql
        resource = "graphql" if graphql else "core"
        limited = self._secondary(grant) or self._primary(grant, resource)
        if limited is not None:
            return limited
        if graphql:
            answer, cost = self._query(request, grant)
        else:
            answer, cost = self._get(request, grant), 1
        if answer.status == HTTPStatus.NOT_MODIFIED:
            cost = 0
        grant.used[resource] = grant.used.get(resource, 0) + cost
        return evolve(answer, headers={**self._told(grant, resource), **answer.headers})

    @property
    def _graphql(self) -> str:
        return "/api/graphql" if self.prefix else "/graphql"

    def _primary(self, grant: Grant, resource: str) -> _Answer | None:
        if not self.limits:
            return None
        if self.clock() >= grant.reset:
            grant.used.clear()
            grant.reset = self.clock() + _HOUR
        if grant.used.get(resource, 0) < grant.limit:
            return None
        message = "API rate limit exceeded for user ID 1."
        if resource == "graphql":
            body: Json = {"errors": [{"type": "RATE_LIMITED", "message": message}]}
            return _json(200, body, self._told(grant, resource))
        return _json(403, rest.error(message, 403), self._told(grant, resource))

    def _secondary(self, grant: Grant) -> _Answer | None:
        if not self.limits:
            return None
        now = self.clock()
        while grant.recent and grant.recent[0] <= now - 60 * MICROSECONDS:
            grant.recent.popleft()
        grant.recent.append(now)
        if self._now <= _MOST_AT_ONCE and len(grant.recent) <= _MOST_A_MINUTE:
            return None
        message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        return _json(403, rest.error(message, 403), {"Retry-After": "60"})

    def _told(self, grant: Grant, resource: str) -> dict[str, str]:
        if not self.limits:
            return {}
        used = grant.used.get(resource, 0)
        return {
            "X-RateLimit-Limit": str(grant.limit),
            "X-RateLimit-Remaining": str(max(grant.limit - used, 0)),
            "X-RateLimit-Used": str(used),
            "X-RateLimit-Reset": str(grant.reset // MICROSECONDS),
            "X-RateLimit-Resource": resource,
        }

    def _query(self, request: Seen, grant: Grant) -> tuple[_Answer, int]:
        if request.method != "POST":
            return _json(404, rest.error("Not Found", 404)), 0
        asked = orjson.loads(request.body)
        document, variables = asked["query"], asked.get("variables") or {}
        context = Context(
            find=lambda name: graph if (graph := self._visible(name, grant)) is not None else None,
            permissions=grant.permissions,
            remaining=grant.limit - grant.used.get("graphql", 0),
        )
        cost, _ = self._engine.cost(document, variables)
        return _json(200, self._engine.answer(document, variables, context)), cost

    def _visible(self, name: str, grant: Grant) -> Graph | None:
        graph = self.find(name)
        hidden = graph is not None and grant.repositories is not None and graph.name not in grant.repositories
        return None if hidden else graph

    def _get(self, request: Seen, grant: Grant) -> _Answer:
        path = request.path.removeprefix(self.prefix)
        organisation = re.fullmatch(r"/orgs/([^/]+)(/hooks.*)", path)
        if request.method == "GET" and organisation is not None:
            owned = self.hooks.get(organisation[1], [])
            if "organization_hooks=read" not in grant.permissions:
                return _json(404, rest.error("Not Found", 404))
            return self._hooks(owned, organisation[2], f"{self.url}/orgs/{organisation[1]}", "Organization", request)
        named = re.fullmatch(r"/repos/([^/]+)/([^/]+)(/.*)?", path)
        numbered = re.fullmatch(r"/repositories/([0-9]+)(/.*)?", path)
        if request.method != "GET" or not request.path.startswith(self.prefix) or not (named or numbered):
            return _json(404, rest.error("Not Found", 404))
        if named is not None:
            name = f"{unquote(named[1])}/{unquote(named[2])}"
            graph, rest_of_path = self._visible(name, grant), named[3] or ""
            if graph is not None and graph.name.lower() != name.lower():
                query = f"?{request.query}" if request.query else ""
                target = f"{self.url}/repositories/{graph.id}{rest_of_path}{query}"
                return _json(301, {"message": "Moved Permanently", "url": target}, {"Location": target})
        else:
            assert numbered is not None
            graph = next((known for known in self.graphs.values() if str(known.id) == numbered[1]), None)
            graph = None if graph is None else self._visible(graph.name, grant)
            rest_of_path = numbered[2] or ""
        if graph is None:
            return _json(404, rest.error("Not Found", 404))
        return self._of_repository(graph, rest_of_path, request, grant)

    def _of_repository(self, graph: Graph, path: str, request: Seen, grant: Grant) -> _Answer:
        if path == "":
            return _tagged(rest.repository(graph, self.url), request)
        wanted = "repository_hooks=read" if path.startswith("/hooks") else _WANTED.get(path, "contents=read")
        if wanted not in grant.permissions:
            message = "Resource not accessible by personal access token"
            return _json(403, rest.error(message, 403), {"X-Accepted-GitHub-Permissions": wanted})
        told = {"X-Accepted-GitHub-Permissions": wanted}
        if path.startswith("/compare/"):
            return self._compare(graph, unquote(path.removeprefix("/compare/")), request, told)
        if path.startswith("/commits/"):
            return self._commit(graph, unquote(path.removeprefix("/commits/")), request, told)
        if path.startswith("/hooks"):
            owned = self.hooks.get(graph.name, [])
            return self._hooks(owned, path, f"{self.url}/repos/{graph.name}", "Repository", request)
        return self._list(graph, path, request, told)

    def _hooks(self, owned: list[Hook], path: str, place: str, kind: str, request: Seen) -> _Answer:
        if path == "/hooks":
            page = int(parse_qs(request.query).get("page", ["1"])[0])
            shown = [hooks.hook(one, place, kind) for one in owned[(page - 1) * 100 : page * 100]]
            more = (
                {"Link": f'<{place}/hooks?per_page=100&page={page + 1}>; rel="next"'} if len(owned) > page * 100 else {}
            )
            return _Answer(200, orjson.dumps(shown), more)
        for one in owned:
            if path == f"/hooks/{one.id}/deliveries":
                return _Answer(200, orjson.dumps([hooks.delivery(sent) for sent in one.deliveries]))
        return _json(404, rest.error("Not Found", 404))

    def _list(self, graph: Graph, path: str, request: Seen, told: Mapping[str, str]) -> _Answer:
        if path == "/deployments":
            rows = [rest.deployment(graph, known, self.url) for known in graph.newest_deployments(None)]
        elif path == "/pulls":
            rows = [rest.pull_request(graph, known, self.url) for known in graph.newest_closed()]
        else:
            return _json(404, rest.error("Not Found", 404))
        asked = parse_qs(request.query)
        per_page, page = min(int(asked.get("per_page", ["30"])[0]), 100), int(asked.get("page", ["1"])[0])
        if page * per_page < len(rows):
            kept = "&".join(f"{name}={values[0]}" for name, values in asked.items() if name != "page")
            here = f"{self.url}/repositories/{graph.id}{path}?{kept}&page={page + 1}"
            told = {**told, "Link": f'<{here}>; rel="next"'}
        return _tagged(rows[(page - 1) * per_page : page * per_page], request, told)

    def _compare(self, graph: Graph, basehead: str, request: Seen, told: Mapping[str, str]) -> _Answer:
        base, dots, head = basehead.partition("...")
        bottom, top = graph.resolve(base), graph.resolve(head)
        if not dots or bottom is None or top is None:
            return _json(404, rest.error("Not Found", 404), told)
        asked = parse_qs(request.query)
        paged = "per_page" in asked or "page" in asked
        per_page = min(max(int(asked.get("per_page", ["30"])[0]), 1), 100) if paged else None
        page = int(asked.get("page", ["1"])[0])
        answer = rest.comparison(graph, bottom, top, self.url, page=page, per_page=per_page)
        if answer is None:
            return _json(404, rest.error(f"No common ancestor between {base} and {head}.", 404), told)
        total = answer["total_commits"]
        assert isinstance(total, int)
        if per_page is None or total <= per_page:
            return _tagged(answer, request, told)
        last = -(-total // per_page)
        here = f"{self.url}/repositories/{graph.id}/compare/{basehead}?per_page={per_page}&page="
        links = []
        if page > 1:
            links += [f'<{here}{page - 1}>; rel="prev"']
        if page < last:
            links += [f'<{here}{page + 1}>; rel="next"', f'<{here}{last}>; rel="last"']
        if page > 1:
            links += [f'<{here}1>; rel="first"']
        return _tagged(answer, request, {**told, "Link": ", ".join(links)})

    def _commit(self, graph: Graph, revision: str, request: Seen, told: Mapping[str, str]) -> _Answer:
        if not graph.commits:
            return _json(409, rest.error("Git Repository is empty.", 409), told)
        sha = graph.resolve(revision)
        if sha is None:
            return _json(422, rest.no_commit(revision), told)
        if request.headers.get("accept") == "application/vnd.github.sha":
            kind = {"Content-Type": "application/vnd.github.sha; charset=utf-8"}
            return _Answer(200, sha.encode(), {**told, **kind, "ETag": f'"{sha}"'})
        return _tagged(rest.commit(graph, graph.commits[sha], self.url), request, told)

    # GitHub Apps.

    def _as_app(self, request: Seen) -> _Answer | None:  # noqa: PLR0911 - one for each thing that may be asked
        path = request.path.removeprefix(self.prefix)
        wanted = re.fullmatch(r"/repos/([^/]+)/([^/]+)/installation", path)
        bought = re.fullmatch(r"/app/installations/([0-9]+)/access_tokens", path)
        own = path in {"/app", "/app/hook/config", "/app/hook/deliveries"}
        if wanted is None and bought is None and not own:
            return None
        problem = self._assertion(request.headers.get("authorization", "").partition(" ")[2])
        if problem is not None:
            return _json(401, rest.error(problem, 401))
        if own:
            return self._of_app(path)
        if wanted is not None:
            known = next((place for place in self.installations if place.owner.lower() == wanted[1].lower()), None)
            if known is None or self.find(f"{wanted[1]}/{wanted[2]}") is None:
                return _json(404, rest.error("Not Found", 404))
            body = rest.installation(known.id, self.app_id, known.owner, sorted(known.permissions), self.url)
            return _json(200, body)
        assert bought is not None
        place = next((place for place in self.installations if str(place.id) == bought[1]), None)
        if place is None or request.method != "POST":
            return _json(404, rest.error("Not Found", 404))
        # Longer than any token used to be, as GitHub announced.
        self._issued += 1
        secret = f"ghs_{self.app_id}_{self._issued}_" + "x" * 300
        expires_at = self.clock() + _HOUR
        names = frozenset(name for name, graph in self._names() if name.partition("/")[0] == place.owner.lower())
        self.grants[secret] = Grant(
            permissions=place.permissions,
            repositories=frozenset(self.graphs[name].name for name in names),
            expires_at=expires_at,
        )
        return _json(201, rest.access_token(secret, expires_at, sorted(place.permissions)))

    def _of_app(self, path: str) -> _Answer:
        if path == "/app":
            return _json(200, hooks.app(self.app_id, sorted(self.app_permissions), self.app_hook.events, self.url))
        if path == "/app/hook/config":
            return _json(200, hooks.config(self.app_hook))
        return _Answer(200, orjson.dumps([hooks.delivery(sent) for sent in self.app_hook.deliveries]))

    def _names(self) -> list[tuple[str, Graph]]:
        return list(self.graphs.items())

    def _assertion(self, assertion: str) -> str | None:
        """Return what is wrong with an App's assertion."""
        try:
            # The times are judged by this GitHub's clock, below.
            claims = jwt.decode(
                assertion,
                self.app_key,
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "iss"]},
            )
        except jwt.InvalidTokenError:
            return "A JSON web token could not be decoded"
        now = self.clock() // MICROSECONDS
        if claims["iat"] > now:
            return "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
        if not now < claims["exp"] <= now + _LONGEST_ASSERTION:
            return "'Expiration time' claim ('exp') is too far in the future"
        return None if claims["iss"] in (self.app_id, str(self.app_id)) else "Integration not found"


def _json(status: int, body: Json, headers: Mapping[str, str] | None = None) -> _Answer:
    return _Answer(status, orjson.dumps(body), headers or {})


def _tagged(body: Json | list[Json], request: Seen, headers: Mapping[str, str] | None = None) -> _Answer:
    """Return the answer with a weak tag; or 304 with the strong one, if the client has it."""
    answer = _Answer(200, orjson.dumps(body), headers or {})
    tag = f'"{hashlib.sha256(answer.body).hexdigest()}"'
    if request.headers.get("if-none-match") in (tag, f"W/{tag}"):
        return _Answer(304, b"", {**answer.headers, "ETag": tag})
    return evolve(answer, headers={**answer.headers, "ETag": f"W/{tag}"})


async def _receive(connection: h11.Connection, reader: asyncio.StreamReader) -> Seen | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            return None
    assert head is not None
    parts = urlsplit(head.target.decode())
    headers = {name.decode().lower(): value.decode() for name, value in head.headers}
    return Seen(head.method.decode(), parts.path, parts.query, headers, bytes(body))
