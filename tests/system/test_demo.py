"""The demo, end to end; its numbers were worked out by hand from the story."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dora.demo.command import DONE, FAILED
from tests.system.conftest import ROOT, SECRET, Service, environment

pytestmark = pytest.mark.system

# environment, service | deployed, failed, changes, mean lead time, mean from first commit, failures, mean recovery,
# rework, open
TABLE = """
acme/infrastructure
production dns 2 0 2 1.2 h 19.2 h none - 0 0
production network 2 0 2 1.2 h 13.2 h none - 0 0
acme/payments
production 7 0 8 7.5 h 1.2 d 1 hotfix, 1 incident, 1 rollback 1.9 h 3 0
staging 5 0 7 1.7 h 1.1 d 1 hotfix 23.7 h 1 0
acme/search
production 3 1 5 7.5 h 1.7 d 1 deployment_failed, 1 incident 2.5 h 0 0
acme/shop
production 8 1 9 1.1 h - 1 deployment_failed, 1 revert 3.5 h 1 0
staging 9 0 9 14.0 min - 1 revert 4.0 h 1 0
"""


def demo(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dora", "demo", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(settings), capture_output=True, text=True, check=False)


def table(output: str) -> list[str]:
    """Return the lines between the heading's rule and the caption, without what aligns them."""
    lines = [" ".join(line.split()) for line in output.splitlines()]
    rule = next(number for number, line in enumerate(lines) if line.startswith("───"))
    caption = next(number for number, line in enumerate(lines) if line.startswith("Times are"))
    return [line for line in lines[rule + 1 : caption] if line]


def test_the_demo_shows_a_week_on_a_service_of_its_own() -> None:
    shown = demo()
    assert shown.returncode == DONE, shown.stdout + shown.stderr
    assert table(shown.stdout) == TABLE.strip().splitlines()
    # It has ended, so nobody is sent to its address.
    assert "--keep" in shown.stdout
    assert "http://" not in shown.stdout


def test_the_demo_tells_a_service_that_runs_and_telling_it_twice_changes_nothing(service: Service) -> None:
    once = demo("--url", service.url, WEBHOOK_SECRET=SECRET)
    assert once.returncode == DONE, once.stdout + once.stderr
    assert f"{service.url}/metrics" in once.stdout
    again = demo("--url", service.url, WEBHOOK_SECRET=SECRET)
    assert table(again.stdout) == table(once.stdout) == TABLE.strip().splitlines()


def test_another_secret_is_refused_in_a_sentence(service: Service) -> None:
    refused = demo("--url", service.url, WEBHOOK_SECRET="another")
    assert refused.returncode == FAILED
    assert "401" in refused.stdout
    assert "Traceback" not in refused.stderr
