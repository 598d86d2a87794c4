from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from dora.adapters.events.shapes import read_event
from dora.adapters.events.translation import translate
from dora.domain.facts import (
    ChangeMerged,
    DeploymentFinished,
    DeploymentStarted,
    Environment,
    Fact,
    IdempotencyKey,
    IncidentOpened,
    Repository,
    RepositorySeen,
)
from dora.policy import Policy, environment_rules
from tests.unit.adapters.events.samples import MINIMAL, RECEIVED_AT, Sent, event, sent_events

HOUR = 3_600_000_000
KEY = IdempotencyKey(client="ci", key="k", digest="d")


def translated(raw: dict[str, Any], policy: Policy | None = None) -> tuple[Fact | None, str | None]:
    """Return what becomes of a valid event."""
    read = read_event(raw, received_at=RECEIVED_AT)
    return translate(read, policy=policy or Policy(), key=None, received_at=RECEIVED_AT)


@given(sent_events())
def test_a_valid_event_is_the_fact_that_it_tells(sent: Sent) -> None:
    assert translated(sent.raw) == (sent.fact, None)


@pytest.mark.parametrize("type_", sorted(MINIMAL))
def test_every_fact_carries_the_key_and_the_time_of_receipt(type_: str) -> None:
    read = read_event(event(type_), received_at=RECEIVED_AT)
    fact, ignored = translate(read, policy=Policy(), key=KEY, received_at=RECEIVED_AT + 1)
    assert ignored is None
    assert fact is not None
    assert not isinstance(fact, RepositorySeen)
    assert (getattr(fact, "key", None), fact.received_at) == (KEY, RECEIVED_AT + 1)


@pytest.mark.parametrize("type_", sorted(MINIMAL))
def test_a_repository_that_is_not_watched_leaves_no_fact(type_: str) -> None:
    assert translated(event(type_), Policy(repositories=("other/*",))) == (None, "repository")


@pytest.mark.parametrize("type_", sorted(set(MINIMAL) - {"change.merged"}))
def test_an_environment_without_interest_registers_the_repository(type_: str) -> None:
    policy = Policy(environments=environment_rules("live=prod*"))
    seen = RepositorySeen(repository=Repository("acme/shop"), received_at=RECEIVED_AT)
    assert translated(event(type_, environment="staging"), policy) == (seen, "environment")
    assert translated(event(type_), policy)[1] is None


def test_a_merge_happens_in_no_environment() -> None:
    policy = Policy(environments=environment_rules("live=prod*"))
    fact, ignored = translated(event("change.merged", environment="staging", service="web"), policy)
    assert isinstance(fact, ChangeMerged)
    assert ignored is None


def test_a_configured_label_is_that_label_and_a_sent_service_wins_over_a_captured_one() -> None:
    policy = Policy(environments=environment_rules("production={service}-prod,prod2=production"))

    def environment(**fields: Any) -> Environment:  # noqa: ANN401 - any field
        fact, _ = translated(event("deployment.started", **fields), policy)
        assert isinstance(fact, DeploymentStarted)
        return fact.environment

    assert environment() == Environment("production", "production", "", listed=True)
    assert environment(service="web") == Environment("production", "production", "web", listed=True)
    assert environment(environment="shop-prod") == Environment("shop-prod", "production", "shop", listed=True)
    assert environment(environment="shop-prod", service="web") == Environment(
        "shop-prod", "production", "web", listed=True
    )


@pytest.mark.parametrize("type_", ["deployment.succeeded", "deployment.failed", "change.merged"])
def test_an_old_deployment_or_merge_is_kept_and_not_counted(type_: str) -> None:
    # The sample happened an hour before its receipt.
    for limit, reason in ((HOUR, None), (HOUR - 1, "too_old"), (0, None)):
        fact, ignored = translated(event(type_), Policy(max_event_age=limit))
        assert isinstance(fact, DeploymentFinished | ChangeMerged)
        assert (fact.counted, ignored) == (reason is None, reason)


@pytest.mark.parametrize(
    "type_",
    ["deployment.started", "deployment.marked_failed", "deployment.recovered", "incident.opened", "incident.resolved"],
)
def test_marks_and_incidents_are_never_too_old(type_: str) -> None:
    assert translated(event(type_), Policy(max_event_age=1))[1] is None


def test_what_the_settings_say_about_look_ups_is_written_into_the_deployment() -> None:
    fact, _ = translated(event(), Policy(lookups=True, max_commits=7))
    assert isinstance(fact, DeploymentFinished)
    assert (fact.lookups, fact.max_commits) == (True, 7)


def test_case_34_a_pushed_incident_may_name_its_deployment() -> None:
    fact, _ = translated(event("incident.opened", deployment_id=7))
    assert isinstance(fact, IncidentOpened)
    assert fact.deployment_id == "7"
    unnamed, _ = translated(event("incident.opened"))
    assert isinstance(unnamed, IncidentOpened)
    assert unnamed.deployment_id is None


def test_case_30_an_abbreviated_sha_is_passed_on_as_it_is() -> None:
    fact, _ = translated(event(sha="ABCDEF0"))
    assert isinstance(fact, DeploymentFinished)
    assert fact.sha == "abcdef0"
