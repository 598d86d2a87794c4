"""GitHub fails in every way it can while deployments come in: nobody waits, and every lead time is exact in the end."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from tests.contract.fake_github.server import Fault
from tests.contract.outage import LoopbackLoop, assert_all_is_measured_once, beside

LIMIT = b'{"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}'
ERRORS = b'{"data": null, "errors": [{"message": "Something went wrong while executing your query."}]}'
PARTLY = (
    b'{"data": {"repository": null}, '
    b'"errors": [{"type": "SERVICE_UNAVAILABLE", "message": "no", "path": ["repository"]}]}'
)
LIMITED = b'{"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded for user ID 1."}]}'

FAILURES = {
    "hangs up": (Fault(hang_up=True), 0),
    "never answers": (Fault(stall=True), 0),
    "403 retry-after": (Fault(status=403, headers={"Retry-After": "90"}, body=LIMIT), 90),
    "429 retry-after": (Fault(status=429, headers={"Retry-After": "90"}, body=LIMIT), 90),
    "403 without": (Fault(status=403, body=LIMIT), 960),
    "429 without": (Fault(status=429, body=b""), 960),
    "403 nothing remains": (Fault(status=403, headers={"X-RateLimit-Remaining": "0"}, body=b"{}"), 3600),
    "500": (Fault(status=500, body=b"oops"), 0),
    "502": (Fault(status=502, body=b"<html>"), 0),
    "503": (Fault(status=503, body=b""), 0),
    "503 retry-after": (Fault(status=503, headers={"Retry-After": "40"}, body=b""), 40),
    "504": (Fault(status=504, body=b""), 0),
    "cut": (Fault(cut=20), 0),
    "half JSON": (Fault(body=b'{"data": {'), 0),
    "another shape": (Fault(body=b"[]"), 0),
    "nothing": (Fault(body=b""), 0),
    "graphql errors": (Fault(when="graphql", body=ERRORS), 0),
    "graphql partly": (Fault(when="graphql", body=PARTLY), 0),
    "graphql limit": (Fault(when="graphql", body=LIMITED), 960),
    "compare alone is down": (Fault(when="/compare/", status=500, body=b""), 0),
}
"""Each failure, and for how long (in seconds, at most) it asks to be left alone."""


@pytest.mark.parametrize("lasting", [5, 400])
@pytest.mark.parametrize("kind", FAILURES)
def test_case_46_whatever_fails_deliveries_are_answered_and_lead_times_are_exact_in_the_end(
    kind: str, lasting: float
) -> None:
    fault, asked_to_wait = FAILURES[kind]

    async def run() -> None:
        async with beside() as there:
            there.github.faults.append(evolve(fault, times=-1))
            await there.deploys(10, "s", 4)
            await there.deploys(11, "m", 5)
            await asyncio.sleep(lasting)
            await there.deploys(12, "m", 5.5, "failure")
            await there.deploys(13, "d", 7)
            assert there.slowest < 1
            assert await there.chain("dora_deployments_total", result="success") == 3
            assert await there.chain("dora_deployments_total", result="failure") == 1
            assert await there.chain("dora_pending_lookups") == 3
            assert await there.chain("dora_lead_time_seconds_count") == 0
            there.github.faults.clear()
            await there.measured(within=60 + asked_to_wait)
            await assert_all_is_measured_once(there)
            await asyncio.sleep(120)
            await assert_all_is_measured_once(there)

    with asyncio.Runner(loop_factory=LoopbackLoop) as runner:
        runner.run(run())
