"""What is only read: metrics, health, readiness, the description."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import frozen

from dora.adapters.http.answers import Answer, answer, header, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from dora.adapters.http.gate import Gate
    from dora.adapters.http.guard import Guard
    from dora.adapters.http.needs import Exposition, Internals, Scrape
    from dora.domain.instant import Instant


@frozen(kw_only=True)
class Readings:
    """The GET endpoints for machines."""

    metrics_source: Exposition
    internals_source: Internals
    guard: Guard
    gate: Gate
    described: Answer
    """`/openapi.json`: it never changes."""
    now: Callable[[], Instant]

    async def metrics(self, request: Request) -> ASGIApp:
        """Answer `/metrics`."""
        if not self.guard.admits(request.scope):
            return self.guard.refusal()
        if not self.gate.restored:
            # Replayed counters still climb: shown now, they would seem to have been reset.
            return unavailable("The state is not restored yet.")
        if self.gate.receiver.lost:
            # Another process shows what is counted now. Seen beside that, these counters would seem to have been reset.
            return unavailable("The state is lost to this process; its log tells why. It has to be restarted.")
        accept, encoding = _wanted(request.scope)
        return _Streamed(self.metrics_source.answer(accept=accept, accept_encoding=encoding, now=self.now()))

    async def internals(self, request: Request) -> ASGIApp:
        """Answer `/internal/metrics`."""
        if not self.guard.admits(request.scope):
            return self.guard.refusal()
        accept, encoding = _wanted(request.scope)
        return _Streamed(self.internals_source.answer(accept=accept, accept_encoding=encoding))

    async def health(self, request: Request) -> ASGIApp:
        """Answer `/healthz`: the process lives."""
        del request
        return answer(200, {"status": "ok"})

    async def ready(self, request: Request) -> ASGIApp:
        """Answer `/readyz`: whether events are accepted."""
        del request
        if self.gate.ready:
            return answer(200, {"status": "ready"})
        if self.gate.draining:
            return unavailable("The service is ending.")
        if not self.gate.restored:
            return unavailable("The state is not restored yet.")
        return unavailable("The state cannot be written now.")

    async def description(self, request: Request) -> ASGIApp:
        """Answer `/openapi.json`."""
        del request
        return self.described


def _wanted(scope: Scope) -> tuple[str | None, str | None]:
    return header(scope, b"accept"), header(scope, b"accept-encoding")


@frozen
class _Streamed:
    """A scrape on its way."""

    scrape: Scrape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        headers = [
            (b"content-type", self.scrape.content_type.encode("latin-1")),
            (b"vary", b"Accept, Accept-Encoding"),
        ]
        if self.scrape.content_encoding is not None:
            headers.append((b"content-encoding", self.scrape.content_encoding.encode("latin-1")))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] != "HEAD":
            for piece in self.scrape.body:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                # Sending waits only while the client is slow; others get their turn in any case.
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
