"""The single fields of a pushed event: each reader takes one JSON value and returns what it means.

A reader that refuses raises `dora.ports.Invalid`; the pointers of its problems are relative to the field, and no text
repeats what was sent. Types are exact: `"1"` is no number, `true` is no integer, `null` is no value at all (a member
that is not wanted is left out).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeVar

from dora import wire
from dora.domain.facts import Kind, SentChange
from dora.domain.instant import MICROSECONDS, Duration, Instant
from dora.ports import Invalid, Problem

MAX_AHEAD: Final[Duration] = int(timedelta(minutes=5).total_seconds()) * MICROSECONDS
"""How far ahead of the time of receipt an event may lie: clocks differ, but not by more."""

MAX_NAME: Final = 64
"""Characters of an environment's or a service's name."""

MAX_ID: Final = 128
"""Characters of an id that the sender chose; of an integer, its decimal digits."""

MAX_KEY: Final = 255
"""Characters of an idempotency key."""

MAX_CHANGES: Final = 500
"""Changes that one deployment may name."""

MAX_URL: Final = 1024
"""Characters of a repository as sent: a clone URL with whatever credentials a runner left in it."""

REQUIRED: Final = "is required"
NO_OBJECT: Final = "must be an object"

NAME_CHARACTERS: Final = "[A-Za-z0-9._/ -]"
SHA_PATTERN: Final = "[0-9A-Fa-f]{7,64}"
REPOSITORY_PATTERN: Final = (
    r"(?:(?:[Hh][Tt][Tt][Pp][Ss]?|[Ss][Ss][Hh]|[Gg][Ii][Tt])://(?:[^\s/@]*@)?[^\s/@:]+(?::[0-9]+)?/"
    r"|(?:[^\s/@:]+@)?[^\s/@:]+:/?)?"
    r"([A-Za-z0-9._-]{1,100})/([A-Za-z0-9._-]{1,100}?)(?:\.[Gg][Ii][Tt])?/?"
)
"""`owner/name`, or the clone URL of one: `https://host/owner/name.git`, `ssh://git@host:22/owner/name.git`,
`git@host:owner/name.git`; with or without `.git`, a slash at the end, and credentials."""

_NAME = re.compile(f"{NAME_CHARACTERS}*")
_SHA = re.compile(SHA_PATTERN)
_REPOSITORY = re.compile(REPOSITORY_PATTERN)
_NO_NAMES = frozenset({".", "..", ".git"})

_Word = TypeVar("_Word", bound=StrEnum)


def refused(detail: str, *, at: str = "") -> Invalid:
    """Return the error that says one thing."""
    return Invalid(Problem(at, detail))


def within(problems: Invalid, *, at: str) -> Iterator[Problem]:
    """Yield the problems of a part as problems of the whole."""
    for problem in problems.problems:
        yield Problem(at + problem.pointer, problem.detail)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise refused("must be a string")
    return value


def word(value: object, words: type[_Word]) -> _Word:
    """Read one of a fixed list of words."""
    text = _text(value)
    try:
        return words(text)
    except ValueError:
        raise refused(f"must be one of {', '.join(words)}") from None


def repository(value: object) -> str:
    """Read `owner/name`, or a clone URL that ends in it, as `owner/name` in the spelling sent.

    The host of a URL does not matter, and credentials in it are dropped here.
    """
    text = _text(value)
    match = _REPOSITORY.fullmatch(text) if len(text) <= MAX_URL else None
    if match is None or not _NO_NAMES.isdisjoint(match.groups()):
        raise refused("must be owner/name or a clone URL of it")
    return "/".join(match.groups())


def moment(value: object) -> Instant:
    """Read an RFC 3339 time with its offset."""
    try:
        return wire.rfc3339(_text(value))
    except ValueError:
        raise refused("must be an RFC 3339 time with an offset") from None


def service(value: object) -> str:
    """Read a service's name, which may be empty."""
    text = _text(value)
    if len(text) > MAX_NAME or not _NAME.fullmatch(text):
        raise refused(f"must be at most {MAX_NAME} characters of {NAME_CHARACTERS}")
    return text


def environment(value: object) -> str:
    """Read an environment's name."""
    text = service(value)
    if not text:
        raise refused("must not be empty")
    return text


def key(value: object) -> str:
    """Read an idempotency key."""
    text = _text(value)
    if not 1 <= len(text) <= MAX_KEY:
        raise refused(f"must be 1 to {MAX_KEY} characters long")
    return text


def identity(value: object) -> str:
    """Read an id that the sender chose; an integer is its decimal text."""
    if isinstance(value, str):
        if 1 <= len(value) <= MAX_ID:
            return value
    # A bool is an int to Python, not to JSON. The bound stands before `str`, which takes long for many digits.
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_ID:
        text = str(value)
        if len(text) <= MAX_ID:
            return text
    raise refused(f"must be a string or an integer of 1 to {MAX_ID} characters")


def sha(value: object) -> str:
    """Read a commit's SHA, whole or abbreviated, as lower-case hex."""
    text = _text(value)
    if not _SHA.fullmatch(text):
        raise refused("must be 7 to 64 hexadecimal digits")
    return text.lower()


def kind(value: object) -> Kind:
    """Read what the sender says a deployment was."""
    return word(value, Kind)


def changes(value: object) -> tuple[SentChange, ...]:
    """Read the changes that a deployment brought, all problems at once."""
    if not isinstance(value, list):
        raise refused("must be an array")
    if len(value) > MAX_CHANGES:
        raise refused(f"must hold at most {MAX_CHANGES} changes")
    read = []
    problems: list[Problem] = []
    for index, raw in enumerate(value):
        try:
            read.append(_change(raw))
        except Invalid as invalid:
            problems.extend(within(invalid, at=f"/{index}"))
    if problems:
        raise Invalid(*problems)
    return tuple(read)


def _change(raw: object) -> SentChange:
    if not isinstance(raw, dict):
        raise refused(NO_OBJECT)
    problems: list[Problem] = []
    id_ = ""
    times: dict[str, Instant] = {}
    for name, value in raw.items():
        try:
            if name == "id":
                id_ = identity(value)
            elif name in {"merged_at", "committed_at"}:
                times[name] = moment(value)
            else:
                problems.append(unknown(name))
        except Invalid as invalid:
            problems.extend(within(invalid, at=f"/{name}"))
    if "id" not in raw:
        problems.append(Problem("/id", REQUIRED))
    if problems:
        raise Invalid(*problems)
    return SentChange(id=id_, merged_at=times.get("merged_at"), committed_at=times.get("committed_at"))


def unknown(name: str) -> Problem:
    """Return the problem of a member that no rule knows; a name too long to be one is not repeated."""
    return Problem(f"/{wire.escape(name)}" if len(name) <= MAX_ID else "", "is no field of the form")
