"""Stands between a client and a server, whatever they speak, and may break the line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self


class Relay:
    """Passes everything on; may swallow answers and hang up."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.swallows = False
        self.before_script: Callable[[], Awaitable[None]] | None = None
        """Done once, before the next script gets to the server."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        for source, target, answers in ((reader, back, False), (there, writer, True)):
            task = asyncio.ensure_future(self._pass(source, target, answers=answers))
            self._tasks.add(task)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool) -> None:
        try:
            while data := await source.read(65536):
                if answers and self.swallows:
                    break
                if self.before_script is not None and b"EVALSHA" in data:
                    act, self.before_script = self.before_script, None
                    await act()
                target.write(data)
        finally:
            target.close()
