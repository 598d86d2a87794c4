"""The manifests for ECS, Cloud Run, Container Apps and systemd: true to what the service listens to and reads."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import frozen

from dora import composition
from tests.unit.deploy.settings_of import DEPLOY, PATHS, ROOT, SECRETS, known, made_up, understood

Json = dict[str, Any]

ECS = ("ecs/task-definition-s3.json", "ecs/task-definition-efs.json")
AZURE = ("azure/containerapp-blob.yaml", "azure/containerapp-volume.yaml")
CLOUD_RUN, CLOUD_RUN_REDIS = "cloudrun/service.yaml", "cloudrun/service-redis.yaml"
FILES = sorted(
    path for folder in ("ecs", "cloudrun", "azure", "systemd") for path in (DEPLOY / folder).iterdir() if path.is_file()
)


DOCUMENT = ROOT / "docs/deployment.md"


def read(name: str) -> Json:
    text = (DEPLOY / name).read_text()
    found: Json = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
    return found


@frozen
class Deployed:
    """What a manifest says of the service's container, whatever the cloud's words for it are."""

    container: Json
    plain: dict[str, str]
    """Variables with their values."""
    secret: tuple[str, ...]
    """Variables whose values come from a store of secrets."""
    ports: set[int]
    """Every port that is named."""
    probes: dict[str, str]
    """By what it is for, the path that is asked."""


def ecs(name: str) -> Deployed:
    (container,) = read(name)["containerDefinitions"]
    target = read("ecs/target-group.json")
    (balanced,) = read("ecs/service.json")["loadBalancers"]
    asked = re.findall(r"'([\d.]+)', (\d+)|'GET', '([^']+)'", container["healthCheck"]["command"][-1])
    return Deployed(
        container=container,
        plain={entry["name"]: entry["value"] for entry in container["environment"]},
        secret=tuple(entry["name"] for entry in container["secrets"]),
        ports={
            container["portMappings"][0]["containerPort"],
            balanced["containerPort"],
            target["Port"],
            int(asked[0][1]),
        },
        probes={"liveness": asked[1][2], "readiness": target["HealthCheckPath"]},
    )


def azure(name: str) -> Deployed:
    properties = read(name)["properties"]
    (container,) = properties["template"]["containers"]
    return Deployed(
        container=container,
        plain={entry["name"]: entry["value"] for entry in container["env"] if "value" in entry},
        secret=tuple(entry["name"] for entry in container["env"] if "secretRef" in entry),
        ports={properties["configuration"]["ingress"]["targetPort"]}
        | {probe["httpGet"]["port"] for probe in container["probes"]},
        probes={probe["type"].lower(): probe["httpGet"]["path"] for probe in container["probes"]},
    )


def cloud_run(name: str) -> Deployed:
    container, _ = read(name)["spec"]["template"]["spec"]["containers"]
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness")}
    return Deployed(
        container=container,
        plain={entry["name"]: entry["value"] for entry in container["env"] if "value" in entry},
        secret=tuple(entry["name"] for entry in container["env"] if "valueFrom" in entry),
        ports={container["ports"][0]["containerPort"]} | {probe["port"] for probe in probes.values()},
        # There is no readiness there: a revision is ready once it has started.
        probes={"liveness": probes["liveness"]["path"], "readiness": probes["startup"]["path"]},
    )


def deployed(name: str) -> Deployed:
    return {"ecs": ecs, "azure": azure, "cloudrun": cloud_run}[name.partition("/")[0]](name)


STATES = {
    "ecs/task-definition-s3.json": "s3://BUCKET/dora",
    "ecs/task-definition-efs.json": "file:///var/lib/dora",
    "azure/containerapp-blob.yaml": "az://CONTAINER/dora",
    "azure/containerapp-volume.yaml": "file:///var/lib/dora",
    CLOUD_RUN: "gs://BUCKET/dora",
    CLOUD_RUN_REDIS: "redis://REDIS_ADDRESS:6379/0",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_file_can_be_read_and_is_named_in_the_document(path: Path) -> None:
    name = str(path.relative_to(DEPLOY))
    assert path.suffix in {".service", ".conf"} or read(name)
    assert f"deploy/{name}" in DOCUMENT.read_text()


@pytest.mark.parametrize("name", [*STATES, "ecs/task-role-policy.json", "ecs/service.json", "cloudrun/url-map.yaml"])
def test_filling_a_manifest_leaves_no_word_open_and_puts_no_secret_into_it(name: str) -> None:
    (function,) = re.findall(r"^```sh\n(fill\(\) .*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    words = {"ACCOUNT", "REGION", "BUCKET", "CONTAINER", "PROJECT", "STORAGE_ACCOUNT", "KEY_VAULT_URL"}
    words |= set(
        re.findall(r"\b[A-Z]+(?:_[A-Z]+)*_(?:ID|ARN|GROUP|POINT|SYSTEM|SIDECAR|A|B)\b", (DEPLOY / name).read_text())
    )
    words |= {"VPC", "CLUSTER", "LOCATION", "REGISTRY", "NETWORK", "SUBNETWORK", "REDIS_ADDRESS"}
    given = (
        dict.fromkeys(words, "filled") | dict.fromkeys(SECRETS, "leaked") | {"AWS_REGION": "leaked", "IMAGE": "a/b:1"}
    )
    filled = subprocess.run(
        ["bash", "-ec", f"{function}\nfill {name}"],
        cwd=DEPLOY,
        env={"PATH": os.defpath} | given,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    told = "\n".join(line for line in filled.splitlines() if not line.lstrip().startswith("#"))
    assert not re.findall(rf"\b(?:{'|'.join(sorted(words))})\b", told)
    assert "leaked" not in told
    assert yaml.safe_load(filled)


@pytest.mark.parametrize("name", STATES)
def test_the_service_understands_its_settings_and_listens_where_it_is_asked(name: str) -> None:
    found = deployed(name)
    assert all(map(known, (*found.plain, *found.secret)))
    settings = understood(found.plain | {variable: made_up(variable) for variable in found.secret})
    assert settings.warnings == []
    assert settings.state == STATES[name]
    assert found.ports == {settings.port}


@pytest.mark.parametrize("name", STATES)
def test_secrets_come_from_a_store_of_secrets(name: str) -> None:
    found = deployed(name)
    assert "WEBHOOK_SECRET" in found.secret
    assert not found.plain.keys() & SECRETS


@pytest.mark.parametrize("name", STATES)
def test_probes_ask_what_the_service_answers(name: str) -> None:
    probes = deployed(name).probes
    assert (probes["liveness"], probes["readiness"]) == ("/healthz", "/readyz")
    assert set(probes.values()) <= PATHS


@pytest.mark.parametrize("name", STATES)
def test_the_image_is_tagged_with_the_projects_version(name: str) -> None:
    assert deployed(name).container["image"] == f"dora-observer:{composition.version()}"


@pytest.mark.parametrize("name", ECS)
def test_tasks_of_ecs_are_confined(name: str) -> None:
    container = deployed(name).container
    assert container["user"] == "10001:10001"
    assert container["readonlyRootFilesystem"] is True
    assert container["linuxParameters"] == {"capabilities": {"drop": ["ALL"]}}


def test_the_two_tasks_of_ecs_differ_in_their_state_alone() -> None:
    bucket, volume = map(read, ECS)
    assert volume.pop("volumes")[0]["efsVolumeConfiguration"]["transitEncryption"] == "ENABLED"
    (mounted,) = volume["containerDefinitions"][0].pop("mountPoints")
    assert mounted == {"sourceVolume": "state", "containerPath": "/var/lib/dora", "readOnly": False}
    for task in (bucket, volume):
        del task["containerDefinitions"][0]["environment"]
    assert bucket == volume


def test_the_role_of_the_task_reads_lists_creates_and_deletes_below_the_prefix() -> None:
    objects, names = read("ecs/task-role-policy.json")["Statement"]
    _, _, bucket, prefix = STATES[ECS[0]].split("/")
    assert objects["Action"] == ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    assert objects["Resource"] == f"arn:aws:s3:::{bucket}/{prefix}/*"
    assert (names["Action"], names["Resource"]) == ("s3:ListBucket", f"arn:aws:s3:::{bucket}")


@pytest.mark.parametrize("name", AZURE)
def test_secrets_of_container_apps_are_defined(name: str) -> None:
    defined = {secret["name"] for secret in read(name)["properties"]["configuration"]["secrets"]}
    assert {entry["secretRef"] for entry in deployed(name).container["env"] if "secretRef" in entry} == defined


@pytest.mark.parametrize("name", AZURE)
def test_one_replica_of_a_container_app_never_sleeps_and_its_metrics_want_a_token(name: str) -> None:
    assert read(name)["properties"]["template"]["scale"] == {"minReplicas": 1, "maxReplicas": 1}
    assert "DORA_METRICS_TOKEN" in deployed(name).secret


def test_the_volume_of_the_container_app_is_mounted_where_the_state_is() -> None:
    template = read(AZURE[1])["properties"]["template"]
    (volume,) = template["volumes"]
    assert template["containers"][0]["volumeMounts"] == [{"volumeName": volume["name"], "mountPath": "/var/lib/dora"}]
    assert "uid=10001,gid=10001" in volume["mountOptions"]


@pytest.mark.parametrize("name", [CLOUD_RUN, CLOUD_RUN_REDIS])
def test_one_instance_on_cloud_run_never_sleeps_and_works_between_requests(name: str) -> None:
    annotations = read(name)["spec"]["template"]["metadata"]["annotations"]
    assert annotations["autoscaling.knative.dev/minScale"] == annotations["autoscaling.knative.dev/maxScale"] == "1"
    assert annotations["run.googleapis.com/cpu-throttling"] == "false"
    _, collector = read(name)["spec"]["template"]["spec"]["containers"]
    order = json.loads(annotations["run.googleapis.com/container-dependencies"])
    assert order == {collector["name"]: [deployed(name).container["name"]]}


def test_the_two_services_of_cloud_run_differ_in_their_state_and_the_way_to_it_alone() -> None:
    bucket, redis = (read(name)["spec"]["template"] for name in (CLOUD_RUN, CLOUD_RUN_REDIS))
    for annotation in ("network-interfaces", "vpc-access-egress"):
        del redis["metadata"]["annotations"][f"run.googleapis.com/{annotation}"]
    for template in (bucket, redis):
        del template["spec"]["containers"][0]["env"][0]
    assert bucket == redis


def test_the_load_balancer_of_cloud_run_forwards_the_two_doors_alone() -> None:
    mapped = read("cloudrun/url-map.yaml")
    (matcher,) = mapped["pathMatchers"]
    assert {path for rule in matcher["pathRules"] for path in rule["paths"]} == {"/webhooks/github", "/api/event"}
    for place in (mapped, matcher):
        assert place["defaultRouteAction"]["faultInjectionPolicy"]["abort"] == {"httpStatus": 404, "percentage": 100}


def test_whoever_scrapes_asks_for_both_paths() -> None:
    endpoints = read("cloudrun/run-monitoring.yaml")["spec"]["endpoints"]
    assert {(endpoint["port"], endpoint["path"]) for endpoint in endpoints} == {
        (8080, "/metrics"),
        (8080, "/internal/metrics"),
    }
    for name in ("ecs/prometheus.yml", "azure/prometheus.yml"):
        jobs = {job["job_name"]: job["metrics_path"] for job in read(name)["scrape_configs"]}
        assert jobs == {"dora": "/metrics", "dora-internal": "/internal/metrics"}


def unit() -> dict[str, list[str]]:
    """Return the unit's settings: by name, every value."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd/dora-observer.service").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_of_systemd_gives_settings_that_the_service_understands(tmp_path: Path) -> None:
    (credential,) = unit()["LoadCredential"]
    (tmp_path / credential.partition(":")[0]).write_text("made-up\n")
    given = dict(entry.replace("%d", str(tmp_path)).split("=", 1) for entry in unit()["Environment"])
    assert all(map(known, given))
    settings = understood(given)
    assert settings.warnings == []
    assert settings.state == f"file:///var/lib/{unit()['StateDirectory'][0]}"
    site = (DEPLOY / "systemd/nginx.conf").read_text()
    assert set(re.findall(r"proxy_pass http://127.0.0.1:(\d+);", site)) == {str(settings.port)}


def test_nginx_forwards_the_two_doors_alone() -> None:
    site = (DEPLOY / "systemd/nginx.conf").read_text()
    blocks = dict(re.findall(r"location (= \S+|\S+) \{([^}]*)\}", site))
    assert {place for place, block in blocks.items() if "proxy_pass" in block} == {"= /webhooks/github", "= /api/event"}
    assert "return 404" in blocks["/"]


def test_the_unit_of_systemd_is_confined_and_starts_again_where_that_helps() -> None:
    settings = unit()
    for name in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
        assert settings[name] == ["yes"], name
    assert settings["ProtectSystem"] == ["strict"]
    assert settings["CapabilityBoundingSet"] == [""]
    assert settings["Restart"] == ["on-failure"]
    # dora.cli: settings that cannot be used, and a state that cannot be used.
    assert settings["RestartPreventExitStatus"] == ["2 4"]
