"""What a look at the surroundings finds: each thing with how it stands, and what to do about it.

The rooms that know a part of the surroundings (GitHub, a store) say what they found in these words; `dora check` shows
it. No finding holds a secret.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class Level(StrEnum):
    """How a thing stands."""

    OK = "ok"
    WARNING = "warning"
    """It works, and is not as it should be."""
    ERROR = "error"
    """It does not work."""
    UNKNOWN = "unknown"
    """Nobody can tell from here."""


@frozen
class Finding:
    """One thing that was looked at."""

    level: Level
    area: str
    """What it belongs to, in a word: `settings`, `github`, `webhooks`…"""
    subject: str
    """What it is about: a variable, a repository, an address."""
    found: str
    """What there is, in a sentence."""
    remedy: str = ""
    """What to do about it; empty if there is nothing to do."""
