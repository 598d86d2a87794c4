"""A visit to a running service: one that is as it should be, and one for each way not to be."""

from __future__ import annotations

import hashlib
import hmac
from email.utils import formatdate
from typing import TYPE_CHECKING

import httpx
import pytest
from attrs import Factory, define

from dora.check.running import Visit, connect
from dora.domain.instant import MICROSECONDS
from dora.findings import Finding, Level
from dora.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "a-webhook-secret"
NOW = 1_700_000_000
SETTINGS = {"WEBHOOK_SECRET": SECRET}
TOKEN = {"DORA_METRICS_TOKEN": "sesame"}


@define
class FakeService:
    """Answers as the service does, but for what is put into `instead`."""

    instead: dict[str, httpx.Response | Callable[[httpx.Request], httpx.Response]] = Factory(dict)
    """By path."""
    secret: str = SECRET
    metrics_token: str | None = None
    now: int = NOW
    seen: list[httpx.Request] = Factory(list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        instead = self.instead.get(request.url.path)
        answer = instead(request) if callable(instead) else instead or self.answer(request)
        answer.headers.setdefault("date", formatdate(self.now, usegmt=True))
        return answer

    def answer(self, request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/healthz" | "/readyz":
                return httpx.Response(200, json={"status": "ok"})
            case "/openapi.json":
                return httpx.Response(200, json={"openapi": "3.1.0", "info": {"version": "1.2.3"}})
            case "/webhooks/github":
                digest = hmac.new(self.secret.encode(), request.content, hashlib.sha256).hexdigest()
                right = request.headers.get("x-hub-signature-256") == f"sha256={digest}"
                return httpx.Response(200 if right else 401, json={"status": "ignored", "reason": "ping"})
            case "/metrics":
                wanted = None if self.metrics_token is None else f"Bearer {self.metrics_token}"
                return httpx.Response(200 if wanted in {None, request.headers.get("authorization")} else 401)
            case _:
                return httpx.Response(404)


async def visited(service: FakeService, environ: dict[str, str] | None = None) -> list[Finding]:
    settings = Settings.from_environ(SETTINGS | (environ or {}))
    transport = httpx.MockTransport(service)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        visit = Visit(
            client=client,
            subject="http://service",
            settings=settings,
            version="1.2.3",
            clock=lambda: NOW * MICROSECONDS,
        )
        findings = await visit.run()
    assert SECRET not in repr(findings)
    assert all(finding.remedy for finding in findings if finding.level is not Level.OK)
    return findings


async def fault(service: FakeService, environ: dict[str, str] | None = None) -> Finding:
    (found,) = (finding for finding in await visited(service, environ) if finding.level is not Level.OK)
    return found


async def test_a_service_that_is_as_it_should_be_is_ok_and_told_nothing_that_counts() -> None:
    service = FakeService()
    findings = await visited(service)
    assert {finding.level for finding in findings} == {Level.OK}
    assert len(findings) == 6
    assert {request.headers["x-github-event"] for request in service.seen if request.method == "POST"} == {"ping"}
    assert not any(b"repository" in request.content for request in service.seen)


async def test_a_metrics_token_is_shown_and_asked_for() -> None:
    findings = await visited(FakeService(metrics_token="sesame"), TOKEN)
    assert findings[-1].found == "/metrics can be read with its token alone."


async def test_a_service_that_is_not_there_is_an_error() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert "ConnectError" in (await fault(FakeService(instead={"/healthz": refuse}))).found


async def test_a_service_that_accepts_no_events_says_why() -> None:
    problem = httpx.Response(503, json={"detail": "The state cannot be written now."})
    found = await fault(FakeService(instead={"/readyz": problem}))
    assert found.level is Level.ERROR
    assert "The state cannot be written now." in found.found


async def test_something_else_that_answers_is_told_by_its_answers() -> None:
    page = httpx.Response(200, text="<html>welcome</html>")
    anything = FakeService(
        instead=dict.fromkeys(("/healthz", "/readyz", "/openapi.json", "/webhooks/github", "/metrics"), page)
    )
    found = [finding.found for finding in await visited(anything) if finding.level is Level.ERROR]
    assert any("does not describe itself" in text for text in found)
    assert any("answered with 200, and should be with 401" in text for text in found)
    (first, *_) = await visited(FakeService(instead={"/healthz": httpx.Response(404)}))
    assert "/healthz answers 404" in first.found


@pytest.mark.parametrize("body", ["[]", "{}", '{"info": 1}', '{"info": {"version": 3}}'])
async def test_a_description_of_another_form_is_none(body: str) -> None:
    found = await fault(FakeService(instead={"/openapi.json": httpx.Response(200, text=body)}))
    assert "does not describe itself" in found.found


async def test_another_version_is_a_warning() -> None:
    other = httpx.Response(200, json={"info": {"version": "9.9.9"}})
    found = await fault(FakeService(instead={"/openapi.json": other}))
    assert (found.level, "9.9.9" in found.found) == (Level.WARNING, True)


async def test_another_secret_than_that_of_the_settings_is_an_error() -> None:
    found = await fault(FakeService(secret="another"))
    assert (found.level, "another secret" in found.found) == (Level.ERROR, True)


async def test_a_signed_delivery_that_cannot_be_taken_is_an_error() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        service = FakeService()
        usual = service.answer(request)
        return httpx.Response(503, json={"detail": "It is starting."}) if usual.status_code == 200 else usual

    found = await fault(FakeService(instead={"/webhooks/github": answer}))
    assert "503: It is starting." in found.found


async def test_metrics_behind_another_token_behind_none_or_not_at_all_are_errors() -> None:
    assert "another token" in (await fault(FakeService(metrics_token="other"), TOKEN)).found
    assert "without the token" in (await fault(FakeService(), TOKEN)).found
    assert "503" in (await fault(FakeService(instead={"/metrics": httpx.Response(503)}))).found


@pytest.mark.parametrize("drift", [-90, 90])
async def test_a_clock_that_differs_is_a_warning(drift: int) -> None:
    found = await fault(FakeService(now=NOW + drift))
    assert (found.level, "90 s" in found.found) == (Level.WARNING, True)


async def test_without_a_date_nothing_is_said_of_the_clock() -> None:
    undated = httpx.Response(200, json={}, headers={"date": "once"})
    assert {finding.level for finding in await visited(FakeService(instead={"/healthz": undated}))} == {Level.OK}


def test_what_runs_on_this_machine_is_reached_without_a_proxy() -> None:
    assert not connect("http://localhost:8080").trust_env
    assert connect("https://dora.example.org").trust_env
