"""Every query of every dashboard, asked of a real Prometheus that scrapes the real service under the demo's events.

`DORA_PROMETHEUS` may name more Prometheus programs beside the one on the path, separated by colons; `promtool` is
looked for beside each.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define, frozen

from tests.system.conftest import ROOT, SECRET, Service, environment, free_port, running

pytestmark = pytest.mark.system

PROGRAMS = [shutil.which("prometheus") or "prometheus", *filter(None, os.environ.get("DORA_PROMETHEUS", "").split(":"))]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RULES = ROOT / "deploy" / "prometheus" / "rules"
RULE_TESTS = sorted((ROOT / "tests" / "rules").glob("*.yml"))

SECONDS = 90
"""How long a busy machine may take until everything is scraped and recorded."""
ZERO_HOLD = "6s"
"""Six scrapes of one second: every series is seen at 0 before it steps."""

NO_TOKEN = "the demo has no token, so GitHub is never asked"
FEW = "the demo has no ten observations of it"
YOUNG = "looks at every tenth minute, and the service is seconds old"
NONE_UNKNOWN = "the demo's changes are all known"

WITHOUT_DATA = {
    ("DORA overview", "Days of data", "A"): YOUNG,
    ("DORA overview", "Recovery time", "C"): FEW,
    ("DORA overview", "Repositories", "E"): FEW,
    ("One repository", "Environments and services", "E"): FEW,
    ("One repository", "Lead time from merge", "B"): FEW,
    ("One repository", "Lead time from first commit", "B"): FEW,
    ("One repository", "Time to merge", "B"): FEW,
    ("One repository", "What the lead times miss", "A"): NONE_UNKNOWN,
    ("Is the data good?", "Coverage", "F"): YOUNG,
    ("Is the data good?", "Unknown, and what helps", "A"): NONE_UNKNOWN,
    ("Is the data good?", "Requests in the last hour, by status", "A"): NO_TOKEN,
    ("Is the data good?", "Requests left in GitHub's hour", "A"): NO_TOKEN,
    ("Is the data good?", "Requests left in GitHub's hour", "B"): NO_TOKEN,
}
"""Queries that need not return anything under the demo: dashboard, panel, query, and why."""

# From the demo's story, by hand; tests/system/test_demo.py has the same table. Repository, service: successes,
# failures, changes, rework, change failures but for failed attempts, all change failures. In production.
WEEK = {
    ("acme/infrastructure", "dns"): (2, 0, 2, 0, 0, 0),
    ("acme/infrastructure", "network"): (2, 0, 2, 0, 0, 0),
    ("acme/payments", ""): (7, 0, 8, 3, 3, 3),
    ("acme/search", ""): (3, 1, 5, 0, 1, 2),
    ("acme/shop", ""): (8, 1, 9, 1, 1, 2),
}

Json = dict[str, Any]


@frozen
class Prometheus:
    """A Prometheus that has scraped the demo's week, and its rules' first results."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        """Return what the API says."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30, trust_env=False)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def now(self, expr: str) -> list[Json]:
        """Return the present result of a query."""
        result: list[Json] = self.get("query", query=expr)["result"]
        return result

    def lately(self, expr: str) -> list[Json]:
        """Return the result of a query over the last minute, but for points that are no number."""
        end = float(self.get("query", query="time()")["result"][1])
        result = self.get("query_range", query=expr, start=str(end - 60), end=str(end), step="1")["result"]
        return [series for series in result if any(value != "NaN" for _, value in series["values"])]


def configured(folder: Path, port: int) -> Path:
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
        (r"app:8080", f"127.0.0.1:{port}"),
    ):
        assert re.search(ours, committed), ours
        committed = re.sub(ours, here, committed)
    written = folder / "prometheus.yml"
    written.write_text(committed)
    return written


@contextmanager
def scraping(program: str, folder: Path, service: Service) -> Iterator[tuple[Prometheus, subprocess.Popen[bytes]]]:
    """Start a Prometheus over the service, and wait until it has scraped it."""
    port = free_port()
    command = [
        program,
        f"--config.file={configured(folder, service.port)}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    process = subprocess.Popen(command, cwd=folder)
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    try:
        until(process, lambda: listens(prometheus) and len(prometheus.now("up == 1")) == 2)
        yield prometheus, process
    finally:
        process.terminate()
        process.wait(30)


def listens(prometheus: Prometheus) -> bool:
    try:
        return httpx.get(f"{prometheus.url}/-/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False


def until(process: subprocess.Popen[bytes], holds: Any) -> None:  # noqa: ANN401 - a callable without arguments
    """Look four times a second whether something holds, while the process lives."""
    step = 0.25
    for _ in range(int(SECONDS / step)):
        if holds():
            return
        try:
            code = process.wait(step)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"Prometheus ended with exit code {code}")
    pytest.fail("Prometheus did not get there in time")


def tell(service: Service) -> None:
    """Tell the service the demo's week."""
    command = [sys.executable, "-m", "dora", "demo", "--url", service.url]
    subprocess.run(
        command, cwd=ROOT, env=environment({"WEBHOOK_SECRET": SECRET}), stdout=subprocess.DEVNULL, check=True
    )


@pytest.fixture(scope="module", params=PROGRAMS, ids=range(len(PROGRAMS)))
def prometheus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    port = free_port()
    settings = {
        "WEBHOOK_SECRET": SECRET,
        "DORA_BIND": f"127.0.0.1:{port}",
        "DORA_LOG_LEVEL": "error",
        "DORA_ZERO_HOLD": ZERO_HOLD,
    }
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        running([sys.executable, "-m", "dora", "serve"], settings, port=port) as service,
        scraping(request.param, folder, service) as (started, process),
    ):
        tell(service)
        everything = sum(row[0] for row in WEEK.values())
        counted = (
            "sum(repository_environment_service_result:dora_deployments:increase90d"
            '{environment="production", result="success"})'
        )
        until(process, lambda: any(float(found["value"][1]) == everything for found in started.now(counted)))
        # The rules of a group are evaluated in their order; wait for the last ones of the last group.
        last = "repository_environment_service:dora_measured_deployments_per_deployments:ratio_increase90d"
        until(process, lambda: len(started.now(last)) >= len(WEEK))
        # The process's own series are born with their first value. Told twice, nothing changes but these.
        tell(service)
        until(process, lambda: bool(started.now('sum(dora_events_total{outcome="duplicate"}) > 80')))
        yield started


