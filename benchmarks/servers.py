"""Processes that are measured: started as a user starts them, on a core of their own, with their processor time."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from attrs import define

SECRET: Final = b"a secret made up for benchmarks"

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_POLL_SECONDS: Final = 0.005
_PATIENCE_SECONDS: Final = 600
_UTIME: Final = 11
"""Place of a process' user time behind its name in /proc/PID/stat; the system time follows (proc(5))."""


@define
class Process:
    """A server that runs."""

    port: int
    popen: subprocess.Popen[bytes]
    ready_after: float
    """Seconds from its start until it answered."""

    def processor(self) -> float:
        """Return the processor time of it and its children so far, in seconds, to the hundredth."""
        return sum(map(_processor, family(self.popen.pid)))

    def resident(self) -> float:
        """Return the memory that it and its children hold, in MB of 2^20 bytes."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in family(self.popen.pid))
        return pages * resource.getpagesize() / 2**20

    def peak(self) -> float:
        """Return the most memory that it (without children) ever held, in MB of 2^20 bytes."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10

    def end(self) -> None:
        """End it, and wait until it has ended."""
        self.popen.terminate()
        self.popen.wait()


def family(pid: int) -> list[int]:
    """Return a process and those that it started (Linux)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def _processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_UTIME + 1])) / _TICKS


def cores() -> tuple[set[int], set[int]]:
    """Return where a server and where its load run: on a core each, if there are two."""
    usable = sorted(os.sched_getaffinity(0))
    return ({usable[0]}, {usable[1]}) if len(usable) > 1 else ({usable[0]}, {usable[0]})


@contextlib.contextmanager
def pinned(where: set[int]) -> Iterator[None]:
    """Run on these cores; what is started inside keeps to them too."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, where)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, path: str) -> bool:
    """Return whether a path is answered with 200 or 202."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in (200, 202)
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def server(command: Sequence[str], port: int, path: str, environ: Mapping[str, str]) -> Iterator[Process]:
    """Run a server on its core until the end of the block."""
    with pinned(cores()[0]):
        began = time.perf_counter()
        popen = subprocess.Popen([sys.executable, *command], env={**os.environ, **environ}, stderr=subprocess.DEVNULL)
    try:
        while not answers(port, path):
            if popen.poll() is not None or time.perf_counter() - began > _PATIENCE_SECONDS:
                raise SystemExit(f"{' '.join(command)} does not answer (exit code {popen.poll()})")
            # Often at first; during a long replay, answering would take a part of the time that is measured.
            time.sleep(max(_POLL_SECONDS, (time.perf_counter() - began) / 200))
        yield Process(port, popen, time.perf_counter() - began)
    finally:
        popen.terminate()
        popen.wait()


@contextlib.contextmanager
def service(state: str = "memory:", **settings: str) -> Iterator[Process]:
    """Run the service as an operator does, with the settings that have to be set, until the end of the block."""
    port = free_port()
    environ = {
        "WEBHOOK_SECRET": SECRET.decode(),
        "DORA_STATE": state,
        "DORA_BIND": f"127.0.0.1:{port}",
        "GITHUB_TOKEN": "",
        **settings,
    }
    with server(("-m", "dora", "serve"), port, "/readyz", environ) as process:
        yield process


@contextlib.contextmanager
def bare() -> Iterator[Process]:
    """Run the bare application with Hypercorn's own command and defaults, until the end of the block."""
    port = free_port()
    command = ("-m", "hypercorn", "benchmarks.bare:app", "--bind", f"127.0.0.1:{port}")
    with server(command, port, "/", {}) as process:
        yield process
