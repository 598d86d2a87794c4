"""Real Prometheus servers over services that run.

`DORA_PROMETHEUS` may name more programs than the one on the path, separated by colons; `promtool` is looked for beside
each. .ci/run names a Prometheus 3 there, Debian 12 has a Prometheus 2.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from attrs import frozen

from tests.contract.servers import free_port
from tests.system.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PROGRAMS = [shutil.which("prometheus") or "prometheus", *filter(None, os.environ.get("DORA_PROMETHEUS", "").split(":"))]
RULES = ROOT / "deploy" / "prometheus" / "rules"

SECONDS = 180
"""How long a busy machine may take until everything is scraped and recorded."""
LATELY = 600
"""Seconds: more than a busy machine takes for all questions."""


@frozen
class Prometheus:
    """A Prometheus that runs."""

    client: httpx.Client
    process: subprocess.Popen[bytes]

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        """Return what the API says."""
        answer = self.client.get(f"/api/v1/{path}", params=parameters)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def now(self, expr: str) -> list[dict[str, Any]]:
        """Return the present result of a query."""
        result: list[dict[str, Any]] = self.get("query", query=expr)["result"]
        return result

    def value(self, expr: str) -> float | None:
        """Return the present value of a query with one series; None if it has none."""
        found = self.now(expr)
        assert len(found) <= 1, expr
        return float(found[0]["value"][1]) if found else None

    def lately(self, expr: str) -> list[dict[str, Any]]:
        """Return the result of a query over the last minutes, but for points that are no number."""
        end = float(self.get("query", query="time()")["result"][1])
        result = self.get("query_range", query=expr, start=str(end - LATELY), end=str(end), step="1")["result"]
        return [series for series in result if any(value != "NaN" for _, value in series["values"])]

    def until(self, holds: Callable[[], bool]) -> None:
        """Look four times a second whether something holds, while the process lives."""
        step = 0.25
        for _ in range(int(SECONDS / step)):
            if holds():
                return
            try:
                code = self.process.wait(step)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"Prometheus ended with exit code {code}")
        pytest.fail("Prometheus did not get there in time")

    def listens(self) -> bool:
        """Say whether it answers."""
        try:
            return self.client.get("/-/ready").is_success
        except httpx.TransportError:
            return False


def configured(folder: Path, ports: Sequence[int]) -> Path:
    """Write a configuration that scrapes and evaluates every second, and is the committed one otherwise."""
    rules = folder / "rules"
    rules.mkdir()
    for path in RULES.glob("*.yml"):
        (rules / path.name).write_text(re.sub(r"interval: \d+m", "interval: 1s", path.read_text()))
    committed = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()
    for ours, here in (
        (r"scrape_interval: \w+", "scrape_interval: 1s"),
        (r"scrape_timeout: \w+", "scrape_timeout: 1s"),
        (r"evaluation_interval: \w+", "evaluation_interval: 1s"),
        (r'"app:8080"', ", ".join(f'"127.0.0.1:{port}"' for port in ports)),
    ):
        assert re.search(ours, committed), ours
        committed = re.sub(ours, here, committed)
    written = folder / "prometheus.yml"
    written.write_text(committed)
    return written


@contextmanager
def scraping(
    program: str, folder: Path, ports: Sequence[int], *, features: str = "exemplar-storage"
) -> Iterator[Prometheus]:
    """Start a Prometheus over the services at the ports, and wait until it has scraped them."""
    bind = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={configured(folder, ports)}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={bind}",
        f"--enable-feature={features}",
        "--log.level=warn",
    ]
    process = subprocess.Popen(command, cwd=folder)
    try:
        with httpx.Client(base_url=f"http://{bind}", timeout=30, trust_env=False) as client:
            prometheus = Prometheus(client, process)
            prometheus.until(lambda: prometheus.listens() and len(prometheus.now("up == 1")) == 2 * len(ports))
            yield prometheus
    finally:
        process.terminate()
        process.wait(30)