@define
class Asked:
    """What a panel or a variable asks, with the variables put in."""

    dashboard: str
    panel: str
    ref: str
    target: Json

    def expr(self, expr: str) -> str:
        chosen = {
            "repository": "acme/payments" if self.dashboard == "One repository" else ".*",
            "environment": "production" if self.dashboard == "DORA overview" else ".*",
            "service": ".*",
            "window": "30d",
            "__rate_interval": "4s",
        }
        for name, value in chosen.items():
            expr = expr.replace(f"${name}", value)
        assert "$" not in expr, expr
        return expr


def asked() -> Iterator[Asked]:
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield Asked(dashboard["title"], panel["title"], target["refId"], target)


def test_every_query_returns_data_with_the_labels_of_its_legend(prometheus: Prometheus) -> None:
    empty = set()
    for query in asked():
        expr = query.expr(query.target["expr"])
        found = prometheus.now(expr) if query.target["instant"] else prometheus.lately(expr)
        if not found:
            empty.add((query.dashboard, query.panel, query.ref))
        for label in re.findall(r"{{(\w+)}}", query.target["legendFormat"]):
            # An empty label is none; a service has no name unless somebody names it.
            assert label == "service" or all(label in series["metric"] for series in found), (query.panel, label)
    assert empty - WITHOUT_DATA.keys() == set()


def test_every_variable_finds_values(prometheus: Prometheus) -> None:
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            expr = Asked(dashboard["title"], "", "", {}).expr(variable["query"])
            matched = re.fullmatch(r"label_values\((.+), (\w+)\)", expr)
            assert matched is not None, expr
            values = prometheus.get(f"label/{matched[2]}/values", **{"match[]": matched[1]})
            # Payments are one service without a name.
            assert values or (dashboard["title"], variable["name"]) == ("One repository", "service"), variable["name"]


def test_the_recorded_week_is_the_one_that_was_told(prometheus: Prometheus) -> None:
    level = "repository_environment_service"

    def production(expr: str) -> dict[tuple[str, str], float]:
        return {
            (found["metric"]["repository"], found["metric"].get("service", "")): float(found["value"][1])
            for found in prometheus.now(expr)
        }

    for window in ("7d", "30d", "90d"):
        said = [
            production(
                f'{level}_result:dora_deployments:increase{window}{{environment="production", result="success"}}'
            ),
            production(
                f'{level}_result:dora_deployments:increase{window}{{environment="production", result="failure"}}'
            ),
            production(f'{level}:dora_lead_time_seconds_count:increase{window}{{environment="production"}}'),
            production(f'{level}:dora_rework_deployments:increase{window}{{environment="production"}}'),
        ]
        assert {chain: tuple(column[chain] for column in said) for chain in WEEK} == {
            chain: row[:4] for chain, row in WEEK.items()
        }
        headline = production(
            f'{level}:dora_change_failures_per_deployments:ratio_increase{window}{{environment="production"}}'
        )
        every = production(
            f'{level}:dora_all_change_failures_per_deployments:ratio_increase{window}{{environment="production"}}'
        )
        assert headline == {chain: row[4] / row[0] for chain, row in WEEK.items()}
        assert every == {chain: row[5] / (row[0] + row[1]) for chain, row in WEEK.items()}


def test_every_rule_is_healthy(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 50
    assert [rule for rule in rules if rule["health"] != "ok"] == []
    assert [rule["name"] for rule in rules if rule.get("alerts")] == []


def test_single_changes_can_be_seen_as_exemplars(prometheus: Prometheus) -> None:
    end = float(prometheus.get("query", query="time()")["result"][1])
    for query in asked():
        if not query.target["exemplar"]:
            continue
        expr = query.expr(query.target["expr"])
        kept = prometheus.get("query_exemplars", query=expr, start=str(end - 300), end=str(end))
        assert all(len(exemplar["labels"]["sha"]) == 40 for series in kept for exemplar in series["exemplars"])
        assert sum(len(series["exemplars"]) for series in kept) > 0


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_rules_say_what_was_worked_out_by_hand(program: str, path: Path) -> None:
    promtool = Path(program).with_name("promtool")
    tested = subprocess.run([promtool, "test", "rules", path.name], cwd=path.parent, capture_output=True, check=False)
    assert tested.returncode == 0, (tested.stdout + tested.stderr).decode()


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_prometheus_takes_the_configuration_and_the_rules(program: str) -> None:
    promtool = Path(program).with_name("promtool")
    checked = subprocess.run(
        [promtool, "check", "config", "deploy/prometheus/prometheus.yml"], cwd=ROOT, capture_output=True, check=False
    )
    assert checked.returncode == 0, (checked.stdout + checked.stderr).decode()
