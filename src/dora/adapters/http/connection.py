"""One connection: Hypercorn's HTTP/1.1 directly on asyncio's transport, and a clock where it has none.

Hypercorn's own server (0.18) puts streams, a lock, a queue and tasks around its protocol for each connection, which
cost a request a quarter as much again. It waits for ever for a client that does not read its answer, and has one
time-out for an idle connection and a slow head alike.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, Never, cast

from attrs import define, field
from hypercorn.asyncio.task_group import _handle
from hypercorn.events import Closed, RawData, Updated
from hypercorn.typing import ConnectionState, LifespanState

from dora.adapters.http.protocol import Protocol
from dora.adapters.http.uptake import EXTENSION, Uptake

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hypercorn.config import Config
    from hypercorn.events import Event
    from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ASGISendEvent, HTTPScope

    from dora.adapters.http.server import Server

BUFFER: Final = 32 * 1024
"""Bytes that wait for the protocol, or for the application, before no more are taken from the client."""


def _no_threads(*_: object) -> Never:
    raise NotImplementedError("the application runs in the event loop")


REFUSAL: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
"""For a connection too many."""


class _Stage(Enum):
    """What a connection is in the middle of."""

    IDLE = auto()
    """Nothing: a request may come."""
    HEAD = auto()
    """The head of a request, which has to come to its end; a new connection has to begin one."""
    REQUEST = auto()
    """A request, until it is answered."""


@define(eq=False)
class Connection(asyncio.Protocol):
    """A client's connection, until it has ended."""

    server: Server
    is_cut: bool = False
    task: asyncio.Task[None] | None = field(default=None, init=False)
    """Ends when the connection has ended; None if it was not let in."""
    _loop: asyncio.AbstractEventLoop = field(init=False, factory=asyncio.get_running_loop)
    _transport: asyncio.Transport = field(init=False)
    _protocol: Protocol = field(init=False)
    _answering: asyncio.Task[None] | None = field(init=False, default=None)
    """The application's latest request. It has ended when the next begins: one request follows the other."""
    _stage: _Stage = field(init=False, default=_Stage.HEAD)
    _ended: asyncio.Event = field(init=False, factory=asyncio.Event)

    _received: list[bytes] = field(init=False, factory=list)
    """What the protocol has not read yet."""
    _size: int = field(init=False, default=0)
    _at_end: bool = field(init=False, default=False)
    """Whether nothing more will be received."""
    _arrival: asyncio.Future[None] | None = field(init=False, default=None)
    """Done when something has been received."""

    _writable: asyncio.Event = field(init=False, factory=asyncio.Event)
    """Set unless the client leaves too much of what was sent untaken."""

    _due: float = field(init=False, default=0.0)
    """When `_then` is called, by the loop's clock."""
    _then: Callable[[], None] | None = field(init=False, default=None)
    _timer: asyncio.TimerHandle | None = field(init=False, default=None)
    """Rings when something is due or before. It is left alone when what is due changes: that is several times a
    request, and a timer takes longer than what it guards."""

    # What the server does with it

    def end_if_idle(self) -> None:
        """End the connection if it has no request."""
        if not self.has_request:
            self.close()

    @property
    def has_request(self) -> bool:
        """Whether a request is under way."""
        return self._stage is _Stage.REQUEST

    def close(self) -> None:
        """End the connection once everything is sent, or once the client takes nothing for too long."""
        if not self._transport.is_closing():
            self._transport.close()
            self._limit(self.server.send_seconds, self.cut)

    def cut(self) -> None:
        """End the connection at once, whatever is still on its way."""
        self.is_cut = True
        self._transport.abort()

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._writable.set()
        if not self.server.admit(self):
            self._transport.write(REFUSAL)
            self.close()
            return
        self._limit(self.server.head_seconds, self.cut)
        self.task = self._loop.create_task(self._serve())
        self.task.add_done_callback(self._report)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        self._received.append(data)
        self._size += len(data)
        if self._size > BUFFER:
            self._transport.pause_reading()
        if self._stage is _Stage.IDLE:
            self._stage = _Stage.HEAD
            self._limit(self.server.head_seconds, self.cut)
        self._arrived()

    def eof_received(self) -> bool:
        """Take note that the client sends no more; it may still wait for an answer."""
        self._at_end = True
        self._arrived()
        return True

    def pause_writing(self) -> None:
        """Let nobody send more."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let whoever waits send on."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        del exc
        self._at_end = True
        self._then = None
        if self._timer is not None:
            self._timer.cancel()
        self._writable.set()
        self._ended.set()
        self._arrived()

    # Reading

    async def _serve(self) -> None:
        """Answer one request after the other."""
        client, server = (self._transport.get_extra_info(name) for name in ("peername", "sockname"))
        self._protocol = Protocol(
            self.server.app,
            self.server.config,
            self.server.context,
            cast("Any", self),
            ConnectionState(LifespanState()),
            ssl=False,
            client=client and client[:2],
            server=server and server[:2],
            send=self._send,
        )
        try:
            data = b"begun"
            while data:
                data = await self._read()
                await self._protocol.handle(RawData(data))
            await self._protocol.handle(Closed())
            if self._answering is not None:
                await self._answering
            self.close()
            await self._ended.wait()
        finally:
            if self._answering is not None and not self._answering.done():
                self._answering.cancel()
                await asyncio.wait((self._answering,))
            self.cut()
            self.server.forget(self)

    async def _read(self) -> bytes:
        """Return what was received; nothing at the end."""
        if not self._received and not self._at_end:
            self._arrival = self._loop.create_future()
            await self._arrival
        data = b"".join(self._received)
        self._received.clear()
        if self._size > BUFFER:
            self._transport.resume_reading()
        self._size = 0
        return data

    def _arrived(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _report(self, task: asyncio.Task[None]) -> None:
        """Tell of what nobody waits for."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": "a connection failed", "exception": error})

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: HTTPScope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Begin to answer a request; return what takes the rest of it. Hypercorn calls this of its group of tasks."""
        uptake = Uptake(BUFFER)
        scope["extensions"][EXTENSION] = cast("Any", uptake)
        # The last two are for applications that run in threads.
        answering = _handle(app, config, scope, uptake.receive, send, _no_threads, _no_threads)
        self._answering = self._loop.create_task(answering)
        return uptake.put

    # Sending

    async def _send(self, event: Event) -> None:
        """Do what the protocol asks for."""
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Updated):
            if event.idle:
                self._stage = _Stage.IDLE
                self._limit(self.server.idle_seconds, self.close)
            else:
                self._stage = _Stage.REQUEST
                self._then = None
        elif isinstance(event, Closed):
            self.close()

    async def _write(self, data: bytes) -> None:
        if self._transport.is_closing():
            await self._protocol.handle(Closed())
            return
        self._transport.write(data)
        if not self._writable.is_set():
            self._limit(self.server.send_seconds, self.cut)
            await self._writable.wait()
            self._then = None

    # Time

    def _limit(self, seconds: float, then: Callable[[], None]) -> None:
        """Let this happen after so many seconds, instead of what else was to happen."""
        if self._ended.is_set():
            return
        self._due, self._then = self._loop.time() + seconds, then
        if self._timer is None or self._due < self._timer.when():
            self._ring(self._due)

    def _ring(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._rung)

    def _rung(self) -> None:
        self._timer = None
        if self._then is None:
            return
        if self._loop.time() < self._due:
            self._ring(self._due)
        else:
            self._then()
