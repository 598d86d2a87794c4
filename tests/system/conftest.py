"""The service as a process of its own, as an operator starts it."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from attrs import frozen

from tests.contract.servers import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]
SECRET = "made-up"
TOKEN = "made-up-token"
START_SECONDS = 60
"""A busy machine, and `make run` looks whether the setup is up to date first."""


@frozen
class Service:
    """A service that runs."""

    url: str
    port: int

    def signed(self, body: bytes) -> dict[str, str]:
        """Return the header that proves the body."""
        return {"X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with no setting but the given."""
    ours = ("DORA_", "GITHUB_", "WEBHOOK_", "PORT", "MAKE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | dict(settings)


@contextmanager
def running(
    command: Sequence[str], settings: Mapping[str, str], *, port: int, ends: tuple[int, ...] = (0,)
) -> Iterator[Service]:
    """Start a command that serves on the port, wait until it is ready, and stop it by SIGTERM."""
    service = Service(url=f"http://127.0.0.1:{port}", port=port)
    process = subprocess.Popen(command, cwd=ROOT, env=environment(settings))
    try:
        await_readiness(process, service.url)
        yield service
        process.terminate()
        assert process.wait(START_SECONDS) in ends
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def await_readiness(process: subprocess.Popen[bytes], url: str) -> None:
    step = 0.05
    with httpx.Client(trust_env=False) as client:
        for _ in range(int(START_SECONDS / step)):
            try:
                if client.get(f"{url}/readyz").is_success:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            try:
                code = process.wait(step)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"the service ended with exit code {code}")
    pytest.fail("the service was not ready in time")


@pytest.fixture
def service() -> Iterator[Service]:
    port = free_port()
    settings = {
        "WEBHOOK_SECRET": SECRET,
        "DORA_API_TOKENS": f"test:{TOKEN}",
        "DORA_BIND": f"127.0.0.1:{port}",
        "DORA_LOG_LEVEL": "warning",
    }
    with running([sys.executable, "-m", "dora", "serve"], settings, port=port) as started:
        yield started


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as made:
        yield made
