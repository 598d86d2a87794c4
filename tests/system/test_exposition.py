"""Prometheus' own tools read what the service says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from tests.system.conftest import ROOT, SECRET, Service, environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def told(service: Service) -> Service:
    """A service that has heard the demo's week."""
    command = [sys.executable, "-m", "dora", "demo", "--url", service.url]
    subprocess.run(
        command, cwd=ROOT, env=environment({"WEBHOOK_SECRET": SECRET}), stdout=subprocess.DEVNULL, check=True
    )
    return service


@pytest.mark.parametrize("path", ["/metrics", "/internal/metrics"])
def test_promtool_finds_nothing_wrong_with_the_text_format(told: Service, path: str) -> None:
    answer = httpx.get(f"{told.url}{path}", trust_env=False, timeout=30)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    checked = subprocess.run(["promtool", "check", "metrics"], input=answer.content, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_both_formats_say_the_same(told: Service) -> None:
    def counted(families: object) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        assert hasattr(families, "__iter__")
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    plain = counted(text(httpx.get(f"{told.url}/metrics", trust_env=False, timeout=30).text))
    answer = httpx.get(f"{told.url}/metrics", headers={"Accept": OPENMETRICS}, trust_env=False, timeout=30)
    rich = counted(openmetrics(answer.text))  # type: ignore[no-untyped-call] # the client's reader has no types
    assert plain == rich
    assert any(name == "dora_deployments_total" for name, _ in plain)


def test_the_queries_of_the_documents_are_promql(tmp_path: Path) -> None:
    document = (ROOT / "docs" / "metrics.md").read_text()
    queries = re.findall(r"^```promql\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    assert len(queries) > 10
    rules = [{"record": f"document:query:{number}", "expr": query} for number, query in enumerate(queries)]
    # JSON is YAML.
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "documents", "rules": rules}]}))
    subprocess.run(["promtool", "check", "rules", str(tmp_path / "rules.yml")], check=True)


def test_the_scrape_configuration_is_one() -> None:
    subprocess.run(["promtool", "check", "config", "deploy/prometheus/prometheus.yml"], cwd=ROOT, check=True)
