"""GitHub's published examples through the door, and our own deliveries before GitHub's published schemas.

`make contract-octokit` brings both from the npm packages `@octokit/webhooks-examples` and `@octokit/webhooks-schemas`;
nothing of them is part of this repository. `DORA_OCTOKIT` names the folder that holds them, if it is another.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator

from dora.adapters.github.webhooks import Delivery, Webhooks
from dora.domain.facts import CommitsPushed, DeploymentFinished, EnvironmentSeen, RepositorySeen
from dora.policy import Policy
from dora.wire import rfc3339
from tests.contract.make_deliveries import FOLDER

pytestmark = pytest.mark.octokit

OCTOKIT: Final = Path(os.environ.get("DORA_OCTOKIT") or Path(__file__).parent / "octokit" / "node_modules" / "@octokit")

MISJUDGED: Final[dict[str, str]] = {}
"""Our deliveries that the schemas refuse, each with the fault of the schema. None now: a status with an empty
`environment_url` would be one (an empty text fits both branches of a `oneOf`), so ours have none."""


@cache
def examples() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the event and body of every published example."""
    index = OCTOKIT / "webhooks-examples" / "api.github.com" / "index.json"
    events = json.loads(index.read_text(encoding="utf-8"))
    return tuple((event["name"], body) for event in events for body in event["examples"])


@cache
def definitions() -> dict[str, Any]:
    """Return GitHub's published schemas by name."""
    schema = json.loads((OCTOKIT / "webhooks-schemas" / "schema.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = schema["definitions"]
    return found


def send(event: str, body: dict[str, Any], policy: Policy | None = None) -> Delivery:
    """Bring a delivery through the door; the one place to change for another way in."""
    return Webhooks((b"secret",), policy or Policy()).read(
        event=event, body=json.dumps(body).encode(), form=False, received_at=rfc3339("2026-01-05T11:00:05Z")
    )


def faults(event: str, body: dict[str, Any]) -> list[str]:
    """Return where the body does not fit GitHub's schema of its event and action."""
    action = f"{event}${body.get('action')}"
    name = action if action in definitions() else f"{event}$event"
    schema = {"$ref": f"#/definitions/{name}", "definitions": definitions()}
    return [error.json_path for error in Draft7Validator(schema).iter_errors(body)]


def test_all_of_the_examples_are_there() -> None:
    assert len(examples()) == 329


def test_every_example_is_read_and_registers_its_repository() -> None:
    for event, body in examples():
        delivery = send(event, body)
        if "repository" in body:
            name = body["repository"]["full_name"]
            assert delivery.repository == name
            assert name in {fact.repository.name for fact in delivery.facts}


def test_the_examples_of_events_of_interest_are_read_as_what_they_are() -> None:
    became = Counter(
        (event, type(fact).__name__, delivery.ignored)
        for event, body in examples()
        if event in ("deployment", "deployment_status", "pull_request", "push", "issues")
        for delivery in [send(event, body)]
        for fact in delivery.facts
    )
    assert became == {
        ("deployment", EnvironmentSeen.__name__, "event"): 4,
        ("deployment_status", DeploymentFinished.__name__, None): 3,
        ("deployment_status", EnvironmentSeen.__name__, "state"): 1,
        ("pull_request", RepositorySeen.__name__, "action"): 29,
        ("push", CommitsPushed.__name__, None): 2,
        ("push", RepositorySeen.__name__, "ref"): 5,
        ("issues", RepositorySeen.__name__, "action"): 19,
        ("issues", RepositorySeen.__name__, "label"): 6,
        ("issues", RepositorySeen.__name__, "event"): 4,  # about milestones of pull requests
    }


def test_no_example_is_read_of_a_repository_that_is_not_watched() -> None:
    for event, body in examples():
        delivery = send(event, body, Policy(repositories=("nobody/*",)))
        assert (delivery.repository, delivery.facts) == (None, ())
        assert delivery.ignored is not None


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_our_deliveries_have_github_s_shape(path: Path) -> None:
    found = faults(path.name.split(".")[0], json.loads(path.read_text(encoding="utf-8")))
    assert bool(found) is (path.stem in MISJUDGED), found


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("deployment", "id", "42"),
        ("deployment", "sha", None),
        ("deployment_status", "state", "inactive"),
        ("deployment_status", "misspelt", "x"),
    ],
)
def test_the_schemas_see_a_fault(part: str, key: str, value: object) -> None:
    body = json.loads((FOLDER / "deployment_status.success.json").read_text(encoding="utf-8"))
    body[part][key] = value
    assert faults("deployment_status", body)
