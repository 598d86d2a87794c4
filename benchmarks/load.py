"""A load of requests that were made before, over connections that are kept: as little work for the client as can be.

Each connection sends its next request when it has the whole answer to the last, so that as many requests as there are
connections are always under way. One thread with blocking sockets and `select` sends several times what a Python
server answers; how much of its own core it needed is told with every figure.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
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


def send(process: Process, requests: Sequence[bytes], connections: int) -> Run:
    """Send all requests to a server, and wait for the answers."""
    with pinned(cores()[1]):
        before = process.processor()
        sending = _Sending(process.port, requests, connections)
        began, client = time.perf_counter(), time.process_time()
        sending.run()
        seconds, client = time.perf_counter() - began, time.process_time() - client
    server = process.processor() - before
    return Run(seconds, tuple(sending.latencies), client, server, sending.statuses)


@define
class _Sending:
    """Requests on their way."""

    _port: int
    _requests: Sequence[bytes]
    _connections: int
    latencies: list[float] = field(factory=list, init=False)
    statuses: dict[int, int] = field(factory=dict, init=False)

    def run(self) -> None:
        """Send everything."""
        waiting = iter(self._requests)
        with selectors.DefaultSelector() as selector:
            for _ in range(self._connections):
                one = socket.create_connection(("127.0.0.1", self._port))
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = _Connection(one)
                selector.register(one, selectors.EVENT_READ, connection)
                if not connection.next(waiting):
                    selector.unregister(one)
                    one.close()
            while selector.get_map():
                for key, _ in selector.select():
                    connection = key.data
                    status = connection.received()
                    if status is None:
                        continue
                    self.latencies.append(time.perf_counter() - connection.began)
                    self.statuses[status] = self.statuses.get(status, 0) + 1
                    if not connection.next(waiting):
                        selector.unregister(connection.socket)
                        connection.socket.close()


@define(eq=False)
class _Connection:
    """One connection, with at most one request under way."""

    socket: socket.socket
    began: float = 0.0
    _buffer: bytes = b""

    def next(self, waiting: Iterator[bytes]) -> bool:
        """Send the next request; return whether there was one."""
        request = next(waiting, None)
        if request is None:
            return False
        self._buffer = b""
        self.began = time.perf_counter()
        self.socket.sendall(request)
        return True

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
        return int(head[9:12]) if len(body) >= length else None
