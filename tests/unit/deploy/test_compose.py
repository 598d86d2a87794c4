"""compose.yaml: what it mounts exists, what it gives the service is understood, and nothing is left open."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.settings_of import PATHS, ROOT, known, understood

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())


def test_the_compose_specification_allows_it() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def mounts(name: str) -> dict[str, str]:
    """Return by place in the container what is mounted there."""
    return {mount.split(":")[1]: mount.split(":")[0] for mount in SERVICES[name].get("volumes", [])}


def filled(value: str) -> str:
    """Return what compose makes of a value when the operator sets only what is required."""
    return re.sub(r"\$\{\w+(:[-?])([^}]*)\}", lambda found: found[2] if found[1] == ":-" else "made-up", value)


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists(name: str) -> None:
    for source in mounts(name).values():
        if source.startswith("."):
            assert (ROOT / source).exists(), source
        else:
            assert source in COMPOSE["volumes"], source


def test_every_volume_is_used() -> None:
    assert set(COMPOSE["volumes"]) == {
        source for name in SERVICES for source in mounts(name).values() if "." not in source
    }


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit"} <= service.keys()
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    assert re.fullmatch(r"[\w/-]+:(v?\d+\.\d+\.\d+|local)", SERVICES[name]["image"])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"demo"}))
def test_what_goes_on_has_a_health_check_and_comes_back(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_service_understands_what_it_is_given() -> None:
    environment = {name: filled(value) for name, value in SERVICES["app"]["environment"].items()}
    assert all(map(known, environment))
    settings = understood(environment)
    assert settings.state == "file:///var/lib/dora"
    assert mounts("app")["/var/lib/dora"] == "state"
    assert SERVICES["app"]["ports"] == [f"127.0.0.1:8080:{settings.port}"]
    assert settings.warnings == []


def test_no_secret_has_a_value_of_its_own() -> None:
    for name in ("app", "demo"):
        for variable in ("WEBHOOK_SECRET", "GITHUB_TOKEN", "DORA_API_TOKENS"):
            assert SERVICES[name]["environment"].get(variable, "${").startswith("${")


def test_nobody_can_log_into_grafana() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
    assert not [variable for variable in environment if "PASSWORD" in variable]


def test_prometheus_keeps_a_hundred_days_and_reads_exemplars_and_creation_times() -> None:
    command = SERVICES["prometheus"]["command"]
    assert "--storage.tsdb.retention.time=100d" in command
    assert "--enable-feature=exemplar-storage,created-timestamp-zero-ingestion" in command
    (data,) = (place for place, source in mounts("prometheus").items() if source == "prometheus")
    assert f"--storage.tsdb.path={data}" in command


def test_prometheus_finds_its_rules_and_scrapes_what_the_service_serves() -> None:
    scraped = {job["metrics_path"]: job["static_configs"][0]["targets"] for job in PROMETHEUS["scrape_configs"]}
    assert scraped == {"/metrics": ["app:8080"], "/internal/metrics": ["app:8080"]}
    assert scraped.keys() <= PATHS
    mounted = mounts("prometheus")
    assert Path(mounted["/etc/prometheus/prometheus.yml"]) == Path("deploy/prometheus/prometheus.yml")
    for pattern in PROMETHEUS["rule_files"]:
        folder, _, files = pattern.partition("/")
        assert list((ROOT / mounted[f"/etc/prometheus/{folder}"]).glob(files))


def test_grafana_finds_its_data_source_and_its_dashboards() -> None:
    mounted = mounts("grafana")
    provisioning = ROOT / mounted["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards/dora.yml").read_text())["providers"]
    dashboards = sorted((ROOT / mounted[provider["options"]["path"]]).glob("*.json"))
    assert len({json.loads(file.read_text())["uid"] for file in dashboards}) == len(dashboards) > 0
