"""Every query of every dashboard, asked of real Prometheus servers that scrape real services.

One is told the demo's week. What a week of a few deployments cannot show (nine in ten of something, a look-up at
GitHub, a reason for the unknown) happens at another beside it, in other repositories.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from attrs import define

from tests.contract.fake_github.server import FakeGitHub
from tests.contract.servers import free_port
from tests.system.conftest import ROOT, SECRET, TOKEN, Service, environment, running
from tests.system.prometheus import LATELY, PROGRAMS, Prometheus, scraping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

pytestmark = pytest.mark.system

DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))

ZERO_HOLD = "20s"
"""Twenty scrapes of one second, of which a busy machine may miss many: every series is seen at 0 before it steps."""
MANY = 11
"""One more than a 90th percentile needs."""
BUSY, ASKED = "acme/busy", "acme/asked"
"""The other service's repositories."""
CHOSEN = ("acme/payments", BUSY, ASKED)
"""What is chosen in the dashboard of one repository, one after the other."""

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


def tell(service: Service) -> None:
    """Tell the service the demo's week."""
    command = [sys.executable, "-m", "dora", "demo", "--url", service.url]
    subprocess.run(
        command, cwd=ROOT, env=environment({"WEBHOOK_SECRET": SECRET}), stdout=subprocess.DEVNULL, check=True
    )


def serving(port: int, **settings: str) -> AbstractContextManager[Service]:
    """Start a service."""
    given = {
        "WEBHOOK_SECRET": SECRET,
        "DORA_BIND": f"127.0.0.1:{port}",
        "DORA_LOG_LEVEL": "error",
        "DORA_ZERO_HOLD": ZERO_HOLD,
    }
    return running([sys.executable, "-m", "dora", "serve"], given | settings, port=port)


def tell_many(service: Service) -> None:
    """Tell of eleven deployments that failed and were mended, and of as many merges."""
    at = "2026-03-{:02}T{}:00Z".format
    pushed: list[Json] = []
    for day in range(1, MANY + 1):
        named = {"repository": BUSY, "deployment_id": day}
        change = {"id": f"change {day}", "committed_at": at(day, "07:00"), "merged_at": at(day, "08:00")}
        pushed += [
            {
                "type": "deployment.succeeded",
                "occurred_at": at(day, "09:00"),
                "sha": f"{day:040x}",
                "kind": "planned",
                "changes": [change],
                **named,
            },
            {"type": "deployment.marked_failed", "occurred_at": at(day, "10:00"), **named},
            {"type": "deployment.recovered", "occurred_at": at(day, "11:00"), **named},
        ]
    answer = httpx.post(
        f"{service.url}/api/event",
        json=pushed,
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
        timeout=30,
    )
    assert answer.is_success, answer.text
    for day in range(1, MANY + 1):
        deliver(
            service,
            "pull_request",
            {
                "action": "closed",
                "number": day,
                "repository": {"id": 1, "full_name": BUSY, "default_branch": "main"},
                "pull_request": {
                    "number": day,
                    "merged": True,
                    "created_at": at(day, "05:00"),
                    "merged_at": at(day, "08:00"),
                    "merge_commit_sha": f"{day:040x}",
                    "base": {"ref": "main"},
                    "head": {"ref": "a-change"},
                },
            },
        )


def tell_of_what_github_knows(service: Service, sha: str) -> None:
    """Tell of a first deployment: GitHub is asked for the one before, and there is none."""
    deliver(
        service,
        "deployment_status",
        {
            "action": "created",
            "repository": {"id": 2, "full_name": ASKED, "default_branch": "main"},
            "deployment": {"id": 1, "sha": sha, "environment": "production"},
            "deployment_status": {"state": "success", "created_at": "2026-03-02T09:00:00Z"},
        },
    )


def deliver(service: Service, event: str, value: Json) -> None:
    body = json.dumps(value).encode()
    headers = {"X-GitHub-Event": event, "Content-Type": "application/json", **service.signed(body)}
    answer = httpx.post(f"{service.url}/webhooks/github", content=body, headers=headers, trust_env=False, timeout=30)
    assert answer.is_success, answer.text


