"""A stranger's client of the service: starts `dora serve`, signs, posts and reads the metrics back by a parser."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import httpx
from attrs import Factory, define, frozen
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.contract.servers import free_port

Json: TypeAlias = Any
"""What a payload may hold."""

ROOT = Path(__file__).parents[2]
SECRET = "made-up-secret"
TOKEN = "made-up-token"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
START_SECONDS = 60
DAWN = datetime(2026, 3, 2, tzinfo=UTC)
ZERO = "0" * 40

_numbers = itertools.count(1)


def at(minutes: float) -> str:
    """Return the RFC 3339 time so many minutes after the dawn of every test."""
    return (DAWN + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(minutes: float) -> float:
    return (DAWN + timedelta(minutes=minutes)).timestamp()


def sha(name: object) -> str:
    return hashlib.sha1(str(name).encode(), usedforsecurity=False).hexdigest()


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def commit(name: str, *, committed: float, authored: float | None = None, **more: Json) -> dict[str, Any]:
    """Return a commit of a push: author and committer dates in minutes."""
    authored = committed if authored is None else authored
    return {
        "id": sha(name),
        "timestamp": at(committed),
        "message": f"Work on {name}",
        "distinct": True,
        "author": {"name": "Ann Author", "email": "ann@mail.example", "date": at(authored)},
        "committer": {"name": "Ann Author", "email": "ann@mail.example", "date": at(committed)},
    } | more


@frozen
class Chain:
    """All numbers of one chain; zeros are left out of the mappings. Histograms are (count, sum)."""

    success: float = 0
    failure: float = 0
    lead: tuple[float, float] = (0, 0)
    commit_lead: tuple[float, float] = (0, 0)
    failures: dict[str, float] = Factory(dict)
    recovery: dict[str, tuple[float, float]] = Factory(dict)
    rework: float = 0
    open: float = 0
    unknown: dict[str, float] = Factory(dict)
    pending: float = 0


@frozen
class Scrape:
    """One reading of /metrics as OpenMetrics."""

    text: str
    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], Sample]
    types: Mapping[str, str]

    @classmethod
    def of(cls, text: str) -> Scrape:
        samples = {}
        types = {}
        for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]  # the client's parser has no types
            types[family.name] = family.type
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in samples, f"twice: {key}"
                samples[key] = sample
        return cls(text=text, samples=samples, types=types)

    def value(self, name: str, **labels: str) -> float | None:
        found = self.samples.get((name, frozenset(labels.items())))
        return None if found is None else float(found.value)

    def select(self, name: str, **labels: str) -> list[Sample]:
        wanted = set(labels.items())
        return [s for (n, have), s in self.samples.items() if n == name and wanted <= have]

    def of_repository(self, name: str) -> list[Sample]:
        return [s for s in self.samples.values() if s.labels.get("repository") == name]

    def chain(self, repository: str, environment: str = "production", service: str = "") -> Chain:
        where = {"repository": repository, "environment": environment, "service": service}

        def one(name: str, **more: str) -> float:
            return self.value(name, **where, **more) or 0

        def by(name: str, label: str) -> dict[str, float]:
            return {s.labels[label]: s.value for s in self.select(name, **where) if s.value}

        recovered = by("dora_recovery_time_seconds_count", "cause")
        return Chain(
            success=one("dora_deployments_total", result="success"),
            failure=one("dora_deployments_total", result="failure"),
            lead=(one("dora_lead_time_seconds_count"), one("dora_lead_time_seconds_sum")),
            commit_lead=(one("dora_commit_lead_time_seconds_count"), one("dora_commit_lead_time_seconds_sum")),
            failures=by("dora_change_failures_total", "cause"),
            recovery={c: (n, one("dora_recovery_time_seconds_sum", cause=c)) for c, n in recovered.items()},
            rework=one("dora_rework_deployments_total"),
            open=one("dora_open_failures"),
            unknown=by("dora_lead_time_unknown_total", "reason"),
            pending=one("dora_pending_lookups"),
        )


@define
class Service:
    """A running service."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    http: httpx.Client
    log_path: Path

    def log(self) -> str:
        return self.log_path.read_text()

    def processor_seconds(self) -> float:
        """Return how long it has computed; what else the machine does is not in it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def scrape(self, *, only: str | None = None) -> Scrape:
        """Read /metrics; with `only` a repository's lines of it (the parser is slow)."""
        answer = self.http.get("/metrics", headers={"Accept": OPENMETRICS})
        assert answer.status_code == 200
        if only is None:
            return Scrape.of(answer.text)
        wanted = f'repository="{only}"'
        return Scrape.of("".join(f"{li}\n" for li in answer.text.split("\n") if li.startswith("#") or wanted in li))

    def internal(self, name: str, **labels: str) -> float:
        """Return a number of /internal/metrics, 0 if there is none."""
        from prometheus_client.parser import text_string_to_metric_families as parse  # noqa: PLC0415  another format

        for family in parse(self.http.get("/internal/metrics").text):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return 0

    def deliver_bytes(self, event: str | None, body: bytes, **headers: str) -> httpx.Response:
        given = {"Content-Type": "application/json", "X-Hub-Signature-256": sign(body), "X-GitHub-Delivery": "1-2-3"}
        if event is not None:
            given["X-GitHub-Event"] = event
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post("/webhooks/github", content=body, headers={k: v for k, v in given.items() if v != "-"})

    def deliver(self, event: str, payload: object, **headers: str) -> httpx.Response:
        return self.deliver_bytes(event, json.dumps(payload).encode(), **headers)

    def push_bytes(self, body: bytes, **headers: str) -> httpx.Response:
        given = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post("/api/event", content=body, headers={k: v for k, v in given.items() if v != "-"})

    def push(self, event: object, **headers: str) -> httpx.Response:
        return self.push_bytes(json.dumps(event).encode(), **headers)

    def repository(self, name: str | None = None, *, number: int | None = None) -> Repository:
        unique = next(_numbers)
        return Repository(self, name or f"acme/r{unique}", number or 700_000 + unique)


