"""What the rooms themselves judge of the settings is told with all other problems, and no value is."""

from __future__ import annotations

import pytest

from dora.composition import read_settings
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
