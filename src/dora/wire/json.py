"""Bytes to JSON."""

from __future__ import annotations

import json
import re
from typing import Final

import orjson

from dora.ports import Malformed, Problem

_MEDIA: Final = re.compile(r"[^/;]+/(?:[^/;]+\+)?json", re.IGNORECASE)


def is_json(media: str) -> bool:
    """Return whether what has the media type (without parameters) is JSON: `application/json`, or by its suffix.

    The suffix is that of RFC 6839, section 3.1.
    """
    return _MEDIA.fullmatch(media) is not None


def parse(body: bytes) -> object:
    """Return the JSON value of a body: RFC 8259 in UTF-8, every key of an object once, every number finite.

    Raises:
        Malformed: it is anything else, or nested too deeply to be read.
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed(Problem("", "is not JSON")) from None
    try:
        if orjson.dumps(value) == body:
            return value
    except orjson.JSONEncodeError:
        pass  # nested deeper than orjson writes: the slow way decides
    # orjson keeps the last of equal keys and reads integers past 64 bits as floats. A body that it writes back byte for
    # byte holds neither; the others (spaces, escapes, other number forms) are read again by a parser that can tell.
    try:
        return json.loads(body, object_pairs_hook=_without_duplicates)
    except RecursionError:
        raise Malformed(Problem("", "is nested too deeply")) from None


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed(Problem("", "holds an object with the same key twice"))
    return members
