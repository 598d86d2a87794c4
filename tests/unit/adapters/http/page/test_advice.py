"""What is said of a repository: nothing that is not known, and each with its remedy."""

from __future__ import annotations

import pytest

from dora.adapters.http import About
from dora.adapters.http.page.advice import Advice, Kind, advise
from dora.adapters.http.sightings import Passed, Sighting
from dora.domain.facts import Unknown
from dora.domain.outcome import Outcome, Status
from tests.unit.adapters.http.fakes import NOW, FakeChain, FakeStanding

ALONE = About(version="1", state="memory", lookups=False)
ASKING = About(version="1", state="memory", lookups=True)
EVERYTHING = ("deployment_status", "pull_request", "push", "issues")
MEASURED = FakeChain(lead_times=3, commit_lead_times=3)


def sighting(*types: str, **passed: Passed) -> Sighting:
    return Sighting(
        "acme/api", "github", types[-1], Outcome(Status.COUNTED), NOW, dict.fromkeys(types, NOW), dict(passed)
    )


def standing(*chains: FakeChain) -> FakeStanding:
    return FakeStanding(chains=chains)


def texts(advice: list[Advice]) -> str:
    return "\n".join(f"{one.kind} {one.what} {one.remedy}" for one in advice)


def test_of_a_repository_that_sends_everything_and_is_measured_nothing_is_said() -> None:
    assert advise(sighting(*EVERYTHING), standing(MEASURED), ALONE) == []


def test_without_a_deployment_the_event_to_tick_is_named() -> None:
    (advice,) = advise(sighting("ping"), standing(), ALONE)
    assert advice.kind is Kind.MISSING
    assert "*Deployment statuses*" in advice.remedy
    assert "`deployment.succeeded`" in advice.remedy


def test_deployments_without_their_statuses_are_told_apart_from_none() -> None:
    begun = standing(FakeChain(last_success=None, successes=0))
    (advice,) = advise(sighting("deployment"), begun, ALONE)
    assert advice.kind is Kind.MISSING
    assert "`deployment_status`" in advice.what
    (advice,) = advise(sighting("deployment_status"), begun, ALONE)
    assert advice.kind is Kind.WAITING


@pytest.mark.parametrize(("absent", "ticked"), [("pull_request", "*Pull requests*"), ("push", "*Pushes*")])
def test_while_deployments_arrive_what_does_not_is_to_be_ticked(absent: str, ticked: str) -> None:
    types = [one for one in EVERYTHING if one != absent]
    (advice,) = advise(sighting(*types), standing(MEASURED), ALONE)
    assert advice.kind is Kind.MISSING
    assert ticked in advice.remedy
    assert "since this process started" in advice.what
    (advice,) = advise(sighting(*types), standing(MEASURED), ASKING)
    assert advice.kind is Kind.NOTE
    assert "GitHub is asked instead" in advice.what


def test_nothing_is_held_against_a_repository_of_which_nothing_has_arrived_since_the_start() -> None:
    advice = advise(None, standing(FakeChain(lead_times=3, commit_lead_times=3, incidents=1)), ALONE)
    assert advice == []


def test_pushed_deployments_are_not_asked_for_webhooks() -> None:
    advice = advise(sighting("deployment.succeeded", "incident.opened"), standing(FakeChain()), ALONE)
    assert "tick" not in texts(advice)
    assert "`changes`" in texts(advice)


def test_first_commits_that_are_not_known_are_missed() -> None:
    half = standing(FakeChain(lead_times=3))
    (advice,) = advise(sighting(*EVERYTHING), half, ALONE)
    assert "`GITHUB_TOKEN`" in advice.remedy
    assert "*Pushes*" not in advice.remedy
    assert "*Pushes*" in texts(advise(sighting("deployment_status", "pull_request"), half, ALONE))
    (advice,) = advise(sighting(*EVERYTHING), half, ASKING)
    assert advice.kind is Kind.NOTE


