"""GitHub's rate limits, as one credential meets them.

What is done here is what GitHub asks for (docs: rest/using-the-rest-api/rate-limits-for-the-rest-api,
best-practices-for-using-the-rest-api, graphql/overview/rate-limits-and-query-limits-for-the-graphql-api): requests one
after the other; after 403 or 429 wait as `retry-after` says, else until `x-ratelimit-reset` if nothing remains, else at
least a minute, then exponentially longer. Nothing sleeps here: who asks too early is told when to come again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from attrs import define, field, frozen

from dora.domain.instant import MICROSECONDS, Instant, instant, seconds
from dora.ports import Unavailable

_MINUTE: Final = 60.0
_LONGEST_BACKOFF: Final = 15 * _MINUTE
"""Cap of the exponential waits: a limit nobody explained is tried again four times an hour."""
_LONGEST_WAIT: Final = 2 * 60 * _MINUTE
"""Cap of what an answer may ask for. A primary limit resets within the hour; more is a mistake on the way."""
_SHORTEST_WAIT: Final = 1.0
"""A reset that has just passed by our clock may not have passed by GitHub's."""
_STRIKES: Final = 10
"""Where counting waits in a row stops: the cap holds long before, and 2 to the power of it stays a number."""
_JITTER: Final = 0.25
_DIGITS: Final = 15
"""Longest number read from a header: far beyond any count or epoch second, and no work to read."""


@frozen
class Remaining:
    """What GitHub says is left of a primary limit."""

    remaining: int
    limit: int
    reset: Instant
    """When it is full again, by our clock."""


@define
class Budget:
    """What one credential may still ask GitHub.

    Primary limits are counted by resource (`core`, `graphql`); a secondary limit silences the credential as a whole.
    Requests of one credential take `turn`: GitHub wants them one after the other.
    """

    reserve: float = 0.1
    """Share of each primary limit that is left to others who use the same credential."""
    background_reserve: float = 0.5
    """Share that what is done in the background leaves to everything else."""
    chance: Callable[[], float] = random.random
    """Returns a number from 0 to 1: the jitter that keeps several processes from coming back together."""
    turn: asyncio.Lock = field(factory=asyncio.Lock, init=False, repr=False)
    _known: dict[str, Remaining] = field(factory=dict, init=False)
    _silent_until: Instant = field(default=0, init=False)
    _strikes: int = field(default=0, init=False)

    def admit(self, resource: str, *, now: Instant, background: bool = False) -> None:
        """Return if a request may be made now.

        Args:
            resource: The primary limit that it is counted in.
            now: The time.
            background: Whether it can wait for everything else.

        Raises:
            Unavailable: not before the time in `retry_after`.
        """
        if now < self._silent_until:
            raise _later("GitHub asked to wait", self._silent_until - now)
        known = self._known.get(resource)
        reserve = max(self.reserve, self.background_reserve) if background else self.reserve
        if known is not None and now < known.reset and known.remaining <= known.limit * reserve:
            raise _later("the rest of the rate limit is left to others", known.reset - now)

    def remaining(self, resource: str) -> Remaining | None:
        """Return what was last told of a primary limit."""
        return self._known.get(resource)

    def note(self, headers: Mapping[str, str], resource: str, *, now: Instant) -> None:
        """Remember what an answer's headers say of the primary limit."""
        remaining = _number(headers.get("x-ratelimit-remaining"))
        limit = _number(headers.get("x-ratelimit-limit"))
        reset = _number(headers.get("x-ratelimit-reset"))
        if remaining is None or limit is None or reset is None:
            return  # an Enterprise Server without limits tells none
        wait = min(max(seconds(reset * MICROSECONDS - _sent(headers, now)), 0.0), _LONGEST_WAIT)
        told = Remaining(remaining=remaining, limit=limit, reset=now + round(wait * MICROSECONDS))
        self._known[headers.get("x-ratelimit-resource", resource)] = told

    def succeeded(self) -> None:
        """Forget earlier limits without an explanation: a request came through."""
        self._strikes = 0

    def limited(self, headers: Mapping[str, str], *, now: Instant) -> Unavailable:
        """Return the error for an answer that was a rate limit, and keep silent for as long as it asks."""
        wait = retry_after(headers, now=now)
        if wait is not None:
            # It goes before everything else that the answer says, a later reset of the primary limit among it.
            self._known.clear()
        elif headers.get("x-ratelimit-remaining") == "0":
            reset = _number(headers.get("x-ratelimit-reset"))
            if reset is not None:
                wait = seconds(reset * MICROSECONDS - _sent(headers, now))
        if wait is None:
            # Half-way upwards only: the first wait is at least the minute that GitHub asks for.
            wait = min(_MINUTE * 2**self._strikes, _LONGEST_BACKOFF) * (1 + _JITTER * self.chance())
            self._strikes = min(self._strikes + 1, _STRIKES)
        wait = min(max(wait, _SHORTEST_WAIT), _LONGEST_WAIT)
        self.silence(wait, now=now)
        return Unavailable("GitHub's rate limit is reached", retry_after=wait)

    def silence(self, wait: float, *, now: Instant) -> None:
        """Admit nothing for so many seconds."""
        self._silent_until = max(self._silent_until, now + round(wait * MICROSECONDS))


def retry_after(headers: Mapping[str, str], *, now: Instant) -> float | None:
    """Return the seconds that an answer's `retry-after` asks for (RFC 9110, section 10.2.3); None if it has none."""
    text = headers.get("retry-after")
    if text is None:
        return None
    wait: float | None = _number(text)
    if wait is None:
        moment = _date(text)
        wait = None if moment is None else seconds(moment - _sent(headers, now))
    return None if wait is None else min(max(wait, 0.0), _LONGEST_WAIT)


def is_limit(status: int, headers: Mapping[str, str], text: str) -> bool:
    """Return whether a 403 or 429 is a rate limit and no missing permission.

    A secondary limit may come with `retry-after`, or only with GitHub's sentence in the body, while plenty remains.
    """
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    return (
        "retry-after" in headers
        or headers.get("x-ratelimit-remaining") == "0"
        or "gh-limited-by" in headers
        or speaks_of_limit(text)
    )


def speaks_of_limit(text: str) -> bool:
    """Return whether GitHub's sentence is that of a rate limit, old or new."""
    lower = text.lower()
    return "rate limit" in lower or "abuse detection" in lower


def sent_at(headers: Mapping[str, str]) -> Instant | None:
    """Return when an answer was sent by GitHub's clock, which goes by whole seconds; None if it does not tell."""
    return _date(headers.get("date", ""))


def _later(text: str, wait: int) -> Unavailable:
    return Unavailable(text, retry_after=max(seconds(wait), _SHORTEST_WAIT))


def _sent(headers: Mapping[str, str], now: Instant) -> Instant:
    """Return when the answer was sent by GitHub's clock, so that a wrong clock here does no harm."""
    moment = sent_at(headers)
    return now if moment is None else moment


def _date(text: str) -> Instant | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for a year of twenty digits
        return None
    return instant(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))


def _number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        return None
    return int(text)
