"""A token that does not suffice, a commit in few digits, a repository that moved: the service beside GitHub."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from tests.contract.fake_github.server import ALL, Fault, Grant
from tests.contract.outage import TOKEN, Beside, LoopbackLoop, assert_all_is_measured_once, at, beside, sha, text


def run(story: Callable[[Beside], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with beside() as there:
            await story(there)

    with asyncio.Runner(loop_factory=LoopbackLoop) as runner:
        runner.run(whole())


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.WARNING and "refuses" in record.message]


@pytest.mark.parametrize("missing", ["contents=read", "pull_requests=read", "deployments=read"])
def test_case_47_a_missing_permission_is_certain_after_a_minute_and_named_once(
    missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(there: Beside) -> None:
        there.github.grants[TOKEN].permissions = ALL - {missing}
        await there.deploys(10, "s", 4)
        await asyncio.sleep(50)
        assert await there.chain("dora_pending_lookups") == 1
        assert await there.chain("dora_lead_time_unknown_total", reason="github_refused") == 0
        await asyncio.sleep(30)
        assert await there.chain("dora_lead_time_unknown_total", reason="github_refused") == 1
        assert await there.chain("dora_pending_lookups") == 0
        for number, name in ((11, "m"), (12, "d")):
            await there.deploys(number, name, number - 6)
        assert await there.chain("dora_deployments_total", result="success") == 3
        await asyncio.sleep(200)
        assert await there.chain("dora_pending_lookups") == 0
        # Behind the first one the predecessor is known: nothing more is asked of deployments.
        refused = 1 if missing == "deployments=read" else 3
        assert await there.chain("dora_lead_time_unknown_total", reason="github_refused") == refused
        told = warnings(caplog)
        assert [vars(record)["permission"] for record in told] == [missing]
        assert TOKEN not in caplog.text

    with caplog.at_level(logging.WARNING):
        run(story)


@pytest.mark.parametrize("refusal", ["revoked", "permission", "hidden"])
def test_case_47_a_refusal_that_is_put_right_within_the_minute_is_made_good(refusal: str) -> None:
    async def story(there: Beside) -> None:
        grant = there.github.grants[TOKEN]
        if refusal == "revoked":
            del there.github.grants[TOKEN]
        elif refusal == "permission":
            grant.permissions = frozenset({"metadata=read"})
        else:
            grant.repositories = frozenset()
        await there.deploys(10, "s", 4)
        await there.deploys(11, "m", 5)
        await asyncio.sleep(45)
        there.github.grants[TOKEN] = Grant()
        await there.deploys(12, "m", 5.5, "failure")
        await there.deploys(13, "d", 7)
        await there.measured(within=60)
        await assert_all_is_measured_once(there)

    run(story)


@pytest.mark.parametrize("refusal", ["revoked", "permission", "hidden"])
def test_case_47_a_token_that_is_fixed_later_measures_what_comes_then(refusal: str) -> None:
    async def story(there: Beside) -> None:
        grant = there.github.grants[TOKEN]
        if refusal == "revoked":
            del there.github.grants[TOKEN]
        elif refusal == "permission":
            grant.permissions = frozenset({"metadata=read"})
        else:
            grant.repositories = frozenset()
        await there.deploys(10, "s", 4)
        await asyncio.sleep(100)
        assert await there.chain("dora_lead_time_unknown_total", reason="github_refused") == 1
        there.github.grants[TOKEN] = Grant()
        await there.deploys(11, "m", 5)
        await there.measured(within=60)
        assert await there.chain("dora_lead_time_seconds_count") == 1
        assert await there.chain("dora_lead_time_seconds_sum") == 2 * 3600

    run(story)


async def push_event(there: Beside, **event: object) -> int:
    answer = await there.client.post(
        "/api/event", json={"repository": "acme/shop", **event}, headers={"authorization": "Bearer client-token"}
    )
    return answer.status_code


def test_case_30_an_abbreviated_commit_is_resolved_by_github() -> None:
    async def story(there: Beside) -> None:
        for number, (name, hours) in enumerate((("s", 4), ("m", 5), ("d", 7))):
            told = {"deployment_id": f"own-{number}", "sha": sha(name)[:8], "occurred_at": text(hours)}
            assert await push_event(there, type="deployment.succeeded", **told) == 201
            await there.measured(within=60)
        await assert_all_is_measured_once(there)

    run(story)


@pytest.mark.parametrize("unknown", ["fffffff", "0123456789ab"])
def test_case_30_an_abbreviated_commit_that_github_does_not_know_is_not_found(unknown: str) -> None:
    async def story(there: Beside) -> None:
        told = {"deployment_id": "own", "sha": unknown, "occurred_at": text(4)}
        assert await push_event(there, type="deployment.succeeded", **told) == 201
        await there.measured(within=60)
        assert await there.chain("dora_lead_time_unknown_total", reason="not_found") == 1
        assert await there.chain("dora_deployments_total", result="success") == 1
        told = {"deployment_id": "next", "sha": sha("d")[:10], "occurred_at": text(7)}
        assert await push_event(there, type="deployment.succeeded", **told) == 201
        await there.measured(within=60)
        assert await there.chain("dora_lead_time_unknown_total", reason="not_found") == 1

    run(story)


def test_case_30_an_ambiguous_abbreviation_is_not_found() -> None:
    async def story(there: Beside) -> None:
        for last in "01":
            there.graph.commit("abcdef0" + last * 33, sha("a"), at=at(1))
        told = {"deployment_id": "own", "sha": "abcdef0", "occurred_at": text(4)}
        assert await push_event(there, type="deployment.succeeded", **told) == 201
        await there.measured(within=60)
        assert await there.chain("dora_lead_time_unknown_total", reason="not_found") == 1

    run(story)


def test_case_48_a_repository_that_was_renamed_is_found_where_it_moved() -> None:
    """GitHub knows the new name already; the first delivery still says the old one."""

    async def story(there: Beside) -> None:
        there.github.rename("acme/shop", "acme/store")
        await there.deploys(10, "s", 4)
        await there.measured(within=60)
        assert any(path.startswith("GET /repositories/") for path in there.github.paths())
        assert await there.chain("dora_lead_time_seconds_sum") == (3 + 2) * 3600
        there.called = "acme/store"
        await there.deploys(11, "m", 5)
        await there.deploys(13, "d", 7)
        await there.measured(within=60)
        assert await there.chain("dora_lead_time_seconds_count") == 2
        assert await there.chain("dora_lead_time_seconds_sum") == (2 + 1) * 3600
        assert await there.chain("dora_deployments_total", result="success") == 2

    run(story)


def test_case_48_an_answer_to_a_question_from_before_a_rename_does_not_bring_the_old_name_back() -> None:
    async def story(there: Beside) -> None:
        there.github.faults.append(Fault(hang_up=True, times=-1))
        await there.deploys(10, "s", 4)
        there.github.rename("acme/shop", "acme/store")
        there.called = "acme/store"
        await there.deploys(11, "m", 5)
        assert await there.chain("dora_pending_lookups") == 2
        there.github.faults.clear()
        await there.measured(within=60)
        await there.deploys(13, "d", 7)
        await there.measured(within=60)
        assert await there.chain("dora_deployments_total", result="success") == 2
        assert await there.chain("dora_lead_time_seconds_count") == 4

    run(story)


def test_case_48_a_redirect_to_another_host_is_not_followed_and_healed_when_it_ends() -> None:
    async def story(there: Beside) -> None:
        elsewhere = "http://localhost:1/repositories/1"
        there.github.faults.append(Fault(when="/compare/", status=301, headers={"Location": elsewhere}, times=-1))
        await there.deploys(10, "s", 4)
        await asyncio.sleep(100)
        assert await there.chain("dora_pending_lookups") == 1
        there.github.faults.clear()
        await there.measured(within=60)
        assert await there.chain("dora_lead_time_seconds_sum") == (3 + 2) * 3600

    run(story)
