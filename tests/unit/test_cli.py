"""The command line, as a process of its own: exit codes, and what it says on stderr."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from dora.cli import CANNOT_LISTEN, DONE, MISCONFIGURED

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = {"PATH": os.environ["PATH"]}
SERVING = PATH | {"WEBHOOK_SECRET": "private-secret", "DORA_BIND": "127.0.0.1:0"}


def dora(*arguments: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dora", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def serving(environ: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], list[dict[str, object]]]]:
    """Start the service; return it and what it logged until it listened."""
    command = [sys.executable, "-m", "dora", "serve"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines: list[dict[str, object]] = []
        try:
            while not lines or lines[-1]["event"] != "state restored":
                lines.append(json.loads(process.stderr.readline()))
            yield process, lines
        finally:
            process.kill()


def test_problems_of_the_settings_are_told_a_line_each_and_end_with_2() -> None:
    ended = dora("serve", environ=PATH | {"DORA_BIND": "private", "DORA_MAX_COMMITS": "private"})
    assert ended.returncode == MISCONFIGURED
    lines = ended.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["WEBHOOK_SECRET", "DORA_BIND", "DORA_MAX_COMMITS"]
    assert "private" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("arguments", [(), ("serve", "--nonsense"), ("nonsense",)])
def test_a_command_line_that_is_none_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert dora(*arguments, environ=SERVING).returncode == MISCONFIGURED


def test_an_address_that_is_taken_ends_with_a_code_of_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = dora("serve", environ=SERVING | {"DORA_BIND": bind})
    assert ended.returncode == CANNOT_LISTEN
    last = json.loads(ended.stderr.splitlines()[-1])
    assert (last["event"], last["bind"]) == ("cannot listen", bind)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_asked_to_end_ends_with_0(number: signal.Signals) -> None:
    with serving(SERVING) as (process, _):
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)
        assert process.returncode == DONE
        assert json.loads(rest.splitlines()[-1])["event"] == "ended"


def test_the_log_says_what_is_running_and_what_will_be_lost_and_no_secret() -> None:
    environ = {"DORA_API_TOKENS": "ci:private-token", "DORA_METRICS_TOKEN": "private-token", "DORA_SATE": "private"}
    with serving(SERVING | environ) as (_, lines):
        events = {line["event"]: line for line in lines}
        assert events["starting"]["state"] == "memory"
        assert events["starting"]["github_token"] is False
        assert events["starting"]["metrics_token"] is True
        assert any("loses all counters" in str(event) for event in events)
        assert any("no GitHub token" in str(event) for event in events)
        assert "DORA_STATE" in str(events["unknown setting"]["detail"])
        assert "private" not in json.dumps(lines)


def test_the_log_can_be_made_for_people() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = dora("serve", environ=SERVING | {"DORA_BIND": bind, "DORA_LOG_FORMAT": "console"})
    assert "cannot listen" in ended.stderr
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(ended.stderr.splitlines()[-1])


def test_the_version_is_told() -> None:
    ended = dora("--version", environ=PATH)
    assert ended.returncode == DONE
    assert ended.stdout.startswith("dora ")
