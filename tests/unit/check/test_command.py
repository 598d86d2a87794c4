"""The command as a process of its own: against a GitHub over HTTP, and against the real service."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from attrs import frozen

from dora.adapters.http import now
from tests.contract.fake_github.hooks import Hook, Sent
from tests.contract.fake_github.server import ALL, FakeGitHub
from tests.contract.fake_github.world import line
from tests.contract.servers import free_port
from tests.fakes.issuer import FakeIssuer

if TYPE_CHECKING:
    from pathlib import Path

PATH = {"PATH": os.environ["PATH"]}
SECRET = secrets.token_hex(32)
TOKEN = "ghp_" + secrets.token_hex(18)
SETTINGS = PATH | {"WEBHOOK_SECRET": SECRET}
NOBODY = {"GITHUB_API_URL": "http://127.0.0.1:1"}
SEEING = ALL | {"repository_hooks=read", "organization_hooks=read"}


@frozen
class Ended:
    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.out)
        return told

    def levels(self, area: str) -> list[str]:
        return [finding["level"] for finding in self.told["findings"] if finding["area"] == area]


async def check(*arguments: str, environ: dict[str, str]) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dora", "check", *arguments),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    ended = Ended(process.returncode, out.decode(), err.decode())
    for secret in (SECRET, TOKEN, *(value for name, value in environ.items() if name.endswith(("TOKEN", "KEY")))):
        assert secret not in ended.out + ended.err
    return ended


@asynccontextmanager
async def github() -> AsyncIterator[tuple[FakeGitHub, dict[str, str]]]:
    """Serve a GitHub at which everything is right, by the real time; and give the settings that lead to it."""
    there = FakeGitHub(clock=now)
    there.token(TOKEN, permissions=SEEING)
    line(there.repository("acme/shop"), 2)
    there.hooks["acme/shop"] = [Hook(deliveries=[Sent("1", now())])]
    async with there.serve():
        yield there, SETTINGS | {"GITHUB_API_URL": there.url, "GITHUB_TOKEN": TOKEN}


async def test_where_everything_is_right_the_code_is_0(tmp_path: Path) -> None:
    async with github() as (_, settings):
        ended = await check("--json", "acme/shop", environ=settings | {"DORA_STATE": f"file://{tmp_path}"})
    assert ended.code == 0, ended.out
    assert ended.told["counts"]["error"] == ended.told["counts"]["warning"] == ended.told["counts"]["unknown"] == 0
    assert {finding["area"] for finding in ended.told["findings"]} == {
        *("settings", "secrets", "state", "github", "clock", "webhooks")
    }
    assert ended.err == ""


async def test_a_warning_leaves_the_code_at_0_and_an_error_makes_it_1() -> None:
    async with github() as (there, settings):
        warned = await check("--json", "acme/shop", environ=settings)
        there.hooks["acme/shop"][0].secret = False
        failed = await check("--json", "acme/shop", environ=settings)
    assert (warned.code, warned.levels("state")) == (0, ["warning"])
    assert (failed.code, failed.told["exit_code"]) == (1, 1)
    assert "error" in failed.levels("webhooks")


async def test_text_for_a_person_names_each_thing_and_the_remedy() -> None:
    async with github() as (there, settings):
        there.hooks.clear()
        ended = await check("acme/shop", environ=settings)
    assert ended.code == 1
    assert re.search(r"^error +webhooks: acme/shop: No webhook leads here.*Add one", ended.out, re.MULTILINE)
    assert re.fullmatch(r"\d+ ok, 1 warning, 1 error", ended.out.splitlines()[-1])


async def test_repositories_come_from_the_settings_if_none_is_given() -> None:
    async with github() as (there, settings):
        named = await check("--json", environ=settings | {"DORA_REPOSITORIES": "acme/shop,other/*"})
        asked = len(there.seen)
        none = await check("--json", environ=settings | {"DORA_REPOSITORIES": "acme/*"})
        left_out = await check("--json", "acme/shop", environ=settings | {"DORA_REPOSITORIES": "other/*"})
    assert "acme/shop" in {finding["subject"] for finding in named.told["findings"]}
    assert asked > 3
    assert "unknown" in none.levels("github")
    assert none.code == 0
    assert "warning" in left_out.levels("settings")


async def test_settings_that_cannot_be_used_are_told_all_at_once_and_the_code_is_2() -> None:
    broken = PATH | {"DORA_BIND": "private", "DORA_MAX_COMMITS": "private"}
    ended = await check("--json", environ=broken)
    assert ended.code == 2
    assert [finding["subject"] for finding in ended.told["findings"]] == [
        *("WEBHOOK_SECRET", "DORA_BIND", "DORA_MAX_COMMITS")
    ]
    assert set(ended.levels("settings")) == {"error"}
    assert "private" not in ended.out + ended.err


async def test_a_variable_that_is_none_and_a_weak_secret_are_told() -> None:
    ended = await check("--json", environ=PATH | NOBODY | {"WEBHOOK_SECRET": "changeme", "DORA_SATE": "memory:"})
    assert ended.code == 1
    assert ended.levels("secrets") == ["error"]
    assert ended.levels("settings") == ["ok", "warning"]
    # Without a token it is no error that GitHub is not reached.
    assert set(ended.levels("github")) == {"unknown"}


async def test_the_issuer_of_workflows_tokens_is_asked_for_its_keys_if_they_are_taken() -> None:
    there = FakeIssuer()
    with there.serving():
        taken = SETTINGS | NOBODY | {"DORA_OIDC_AUDIENCE": "dora", "DORA_OIDC_ISSUER": there.url}
        everybodys = await check("--json", environ=taken)
        named = await check("--json", environ=taken | {"DORA_REPOSITORIES": "acme/*"})
        there.keys = []
        useless = await check("--json", environ=taken | {"DORA_REPOSITORIES": "acme/*"})
    assert (everybodys.code, everybodys.levels("workflows")) == (0, ["ok", "warning"])
    assert (named.code, named.levels("workflows")) == (0, ["ok"])
    assert (useless.code, useless.levels("workflows")) == (1, ["error"])


@pytest.mark.parametrize(
    "arguments", [["acme"], ["acme/a/b"], ["--url", "localhost"], ["--url", "http://x:y"], ["--nonsense"]]
)
async def test_a_command_line_that_is_none_ends_with_2(arguments: list[str]) -> None:
    ended = await check(*arguments, environ=SETTINGS | NOBODY)
    assert (ended.code, ended.out) == (2, "")
    assert "usage: dora check" in ended.err


async def test_help_tells_all_there_is() -> None:
    ended = await check("--help", environ=PATH)
    assert ended.code == 0
    assert all(word in ended.out for word in ("OWNER/NAME", "--url", "--json", "Exit codes", "DORA_REPOSITORIES"))


async def test_a_running_service_is_visited_and_goes_on_holding_its_state(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = SETTINGS | NOBODY | {"DORA_STATE": f"file://{tmp_path}", "DORA_BIND": f"127.0.0.1:{port}"}
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dora", "serve"), env=settings, stderr=asyncio.subprocess.PIPE
    )
    assert service.stderr is not None
    try:
        while b"state restored" not in await service.stderr.readline():
            pass
        ended = await check("--json", "--url", url, environ=settings)
        other = await check("--json", "--url", url, environ=settings | {"WEBHOOK_SECRET": secrets.token_hex(32)})
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            ready, metrics = await client.get("/readyz"), await client.get("/metrics")
    finally:
        service.terminate()
        await service.communicate()
    assert ended.code == 0, ended.out
    assert set(ended.levels("service")) == {"ok"}
    held = [finding for finding in ended.told["findings"] if f"process {service.pid}" in finding["found"]]
    assert [finding["level"] for finding in held] == ["ok"]
    assert (other.code, "error" in other.levels("service")) == (1, True)
    assert ready.status_code == 200
    assert "repository=" not in metrics.text


async def test_a_service_that_is_not_there_makes_the_code_1() -> None:
    ended = await check("--json", "--url", f"http://127.0.0.1:{free_port()}", environ=SETTINGS | NOBODY)
    assert (ended.code, ended.levels("service")) == (1, ["error"])
