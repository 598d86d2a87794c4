"""What nothing in Python can be faster than: `python -m benchmarks.floor`.

Of a webhook: its signature and the reading of its JSON, beside what a bare application takes on the same server. Of a
scrape: copying the bytes of the exposition once, and sending them through a socket of loopback. Processor time each.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Final

import orjson

from benchmarks.deliveries import Deliveries
from benchmarks.figures import Figure, main, middle
from benchmarks.servers import SECRET
from dora.wire import parse

REPEATS: Final = 15
BODIES: Final = 700
BYTES: Final = 128_000_000
"""Of the exposition of 5,000 repositories with two environments each; see `benchmarks.scrape`."""
_READ: Final = 1 << 20


def timed(work: Callable[[], object]) -> float:
    """Return the processor time of this thread for some work, in seconds."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def webhook(repeats: int) -> Iterator[Figure]:
    """Yield what a delivery's body takes."""
    bodies = [request.partition(b"\r\n\r\n")[2] for request in Deliveries(100).take(BODIES)]
    works: dict[str, tuple[str, Callable[[bytes], object]]] = {
        "floor.hmac": ("the signature (HMAC-SHA-256)", lambda body: hmac.digest(SECRET, body, hashlib.sha256)),
        "floor.json": ("the JSON, read by orjson", orjson.loads),
        "floor.strict": ("the JSON, read as strictly as the service must (no key twice)", parse),
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, (_, work) in works.items():
            times[name].append(timed(lambda each=work: list(map(each, bodies))) / len(bodies) * 1e6)  # type: ignore[misc]  # a default binds the loop variable, and has no type
    size = sum(map(len, bodies)) / len(bodies)
    for name, (what, _) in works.items():
        yield middle(name, times[name], "µs", f"{what}, a body of {size / 1e3:.1f} kB on average")


def exposition(repeats: int, size: int) -> Iterator[Figure]:
    """Yield what the exposition's bytes take."""
    lines, copy = b"0123456789abcdef" * (size // 16), memoryview(bytearray(size // 16 * 16))
    times: dict[str, list[float]] = {"floor.copy": [], "floor.crc": [], "floor.socket": []}
    for _ in range(repeats):
        times["floor.copy"].append(timed(lambda: copy.__setitem__(slice(None), lines)) * 1e3)
        times["floor.crc"].append(timed(lambda: zlib.crc32(lines)) * 1e3)
        times["floor.socket"].append(through(lines) * 1e3)
    whats = (
        "copying it once, to memory that is there",
        "its check sum, which gzip asks for",
        "sending it through a socket, the kernel's time too",
    )
    for (name, spent), what in zip(times.items(), whats, strict=True):
        yield middle(name, spent, "ms", f"{what}; {size / 1e6:.0f} MB")


def through(lines: bytes) -> float:
    """Send bytes through loopback; return the sender's processor time in seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sender = socket.create_connection(listening.getsockname())
        receiver, _ = listening.accept()
    reading = threading.Thread(target=_read, args=(receiver,))
    reading.start()
    with sender:
        spent = timed(lambda: sender.sendall(lines))
    reading.join()
    return spent


def _read(receiver: socket.socket) -> None:
    with receiver:
        while receiver.recv(_READ):
            pass


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - every benchmark's one parameter
    """Yield the figures."""
    repeats = 1 if quick else REPEATS
    yield from webhook(repeats)
    yield from exposition(repeats, BYTES // 100 if quick else BYTES)


if __name__ == "__main__":
    main(measure, __doc__)
