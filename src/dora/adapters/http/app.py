"""The application: every route of the service, and what holds for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from attrs import define, frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.responses import Response
from starlette.routing import Route

from dora.adapters.http import events, webhooks
from dora.adapters.http.answers import answer, header, problem
from dora.adapters.http.bodies import LARGEST_DELIVERY, Intake
from dora.adapters.http.events import EventEndpoint
from dora.adapters.http.guard import Guard
from dora.adapters.http.openapi import description
from dora.adapters.http.page import About, PageEndpoint
from dora.adapters.http.reading import Readings
from dora.adapters.http.sightings import Sightings
from dora.adapters.http.webhooks import WebhookEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from dora.adapters.http.gate import Gate
    from dora.adapters.http.needs import (
        ClientT,
        EventDoor,
        Exposition,
        Internals,
        Questions,
        Receiver,
        Standings,
        WebhookDoor,
    )
    from dora.domain.instant import Instant

_log = structlog.get_logger("dora.http")

# How long, and how much, an unread body is still read after its answer (see `_Exchange.finish`).
_LINGER_SECONDS: Final = 5.0
_LINGER_BYTES: Final = 2 * LARGEST_DELIVERY


def now() -> Instant:
    """Return the time of receipt."""
    return time.time_ns() // 1_000


@frozen(kw_only=True)
class Application:
    """The whole service as one ASGI application."""

    doors: Mapping[str, ASGIApp]
    """By path: what comes in goes straight to its endpoint, past the router and what it wraps around each request."""
    routes: ASGIApp
    paths: frozenset[str]
    gate: Gate
    intake: Intake
    internals: Internals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.routes(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        awaited = self.gate.enter()
        began = time.perf_counter()
        try:
            await self.doors.get(scope["path"], self.routes)(scope, exchange.receive, exchange.send)
        finally:
            if awaited:
                self.gate.leave()
            self._note(scope, exchange.status, time.perf_counter() - began)
        await exchange.finish()

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope["path"] if scope["path"] in self.paths else "other"
        self.internals.request(route=route, method=scope["method"], status=status, seconds=seconds)
        _log.debug("answered", route=route, method=scope["method"], status=status)


@define
class _Exchange:
    """One request and its answer, on their way between the server and the routes."""

    scope: Scope
    _receive: Receive
    _send: Send
    status: int = 0
    """What was answered; 0: nothing, the client went away."""
    _read: bool = False
    _held: bool = False

    def _is_read(self) -> bool:
        """Return whether nothing of the body is left to be read: all of it was, or there is none."""
        self._read = self._read or (
            header(self.scope, b"transfer-encoding") is None and header(self.scope, b"content-length") in {None, "0"}
        )
        return self._read

    async def receive(self) -> Message:
        message = await self._receive()
        if not message.get("more_body", False):
            self._read = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif not message.get("more_body", False) and not self._is_read():
            # The client has the whole answer, by its length; the exchange ends when its body is read.
            self._held = True
            message = {**message, "more_body": True}
        await self._send(message)

    async def finish(self) -> None:
        """Read on for a while and forget, if the request was answered before its body was read.

        A connection closed with bytes unread is reset, and the answer may be lost on its way (RFC 9112, section 9.6).
        """
        if not self._held:
            return
        left = 0 if self.status == HTTPStatus.REQUEST_TIMEOUT else _LINGER_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while left > 0 and not self._read:
                    message = await self.receive()
                    left -= len(message.get("body", b""))
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def application(  # noqa: PLR0913 - what the service consists of, each named
    *,
    webhook_door: WebhookDoor,
    event_door: EventDoor[ClientT],
    receiver: Receiver,
    gate: Gate,
    metrics: Exposition,
    internals: Internals,
    standings: Standings,
    questions: Questions,
    about: About,
    event_schemas: Mapping[str, Mapping[str, Any]],
    metrics_token: str | None = None,
    max_repositories: int = 10_000,
    clock: Callable[[], Instant] = now,
    intake: Intake | None = None,
) -> Application:
    """Return the application.

    Args:
        webhook_door: reads GitHub's webhooks.
        event_door: reads pushed events.
        receiver: keeps and counts what they read.
        gate: whether the service is starting, open or draining.
        metrics: what `/metrics` shows.
        internals: counts events, refusals and requests, and is what `/internal/metrics` shows.
        standings: what the page for people says of the repositories.
        questions: what it says of GitHub.
        about: what it says of the service.
        event_schemas: JSON Schemas of one pushed event in each of its forms, for the description.
        metrics_token: what must be shown to read metrics and the page's details; None: nothing.
        max_repositories: how many the page remembers.
        clock: the time of receipt.
        intake: the limits of bodies; None: the usual ones.
    """
    intake = intake or Intake()
    sightings = Sightings(max_repositories)
    guard = Guard.of(metrics_token)
    deliveries = WebhookEndpoint(
        door=webhook_door,
        receiver=receiver,
        gate=gate,
        intake=intake,
        internals=internals,
        sightings=sightings,
        now=clock,
    )
    pushed = EventEndpoint(
        door=event_door,
        receiver=receiver,
        gate=gate,
        intake=intake,
        internals=internals,
        sightings=sightings,
        now=clock,
    )
    readings = Readings(
        metrics_source=metrics,
        internals_source=internals,
        guard=guard,
        gate=gate,
        described=answer(200, description(event_schemas, version=about.version)),
        now=clock,
    )
    page = PageEndpoint(
        about=about,
        guard=guard,
        gate=gate,
        sightings=sightings,
        standings=standings,
        questions=questions,
        internals=internals,
        now=clock,
    )
    # The two doors are ASGI applications of their own: they are by far the busiest, and answer 405 in their own order.
    doors = {
        path: ServerErrorMiddleware(door, handler=_error_response)
        for path, door in ((webhooks.PATH, deliveries), (events.PATH, pushed))
    }
    routes = [
        Route("/metrics", readings.metrics),
        Route("/internal/metrics", readings.internals),
        Route("/healthz", readings.health),
        Route("/readyz", readings.ready),
        Route("/openapi.json", readings.description),
        Route("/", page.page),
    ]
    starlette = Starlette(
        routes=routes, exception_handlers={HTTPException: _problem_response, Exception: _error_response}
    )
    # A redirect from `/webhooks/github/` would not be followed by GitHub: a 404 that tells the path is of more use.
    starlette.router.redirect_slashes = False
    return Application(
        doors=doors,
        routes=starlette,
        paths=frozenset((*doors, *(route.path for route in routes))),
        gate=gate,
        intake=intake,
        internals=internals,
    )


async def _problem_response(request: Request, error: Exception) -> Response:
    """Return the problem of a path or method that no route answers."""
    if not isinstance(error, HTTPException):
        raise error
    if request.method == "POST" and "x-github-event" in request.headers:
        detail = f"GitHub deliveries are taken at {webhooks.PATH}."
    elif error.status_code == HTTPStatus.NOT_FOUND:
        detail = "There is nothing here; /openapi.json tells what there is."
    else:
        detail = "This path is only read."
    reply = problem(error.status_code, detail)
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = "GET, HEAD"
    return Response(reply.body, error.status_code, headers)


async def _error_response(request: Request, error: Exception) -> Response:
    """Return the answer to a request that failed by our own fault. Starlette raises the error on, to be logged."""
    del request, error
    reply = problem(500, "The service failed; its log tells more.")
    return Response(reply.body, reply.status, {name.decode(): value.decode() for name, value in reply.headers})