@define
class Repository:
    """A repository that this client plays."""

    service: Service
    name: str
    number: int
    default_branch: str | None = "main"

    def chain(self, environment: str = "production", service: str = "") -> Chain:
        return self.service.scrape(only=self.name).chain(self.name, environment, service)

    def value(self, name: str, **labels: str) -> float | None:
        return self.service.scrape(only=self.name).value(name, repository=self.name, **labels)

    def described(self) -> dict[str, Any]:
        told: dict[str, Any] = {"id": self.number, "full_name": self.name, "private": True}
        return told if self.default_branch is None else told | {"default_branch": self.default_branch}

    def deliver(self, event: str, payload: dict[str, Any], **headers: str) -> httpx.Response:
        return self.service.deliver(event, {"repository": self.described()} | payload, **headers)

    def status(
        self,
        number: int,
        commit: str,
        minutes: float,
        *,
        state: str = "success",
        environment: str = "production",
        **more: Json,
    ) -> dict[str, Any]:
        """Return a deployment_status payload; `more` goes into the deployment."""
        return {
            "action": "created",
            "repository": self.described(),
            "deployment": {
                "id": number,
                "sha": sha(commit),
                "ref": "main",
                "environment": environment,
                "created_at": at(minutes - 600),
                "transient_environment": False,
                "production_environment": False,
            }
            | more,
            "deployment_status": {
                "id": number * 10,
                "state": state,
                "environment": environment,
                "created_at": at(minutes),
                "updated_at": at(minutes + 999),
            },
        }

    def deploy(self, number: int, commit: str, minutes: float, **more: Json) -> str:
        return told(self.service.deliver("deployment_status", self.status(number, commit, minutes, **more)))

    def pull_request(
        self,
        number: int,
        merge_commit: str,
        merged: float,
        *,
        opened: float = 0,
        base: str = "main",
        head: str = "a-change",
        labels: Sequence[str] = (),
        commits: int | None = 1,
        **more: Json,
    ) -> dict[str, Any]:
        return {
            "action": "closed",
            "number": number,
            "repository": self.described(),
            "pull_request": {
                "number": number,
                "merged": True,
                "created_at": at(opened),
                "merged_at": at(merged),
                "closed_at": at(merged),
                "merge_commit_sha": sha(merge_commit),
                "commits": commits,
                "base": {"ref": base, "sha": sha("base")},
                "head": {"ref": head, "sha": sha(f"head of {number}")},
                "labels": [{"name": name} for name in labels],
                "user": {"login": "ann", "email": "ann@mail.example"},
            }
            | more,
        }

    def merge(self, number: int, merge_commit: str, merged: float, **more: Json) -> str:
        return told(self.service.deliver("pull_request", self.pull_request(number, merge_commit, merged, **more)))

    def push(
        self,
        before: str,
        commits: Sequence[dict[str, Any]],
        *,
        after: str | None = None,
        ref: str = "refs/heads/main",
        **more: Json,
    ) -> str:
        last = sha(after) if after is not None else commits[-1]["id"]
        return told(
            self.deliver(
                "push",
                {
                    "ref": ref,
                    "before": ZERO if before == ZERO else sha(before),
                    "after": last,
                    "created": before == ZERO,
                    "deleted": False,
                    "forced": False,
                    "commits": list(commits),
                    "head_commit": commits[-1] if commits else None,
                }
                | more,
            )
        )

    def squash(self, number: int, before: str, merge_commit: str, merged: float, **more: Json) -> None:
        """Merge a pull request of one commit by squashing, and push it: author date = committer date = the merge."""
        assert self.merge(number, merge_commit, merged, **more) == "accepted"
        assert self.push(before, [commit(merge_commit, committed=merged)]) == "accepted"

    def issue(self, action: str, number: int, *, labels: Sequence[str] = ("incident",), **more: Json) -> str:
        opened = more.pop("opened", 0)
        closed = more.pop("closed", None)
        updated = more.pop("updated", closed if closed is not None else opened)
        return told(
            self.deliver(
                "issues",
                {
                    "action": action,
                    "issue": {
                        "number": number,
                        "created_at": at(opened),
                        "closed_at": None if closed is None else at(closed),
                        "updated_at": at(updated),
                        "state": "open" if closed is None else "closed",
                        "labels": [{"name": name} for name in labels],
                        "user": {"login": "ann"},
                    },
                }
                | more,
            )
        )

    def event(self, type_: str, minutes: float, **fields: Json) -> httpx.Response:
        return self.service.push({"type": type_, "repository": self.name, "occurred_at": at(minutes)} | fields)

    def pushed(self, number: str, commit: str, minutes: float, **fields: Json) -> str:
        return told(self.event("deployment.succeeded", minutes, deployment_id=number, sha=sha(commit), **fields))


