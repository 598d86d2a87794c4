"""A store that does what it is asked, and then does not say so."""

from __future__ import annotations

import random
import socket
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Self

_PASSED_ON = ("content-type", "etag", "last-modified")
STALL_SECONDS = 15
"""More than the service waits for a store's answer."""


class IllStore:
    """Stands before a real store, and loses some answers of writes: an error instead, nothing, or nothing for long."""

    def __init__(self, real: int, *, dice: random.Random) -> None:
        self.percent = 0
        """How many writes out of a hundred are answered badly; each was stored, if the real store took it."""
        self.stalls = 0
        """How many of these are to be answered too late."""
        self.stored_and_failed = 0
        self._dice = dice
        self._turn = Lock()
        self._end = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, real))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def illness(self, method: str, status: int) -> str | None:
        """Return how this answer gets lost, if it does."""
        with self._turn:
            if method != "PUT" or self._dice.randrange(100) >= self.percent:
                return None
            self.stored_and_failed += status == 200
            if self.stalls:
                self.stalls -= 1
                return "late"
            return self._dice.choice(("500", "503", "closed"))

    def wait(self) -> None:
        """Let an answer be late."""
        self._end.wait(STALL_SECONDS)


def _handler(ill: IllStore, real: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            connection = HTTPConnection("127.0.0.1", real)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            illness = ill.illness(self.command, answer.status)
            if illness == "late":
                ill.wait()
            if illness in {"late", "closed"}:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(int(illness) if illness else answer.status)
            if illness:
                content = b""
            else:
                for name, value in answer.getheaders():
                    if name.lower() in _PASSED_ON:
                        self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - the names that the base class calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    return Handler