@pytest.fixture(scope="module", params=PROGRAMS, ids=range(len(PROGRAMS)))
def prometheus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    github = FakeGitHub(clock=lambda: time.time_ns() // 1_000)
    github.token(TOKEN)
    graph = github.repository(ASKED)
    sha = "a" * 40
    graph.commit(sha, at=time.time_ns() // 1_000, branch="main")
    graph.deployment(1, sha, at=time.time_ns() // 1_000)
    graph.status(1, "success", at=time.time_ns() // 1_000)
    ports = (free_port(), free_port())
    folder = tmp_path_factory.mktemp("prometheus")
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        stack.enter_context(portal.wrap_async_context_manager(github.serve()))
        service = stack.enter_context(serving(ports[0]))
        other = stack.enter_context(
            serving(ports[1], GITHUB_TOKEN=TOKEN, GITHUB_API_URL=github.url, DORA_API_TOKENS=f"test:{TOKEN}")
        )
        started = stack.enter_context(scraping(request.param, folder, ports))
        tell(service)
        tell_many(other)
        tell_of_what_github_knows(other, sha)
        everything = sum(row[0] for row in WEEK.values()) + MANY + 1
        counted = (
            "sum(repository_environment_service_result:dora_deployments:increase90d"
            '{environment="production", result="success"})'
        )
        started.until(lambda: started.value(counted) == everything)
        # The rules of a group are evaluated in their order; wait for the last ones of the last group.
        last = "repository_environment_service:dora_measured_deployments_per_deployments:ratio_increase90d"
        started.until(lambda: len(started.now(last)) >= len(WEEK) + 2)
        # The process's own series are born with their first value. Told twice, nothing changes but these.
        tell(service)
        started.until(lambda: bool(started.now('sum(dora_events_total{outcome="duplicate"}) > 80')))
        yield started


@define
class Asked:
    """What a panel or a variable asks, with the variables put in."""

    dashboard: str
    panel: str
    ref: str
    target: Json

    def expr(self, expr: str, repository: str = ".*") -> str:
        chosen = {
            "repository": repository,
            "environment": "production" if self.dashboard == "DORA overview" else ".*",
            "service": ".*",
            "window": "7d",
            "__rate_interval": "4s",
        }
        for name, value in chosen.items():
            expr = expr.replace(f"${name}", value)
        assert "$" not in expr, expr
        # Every tenth minute is too rare for services that are seconds old.
        return expr.replace(":10m]", ":10s]")

    def repositories(self) -> tuple[str, ...]:
        """Return what is chosen for it."""
        return CHOSEN if self.dashboard == "One repository" else (".*",)


def asked() -> Iterator[Asked]:
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield Asked(dashboard["title"], panel["title"], target["refId"], target)


def test_every_query_returns_data_with_the_labels_of_its_legend(prometheus: Prometheus) -> None:
    for query in asked():
        ask = prometheus.now if query.target["instant"] else prometheus.lately
        found = [
            series
            for repository in query.repositories()
            for series in ask(query.expr(query.target["expr"], repository))
        ]
        assert found, (query.dashboard, query.panel, query.ref)
        for label in re.findall(r"{{(\w+)}}", query.target["legendFormat"]):
            # An empty label is none; a service has no name unless somebody names it.
            assert label == "service" or all(label in series["metric"] for series in found), (query.panel, label)


def test_every_variable_finds_values(prometheus: Prometheus) -> None:
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            one = Asked(dashboard["title"], "", "", {})
            expr = one.expr(variable["query"], one.repositories()[0])
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
            if found["metric"]["repository"] not in {BUSY, ASKED}
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
        kept = prometheus.get("query_exemplars", query=expr, start=str(end - LATELY), end=str(end))
        assert all(len(exemplar["labels"]["sha"]) == 40 for series in kept for exemplar in series["exemplars"])
        assert sum(len(series["exemplars"]) for series in kept) > 0
