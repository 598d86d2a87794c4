"""Section 1: settings, from outside: exit codes, messages, and what each decides at the door."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import (
    ROOT,
    SECRET,
    Chain,
    command,
    commit,
    environ,
    refused,
    serving,
    sign,
    told,
)
from tests.contract.servers import free_port


def test_all_problems_are_reported_together_one_line_each_never_a_value() -> None:
    code, said = refused(
        {
            "DORA_BIND": "leak-bind",
            "DORA_MAX_COMMITS": "leak-commits",
            "DORA_MAX_REPOSITORIES": "-5",
            "DORA_ZERO_HOLD": "leak-hold",
            "DORA_MAX_EVENT_AGE": "leak-age",
            "DORA_LOG_LEVEL": "leak-level",
            "DORA_LOG_FORMAT": "leak-format",
            "DORA_STATE": "leak-state",
            "DORA_API_TOKENS": "leak-token",
            "DORA_ENVIRONMENTS": "leak={service}-{service}",
            "GITHUB_API_URL": "leak-url",
            "GITHUB_TOKEN": "a",
            "GITHUB_TOKEN_FILE": "b",
            "DORA_RECONCILE": "leak-reconcile",
        }
    )
    assert code == 2
    assert "leak" not in said
    for name in (
        "WEBHOOK_SECRET",
        "DORA_BIND",
        "DORA_MAX_COMMITS",
        "DORA_MAX_REPOSITORIES",
        "DORA_ZERO_HOLD",
        "DORA_MAX_EVENT_AGE",
        "DORA_LOG_LEVEL",
        "DORA_LOG_FORMAT",
        "DORA_STATE",
        "DORA_API_TOKENS",
        "DORA_ENVIRONMENTS",
        "GITHUB_API_URL",
        "GITHUB_TOKEN",
        "DORA_RECONCILE",
    ):
        assert sum(line.startswith(f"dora: {name}: ") for line in said.splitlines()) == 1, (name, said)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"WEBHOOK_SECRET": ""},
        {"WEBHOOK_SECRET": "x", "WEBHOOK_SECRET_FILE": "y"},
        {"WEBHOOK_SECRET_FILE": "/nonexistent/leak"},
        {"WEBHOOK_SECRET": "x", "PORT": "leak"},
        {"WEBHOOK_SECRET": "x", "DORA_BIND": "1.2.3.4:99999"},
        {"WEBHOOK_SECRET": "x", "GITHUB_APP_ID": "12"},
        {"WEBHOOK_SECRET": "x", "GITHUB_APP_PRIVATE_KEY": "leak"},
        {"WEBHOOK_SECRET": "x", "DORA_STATE": "ftp://leak"},
        {"WEBHOOK_SECRET": "x", "DORA_API_TOKENS": "a:leak,a:leak2"},
    ],
)
def test_what_cannot_start_ends_with_code_2(settings: dict[str, str]) -> None:
    code, said = refused(settings)
    assert code == 2
    assert "leak" not in said
    assert "Traceback" not in said


def test_looking_up_what_was_missed_without_a_token_is_refused_plainly() -> None:
    code, said = refused({"WEBHOOK_SECRET": "x", "DORA_RECONCILE": "1h"})
    assert code == 2
    assert "DORA_RECONCILE" in said
    assert "GITHUB_TOKEN" in said


def test_any_variable_can_come_from_a_file_less_one_newline(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "tokens").write_text("ci:other-token\n")
    (tmp_path / "level").write_text("debug\n")
    with serving(
        WEBHOOK_SECRET="",
        WEBHOOK_SECRET_FILE=str(tmp_path / "secret"),
        DORA_API_TOKENS="",
        DORA_API_TOKENS_FILE=str(tmp_path / "tokens"),
        DORA_LOG_LEVEL_FILE=str(tmp_path / "level"),
    ) as service:
        assert service.deliver_bytes("ping", b"{}").status_code == 200
        assert service.push({}, Authorization="Bearer other-token").status_code == 422


def test_unknown_dora_variables_are_warned_about() -> None:
    with serving(DORA_PORT_8080_TCP="tcp://leak-me", DORA_SERVICE_HOST="leak-me") as service:
        assert "DORA_PORT_8080_TCP" in service.log()
        assert "DORA_SERVICE_HOST" in service.log()
        assert "leak-me" not in service.log()


def test_port_replaces_the_port_if_bind_is_unset() -> None:
    port = free_port()
    process = subprocess.Popen(
        command(),
        cwd=ROOT,
        env=environ({"WEBHOOK_SECRET": "x", "PORT": str(port)}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        answer = None
        while answer is None and time.monotonic() < deadline:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=30)
            except httpx.TransportError:
                time.sleep(0.05)
        assert answer is not None
        assert answer.status_code == 200
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_memory_and_a_missing_token_are_said_once_in_json_lines_to_stderr() -> None:
    with serving(DORA_LOG_LEVEL="debug") as service:
        repo = service.repository()
        repo.push("base", [commit("A", committed=1)])
        repo.merge(1, "A", 1)
        repo.deploy(1, "A", 2)
        service.push({"x": "leak"}, Authorization="Bearer leak-token")
        service.deliver_bytes("ping", b"{", X_Hub_Signature_256="sha256=leak")
        log = service.log()
    lines = [json.loads(line) for line in log.splitlines()]
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    assert sum("memory" in line["event"] for line in lines) == 1
    assert sum("token" in line["event"].lower() for line in lines) == 1
    for secret in (SECRET, "made-up-token", "mail.example", "leak", "Ann Author"):
        assert secret not in log


def test_environments_by_template_first_match_wins_case_insensitively() -> None:
    with serving(
        DORA_ENVIRONMENTS="production={service}-prod,production=prod*,staging,live={service}*-live"
    ) as service:
        repo = service.repository()
        for number, (name, chain) in enumerate(
            {
                "web-prod": ("production", "web"),
                "API-Prod": ("production", "API"),
                "production": ("production", ""),
                "PROD-eu": ("production", ""),
                "Staging": ("staging", ""),
                "a-b-prod": ("production", "a-b"),
                "xyz-live": ("live", "x"),
            }.items(),
            1,
        ):
            assert repo.deploy(number, "A", number, environment=name) == "accepted", name
            assert repo.chain(*chain).success >= 1, name
        for name in ("preview", "-prod", "staging-2", "dev"):
            assert repo.deploy(99, "A", 99, environment=name) == "ignored: environment", name
        assert repo.deploy(98, "A", 99, environment="pr-1-prod", transient_environment=True) == "accepted"
        assert repo.deploy(97, "A", 99, environment="pr-1", transient_environment=True) == "ignored: environment"
        # Pushed: a label is taken as that label before templates; a sent service wins.
        assert repo.pushed("p1", "A", 100, environment="production", service="x") == "counted"
        assert repo.chain("production", "x").success == 1
        assert repo.pushed("p2", "A", 100, environment="web-prod", service="y") == "counted"
        assert repo.chain("production", "y").success == 1
        assert repo.pushed("p3", "A", 100, environment="web2-prod") == "counted"
        assert repo.chain("production", "web2").success == 1
        assert repo.pushed("p4", "A", 100, environment="nowhere").startswith("ignored")


def test_repositories_are_globs_and_names_are_registered_at_start() -> None:
    with serving(DORA_REPOSITORIES="acme/web,Acme/api-*") as service:
        scrape = service.scrape()
        assert scrape.value("dora_changes_merged_total", repository="acme/web") == 0
        assert service.repository("ACME/API-1").deploy(1, "A", 1) == "accepted"
        assert service.repository("acme/other").deploy(1, "A", 1) == "ignored: repository"
        assert service.repository("acme/web").deploy(1, "A", 1) == "accepted"
        assert service.repository("acme/other").pushed("1", "A", 1).startswith("ignored")
        assert not service.scrape().of_repository("acme/other")
        assert "acme/other" not in service.http.get("/internal/metrics").text


def test_max_repositories_ignores_a_new_one_with_a_warning() -> None:
    with serving(DORA_MAX_REPOSITORIES="2") as service:
        first, second, third = (service.repository() for _ in range(3))
        assert first.deploy(1, "A", 1) == "accepted"
        assert second.deploy(1, "A", 1) == "accepted"
        assert third.deploy(1, "A", 1) == "ignored: limit"
        assert third.pushed("1", "A", 1) == "ignored: limit"
        assert first.deploy(2, "A", 2) == "accepted"
        assert not service.scrape().of_repository(third.name)
        assert '"warning"' in service.log()
        assert "limit" in service.log()


def test_50_environments_a_repository_with_production_and_listed_ones_always_admitted() -> None:
    with serving() as service:
        repo = service.repository()
        for number in range(50):
            assert repo.deploy(number, "A", 1, environment=f"e{number}") == "accepted"
        assert repo.deploy(60, "A", 1, environment="e50") == "ignored: limit"
        assert repo.deploy(60, "A", 1, environment="e51", state="pending").startswith("ignored")
        assert not service.scrape(only=repo.name).select("dora_deployments_total", environment="e51")
        assert repo.deploy(61, "A", 1) == "accepted"
        assert repo.deploy(62, "A", 2, environment="e49") == "accepted"
        assert repo.pushed("p", "A", 1, environment="e52") == "ignored: limit"
        other = service.repository()
        assert other.deploy(1, "A", 1, environment="e50") == "accepted"


def test_branches_are_globs_of_tracked_branches() -> None:
    with serving(DORA_BRANCHES="main,release/*") as service:
        repo = service.repository()
        repo.default_branch = "develop"
        repo.merge(1, "A", 1, base="main")
        repo.merge(2, "B", 1, base="release/1.0")
        repo.merge(3, "C", 1, base="develop")
        assert repo.value("dora_changes_merged_total") == 2


def test_labels_and_branches_of_hotfixes_and_incidents() -> None:
    with serving(
        DORA_HOTFIX_LABELS="urgent", DORA_HOTFIX_BRANCHES="fire/*", DORA_INCIDENT_LABELS="outage,sev1"
    ) as service:
        for marks, failed in (
            ({"labels": ["urgent"]}, 1),
            ({"head": "fire/1"}, 1),
            ({"labels": ["hotfix"], "head": "hotfix/1"}, 0),
        ):
            repo = service.repository()
            repo.squash(1, "base", "A", 1)
            repo.deploy(1, "A", 2)
            repo.squash(2, "A", "B", 3, **marks)
            repo.deploy(2, "B", 4)
            assert repo.chain().rework == failed, marks
        repo = service.repository()
        repo.deploy(1, "A", 1)
        assert repo.issue("opened", 1, opened=2).startswith("ignored")
        assert repo.issue("opened", 2, opened=2, labels=["SEV1"]) == "accepted"
        assert repo.chain().failures == {"incident": 1}


def test_too_old_is_kept_for_linking_and_not_counted() -> None:
    now = datetime.now(tz=UTC)

    def ago(hours: float) -> str:
        return (now - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")

    with serving(DORA_MAX_EVENT_AGE="24h") as service:
        repo = service.repository()
        old = repo.status(1, "A", 0)
        old["deployment_status"]["created_at"] = ago(48)
        assert told(service.deliver("deployment_status", old)) == "ignored: too_old"
        assert repo.value("dora_deployments_total", environment="production", service="", result="success") == 0
        merge = repo.pull_request(1, "B", 0)
        merge["pull_request"] |= {"created_at": ago(60), "merged_at": ago(30)}
        assert told(service.deliver("pull_request", merge)) == "ignored: too_old"
        assert repo.value("dora_changes_merged_total") == 0
        new = repo.status(2, "B", 0)
        new["deployment_status"]["created_at"] = ago(1)
        assert repo.push("A", [commit("B", committed=0) | {"timestamp": ago(30)}]) == "accepted"
        assert told(service.deliver("deployment_status", new)) == "accepted"
        chain = repo.chain()
        assert chain.success == 1
        assert chain.lead[0] == 1
        assert abs(chain.lead[1] - 29 * 3600) < 2
        assert chain.unknown == {}


def test_max_commits_takes_all_as_deployed() -> None:
    with serving(DORA_MAX_COMMITS="3") as service:
        repo = service.repository()
        repo.push("older", [commit("base", committed=1)])
        repo.deploy(1, "base", 2)
        repo.push("base", [commit(f"c{n}", committed=10 + n) for n in range(4)])
        repo.deploy(2, "c3", 20)
        assert repo.chain() == Chain(success=2, lead=(1, 60), commit_lead=(1, 60), unknown={"too_many_commits": 1})
        repo.push("c3", [commit("d", committed=25)])
        repo.deploy(3, "d", 30)
        assert repo.chain().lead == (2, 360)
        repo.deploy(4, "c1", 40)
        assert repo.chain().lead == (2, 360)


def test_sigterm_answers_what_was_begun_and_ends_with_0() -> None:
    with serving() as service:
        repo = service.repository()
        body = json.dumps(repo.status(1, "A", 5)).encode()
        head = (
            "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            "X-GitHub-Event: deployment_status\r\n"
            f"X-Hub-Signature-256: {sign(body)}\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        ).encode()
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as peer:
            peer.sendall(head)
            assert peer.recv(65536).startswith(b"HTTP/1.1 100 "), "it has begun to read"
            peer.sendall(body[:10])
            service.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 30
            while '"draining"' not in service.log() and time.monotonic() < deadline:
                time.sleep(0.02)
            peer.sendall(body[10:])
            said = peer.recv(65536)
        assert said.split(b" ")[1] in {b"202", b"503"}, said
        assert said.split(b" ")[1] == b"202" or b"retry-after" in said.lower()
        assert service.process.wait(30) == 0
