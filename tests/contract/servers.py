"""Servers that the system tests start for themselves."""

from __future__ import annotations

import hmac
import os
import socket
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from http.client import HTTPConnection
from pathlib import Path

import pytest


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def server(
    command: Sequence[str | Path],
    *,
    port: int,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    kill: bool = False,
) -> Iterator[int]:
    """Run a server until the block ends; it listens on the port when the block begins."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, env={**os.environ, **(environ or {})}
        )
        try:
            until = time.monotonic() + 60
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, (folder / "output").read_text()
                assert time.monotonic() < until, "the server does not listen"
                time.sleep(0.05)
            yield port
        finally:
            (process.kill if kill else process.terminate)()
            process.wait()


def redis_server(folder: Path, *, port: int) -> list[str]:
    """Return the command of a Redis that keeps what it acknowledges."""
    return [
        *("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
        *("--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"),
    ]


def moto_server(port: int) -> list[str]:
    """Return the command of an S3 that enforces create-only writes."""
    return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]


S3_SECRET = "hunter2"


def s3_environ(port: int) -> dict[str, str]:
    """Return what the environment says about a bucket at an S3 on this machine."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": S3_SECRET,
        "AWS_REGION": "us-east-1",
    }


def azurite(port: int) -> list[str | Path]:
    """Return the command of an Azure Blob Storage; its account comes from `AZURITE_ACCOUNTS`."""
    program = Path(__file__).parents[2] / ".cache/azurite/node_modules/.bin/azurite-blob"
    if not program.exists():
        pytest.skip("azurite is not there: npm install --prefix .cache/azurite azurite")
    return [program, "--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--blobPort", str(port)]


def create_container(port: int, account: str, key: str, container: str) -> None:
    """Create a container; https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    named = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    text = "PUT" + "\n" * 12 + f"{named}/{account}/{account}/{container}\nrestype:container"
    signature = b64encode(hmac.digest(b64decode(key), text.encode(), "sha256")).decode()
    connection = HTTPConnection("127.0.0.1", port)
    connection.request(
        "PUT",
        f"/{account}/{container}?restype=container",
        headers={**headers, "Authorization": f"SharedKey {account}:{signature}"},
    )
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    connection.close()


def create_bucket(port: int, bucket: str) -> None:
    """Create a bucket in moto, which checks no signatures."""
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("PUT", f"/{bucket}")
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    connection.close()
