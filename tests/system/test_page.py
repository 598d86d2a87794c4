"""The page for people in a real browser: right at any width and in both schemes, for everybody, and loading nothing.

`DORA_CHROMIUM` names the program, if it is not `chromium` on the path; `DORA_PICTURES` a folder to put pictures into.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dora.demo.command import send
from dora.demo.story import Delivery, week
from tests.contract.servers import free_port
from tests.system.conftest import SECRET, Service, running

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system

BROWSER = Path(__file__).parent / "browser"
PHONE, DESK = 360, 1_000
SECONDS = 300

LONG = "a-name-of-an-environment-that-is-longer-than-any-line-of-a-phone-and-has-no-space-to-break-at"


def look(*visits: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a browser tells of each visit, as `browser/look.mjs` says."""
    program = os.environ.get("DORA_CHROMIUM") or shutil.which("chromium")
    if program is None or not (BROWSER / "node_modules").is_dir():
        pytest.fail("chromium, or what `make system` has npm bring, is not installed")
    pictures = os.environ.get("DORA_PICTURES")
    for visit in visits:
        name = f"{visit.pop('name')}-{visit['scheme']}-{visit['width']}.png"
        visit["picture"] = str(Path(pictures, name)) if pictures else None
    orders = json.dumps({"program": program, "visits": visits})
    ended = subprocess.run(
        ["node", "look.mjs"], cwd=BROWSER, input=orders, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert ended.returncode == 0, ended.stderr
    answers: list[dict[str, Any]] = json.loads(ended.stdout)
    return answers


def everywhere(name: str, url: str, **headers: str) -> list[dict[str, Any]]:
    """Return what is seen of an address in the light scheme on a phone, and in the dark one on a desk."""
    visits = [
        {"name": name, "url": url, "headers": headers, "width": width, "height": 740, "scheme": scheme, "tabs": 0}
        for scheme, width in (("light", PHONE), ("dark", DESK))
    ]
    return look(*visits)


def assert_good(seen: list[dict[str, Any]]) -> None:
    """Assert what holds of the page whatever is on it."""
    for one, width in zip(seen, (PHONE, DESK), strict=True):
        assert one["status"] == 200
        assert one["messages"] == []
        assert len(one["requests"]) == 1
        assert one["wide"] <= width
        assert one["violations"] == []
        assert {"color-contrast", "html-has-lang", "landmark-one-main", "document-title"} <= set(one["passed"])
        # Each heading is at most one level below the one before it.
        assert one["headings"][0] == 1
        assert all(lower - upper <= 1 for upper, lower in zip(one["headings"], one["headings"][1:], strict=False))
    light, dark = seen
    assert light["ground"] == "rgb(255, 255, 255)"
    assert dark["ground"] == "rgb(13, 17, 23)"
    assert light["ink"] != dark["ink"]


@contextmanager
def serving(**settings: str) -> Iterator[tuple[Service, httpx.Client]]:
    port = free_port()
    ours = {"WEBHOOK_SECRET": SECRET, "DORA_BIND": f"127.0.0.1:{port}", "DORA_LOG_LEVEL": "warning"}
    with (
        running([sys.executable, "-m", "dora", "serve"], ours | settings, port=port) as service,
        httpx.Client(base_url=service.url, trust_env=False, timeout=30) as client,
    ):
        yield service, client


def deploy(client: httpx.Client, repository: str, *, number: int, environment: str = "production") -> None:
    body = {
        "action": "created",
        "repository": {"id": number, "full_name": repository},
        "deployment": {"id": number, "sha": "1" * 40, "environment": environment},
        "deployment_status": {"state": "success", "created_at": "2026-03-02T09:00:00Z"},
    }
    at = datetime.now(UTC)
    delivery = Delivery(at=at, path="/webhooks/github", body=json.dumps(body).encode(), event="deployment_status")
    send(client, delivery, SECRET.encode())


def test_the_empty_page_is_good_and_every_control_is_reached_by_the_keyboard() -> None:
    with serving() as (service, _):
        assert_good(everywhere("empty", service.url))
        (seen,) = look(
            {
                "name": "keys",
                "url": service.url,
                "headers": {},
                "width": PHONE,
                "height": 740,
                "scheme": "light",
                "tabs": 7,
            }
        )
        names = [focus["name"].partition("\n")[0] for focus in seen["focused"]]
        assert names[:5] == ["Skip to the content", "Metrics", "Internal metrics", "API description", "Readiness"]
        assert all(focus["shown"] for focus in seen["focused"])


def test_the_page_of_some_repositories_is_good_and_tells_of_each() -> None:
    with serving() as (service, client):
        for delivery in week(datetime.now(UTC)):
            send(client, delivery, SECRET.encode())
        deploy(client, "acme/only-deployments", number=9_001, environment=LONG)
        seen = everywhere("some", service.url)
        assert_good(seen)
        for one in seen:
            assert "acme/shop" in one["text"]
            assert LONG in one["text"]
            assert "no push has since this process started" in one["text"]


def test_the_page_of_many_repositories_is_good() -> None:
    with serving() as (service, client):
        for number in range(1, 61):
            deploy(client, f"acme/service-{number:03}", number=number)
        for number in range(100, 115):
            deploy(client, "acme/monorepo", number=100, environment=f"production-{number}")
        seen = everywhere("many", f"{service.url}/?q=service&page=2")
        assert_good(seen)
        assert "26 to 50 of 60 found" in seen[0]["text"]
        (searched,) = look(
            {
                "name": "searched",
                "url": service.url,
                "headers": {},
                "width": PHONE,
                "height": 740,
                "scheme": "light",
                "tabs": 0,
                "search": "SERVICE-00",
            }
        )
        assert "1 to 9 of 9 found" in searched["text"]
        assert searched["messages"] == []
        alone = everywhere("one", f"{service.url}/?repository=acme/monorepo")
        assert_good(alone)
        assert "production-114" in alone[0]["text"]


def test_the_page_behind_a_token_is_good_with_and_without_it() -> None:
    with serving(DORA_METRICS_TOKEN="sesame") as (service, client):
        deploy(client, "acme/secret-project", number=1)
        closed = everywhere("closed", service.url)
        assert_good(closed)
        assert "secret-project" not in json.dumps(closed)
        opened = everywhere("opened", service.url, Authorization="Bearer sesame")
        assert_good(opened)
        assert "secret-project" in opened[0]["text"]
