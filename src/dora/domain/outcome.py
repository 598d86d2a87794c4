"""What became of a fact."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from dora.domain.observations import Observation
from dora.domain.questions import ChangesSought


class Status(StrEnum):
    """What became of a fact, in one word."""

    COUNTED = "counted"
    """A number stepped, or a look-up began."""
    STORED = "stored"
    """Kept for linking and later measuring; nothing stepped."""
    DUPLICATE = "duplicate"
    """The same fact was here before."""
    IGNORED = "ignored"
    """Of no interest; `reason` says why."""


class Ignored(StrEnum):
    """Why the core itself ignores a fact."""

    LIMIT = "limit"
    TOO_OLD = "too_old"
    LABEL = "label"
    """An issue ended that was never an incident."""
    UNASKED = "unasked"
    """An answer to a question that is not open (any more)."""


@frozen
class Outcome:
    """What became of a fact, and why."""

    status: Status
    reason: str | None = None


@frozen
class Applied:
    """What one fact led to."""

    outcome: Outcome
    observations: tuple[Observation, ...] = ()
    questions: tuple[ChangesSought, ...] = ()
