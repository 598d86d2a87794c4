"""Serving the application with Hypercorn in the running event loop, under limits that it does not set by itself.

Hypercorn (0.18) speaks the protocol of each connection; the connections themselves are accepted here, because
`hypercorn.asyncio.serve` takes any number of them, has one time-out for an idle connection and a slow head alike, waits
for ever for a client that does not read its answer, and on Python 3.12 and later also in its shutdown. What it does
anew for each request and need not (a task that waits for the next one, the text of the date) is done here more cheaply.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import Factory, define, field
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import AsyncioSingleTask, WorkerContext
from hypercorn.config import Config
from hypercorn.typing import LifespanState

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MOST_CONNECTIONS: Final = 1_000
"""With at most about 0.3 MB of buffers each."""
HEAD_SECONDS: Final = 10.0
"""From the first byte of a request to the end of its head; also to the first byte on a new connection."""
IDLE_SECONDS: Final = 75.0
"""Between two requests: longer than the 60 s after which common load balancers give a connection up, so that they do
and not we; otherwise a delivery now and then meets a closing connection."""
SEND_SECONDS: Final = 30.0
"""For a client to take what was last sent."""

_BACKLOG: Final = 1_024
_BUFFER: Final = 32 * 1024
_REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class CannotListenError(OSError):
    """The address cannot be listened on."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        CannotListenError: there is no such address here, or it is taken.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        dual = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=dual)
        # Connections inherit it. Without, the second answer on a connection waits some 40 ms for the client's delayed
        # acknowledgement: asyncio sets it only on sockets that name their protocol, and these do not.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise CannotListenError(error.errno, error.strerror) from error
    return listening


class _Config(Config):
    """Hypercorn's settings, with the text of `Date` made once a second."""

    _dated: tuple[int, list[tuple[bytes, bytes]]] = (0, [])

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        del protocol
        second = int(time.time())
        if second != self._dated[0]:
            self._dated = second, [(b"date", formatdate(second, usegmt=True).encode("ascii"))]
        return self._dated[1]


