from __future__ import annotations

import hashlib
import hmac
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from dora.demo.command import FAILED, MISUSED, DemoError, main, send
from dora.demo.story import Delivery

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 3, 9, tzinfo=UTC)
SECRET = b"made up"


def client(status: int, seen: list[httpx.Request]) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status)

    return httpx.Client(base_url="http://service.test", transport=httpx.MockTransport(answer))


def test_a_delivery_is_signed_over_its_bytes() -> None:
    seen: list[httpx.Request] = []
    with client(202, seen) as service:
        send(service, Delivery(at=AT, path="/webhooks/github", body=b'{"a":1}', event="push"), SECRET)
    (request,) = seen
    assert request.url.path == "/webhooks/github"
    assert request.headers["X-GitHub-Event"] == "push"
    expected = hmac.new(SECRET, request.content, hashlib.sha256).hexdigest()
    assert request.headers["X-Hub-Signature-256"] == f"sha256={expected}"


def test_a_pushed_event_carries_no_github_header() -> None:
    seen: list[httpx.Request] = []
    with client(201, seen) as service:
        send(service, Delivery(at=AT, path="/api/event", body=b"{}"), SECRET)
    assert "X-GitHub-Event" not in seen[0].headers


def test_a_refused_delivery_ends_the_demo_and_401_points_at_the_secret() -> None:
    with client(401, []) as service, pytest.raises(DemoError, match=r"401.*secret"):
        send(service, Delivery(at=AT, path="/api/event", body=b"{}"), SECRET)


def test_a_running_service_is_not_told_anything_without_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", "http://127.0.0.1:9"], environ={}) == MISUSED
    assert "WEBHOOK_SECRET" in capsys.readouterr().out


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    assert "Exit codes" in capsys.readouterr().out


def test_a_service_that_is_not_there_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert main(["--url", f"http://127.0.0.1:{port}"], environ={"WEBHOOK_SECRET": "made up"}) == FAILED
    assert "was not reached" in capsys.readouterr().out


def test_the_secret_may_be_in_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("made up\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    environ = {"WEBHOOK_SECRET_FILE": str(tmp_path / "secret")}
    assert main(["--url", f"http://127.0.0.1:{port}"], environ=environ) == FAILED
    assert "was not reached" in capsys.readouterr().out
