"""Serving the application with Hypercorn in the running event loop, under limits that it does not set by itself.

Hypercorn (0.18) speaks the protocol of each connection; the connections themselves are accepted here, because
`hypercorn.asyncio.serve` takes any number of them, and on Python 3.12 and later waits for ever in its shutdown for a
client that does not read its answer.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, cast

from attrs import define, field
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config

from dora.adapters.http.connection import Connection

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework
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

    _application: ASGIApp
    socket: socket.socket
    most_connections: int = MOST_CONNECTIONS
    head_seconds: float = HEAD_SECONDS
    idle_seconds: float = IDLE_SECONDS
    send_seconds: float = SEND_SECONDS
    port: int = field(init=False)
    """The port, also if the system chose it."""
    app: ASGIWrapper = field(init=False)
    config: Config = field(init=False)
    context: WorkerContext = field(init=False, factory=lambda: WorkerContext(None))
    _server: asyncio.Server | None = field(init=False, default=None)
    _connections: dict[Connection, None] = field(init=False, factory=dict)
    """Those that were let in, the oldest first."""

    def __attrs_post_init__(self) -> None:
        self.port = self.socket.getsockname()[1]
        self.app = ASGIWrapper(cast("ASGIFramework", self._application))
        self.config = _Config()
        self.config.accesslog = None
        self.config.errorlog = logging.getLogger("hypercorn.error")

    async def start(self) -> None:
        """Begin to accept."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self), sock=self.socket, backlog=_BACKLOG
        )

    async def stop(self, seconds: float) -> None:
        """Accept no more, let requests under way be answered for so long, then cut all connections."""
        await self.context.terminated.set()
        for connection in tuple(self._connections):
            connection.end_if_idle()
        if self._server is not None:
            # Not awaited: from Python 3.12 on, `wait_closed` waits for the connections too.
            self._server.close()
        self.socket.close()
        tasks = self._tasks()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for connection in tuple(self._connections):
                connection.cut()
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def quiet(self) -> None:
        """Return when there is no connection left."""
        await asyncio.gather(*self._tasks(), return_exceptions=True)

    def admit(self, connection: Connection) -> bool:
        """Return whether there is room for a connection: the oldest without a request gives way to a new one."""
        if len(self._connections) >= self.most_connections and not self._evict():
            return False
        self._connections[connection] = None
        return True

    def forget(self, connection: Connection) -> None:
        """Take note that a connection has ended."""
        del self._connections[connection]

    def _evict(self) -> bool:
        for connection in self._connections:
            if not connection.has_request and not connection.is_cut:
                connection.cut()
                return True
        return False

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [connection.task for connection in self._connections if connection.task is not None]