@pytest.mark.parametrize("reason", Unknown)
def test_every_reason_of_the_unknown_is_explained_and_has_a_remedy(reason: Unknown) -> None:
    of_it = standing(FakeChain(unknown={reason: 2}, lead_times=1, commit_lead_times=1))
    (advice,) = advise(sighting(*EVERYTHING), of_it, ALONE)
    assert f"`{reason}`" in advice.what
    assert "2 deployments in `production`" in advice.what
    assert len(advice.remedy) > 20


def test_reasons_that_are_over_or_nobodys_fault_are_but_notes() -> None:
    def kinds(about: About, reason: str) -> list[Kind]:
        of_it = standing(FakeChain(unknown={reason: 1}, lead_times=1, commit_lead_times=1))
        return [one.kind for one in advise(sighting(*EVERYTHING), of_it, about)]

    assert kinds(ALONE, "first_deployment") == kinds(ASKING, "first_deployment") == [Kind.NOTE]
    assert (kinds(ALONE, "no_token"), kinds(ASKING, "no_token")) == ([Kind.MISSING], [Kind.NOTE])


def test_many_environments_are_named_in_part() -> None:
    chains = [
        FakeChain(environment=f"e{number}", unknown={"not_found": 1}, lead_times=1, commit_lead_times=1)
        for number in range(1_005)
    ]
    (advice,) = advise(sighting(*EVERYTHING), standing(*chains), ALONE)
    assert "1,005 deployments in `e0`, `e1`, `e2` and 1,002 more" in advice.what


def test_pending_look_ups_wait_for_a_delivery_or_for_github() -> None:
    waiting = standing(FakeChain(service="web", pending=2, lead_times=1, commit_lead_times=1))
    (advice,) = advise(sighting(*EVERYTHING), waiting, ALONE)
    assert advice.kind is Kind.WAITING
    assert "2 deployments in `production / web` wait for a delivery" in advice.what
    assert "Redeliver" in advice.remedy
    (advice,) = advise(sighting(*EVERYTHING), waiting, ASKING)
    assert "looked up at GitHub" in advice.what
    assert "`dora check`" in advice.remedy


@pytest.mark.parametrize(
    ("reason", "setting"),
    [
        ("environment", "`DORA_ENVIRONMENTS`"),
        ("branch", "`DORA_BRANCHES`"),
        ("limit", "`DORA_MAX_REPOSITORIES`"),
        ("too_old", "`DORA_MAX_EVENT_AGE`"),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_what_is_left_out_is_told_with_the_setting_that_decides(reason: str, setting: str, *, listed: bool) -> None:
    passed = {reason: Passed(3, NOW, "a-`name`" if reason in {"environment", "branch"} else None)}
    about = About(version="1", state="memory", lookups=False, listed=listed)
    (advice,) = advise(sighting(*EVERYTHING, **passed), standing(MEASURED), about)
    assert advice.what.startswith("3 events")
    assert setting in advice.remedy
    assert ("the last for `a-\u2035name\u2035`" in advice.what) == (reason in {"environment", "branch"})


@pytest.mark.parametrize("reason", ["ping", "event", "action", "state", "ref", "commits", "label"])
def test_what_is_ignored_by_its_nature_is_not_mentioned(reason: str) -> None:
    assert advise(sighting(*EVERYTHING, **{reason: Passed(3, NOW, None)}), standing(MEASURED), ALONE) == []


def test_without_incidents_it_is_said_how_to_send_them() -> None:
    (advice,) = advise(sighting("deployment_status", "pull_request", "push"), standing(MEASURED), ALONE)
    assert advice.kind is Kind.NOTE
    assert "*Issues*" in advice.remedy


def test_a_repository_that_has_another_name_now_is_told_to_be_looked_for_there() -> None:
    (advice,) = advise(None, FakeStanding(chains=(FakeChain(),), moved=True), ALONE)
    assert "another name" in advice.what


def test_what_matters_most_comes_first() -> None:
    mixed = standing(FakeChain(pending=1, unknown={"first_deployment": 1, "not_found": 1}))
    kinds = [one.kind for one in advise(sighting("deployment_status"), mixed, ALONE)]
    assert kinds == sorted(kinds, key=list(Kind).index)
    assert set(kinds) == set(Kind)
