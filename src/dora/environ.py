"""Environment variables as values: their texts, from themselves or from files, and what a text may stand for.

Which variables there are, and what each of them means, is for `dora.settings`. No message quotes a value.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from dora.domain.instant import MICROSECONDS, Duration

_E = TypeVar("_E", bound=StrEnum)

_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
# Nine digits of days are more than all of recorded time; more digits are a slip.
_DURATION: Final = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_VISIBLE: Final = re.compile(r"[!-~]+")
# A value is a line or a key; a larger file is another file.
_LARGEST_FILE: Final = 1 << 20


def texts(environ: Mapping[str, str], names: Iterable[str], problems: list[str]) -> dict[str, str]:
    """Return the text of every variable that is set, from itself or from its file; empty if it cannot be read.

    Args:
        environ: the variables.
        names: those that are looked at; each also as `NAME_FILE`.
        problems: takes a line for each that cannot be read, beginning with its name.
    """
    found = {}
    for name in names:
        direct, path = environ.get(name, ""), environ.get(f"{name}_FILE", "")
        if direct and path:
            problems.append(f"{name}: set together with {name}_FILE; only one may be")
            found[name] = ""
        elif direct:
            found[name] = direct
        elif path:
            try:
                found[name] = _content(Path(path))
            except (OSError, ValueError) as error:
                # Not the error's own words: they quote the path, and a secret may have been put there by mistake.
                reason = str(error) if isinstance(error, _UnfitError) else "the file cannot be read"
                problems.append(f"{name}_FILE: {reason}")
                found[name] = ""
    return found


class _UnfitError(ValueError):
    """A file that is there and cannot be a value."""


def _content(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise _UnfitError("the file is too large for a value")
    text = content.decode("utf-8", "surrogateescape")
    text = text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")
    if not text:
        raise _UnfitError("the file is empty")
    return text


def unknown(environ: Mapping[str, str], names: Iterable[str]) -> tuple[str, ...]:
    """Return a warning for every `DORA_*` variable that nobody reads. Kubernetes injects some."""
    known = {variable for name in names for variable in (name, f"{name}_FILE")}
    warnings = []
    for name in sorted(environ):
        if not name.startswith("DORA_") or name in known:
            continue
        close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
        hint = f"; did you mean {close[0]}?" if close else ""
        # A name is chosen by whoever sets the environment: what cannot be printed is escaped.
        warnings.append(f"{ascii(name)[1:-1]} is not a setting{hint}")
    return tuple(warnings)


def duration(text: str) -> Duration:
    """Return a duration like `0`, `90s`, `15m`, `48h`, `30d` or `1h30m`, in microseconds.

    Raises:
        ValueError: it is none.
    """
    compact = text.strip().lower()
    if compact == "0":
        return 0
    match = _DURATION.fullmatch(compact)
    if not compact or match is None:
        raise ValueError("is no duration like 0, 90s, 15m, 48h, 30d or 1h30m")
    amounts = zip(match.groups(), _UNITS.values(), strict=True)
    return sum(int(amount or 0) * unit for amount, unit in amounts) * MICROSECONDS


def token(text: str) -> str:
    """Return a text of visible ASCII characters.

    Raises:
        ValueError: it is none.
    """
    if not _VISIBLE.fullmatch(text):
        raise ValueError("must consist of visible ASCII characters, without spaces")
    return text


def url(text: str) -> str:
    """Return the address of a service, without a slash at its end.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        raise ValueError("is no URL") from None  # the error's own words may quote it
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is no URL that begins with https://")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("must hold no user, password, query or fragment")
    return text.strip().rstrip("/")


def issuer(text: str) -> str:
    """Return the address of an issuer of tokens, as it is written.

    Raises:
        ValueError: it is none, or not to be trusted.
    """
    parts = urlsplit(url(text))
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://, unless it is on this machine")
    # It is compared letter by letter with what tokens say: a slash at its end stays.
    return text.strip()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers within bounds."""

    def read(text: str) -> int:
        digits = text.strip()
        # More digits than any bound has; int() would go on for thousands of them.
        number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= len("1000000000") else -1
        if number < least or (most is not None and number > most):
            raise ValueError(f"must be a whole number of at least {least}" + (f", at most {most}" if most else ""))
        return number

    return read


def choice(kind: type[_E]) -> Callable[[str], _E]:
    """Return a reader of one word out of several."""

    def read(text: str) -> _E:
        try:
            return kind(text.strip().lower())
        except ValueError:
            raise ValueError(f"must be one of {', '.join(kind)}") from None

    return read
