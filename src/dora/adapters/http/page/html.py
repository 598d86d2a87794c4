"""Text to HTML: everything is escaped here."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from dora.domain.instant import MICROSECONDS

if TYPE_CHECKING:
    from dora.domain.instant import Instant

_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60))
"""Seconds in each, the largest first."""


def name(text: str) -> str:
    """Return a name from outside: its letters may run from right to left, and must not turn what stands around it."""
    return f"<bdi>{escape(text)}</bdi>"


def marked(text: str) -> str:
    """Return a sentence in which backticks mark code, and stars outside of them emphasis."""
    parts = text.split("`")
    return "".join(
        f"<code>{name(part)}</code>" if place % 2 else _stressed(escape(part)) for place, part in enumerate(parts)
    )


def _stressed(escaped: str) -> str:
    parts = escaped.split("*")
    return "".join(f"<em>{part}</em>" if place % 2 else part for place, part in enumerate(parts))


def moment(at: Instant, now: Instant) -> str:
    """Return a time, as long ago as it is; the exact one follows for who wants it."""
    exact = datetime.fromtimestamp(at // MICROSECONDS, tz=UTC)
    return (
        f'<time datetime="{exact:%Y-%m-%dT%H:%M:%SZ}">{ago(now - at)} '
        f'<span class="soft">({exact:%Y-%m-%d %H:%M} UTC)</span></time>'
    )


def ago(duration: int) -> str:
    """Return how long ago something was, in its largest unit.

    Args:
        duration: microseconds.
    """
    seconds = max(0, duration // MICROSECONDS)
    return "just now" if seconds < _UNITS[-1][1] else f"{lasting(seconds)} ago"


def lasting(seconds: int) -> str:
    """Return a number of seconds in its largest unit, like `2 hours`."""
    for unit, length in _UNITS:
        if seconds >= length:
            return counted(seconds // length, unit)
    return counted(seconds, "second")


def counted(count: int, thing: str) -> str:
    """Return `1 thing` or `2 things`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
