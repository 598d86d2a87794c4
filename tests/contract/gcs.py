"""A Google Cloud Storage in memory: as much of its XML API as obstore asks for, with its conditions and its pages.

Written from the reference, https://cloud.google.com/storage/docs/xml-api/reference-headers and
https://cloud.google.com/storage/docs/xml-api/get-bucket-list; the service itself was never asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Lock, Thread
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement, tostring

from attrs import Factory, define

TOKEN = "made-up-bearer"
PAGE = 100
"""Objects in an answer: the real one has a thousand, a test that lists more would take long."""
DAY = "Mon, 02 Mar 2026 09:00:00 GMT"


@define
class Held:
    body: bytes
    generation: int


@define
class Buckets:
    """All buckets; an object's name begins with its bucket's."""

    objects: dict[str, Held] = Factory(dict)
    turn: Lock = Factory(Lock)
    generations: Iterator[int] = Factory(lambda: count(1))

    def put(self, name: str, body: bytes, expected: str | None) -> Held | None:
        """Keep an object; return None if its generation is not the expected one (0: there is none)."""
        with self.turn:
            there = self.objects.get(name)
            if expected is not None and int(expected) != (there.generation if there else 0):
                return None
            held = self.objects[name] = Held(body, next(self.generations))
            return held

    def listed(self, bucket: str, query: dict[str, list[str]]) -> bytes:
        """Return a page of names."""
        prefix = query.get("prefix", [""])[0]
        after = max(query.get("start-after", [""])[0], query.get("continuation-token", [""])[0])
        with self.turn:
            inside = {name.removeprefix(f"{bucket}/"): held for name, held in self.objects.items()}
        names = sorted(name for name in inside if name.startswith(prefix) and name > after)
        answer = Element("ListBucketResult", xmlns="http://doc.s3.amazonaws.com/2006-03-01")
        SubElement(answer, "IsTruncated").text = "true" if names[PAGE:] else "false"
        if names[PAGE:]:
            SubElement(answer, "NextContinuationToken").text = names[PAGE - 1]
        for name in names[:PAGE]:
            entry = SubElement(answer, "Contents")
            SubElement(entry, "Key").text = name
            SubElement(entry, "Size").text = str(len(inside[name].body))
            SubElement(entry, "LastModified").text = "2026-03-02T09:00:00.000Z"
            SubElement(entry, "ETag").text = f'"{inside[name].generation}"'
        return str(tostring(answer, encoding="unicode")).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    buckets: ClassVar[Buckets]

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        split = urlsplit(self.path)
        name = unquote(split.path).lstrip("/")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(HTTPStatus.UNAUTHORIZED)
        elif self.command == "PUT":
            held = self.buckets.put(name, body, self.headers.get("x-goog-if-generation-match"))
            self._answer(HTTPStatus.OK if held else HTTPStatus.PRECONDITION_FAILED, held=held)
        elif self.command == "DELETE":
            there = self.buckets.objects.pop(name, None)
            self._answer(HTTPStatus.NO_CONTENT if there else HTTPStatus.NOT_FOUND)
        elif "list-type" in (query := parse_qs(split.query)):
            self._answer(HTTPStatus.OK, self.buckets.listed(name, query))
        else:
            held = self.buckets.objects.get(name)
            self._answer(HTTPStatus.OK if held else HTTPStatus.NOT_FOUND, held.body if held else b"", held=held)

    def _answer(self, status: HTTPStatus, content: bytes = b"", *, held: Held | None = None) -> None:
        self.send_response(status)
        if held is not None:
            self.send_header("ETag", f'"{held.generation}"')
            self.send_header("x-goog-generation", str(held.generation))
            self.send_header("Last-Modified", DAY)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that the base class calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def gcs_environ(port: int) -> dict[str, str]:
    """Return what the environment says about a bucket at this server."""
    return {"GOOGLE_BASE_URL": f"http://127.0.0.1:{port}", "GOOGLE_BEARER_TOKEN": TOKEN}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    """Connections that wait to be accepted: a replay opens many at once."""


@contextmanager
def gcs_server() -> Iterator[int]:
    """Serve until the block ends; yields the port."""
    served = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"buckets": Buckets()}))
    thread = Thread(target=served.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(served.server_address[1])
    finally:
        served.shutdown()
        served.server_close()
        thread.join()
