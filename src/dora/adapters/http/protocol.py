"""Hypercorn's HTTP/1.1, and nothing else that Hypercorn speaks."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import h11
from hypercorn.protocol.events import Request, Response
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream

if TYPE_CHECKING:
    from hypercorn.protocol.events import Event


class Protocol(H11Protocol):
    """HTTP/1.1: who would rather speak HTTP/2 is answered in HTTP/1.1.

    What Hypercorn does to every request is done once or not at all here: looking for an upgrade in each header, twice,
    and checking the headers of an answer like any before.
    """

    begins = False
    """Whether what is sent next is the head of an answer."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Leave the protocol as it is."""

    async def _create_stream(self, request: h11.Request) -> None:
        headers = [(name.lower(), value) for name, value in request.headers.raw_items()]
        if b"upgrade" in dict(headers):
            await super()._create_stream(request)
            return
        self.stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
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

    async def stream_send(self, event: Event) -> None:
        """Send a part of an answer."""
        if not isinstance(event, Response):
            await super().stream_send(event)
            return
        headers = (*event.headers, *self.config.response_headers("h11"))
        if self.keep_alive_requests >= self.config.keep_alive_max_requests:
            headers = (*headers, (b"connection", b"close"))
        self.begins = True
        await self._send_h11_event(_response(event.status_code, headers))


@lru_cache(maxsize=256)  # checking headers takes longer than all else of an answer, and there are few different ones
def _response(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> h11.Response:
    return h11.Response(status_code=status, headers=list(headers))
