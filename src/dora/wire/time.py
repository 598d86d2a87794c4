"""Text to instants."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from dora.domain.instant import MICROSECONDS, Instant, instant

_RFC3339: Final = re.compile(
    r"(?P<minutes>[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:)(?P<second>[0-9]{2})(?P<fraction>\.[0-9]+)?"
    r"(?P<offset>Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
    re.IGNORECASE | re.ASCII,
)
_USUAL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z", re.ASCII)
"""As GitHub writes times: whole seconds of UTC, none of them a leap second."""

_FIRST: Final = instant(datetime.fromisoformat("0001-01-01T00:00:00+00:00"))
_LAST: Final = instant(datetime.fromisoformat("9999-12-31T23:59:59.999999+00:00"))
_LEAP_SECOND: Final = "60"


def rfc3339(text: str) -> Instant:
    """Return the instant that a timestamp of RFC 3339 names, with its offset, cut to whole microseconds.

    A leap second is the first second of the next minute, as in POSIX time.

    Raises:
        ValueError: the text is no such timestamp, or lies (in UTC) before the year 1 or after 9999.
    """
    if _USUAL.fullmatch(text):
        return _of_the_calendar(text)
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time with an offset")
    leap = match["second"] == _LEAP_SECOND
    plain = text.upper() if not leap else f"{match['minutes']}59{match['fraction'] or ''}{match['offset']}".upper()
    moment = _of_the_calendar(plain) + (MICROSECONDS if leap else 0)
    if not _FIRST <= moment <= _LAST:
        raise ValueError("a time outside the years 1 to 9999")
    return moment


def _of_the_calendar(text: str) -> Instant:
    try:
        return instant(datetime.fromisoformat(text))
    except ValueError:
        raise ValueError("not a time of the calendar") from None
