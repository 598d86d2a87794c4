"""The whole service in one process, over real HTTP on a free port."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dora.composition import Service, compose, read_settings
from dora.settings import InvalidSettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SECRET = "It's a secret"
TOKEN = "client-token"
ENVIRON = {"WEBHOOK_SECRET": SECRET, "DORA_API_TOKENS": f"ci:{TOKEN}", "DORA_BIND": "127.0.0.1:0"}
PUSHER = {"authorization": f"Bearer {TOKEN}"}


def status(state: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    return {
        "action": "created",
        "deployment": {"id": 1, "sha": "a" * 40, "environment": "production"},
        "deployment_status": {"state": state, "created_at": "2026-01-02T00:00:00Z", "environment": "production"},
        "repository": {"id": 5, "full_name": "acme/api", "default_branch": "main"},
    } | changes


def signed(value: object, *, event: str = "deployment_status") -> dict[str, Any]:
    """Return what httpx needs to send a delivery as GitHub does."""
    body = json.dumps(value).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-github-event": event,
        "x-hub-signature-256": f"sha256={signature}",
    }
    return {"content": body, "headers": headers}


async def until(condition: Callable[[], bool]) -> None:
    """Let the service go on until the condition holds."""
    while not condition():  # noqa: ASYNC110 - the service has no event for every moment that a test wants to meet
        await asyncio.sleep(0)


class Running:
    """A service that runs, and a client that speaks with it."""

    def __init__(self, service: Service, client: httpx.AsyncClient, port: int, stop: asyncio.Event) -> None:
        self.service = service
        self.client = client
        self.port = port
        self.stop = stop

    async def samples(self, path: str = "/metrics") -> dict[str, float]:
        """Return what the path shows, by sample name and labels."""
        text = (await self.client.get(path)).text
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}


@asynccontextmanager
async def running(environ: dict[str, str] | None = None) -> AsyncIterator[Running]:
    service = compose(read_settings(ENVIRON | (environ or {})))
    stop = asyncio.Event()
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    life = asyncio.create_task(service.run(stop, listening=listening.set_result))
    try:
        port = await listening
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            await until(lambda: service.app.gate.ready)
            yield Running(service, client, port, stop)
    finally:
        stop.set()
        await life


def deployments(samples: dict[str, float], result: str) -> float:
    return samples[
        f'dora_deployments_total{{environment="production",repository="acme/api",result="{result}",service=""}}'
    ]


async def test_a_signed_success_is_a_deployment_once() -> None:
    async with running() as run:
        first = await run.client.post("/webhooks/github", **signed(status("success")))
        again = await run.client.post("/webhooks/github", **signed(status("success")))
        assert (first.status_code, first.json()) == (202, {"status": "accepted"})
        assert (again.status_code, again.json()) == (200, {"status": "duplicate"})
        samples = await run.samples()
        assert (deployments(samples, "success"), deployments(samples, "failure")) == (1.0, 0.0)


async def test_a_state_that_counts_nothing_registers_the_chain_at_zero() -> None:
    async with running() as run:
        response = await run.client.post("/webhooks/github", **signed(status("in_progress")))
        assert response.status_code == 200
        assert response.json()["status"] == "ignored"
        assert response.json()["reason"]
        assert deployments(await run.samples(), "success") == 0.0


async def test_a_pull_request_merged_and_deployed_observes_exactly_the_time_between() -> None:
    merge = {
        "action": "closed",
        "number": 7,
        "pull_request": {
            "number": 7,
            "merged": True,
            "merged_at": "2026-01-01T22:00:00Z",
            "created_at": "2026-01-01T20:00:00Z",
            "merge_commit_sha": "a" * 40,
            "base": {"ref": "main"},
            "head": {"ref": "feature"},
            "labels": [],
            "commits": 1,
        },
        "repository": {"id": 5, "full_name": "acme/api", "default_branch": "main"},
    }
    async with running() as run:
        merged = await run.client.post("/webhooks/github", **signed(merge, event="pull_request"))
        assert merged.status_code == 202
        await run.client.post("/webhooks/github", **signed(status("success")))
        samples = await run.samples()
        assert (
            samples['dora_lead_time_seconds_sum{environment="production",repository="acme/api",service=""}'] == 7200.0
        )
        assert samples['dora_changes_merged_total{repository="acme/api"}'] == 1.0


async def test_a_delivery_in_a_form_counts_like_one_in_json() -> None:
    async with running() as run:
        body = httpx.QueryParams({"payload": json.dumps(status("failure"))}).__str__().encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-github-event": "deployment_status",
            "x-hub-signature-256": f"sha256={signature}",
        }
        response = await run.client.post("/webhooks/github", content=body, headers=headers)
        assert response.status_code == 202
        assert deployments(await run.samples(), "failure") == 1.0


async def test_a_forged_or_broken_delivery_counts_nothing() -> None:
    async with running() as run:
        forged = signed(status("success"))
        forged["headers"]["x-hub-signature-256"] = "sha256=" + "0" * 64
        assert (await run.client.post("/webhooks/github", **forged)).status_code == 401
        broken = await run.client.post("/webhooks/github", **signed(status("success", deployment={"id": "1"})))
        assert broken.status_code == 400
        assert {error["pointer"] for error in broken.json()["errors"]} >= {"/deployment/id", "/deployment/sha"}
        assert (await run.client.post("/webhooks/github", **signed([1, 2]))).status_code == 400
        assert 'dora_deployments_total{environment="production"' not in (await run.client.get("/metrics")).text
        samples = await run.samples("/internal/metrics")
        assert samples['dora_rejected_deliveries_total{reason="unauthenticated"}'] == 1.0
        assert samples['dora_rejected_deliveries_total{reason="malformed"}'] == 2.0


async def test_a_pushed_event_is_counted_once_whatever_door_it_takes() -> None:
    event = {
        "type": "deployment.succeeded",
        "repository": "acme/api",
        "occurred_at": "2026-01-02T00:00:00Z",
        "deployment_id": "1",
        "sha": "a" * 40,
    }
    async with running() as run:
        first = await run.client.post("/api/event", json=event, headers=PUSHER)
        again = await run.client.post("/api/event", json=event, headers=PUSHER)
        webhook = await run.client.post("/webhooks/github", **signed(status("success")))
        assert (first.status_code, first.json()) == (201, {"status": "counted"})
        assert (again.status_code, again.json()) == (200, {"status": "duplicate"})
        assert (webhook.status_code, webhook.json()) == (200, {"status": "duplicate"})
        assert deployments(await run.samples(), "success") == 1.0


async def test_a_batch_is_taken_whole_or_not_at_all() -> None:
    good = {
        "type": "deployment.succeeded",
        "repository": "acme/api",
        "occurred_at": "2026-01-02T00:00:00Z",
        "deployment_id": "1",
        "sha": "a" * 40,
    }
    async with running() as run:
        refused = await run.client.post("/api/event", json=[good, good | {"sha": "x"}], headers=PUSHER)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == "/1/sha"
        taken = await run.client.post("/api/event", json=[good | {"deployment_id": 2}, good, good], headers=PUSHER)
        assert taken.status_code == 200
        assert [result["status"] for result in taken.json()["results"]] == ["counted", "counted", "duplicate"]
        assert deployments(await run.samples(), "success") == 2.0


async def test_a_key_used_again_with_other_content_is_refused() -> None:
    event = {
        "type": "deployment.succeeded",
        "repository": "acme/api",
        "occurred_at": "2026-01-02T00:00:00Z",
        "deployment_id": "1",
        "sha": "a" * 40,
        "id": "key",
    }
    async with running() as run:
        assert (await run.client.post("/api/event", json=event, headers=PUSHER)).status_code == 201
        assert (await run.client.post("/api/event", json=event, headers=PUSHER)).status_code == 200
        other = await run.client.post("/api/event", json=event | {"deployment_id": "2"}, headers=PUSHER)
        assert other.status_code == 422


async def test_scrapers_get_the_format_they_ask_for_compressed_if_they_wish() -> None:
    async with running() as run:
        await run.client.post("/webhooks/github", **signed(status("success")))
        plain = await run.client.get("/metrics", headers={"accept-encoding": "identity"})
        assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
        accept = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "accept-encoding": "gzip"}
        openmetrics = await run.client.get("/metrics", headers=accept)
        assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert openmetrics.headers["content-encoding"] == "gzip"
        assert openmetrics.text.endswith("# EOF\n")


async def test_repositories_that_are_named_exist_from_the_start() -> None:
    async with running({"DORA_REPOSITORIES": "acme/api,acme/lib-*"}) as run:
        assert (await run.samples())['dora_changes_merged_total{repository="acme/api"}'] == 0.0


async def test_the_page_and_the_description_are_served() -> None:
    async with running() as run:
        await run.client.post("/webhooks/github", **signed(status("success")))
        assert "acme/api" in (await run.client.get("/")).text
        assert "oneOf" in (await run.client.get("/openapi.json")).json()["components"]["schemas"]["Event"]


async def test_a_request_under_way_is_answered_while_the_service_ends_and_a_new_one_is_not_taken() -> None:
    delivery = signed(status("success"))
    head = "".join(f"{name}: {value}\r\n" for name, value in delivery["headers"].items())
    body: bytes = delivery["content"]
    async with running() as run:
        reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
        length = f"Content-Length: {len(body)}\r\n\r\n"
        writer.write(f"POST /webhooks/github HTTP/1.1\r\nHost: observer\r\n{head}{length}".encode() + body[:10])
        await writer.drain()
        await until(lambda: bool(run.service.app.intake.readers))
        run.stop.set()
        await until(lambda: run.service.app.gate.draining)
        assert (await run.client.get("/readyz")).status_code == 503
        assert (await run.client.get("/healthz")).status_code == 200
        refused = await run.client.post("/webhooks/github", **signed(status("failure")))
        assert refused.status_code == 503
        assert "retry-after" in refused.headers
        writer.write(body[10:])
        await writer.drain()
        assert (await reader.read()).startswith(b"HTTP/1.1 202 ")
        writer.close()
        await writer.wait_closed()


async def test_a_body_that_never_ends_does_not_keep_the_service_from_ending() -> None:
    async with running() as run:
        reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
        writer.write(b"POST /webhooks/github HTTP/1.1\r\nHost: observer\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: 100\r\n\r\n{")
        await writer.drain()
        await until(lambda: bool(run.service.app.intake.readers))
        run.stop.set()
        await until(lambda: run.service.app.gate.draining)
        run.service.app.intake.hurry(0.0)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()
        await writer.wait_closed()


def test_clients_that_cannot_be_read_are_a_problem_of_the_settings() -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        read_settings(ENVIRON | {"DORA_API_TOKENS": "private"})
    (problem,) = caught.value.problems
    assert problem.startswith("DORA_API_TOKENS: ")
    assert "private" not in problem
