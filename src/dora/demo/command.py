"""The command: start a service or take one that runs, tell it the story, and show what it then says."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import secrets
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from rich.console import Console
from rich.progress import Progress

from dora.demo.report import table
from dora.demo.story import DAYS, Delivery, week
from dora.ports import DoraError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

DONE, FAILED, MISUSED = 0, 1, 2
"""Exit codes: the table was shown; the service refused or could not be reached; the command was called wrongly."""

_START_SECONDS = 60.0
"""A cold start on a slow machine takes a few seconds."""
_STOP_SECONDS = 12.0
"""The service promises to drain within 10."""
_PLAIN_STEPS = 4
"""Progress lines where there is no terminal to draw a bar on."""

_WIDTH = 140
"""Columns of the table where there is no terminal to ask."""


class DemoError(DoraError):
    """The demo cannot go on; the text says why, for a person."""


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run `dora demo`, and return its exit code."""
    options = _parser().parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    # SIGTERM ends the demo as Ctrl-C does: the service that it started is stopped.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(console, options, environ)
    except DemoError as error:
        console.print(str(error), markup=False, highlight=False)
        return FAILED
    except KeyboardInterrupt:
        return DONE
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(console: Console, options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    if options.url is not None:
        secret = _secret(environ)
        if secret is None:
            console.print("--url needs the service's WEBHOOK_SECRET, or WEBHOOK_SECRET_FILE, in the environment")
            return MISUSED
        _tell(console, options.url, secret, environ.get("DORA_METRICS_TOKEN") or None)
        _lead(console, options.url)
        return DONE
    with _service(environ, options.port) as (process, url, secret):
        _tell(console, url, secret, None)
        if options.keep:
            _lead(console, url)
            console.print("The service keeps running; Ctrl-C stops it.")
            return DONE if process.wait() == 0 else FAILED
    console.print("The service that showed this has ended. With --keep it goes on, and you can look around in it.")
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dora demo",
        description=f"Sends {DAYS} days of a made-up organisation to the real service, and shows its metrics.",
        epilog="Exit codes: 0 shown, 1 the service refused or was not reached, 2 called wrongly.",
    )
    parser.add_argument("--keep", action="store_true", help="leave the service running until Ctrl-C")
    parser.add_argument("--port", type=int, default=0, help="port of the service that is started (default: a free one)")
    parser.add_argument(
        "--url", help="tell a service that runs already; its secret is taken from WEBHOOK_SECRET or WEBHOOK_SECRET_FILE"
    )
    return parser


def _secret(environ: Mapping[str, str]) -> bytes | None:
    if path := environ.get("WEBHOOK_SECRET_FILE"):
        return Path(path).read_bytes().removesuffix(b"\n") or None
    return environ.get("WEBHOOK_SECRET", "").encode() or None


@contextmanager
def _service(environ: Mapping[str, str], port: int) -> Iterator[tuple[subprocess.Popen[bytes], str, bytes]]:
    """Start a service of our own, with a made-up secret and no setting but its defaults; stop it in the end."""
    port = port or _free_port()
    secret = secrets.token_hex(16)
    url = f"http://127.0.0.1:{port}"
    settings = ("DORA_", "GITHUB_", "WEBHOOK_", "PORT")
    own = {name: value for name, value in environ.items() if not name.startswith(settings)}
    own |= {"WEBHOOK_SECRET": secret, "DORA_BIND": f"127.0.0.1:{port}", "DORA_LOG_LEVEL": "error"}
    # A session of its own: Ctrl-C reaches the demo alone, which then stops the service in order.
    process = subprocess.Popen([sys.executable, "-m", "dora", "serve"], env=own, start_new_session=True)
    try:
        _await_readiness(process, url)
        yield process, url, secret.encode()
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _await_readiness(process: subprocess.Popen[bytes], url: str) -> None:
    step = 0.05
    with httpx.Client(base_url=url, trust_env=False) as client:
        for _ in range(int(_START_SECONDS / step)):
            try:
                if client.get("/readyz").is_success:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            try:
                code = process.wait(step)
            except subprocess.TimeoutExpired:
                continue
            raise DemoError(f"The service ended at once, with exit code {code}.")
    raise DemoError(f"The service was not ready within {_START_SECONDS:.0f} seconds.")


def _tell(console: Console, url: str, secret: bytes, metrics_token: str | None) -> None:
    headers = {"Authorization": f"Bearer {metrics_token}"} if metrics_token else {}
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        try:
            deliveries = week(datetime.now(UTC))
            for delivery in _watched(console, deliveries):
                send(client, delivery, secret)
            answer = client.get("/metrics", headers=headers)
        except httpx.HTTPError as error:
            raise DemoError(f"The service at {url} was not reached: {type(error).__name__}.") from error
    if not answer.is_success:
        raise DemoError(f"{url}/metrics answered {answer.status_code}.")
    console.print(table(answer.text))


def _lead(console: Console, url: str) -> None:
    """Say where to look at a service that is still there."""
    console.print(f"All of it: {url}/metrics    a page for people: {url}/", highlight=False, soft_wrap=True)


def _watched(console: Console, deliveries: Sequence[Delivery]) -> Iterable[Delivery]:
    """Yield the deliveries, with a bar on a terminal and a few lines elsewhere."""
    said = f"{len(deliveries)} deliveries of {DAYS} days"
    if console.is_terminal:
        with Progress(console=console) as progress:
            yield from progress.track(deliveries, description=said)
        return
    console.print(f"Sending {said}", highlight=False)
    for number, delivery in enumerate(deliveries, start=1):
        yield delivery
        if number * _PLAIN_STEPS // len(deliveries) > (number - 1) * _PLAIN_STEPS // len(deliveries):
            console.print(
                f"  {number} of {len(deliveries)} sent, up to {delivery.at:%Y-%m-%d %H:%M} UTC", highlight=False
            )


def send(client: httpx.Client, delivery: Delivery, secret: bytes) -> None:
    """Sign a delivery as its sender does, and post it.

    Raises:
        DemoError: the service did not take it.
        httpx.HTTPError: the service was not reached.
    """
    signature = hmac.new(secret, delivery.body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
    if delivery.event is not None:
        headers["X-GitHub-Event"] = delivery.event
    answer = client.post(delivery.path, content=delivery.body, headers=headers)
    if not answer.is_success:
        hint = "; is it the service's webhook secret?" if answer.status_code == httpx.codes.UNAUTHORIZED else ""
        raise DemoError(f"The service answered {answer.status_code} to a delivery{hint}")