def told(answer: httpx.Response) -> str:
    """Return the answer's status word, with its reason if it has one."""
    assert answer.status_code in {200, 201, 202}, (answer.status_code, answer.text)
    body = answer.json()
    assert set(body) <= {"status", "reason"}, body
    word: str = body["status"]
    return word if "reason" not in body else f"{word}: {body['reason']}"


def environ(settings: Mapping[str, str]) -> dict[str, str]:
    ours = ("DORA_", "GITHUB_", "WEBHOOK_", "PORT", "MAKE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | dict(settings)


def command() -> list[str]:
    return [str(Path(sys.executable).parent / "dora"), "serve"]


def refused(settings: Mapping[str, str]) -> tuple[int, str]:
    """Start a service that must refuse to; return its exit code and all it said."""
    done = subprocess.run(
        command(), cwd=ROOT, env=environ(settings), capture_output=True, timeout=START_SECONDS, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode()


@contextmanager
def serving(**settings: str) -> Iterator[Service]:
    """Start a service with the settings, wait until it is ready, and end it by SIGTERM."""
    port = free_port()
    given = {
        "WEBHOOK_SECRET": SECRET,
        "DORA_BIND": f"127.0.0.1:{port}",
        "DORA_API_TOKENS": f"ci:{TOKEN}",
    } | settings
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command(), cwd=ROOT, env=environ(given), stdout=out, stderr=out)
        url = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
                service = Service(url=url, port=port, process=process, http=http, log_path=log)
                await_readiness(service)
                yield service
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0, log.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def await_readiness(service: Service) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert service.process.poll() is None, service.log()
        try:
            if service.http.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise AssertionError(service.log())
