"""Stands before a real store: loses answers, refuses, or stops a request on its way there or back."""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections import Counter
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import ClassVar, Self

from attrs import define, field

_PASSED_ON = ("content-type", "etag", "last-modified")
STALL_SECONDS = 15
"""More than the service waits for a store's answer."""
HOLD_SECONDS = 60
"""A test that forgets a request ends with an error, not never."""

MOMENTS = {
    "taking over": r"PUT .*/log/",
    "replaying": r"GET .*/log/",
    "appending": r"PUT .*/log/",
    "keeping a snapshot": r"PUT .*/snapshot/",
    "compacting": r"POST .*delete",
}
"""What an S3 is asked, by moments of the service's life."""


@define(eq=False)
class Held:
    """The next request of some sort: it is stopped before the store has it, or before its answer is on the way."""

    pattern: re.Pattern[str]
    answered: bool
    """The store has done it already."""
    met: Event = field(factory=Event)
    goes_on: Event = field(factory=Event)

    async def reached(self) -> None:
        """Wait until there is such a request."""
        assert await asyncio.to_thread(self.met.wait, HOLD_SECONDS), f"no request {self.pattern.pattern}"

    def release(self) -> None:
        """Let the request go on."""
        self.goes_on.set()


class IllStore:
    """A proxy; as long as nothing else is asked of it, it passes everything on."""

    def __init__(self, real: int, *, dice: random.Random) -> None:
        self.percent = 0
        """How many writes out of a hundred are answered badly; each was stored, if the real store took it."""
        self.stalls = 0
        """How many of these are to be answered too late."""
        self.stored_and_failed = 0
        self.refuses: int | None = None
        """What is answered to everything instead of asking the store."""
        self.refused = 0
        self.asked = 0
        """All requests."""
        self.changes: Counter[str] = Counter()
        """How many requests changed something in the store, by method."""
        self._held: list[Held] = []
        self._dice = dice
        self._turn = Lock()
        self._end = Event()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"ill": self, "store": real}))
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for held in self._held:
            held.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def hold(self, pattern: str, *, answered: bool = False) -> Held:
        """Stop the next request whose method and path match."""
        held = Held(re.compile(pattern), answered)
        with self._turn:
            self._held.append(held)
        return held

    def stop(self, request: str, *, answered: bool) -> None:
        """Stop this request if one like it is waited for."""
        with self._turn:
            held = next(
                (one for one in self._held if one.answered == answered and one.pattern.search(request)),
                None,
            )
            if held is None:
                return
            self._held.remove(held)
        held.met.set()
        held.goes_on.wait(HOLD_SECONDS)

    def refusal(self) -> int | None:
        """Return the status of a refusal, if everything is refused now."""
        with self._turn:
            self.asked += 1
            self.refused += self.refuses is not None
            return self.refuses

    def illness(self, method: str, status: int) -> str | None:
        """Return how this answer gets lost, if it does."""
        with self._turn:
            if method != "GET" and status < 300:
                self.changes[method] += 1
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    """Connections that wait to be accepted: a replay opens many at once."""


class _Handler(BaseHTTPRequestHandler):
    ill: ClassVar[IllStore]
    store: ClassVar[int]
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        request = f"{self.command} {self.path}"
        refusal = self.ill.refusal()
        if refusal is not None:
            self._answer(refusal, b"")
            return
        self.ill.stop(request, answered=False)
        connection = HTTPConnection("127.0.0.1", self.store)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        illness = self.ill.illness(self.command, answer.status)
        self.ill.stop(request, answered=True)
        if illness == "late":
            self.ill.wait()
        if illness in {"late", "closed"}:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif illness is not None:
            self._answer(int(illness), b"")
        else:
            self._answer(answer.status, content, answer)

    def _answer(self, status: int, content: bytes, real: HTTPResponse | None = None) -> None:
        self.send_response(status)
        for name, value in real.getheaders() if real else ():
            if name.lower() in _PASSED_ON:
                self.send_header(name, value)
        length = real.getheader("Content-Length") if real and self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - the names that the base class calls

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True  # whoever asked was killed meanwhile

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""
