"""The push API's examples, copied and run: shell commands, and a workflow's step with an issuer of this machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from tests.contract.servers import free_port
from tests.fakes.issuer import FakeIssuer
from tests.system.conftest import ROOT, SECRET, TOKEN, Service, environment, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.system

DOCUMENT = (ROOT / "docs" / "http-api.md").read_text()
EXAMPLES = re.findall(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
(WORKFLOW,) = re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    fake = FakeIssuer()
    with fake.serving():
        yield fake


@pytest.fixture
def trusting(issuer: FakeIssuer) -> Iterator[Service]:
    port = free_port()
    settings = {
        "WEBHOOK_SECRET": SECRET,
        "DORA_API_TOKENS": f"test:{TOKEN}",
        "DORA_BIND": f"127.0.0.1:{port}",
        "DORA_OIDC_AUDIENCE": "dora",
        "DORA_OIDC_ISSUER": issuer.url,
    }
    with running([sys.executable, "-m", "dora", "serve"], settings, port=port) as started:
        yield started


def shell(script: str, variables: Mapping[str, str]) -> str:
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment(variables),
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


def test_the_commands_print_what_the_document_says(trusting: Service) -> None:
    assert len(EXAMPLES) == 2
    for script, said in EXAMPLES:
        there = script.replace("localhost:8080", f"127.0.0.1:{trusting.port}")
        assert shell(there, {"TOKEN": TOKEN}).strip() == said.strip()


def test_the_workflow_tells_of_its_deployment(issuer: FakeIssuer, trusting: Service) -> None:
    workflow: dict[str, Any] = yaml.safe_load(WORKFLOW)
    assert workflow["permissions"] == {"id-token": "write"}
    (step,) = workflow["steps"]
    given = {"value": issuer.token(repository="acme/deployed")}
    issuer.answers["/token?api-version=2&audience=dora"] = (200, json.dumps(given).encode())
    variables = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.url}/token?api-version=2",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "made-up",
        "GITHUB_REPOSITORY": "acme/deployed",
        "GITHUB_SHA": "7" * 40,
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_RUN_ID": "12",
    }
    told = shell(step["run"], step["env"] | variables | {"OBSERVER": trusting.url})
    assert json.loads(told) == {"status": "counted"}
    metrics = httpx.get(f"{trusting.url}/metrics", trust_env=False, timeout=30).text
    assert (
        'dora_deployments_total{environment="production",repository="acme/deployed",result="success",service=""} 1.0'
        in metrics
    )
