"""The recordings of GitHub's answers: the adapter reads them, and the fake GitHub gives the same ones.

See `tests/contract/recordings/README.md` for how they came about.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from dora.domain.facts import Environment, Repository
from dora.domain.questions import ChangesSought
from tests.contract.fake_github.world import Clock
from tests.contract.recordings.exchanges import API, FOLDER, Player, ask, differences, load
from tests.contract.recordings.record import from_the_fake
from tests.contract.recordings.scenarios import SCENARIOS, Scenario

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


def test_there_is_a_recording_of_every_scenario_and_none_beside() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert folders == {scenario.name for scenario in SCENARIOS}


@every_scenario
async def test_the_adapter_asks_as_recorded_and_makes_the_same_of_the_answers(scenario: Scenario) -> None:
    recipe, exchanges, outcome = load(scenario.name)
    raw = recipe["question"]
    question = ChangesSought(
        **{
            **raw,
            "repository": Repository(**raw["repository"]),
            "environment": Environment(**raw["environment"]),
            "commits": None if raw["commits"] is None else tuple(raw["commits"]),
            "pull_requests": tuple(raw["pull_requests"]),
        }
    )
    app = ("1234", generate_private_key(public_exponent=65537, key_size=2048)) if scenario.app else None
    player = Player(exchanges)
    times = scenario.times
    seen = await ask(player, question, api=API, clock=Clock(), times=times, app=app, direct=scenario.direct)
    assert seen == outcome
    assert player.played == len(exchanges)


@every_scenario
async def test_the_fake_github_answers_as_recorded(scenario: Scenario) -> None:
    _, exchanges, _ = load(scenario.name)
    _, seen, _ = await from_the_fake(scenario)
    assert differences(exchanges, seen) == []


async def test_a_difference_to_a_recording_is_told_with_its_place() -> None:
    _, exchanges, _ = load("squash")
    _, other, _ = load("merge")
    found = differences(exchanges, other)
    assert any(problem.startswith("/0/response/body/total_commits: 1 is recorded, 3 was seen") for problem in found)
    assert differences(exchanges, exchanges[:1]) == ["2 exchanges are recorded, 1 were seen"]


def test_nobody_and_no_secret_is_in_the_recordings() -> None:
    for path in FOLDER.rglob("*.json*"):
        text = path.read_text(encoding="utf-8").lower()
        assert "authorization" not in text, path
        assert "bearer" not in text, path
        assert text.count("@") == text.count("@example.invalid") + text.count("@@") * 2 + text.count("git@github"), path
        assert "ghs_" not in text.replace("ghs_scrubbed", ""), path
