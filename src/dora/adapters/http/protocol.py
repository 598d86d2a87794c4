"""Hypercorn's HTTP/1.1, and nothing else that Hypercorn speaks."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import h11
from hypercorn.events import RawData
from hypercorn.protocol.events import Request
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.utils import suppress_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypercorn.typing import ASGISendEvent, H11SendableEvent


class Protocol(H11Protocol):
    """HTTP/1.1: who would rather speak HTTP/2 is answered in HTTP/1.1.

    What Hypercorn does to every request is done once or not at all here: looking for an upgrade in each header, twice,
    and checking the headers of an answer like any before.
    """

    async def _check_protocol(self, event: h11.Request) -> None:
        """Leave the protocol as it is."""

    async def _create_stream(self, request: h11.Request) -> None:
        headers = [(name.lower(), value) for name, value in request.headers.raw_items()]
        if b"upgrade" in dict(headers):
            await super()._create_stream(request)
            return
        self.stream = _Stream(self)
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=headers,
                http_version=request.http_version.decode("ascii"),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1

    async def answer(self, *events: H11SendableEvent, is_end: bool) -> None:
        """Send parts of an answer in one piece, and be ready for the next request after the last."""
        try:
            data = b"".join([self.connection.send(event) or b"" for event in events])
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
        else:
            await self.send(RawData(data))
        if is_end:
            await self._maybe_recycle()

    def head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> h11.Response:
        """Return the head of an answer."""
        complete = (*headers, *self.config.response_headers("h11"))
        if self.keep_alive_requests >= self.config.keep_alive_max_requests:
            complete = (*complete, (b"connection", b"close"))
        return _response(status, complete)


class _Stream(HTTPStream):
    """A request and its answer, of which the head leaves in one piece with the beginning of the body."""

    def __init__(self, protocol: Protocol) -> None:
        super().__init__(
            protocol.app,
            protocol.config,
            protocol.context,
            protocol.task_group,
            protocol.ssl,
            protocol.client,
            protocol.server,
            protocol.stream_send,
            STREAM_ID,
        )
        self._protocol = protocol
        self._head: tuple[H11SendableEvent, ...] = ()

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """Take what the application sends; None when it has ended."""
        if message is not None and message["type"] == "http.response.start" and self.state is ASGIHTTPState.REQUEST:
            # ASGI: nothing of an answer is sent before its body begins.
            self.state = ASGIHTTPState.RESPONSE
            self.response = message
            self._head = (self._protocol.head(message["status"], message.get("headers", ())),)
        elif message is not None and message["type"] == "http.response.body" and self.state is ASGIHTTPState.RESPONSE:
            events = self._head
            self._head = ()
            body = message.get("body", b"")
            if body and not suppress_body(self.scope["method"], self.response["status"]):
                events = (*events, h11.Data(data=body))
            is_end = not message.get("more_body", False)
            if is_end:
                events = (*events, h11.EndOfMessage())
                self.state = ASGIHTTPState.CLOSED
            await self._protocol.answer(*events, is_end=is_end)
        else:
            await super().app_send(message)


@lru_cache(maxsize=256)  # checking headers takes longer than all else of an answer, and there are few different ones
def _response(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> h11.Response:
    return h11.Response(status_code=status, headers=list(headers))
