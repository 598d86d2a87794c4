"""The service as a process, GitHub failing beside it for some seconds."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import ExitStack

import httpx
import pytest
from attrs import evolve

from tests.contract.fake_github.server import FakeGitHub, Fault
from tests.contract.outage import SECRET, TOKEN, Beside, assert_all_is_measured_once, history
from tests.contract.servers import free_port
from tests.system.conftest import running
from tests.system.replicas import becomes

pytestmark = pytest.mark.system

FAILURES = [Fault(hang_up=True, times=2), Fault(status=502, body=b"<html>", times=2), Fault(cut=20, times=2)]


@pytest.mark.parametrize("fault", FAILURES, ids=["hangs up", "502", "cut"])
async def test_case_46_a_failure_of_seconds_delays_no_delivery_and_loses_no_change(fault: Fault) -> None:
    github = FakeGitHub(clock=lambda: time.time_ns() // 1_000)
    github.token(TOKEN)
    history(github.repository())
    answered = asyncio.Event()
    # GitHub does not even fail before every delivery is answered: one that waited for it would wait for ever.
    github.faults.append(evolve(fault, after=answered))
    async with github.serve():
        port = free_port()
        settings = {
            "WEBHOOK_SECRET": SECRET,
            "DORA_BIND": f"127.0.0.1:{port}",
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": github.url,
            "DORA_LOG_LEVEL": "warning",
        }
        with running([sys.executable, "-m", "dora", "serve"], settings, port=port) as service, ExitStack() as finally_:
            finally_.callback(answered.set)
            async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=30) as client:
                there = Beside(github, client)
                await there.deploys(10, "s", 4)
                await there.deploys(11, "m", 5)
                await there.deploys(12, "m", 5.5, "failure")
                await there.deploys(13, "d", 7)
                assert await there.chain("dora_deployments_total", result="success") == 3
                assert github.seen == []
                answered.set()

                async def settled() -> bool:
                    return await there.chain("dora_pending_lookups") == 0

                await becomes(settled)
                await assert_all_is_measured_once(there)
                assert len(github.seen) > fault.times
