"""What the rooms themselves judge of the settings is told with all other problems, and no value is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dora.composition import compose, read_settings
from dora.settings import InvalidSettingsError

SECRET = {"WEBHOOK_SECRET": "s3cret-value"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DORA_STATE", "nonsense-value"),
        ("DORA_STATE", "memory:nonsense-value"),
        ("DORA_STATE", "file://nonsense-value"),
        ("DORA_API_TOKENS", "nonsense-value"),
        ("GITHUB_API_URL", "nonsense-value"),
        ("GITHUB_TOKEN", "nonsense-value with spaces"),
        ("GITHUB_APP_PRIVATE_KEY", "nonsense-value"),
        ("DORA_OIDC_ISSUER", "http://nonsense-value"),
    ],
)
def test_a_value_that_its_room_cannot_use_is_named_by_its_variable_and_never_shown(variable: str, value: str) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        read_settings(SECRET | {variable: value})
    assert any(problem.startswith(f"{variable}: ") for problem in caught.value.problems)
    assert "nonsense-value" not in str(caught.value)


def test_every_kind_of_state_is_taken() -> None:
    for state in ("memory:", "file:///var/lib/dora", "redis://localhost/0"):
        assert read_settings(SECRET | {"DORA_STATE": state}).state == state


def test_cryptography_is_loaded_for_an_audience_alone() -> None:
    program = (
        "import os, sys\n"
        "from dora.composition import compose, read_settings\n"
        "service = compose(read_settings(os.environ))\n"
        "print(*sorted({'jwt', 'cryptography'} & set(sys.modules)))"
    )

    def loaded(**more: str) -> list[str]:
        ran = subprocess.run(
            [sys.executable, "-c", program], env=SECRET | more, capture_output=True, text=True, check=True
        )
        return ran.stdout.split()

    assert loaded() == []
    assert loaded(DORA_OIDC_AUDIENCE="dora") == ["cryptography", "jwt"]


async def test_workflows_are_known_with_an_audience_alone() -> None:
    assert compose(read_settings(SECRET)).workflows is None
    workflows = compose(read_settings(SECRET | {"DORA_OIDC_AUDIENCE": "dora"})).workflows
    assert workflows is not None
    assert (workflows.audience, workflows.documents.issuer) == ("dora", "https://token.actions.githubusercontent.com")
    await workflows.client.aclose()
