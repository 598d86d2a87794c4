"""deploy/kubernetes: valid, confined, and true to what the service listens to and reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it has no types of its own, and no stubs
import pytest
import yaml

from dora import composition
from tests.unit.deploy.kustomize import Resource, containers, pod, render
from tests.unit.deploy.settings_of import DEPLOY, PATHS, known, made_up, understood

KUBERNETES = DEPLOY / "kubernetes"
INSTALLED = ("base", "overlays/volume", "overlays/redis")
MONITORED = ("monitoring/pod", "monitoring/service")
VERSION = kubernetes_validate.latest_version()
RENDERED = {name: render(KUBERNETES / name) for name in (*INSTALLED, *MONITORED)}


def one(name: str, kind: str, named: str = "dora-observer") -> Resource:
    (found,) = (r for r in RENDERED[name] if (r["kind"], r["metadata"]["name"]) == (kind, named))
    return found


def pods(name: str) -> list[Resource]:
    return [resource for resource in RENDERED[name] if pod(resource)]


def labelled(selector: dict[str, Any], resource: Resource) -> bool:
    labels = resource["spec"]["template"]["metadata"]["labels"]
    return bool(selector["matchLabels"].items() <= labels.items())


def environment(name: str) -> dict[str, str]:
    (container,) = containers(one(name, "Deployment"))
    # The URL of Redis comes whole out of the secret, as docs/deployment.md makes it.
    urls = {"redis-url": "redis://:made-up@dora-redis:6379/0"}
    return {
        entry["name"]: entry["value"]
        if "value" in entry
        else urls.get(entry["valueFrom"]["secretKeyRef"]["key"], made_up(entry["name"]))
        for entry in container["env"]
    }


def test_every_file_belongs_to_a_kustomization() -> None:
    used: set[Path] = set()
    for file in KUBERNETES.rglob("kustomization.yaml"):
        described = yaml.safe_load(file.read_text())
        named = [*described["resources"], *(patch["path"] for patch in described.get("patches", []))]
        used |= {file, *((file.parent / name).resolve() for name in named)}
    assert {path for path in KUBERNETES.rglob("*") if path.is_file()} == {path for path in used if path.is_file()}


@pytest.mark.parametrize("name", INSTALLED)
def test_kubernetes_own_schemas_allow_it_strictly(name: str) -> None:
    for resource in RENDERED[name]:
        kubernetes_validate.validate(resource, VERSION, strict=True)


def test_the_strict_validation_finds_a_misspelt_field() -> None:
    misspelt = {**one("base", "Service"), "sepc": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, VERSION, strict=True)


@pytest.mark.parametrize("name", INSTALLED)
def test_pods_are_as_confined_as_the_restricted_standard_wants(name: str) -> None:
    assert one(name, "Namespace", "dora")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for resource in pods(name):
        described = pod(resource)
        assert described["securityContext"]["runAsNonRoot"] is True
        assert described["securityContext"]["runAsUser"] > 0
        assert described["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert described["automountServiceAccountToken"] is False
        for container in containers(resource):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert ":" in container["image"]


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("base", "memory:"),
        ("overlays/volume", "file:///var/lib/dora"),
        ("overlays/redis", "redis://:made-up@dora-redis:6379/0"),
    ],
)
def test_the_service_understands_its_settings_and_listens_where_it_is_asked(name: str, state: str) -> None:
    given = environment(name)
    assert all(map(known, given))
    settings = understood(given)
    assert settings.warnings == []
    assert settings.state == state
    (container,) = containers(one(name, "Deployment"))
    assert container["ports"] == [{"name": "http", "containerPort": settings.port}]
    (port,) = one(name, "Service")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (settings.port, "http")


@pytest.mark.parametrize("name", INSTALLED)
def test_probes_ask_what_the_service_answers(name: str) -> None:
    (container,) = containers(one(name, "Deployment"))
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: probe["path"] for kind, probe in asked.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert all(probe["port"] == "http" for probe in asked.values())


def test_the_image_is_tagged_with_the_projects_version() -> None:
    (container,) = containers(one("base", "Deployment"))
    assert container["image"] == f"dora-observer:{composition.version()}"


@pytest.mark.parametrize("name", INSTALLED)
def test_only_the_two_doors_are_reached_from_outside(name: str) -> None:
    (rule,) = one(name, "Ingress")["spec"]["rules"]
    paths = {path["path"]: path for path in rule["http"]["paths"]}
    assert paths.keys() == {"/webhooks/github", "/api/event"}
    assert paths.keys() <= PATHS
    for path in paths.values():
        assert path["pathType"] == "Exact"
        assert path["backend"]["service"] == {"name": "dora-observer", "port": {"name": "http"}}


@pytest.mark.parametrize("name", INSTALLED)
def test_selectors_select_pods(name: str) -> None:
    for resource in RENDERED[name]:
        spec = resource.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector")
        if selector is None:
            continue
        selector = selector if "matchLabels" in selector else {"matchLabels": selector}
        assert [labelled(selector, other) for other in pods(name)].count(True) == 1, resource["metadata"]["name"]


@pytest.mark.parametrize("name", ["base", "overlays/volume"])
def test_where_one_process_may_write_the_old_one_ends_first(name: str) -> None:
    spec = one(name, "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_volume_is_claimed_and_mounted_where_the_state_is() -> None:
    described = pod(one("overlays/volume", "Deployment"))
    claim = one("overlays/volume", "PersistentVolumeClaim")["metadata"]["name"]
    assert described["volumes"] == [{"name": "state", "persistentVolumeClaim": {"claimName": claim}}]
    assert described["containers"][0]["volumeMounts"] == [{"name": "state", "mountPath": "/var/lib/dora"}]
    assert described["securityContext"]["fsGroup"] == described["securityContext"]["runAsGroup"]


def test_replicas_on_redis_are_replaced_one_by_one() -> None:
    spec = one("overlays/redis", "Deployment")["spec"]
    assert spec["replicas"] > one("overlays/redis", "PodDisruptionBudget")["spec"]["minAvailable"] > 0
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_redis_is_told_to_lose_nothing_and_only_the_service_reaches_it() -> None:
    (container,) = containers(one("overlays/redis", "StatefulSet", "dora-redis"))
    told = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    assert told["--appendonly"] == "yes"
    assert told["--appendfsync"] == "always"
    assert told["--maxmemory-policy"] == "noeviction"
    (rule,) = one("overlays/redis", "NetworkPolicy", "dora-redis")["spec"]["ingress"]
    assert labelled(rule["from"][0]["podSelector"], one("overlays/redis", "Deployment"))
    (out,) = (rule for rule in one("overlays/redis", "NetworkPolicy")["spec"]["egress"] if "to" in rule)
    assert labelled(out["to"][0]["podSelector"], one("overlays/redis", "StatefulSet", "dora-redis"))


@pytest.mark.parametrize("name", MONITORED)
def test_prometheus_operator_scrapes_both_paths_under_the_names_that_the_alerts_know(name: str) -> None:
    jobs = {}
    for resource in RENDERED[name]:
        spec = resource["spec"]
        endpoints = spec.get("podMetricsEndpoints", [{"path": spec.get("metricsPath"), **spec}])
        for endpoint in endpoints:
            (job,) = (rule["replacement"] for rule in endpoint["relabelings"] if rule.get("targetLabel") == "job")
            jobs[job] = endpoint["path"]
            if resource["kind"] == "PodMonitor":
                assert endpoint["port"] == "http"
                assert labelled(spec["selector"], one("base", "Deployment"))
            else:
                assert spec["staticConfigs"] == [{"targets": ["dora-observer.dora.svc:8080"]}]
    assert jobs == {"dora": "/metrics", "dora-internal": "/internal/metrics"}
    assert set(jobs.values()) <= PATHS


def test_a_new_pod_goes_on_with_the_same_series() -> None:
    endpoints = one("monitoring/pod", "PodMonitor")["spec"]["podMetricsEndpoints"]
    (metrics,) = (endpoint for endpoint in endpoints if endpoint["path"] == "/metrics")
    assert {"action": "labeldrop", "regex": "pod|container|endpoint"} in metrics["relabelings"]
    assert {rule["targetLabel"] for rule in metrics["relabelings"] if "targetLabel" in rule} == {"job", "instance"}
