"""What an application is yet to receive of its request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from attrs import Factory, define

if TYPE_CHECKING:
    from hypercorn.typing import ASGIReceiveEvent, HTTPDisconnectEvent, HTTPRequestEvent

EXTENSION: Final = "dora.uptake"
"""The request's uptake, among the extensions of its ASGI scope."""


@define
class Uptake:
    """Between Hypercorn, which puts a body piece by piece, and the application: what waits is received in one piece."""

    limit: int
    """Bytes that may wait before who puts more has to wait."""
    _pieces: list[bytes] = Factory(list)
    _size: int = 0
    is_whole: bool = False
    """Whether all of the body has been put."""
    _is_gone: bool = False
    _turn: asyncio.Future[None] | None = None
    """Whoever waits: for bytes or for room, so never both."""

    async def put(self, message: ASGIReceiveEvent) -> None:
        """Put a piece of the body, or that there is nobody any more who could send one."""
        if message["type"] == "http.request":
            while self._size >= self.limit and not self._is_gone:
                await self._wait()
            self._pieces.append(message["body"])
            self._size += len(message["body"])
            self.is_whole = not message["more_body"]
        else:
            self._is_gone = True
        self._wake()

    async def receive(self) -> HTTPRequestEvent | HTTPDisconnectEvent:
        """Return what has been put, once there is something."""
        while not (self._pieces or self._is_gone):
            await self._wait()
        if not self._pieces:
            return {"type": "http.disconnect"}
        body = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._wake()
        return {"type": "http.request", "body": body, "more_body": not self.is_whole}

    async def _wait(self) -> None:
        self._turn = asyncio.get_running_loop().create_future()
        await self._turn

    def _wake(self) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)
