"""A load of requests that were made before, over connections that are kept: as little work for the client as can be.

Each connection sends its next request when it has the whole answer to the last, so that as many requests as there are
connections are always under way. One thread with blocking sockets and `select` sends several times what a Python
server answers; how much of its own core it needed is told with every figure.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define, field, frozen

from benchmarks.servers import Process, cores, pinned

_READ: Final = 65_536


@frozen
class Run:
    """What became of some requests."""

    seconds: float
    """From the first byte sent to the last received."""
    latencies: tuple[float, ...]
    """Of every request, from its first byte sent to its answer's last received, in seconds."""
    client: float
    """The client's processor time in seconds: close to `seconds`, it was the client that was measured."""
    server: float
    """The server's processor time in seconds."""
    statuses: dict[int, int]
    """How many answers of each status."""


def send(process: Process, requests: Iterable[bytes], connections: int, *, rate: float | None = None) -> Run:
    """Send all requests to a server, and wait for the answers.

    Args:
        process: the server.
        requests: what to send; they must be there already, or making them is measured too.
        connections: how many requests are under way at most.
        rate: how many are due in a second, one after another at the same distance; a latency then begins when the
            request was due, so that a server that falls behind cannot hide it. None: each is due when a connection is
            free.
    """
    with pinned(cores()[1]):
        before = process.processor()
        sending = _Sending(process.port, iter(requests), connections, rate)
        began, client = time.perf_counter(), time.process_time()
        sending.run()
        seconds, client = time.perf_counter() - began, time.process_time() - client
    server = process.processor() - before
    return Run(seconds, tuple(sending.latencies), client, server, sending.statuses)


@define
class _Sending:
    """Requests on their way."""

    _port: int
    _waiting: Iterator[bytes]
    _most: int
    _rate: float | None
    latencies: list[float] = field(factory=list, init=False)
    statuses: dict[int, int] = field(factory=dict, init=False)
    _sent: int = field(default=0, init=False)
    _began: float = field(default=0.0, init=False)
    _free: list[_Connection] = field(factory=list, init=False)
    _busy: int = field(default=0, init=False)

    def run(self) -> None:
        """Send everything."""
        with selectors.DefaultSelector() as selector:
            for _ in range(self._most):
                connection = _Connection.to(self._port)
                self._free.append(connection)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            self._began = time.perf_counter()
            more = True
            while more or self._busy:
                wait = self._wait()
                if more and self._free and wait is not None and wait <= 0:
                    more = self._next()
                    continue
                for key, _ in selector.select(wait if more else None):
                    self._receive(key.data)
            for connection in self._free:
                connection.socket.close()

    def _wait(self) -> float | None:
        """Return the seconds until the next request can be sent; None: until a connection is free."""
        if not self._free:
            return None
        return 0.0 if self._rate is None else self._due() - time.perf_counter()

    def _due(self) -> float:
        return time.perf_counter() if self._rate is None else self._began + self._sent / self._rate

    def _next(self) -> bool:
        """Send the next request; return whether there was one."""
        request = next(self._waiting, None)
        if request is None:
            return False
        connection = self._free.pop()
        connection.began = self._due()
        self._sent += 1
        self._busy += 1
        connection.socket.sendall(request)
        return True

    def _receive(self, connection: _Connection) -> None:
        status = connection.received()
        if status is not None:
            self.latencies.append(time.perf_counter() - connection.began)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self._busy -= 1
            self._free.append(connection)


@define(eq=False)
class _Connection:
    """One connection, with at most one request under way."""

    socket: socket.socket
    began: float = 0.0
    _buffer: bytes = b""

    @classmethod
    def to(cls, port: int) -> _Connection:
        """Connect to a port of loopback."""
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(one)

    def received(self) -> int | None:
        """Read what is there; return the status if the answer is complete."""
        read = self.socket.recv(_READ)
        if not read:
            raise SystemExit("the server closed a connection")
        self._buffer += read
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return None
        lower = head.lower()
        length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in lower else 0
        if len(body) < length:
            return None
        self._buffer = b""
        return int(head[9:12])
