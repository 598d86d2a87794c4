"""Webhooks in their full shape, as GitHub's OpenAPI description has them (API version 2022-11-28)."""

from __future__ import annotations

from typing import TypeAlias

from attrs import define, field, frozen

from dora.domain.instant import Instant
from tests.contract.fake_github import rest

Json: TypeAlias = dict[str, object]

MASKED = "********"
URL = "https://dora.example.org/webhooks/github"
EVENTS = ("deployment", "deployment_status", "issues", "pull_request", "push")


@frozen
class Sent:
    """A try to deliver an event."""

    guid: str
    at: Instant
    code: int = 200
    status: str = "OK"
    event: str = "push"


@define
class Hook:
    """A webhook; as it is here it is in order."""

    id: int = 1
    url: str = URL
    events: tuple[str, ...] = EVENTS
    content_type: str = "json"
    insecure_ssl: str | int = "0"
    secret: bool = True
    active: bool = True
    last_code: int | None = 200
    deliveries: list[Sent] = field(factory=list)
    """Newest first."""


def config(one: Hook) -> Json:
    settings: Json = {"content_type": one.content_type, "insecure_ssl": one.insecure_ssl, "url": one.url}
    return settings | ({"secret": MASKED} if one.secret else {})


def hook(one: Hook, place: str, kind: str) -> Json:
    """Return a webhook of a repository or of an organisation (`kind`); `place` is the owner's address."""
    here = f"{place}/hooks/{one.id}"
    shown: Json = {
        "type": kind,
        "id": one.id,
        "name": "web",
        "active": one.active,
        "events": list(one.events),
        "config": config(one),
        "updated_at": "2026-01-01T00:00:00Z",
        "created_at": "2026-01-01T00:00:00Z",
        "url": here,
        "ping_url": f"{here}/pings",
        "deliveries_url": f"{here}/deliveries",
    }
    if kind == "Organization":
        return shown
    status = "unused" if one.last_code is None else "active"
    return shown | {
        "test_url": f"{here}/test",
        "last_response": {"code": one.last_code, "status": status, "message": None},
    }


def delivery(sent: Sent) -> Json:
    return {
        "id": abs(hash((sent.guid, sent.at))) % 10**12,
        "guid": sent.guid,
        "delivered_at": rest.stamp(sent.at),
        "redelivery": False,
        "duration": 0.27,
        "status": sent.status,
        "status_code": sent.code,
        "event": sent.event,
        "action": None,
        "installation_id": None,
        "repository_id": 1,
        "throttled_at": None,
    }


def app(number: int, permissions: list[str], events: tuple[str, ...], api: str) -> Json:
    return {
        "id": number,
        "slug": "dora",
        "node_id": "A_1",
        "client_id": "Iv1.1234",
        "owner": rest.account("acme", api),
        "name": "dora",
        "description": None,
        "external_url": "https://dora.example.org",
        "html_url": "https://github.com/apps/dora",
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "permissions": rest.granted(permissions),
        "events": list(events),
    }
