"""The rules, told by promtool and by real Prometheus servers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from tests.contract.servers import free_port
from tests.system.conftest import ROOT, SECRET, Service, running
from tests.system.prometheus import PROGRAMS, scraping

pytestmark = pytest.mark.system

RULE_TESTS = sorted((ROOT / "tests" / "rules").glob("*.yml"))
IDS = range(len(PROGRAMS))


@pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_rules_say_what_was_worked_out_by_hand(program: str, path: Path) -> None:
    promtool = Path(program).with_name("promtool")
    tested = subprocess.run([promtool, "test", "rules", path.name], cwd=path.parent, capture_output=True, check=False)
    assert tested.returncode == 0, (tested.stdout + tested.stderr).decode()


@pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
@pytest.mark.parametrize(
    "what", [("config", "prometheus.yml"), ("rules", "rules/dora.yml"), ("rules", "rules/alerts.yml")]
)
def test_promtool_finds_nothing_to_mend(program: str, what: tuple[str, str]) -> None:
    kind, name = what
    promtool = Path(program).with_name("promtool")
    checked = subprocess.run(
        [promtool, "check", kind, ROOT / "deploy/prometheus" / name], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "SUCCESS" in checked.stdout
    assert "WARNING" not in checked.stdout + checked.stderr


def deployed(service: Service, number: int) -> None:
    """Deliver a deployment of a chain that the service has not heard of before its first."""
    body = json.dumps(
        {
            "action": "created",
            "repository": {"id": 1, "full_name": "acme/web"},
            "deployment": {"id": number, "sha": f"{number:040x}", "environment": "production"},
            "deployment_status": {"state": "success", "created_at": f"2026-03-02T09:00:{number:02}Z"},
        }
    ).encode()
    headers = {"X-GitHub-Event": "deployment_status", "Content-Type": "application/json", **service.signed(body)}
    answer = httpx.post(f"{service.url}/webhooks/github", content=body, headers=headers, trust_env=False, timeout=30)
    assert answer.is_success, answer.text


def features() -> str:
    """Return the features that compose.yaml switches on."""
    command = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["prometheus"]["command"]
    (chosen,) = (found[1] for found in (re.fullmatch("--enable-feature=(.+)", word) for word in command) if found)
    return chosen


@pytest.mark.skipif(len(PROGRAMS) == 1, reason="DORA_PROMETHEUS names no Prometheus 3, and 2 reads no creation times")
def test_with_creation_times_the_first_step_is_seen_and_whoever_looks_sees_it_at_once(tmp_path: Path) -> None:
    port = free_port()
    # No DORA_ZERO_HOLD: the series is born at 1.
    settings = {"WEBHOOK_SECRET": SECRET, "DORA_BIND": f"127.0.0.1:{port}", "DORA_LOG_LEVEL": "error"}
    with (
        running([sys.executable, "-m", "dora", "serve"], settings, port=port) as service,
        scraping(PROGRAMS[-1], tmp_path, [port], features=features()) as prometheus,
    ):
        assert prometheus.now("dora_deployments_total") == []
        deployed(service, 1)
        series = 'dora_deployments_total{environment="production",repository="acme/web",result="success",service=""}'
        assert f"{series} 1.0" in httpx.get(f"{service.url}/metrics", trust_env=False, timeout=30).text
        prometheus.until(lambda: prometheus.value(series) == 1)
        # The zero was made from the creation time.
        assert prometheus.value(f"min_over_time({series}[1m])") == 0
        recorded = 'repository_environment_service_result:dora_deployments:increase7d{result="success"}'
        prometheus.until(lambda: prometheus.value(recorded) == 1)
        deployed(service, 2)
        prometheus.until(lambda: prometheus.value(recorded) == 2)
        prometheus.until(lambda: (prometheus.value(f"increase({series}[1m])") or 0) > 1)
