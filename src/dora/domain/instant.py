"""Time as whole microseconds, so that differences and sums are exact.

An `Instant` counts microseconds since the Unix epoch (UTC); a `Duration` is the difference of two. Seconds as floats
appear only where an observation leaves for a metric sink's reader.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeAlias

Instant: TypeAlias = int
Duration: TypeAlias = int

MICROSECONDS = 1_000_000
"""Microseconds in a second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400
"""Seconds; `timedelta` has no leap ones."""


def instant(moment: datetime) -> Instant:
    """Return the moment as an `Instant`.

    Raises:
        ValueError: the moment has no time zone: it names no instant.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone is no instant")
    since = moment - _EPOCH
    return (since.days * _DAY + since.seconds) * MICROSECONDS + since.microseconds


def seconds(duration: Duration) -> float:
    """Return a duration, or an instant's distance from the epoch, in seconds."""
    return duration / MICROSECONDS
