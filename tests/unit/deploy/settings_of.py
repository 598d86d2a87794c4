"""What the service makes of the variables that a manifest gives it, asked of the service itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from dora.adapters.http.openapi import description
from dora.settings import VARIABLES

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
PATHS = frozenset(description({}, version="0")["paths"])
"""Every path that the service answers."""

SECRETS = frozenset(
    {
        "WEBHOOK_SECRET",
        "WEBHOOK_SECRET_PREVIOUS",
        "GITHUB_TOKEN",
        "DORA_API_TOKENS",
        "DORA_METRICS_TOKEN",
        "AZURE_STORAGE_ACCOUNT_KEY",
    }
)
"""What no manifest may hold; the stores' own among them."""

_PROGRAM = """
import json, os
from dora.composition import read_settings
settings = read_settings(os.environ)
print(json.dumps([settings.bind.port, settings.state, settings.warnings]))
"""


@frozen
class Understood:
    """What became of the variables."""

    port: int
    state: str
    warnings: list[str]


def known(variable: str) -> bool:
    """Return whether the service reads such a variable, or the documents name it as one of a store's."""
    return variable.removesuffix("_FILE") in VARIABLES or f"`{variable}`" in (ROOT / "docs/scaling.md").read_text()


def understood(environment: Mapping[str, str]) -> Understood:
    """Start a process with nothing but these variables; it fails if the settings are refused."""
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=dict(environment), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return Understood(*json.loads(ran.stdout))


def made_up(variable: str) -> str:
    """Return a value for what comes from a store of secrets."""
    # A key of Azure's is base64; a client has a name.
    return {"AZURE_STORAGE_ACCOUNT_KEY": "bWFkZSB1cA==", "DORA_API_TOKENS": "deploys:made-up"}.get(variable, "made-up")