@define
class Server:
    """Accepts connections on a socket and answers their requests with the application."""

    app: ASGIApp
    socket: socket.socket
    most_connections: int = MOST_CONNECTIONS
    head_seconds: float = HEAD_SECONDS
    idle_seconds: float = IDLE_SECONDS
    send_seconds: float = SEND_SECONDS
    port: int = field(init=False)
    """The port, also if the system chose it."""
    _config: Config = field(init=False)
    _context: WorkerContext = Factory(lambda: WorkerContext(None))
    _server: asyncio.Server | None = None
    _connections: dict[_Connection, asyncio.Task[Any] | None] = Factory(dict)

    def __attrs_post_init__(self) -> None:
        self.port = self.socket.getsockname()[1]
        config = _Config()
        config.accesslog = None
        config.errorlog = logging.getLogger("hypercorn.error")
        # A request's body comes in as many messages as reads; more of them waiting is only more memory.
        config.max_app_queue_size = 2
        self._config = config

    async def start(self) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(self._connected, sock=self.socket, limit=_BUFFER)

    async def stop(self, seconds: float) -> None:
        """Accept no more, let requests under way be answered for so long, then cut all connections."""
        await self._context.terminated.set()
        for connection in tuple(self._connections):
            connection.end_if_idle()
        if self._server is not None:
            # Not awaited: from Python 3.12 on, `wait_closed` waits for the connections too.
            self._server.close()
        self.socket.close()
        tasks = [task for task in self._connections.values() if task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for connection in tuple(self._connections):
                connection.cut()
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def quiet(self) -> None:
        """Return when there is no connection left."""
        tasks = [task for task in self._connections.values() if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer)
        if len(self._connections) >= self.most_connections and not self._evict():
            writer.write(_REFUSAL)
            writer.close()
            return
        self._connections[connection] = asyncio.current_task()
        try:
            await connection.serve(self._config, self._context)
        except asyncio.CancelledError:
            # Our own doing, in `stop`. Before Python 3.12, asyncio's streams report a cancelled connection as an error.
            if not self._context.terminated.is_set():
                raise
        finally:
            connection.cut()
            del self._connections[connection]

    def _evict(self) -> bool:
        """Cut the oldest connection that is without a request: an idle or slow client gives way to a new one."""
        for connection in self._connections:
            if not connection.requests and not connection.is_cut:
                connection.cut()
                return True
        return False


@define(eq=False)
class _Connection:
    """One connection: what Hypercorn's protocol reads from and writes to, with a clock running where it has none."""

    server: Server
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: int = 0
    """Requests whose heads are complete and whose answers are not."""
    is_cut: bool = False
    _unsent: list[bytes] = Factory(list)
    """What is written in this turn of the event loop: head and body of an answer leave in one piece."""
    _ended: bool = False
    _timer: asyncio.TimerHandle | None = None
    """Runs out when a head does not come to its end."""
    _idle: asyncio.TimerHandle | None = None
    """Runs out when no further request comes; there is one while the connection waits for a request."""

    async def serve(self, config: Config, context: WorkerContext) -> None:
        loop = asyncio.get_running_loop()
        self._watch()
        # It wants asyncio's own reader and writer, and has a task for the time between requests; the methods below are
        # what it uses of them.
        streams = cast("tuple[asyncio.StreamReader, asyncio.StreamWriter]", (self, self))
        protocol = TCPServer(self._app, loop, config, context, LifespanState(), *streams)
        protocol.idle_task = cast("AsyncioSingleTask", self)
        await protocol

    def end_if_idle(self) -> None:
        """End the connection if it waits for a request."""
        if self._idle is not None:
            self.close()

    def cut(self) -> None:
        """End the connection at once, whatever is still on its way."""
        self.is_cut = self._ended = True
        self._unsent.clear()
        self._unwatch()
        self._rouse()
        self.writer.transport.abort()

    async def _app(self, scope: Any, receive: Any, send: Any, sync_spawn: object, call_soon: object) -> None:  # noqa: ANN401 - Hypercorn has types of its own for what ASGI passes
        del sync_spawn, call_soon  # for applications that run in threads
        self._unwatch()
        self.requests += 1
        try:
            await self.server.app(scope, receive, send)
        finally:
            self.requests -= 1

    def _watch(self) -> None:
        """Start the clock of a head, unless it runs."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.server.head_seconds, self.cut)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rouse(self) -> None:
        """Stop the clock of an idle connection."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    # What Hypercorn uses of a task that waits for the end of an idle connection.

    async def restart(self, task_group: object, action: object) -> None:
        del task_group, action
        self._rouse()
        self._idle = asyncio.get_running_loop().call_later(self.server.idle_seconds, self.close)

    async def stop(self) -> None:
        self._rouse()

    # What Hypercorn uses of a reader.

    def at_eof(self) -> bool:
        return self.reader.at_eof()

    async def read(self, size: int) -> bytes:
        data = await self.reader.read(size)
        if not self.requests:
            self._watch()
        return data

    # What Hypercorn uses of a writer.

    def get_extra_info(self, name: str) -> Any:  # noqa: ANN401 - asyncio's own signature
        return self.writer.get_extra_info(name)

    def write(self, data: bytes) -> None:
        if self._ended:
            # Hypercorn takes this as asyncio's own complaint, and gives the connection up.
            raise RuntimeError("the connection has ended")
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(data)
        if len(data) >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        if self._unsent:
            self.writer.write(b"".join(self._unsent))
            self._unsent.clear()

    async def drain(self) -> None:
        if not self.writer.transport.get_write_buffer_size():
            return
        try:
            async with asyncio.timeout(self.server.send_seconds):
                await self.writer.drain()
        except TimeoutError:
            self.cut()

    def write_eof(self) -> None:
        self._flush()
        self._ended = True
        self.writer.write_eof()

    def close(self) -> None:
        self._flush()
        self._ended = True
        self.writer.close()

    async def wait_closed(self) -> None:
        try:
            async with asyncio.timeout(self.server.send_seconds):
                await self.writer.wait_closed()
        except TimeoutError:
            self.cut()
