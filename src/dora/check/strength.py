"""How strong a secret can be at most, judged by its look: a random one of the same look has so many bits."""

from __future__ import annotations

import math
import string
import zlib
from typing import Final

from dora.findings import Finding, Level

AREA: Final = "secrets"

_WEAK: Final = 64
"""Bits below which a secret can be guessed: whoever sees one signed delivery can try keys as fast as they can hash."""
_GOOD: Final = 112
"""Bits from which on nobody can (NIST SP 800-131A, section 1.2.2)."""
_FEW_CHARACTERS: Final = 5
"""Different characters: a random secret of 16 or more has more."""
_COMPRESSIBLE: Final = 0.75
"""A text that packs to less than this share of its length repeats itself."""
_LONG: Final = 32
"""Bytes from which on packing tells anything."""

_KINDS: Final = (string.digits, string.ascii_lowercase, string.ascii_uppercase, string.punctuation + " ")
_PLACEHOLDERS: Final = (
    *("secret", "password", "passwort", "changeme", "change-me", "example", "default", "webhook", "development"),
    *("token", "test", "dora", "admin", "letmein", "qwerty", "123456", "abcdef", "made-up", "todo", "xxxx"),
)
"""Words that people write where a secret is to come."""

_REMEDY: Final = "Make one with: openssl rand -hex 32"


def bits(secret: bytes) -> int:
    """Return the bits that a secret of this look has at most. A secret that is random has about as many."""
    known = set(secret.decode("latin-1"))
    if known <= set(string.digits):
        choices = 10
    elif known <= set(string.digits + "abcdef") or known <= set(string.digits + "ABCDEF"):
        choices = 16
    elif known <= set("".join(_KINDS)):
        choices = sum(len(kind) for kind in _KINDS if known & set(kind))
    else:
        choices = 256
    return int(len(secret) * math.log2(choices))


def judge(name: str, secret: bytes) -> Finding:
    """Return how strong a secret is; it is not quoted, and its length is told only if it is too short."""
    lower = secret.decode("utf-8", "replace").lower().strip()
    remains = lower
    for word in _PLACEHOLDERS:
        remains = remains.replace(word, "")
    if len(remains) * 2 < len(lower):
        return Finding(Level.ERROR, AREA, name, "It is made of words that stand where a secret should come.", _REMEDY)
    if len(set(secret)) < _FEW_CHARACTERS or _repeats(secret):
        return Finding(Level.ERROR, AREA, name, "It repeats itself, and can be guessed.", _REMEDY)
    strength = bits(secret)
    if strength < _WEAK:
        text = f"It is too short: {len(secret)} bytes, of {strength} bits at most."
        return Finding(Level.ERROR, AREA, name, text, _REMEDY)
    if strength < _GOOD:
        return Finding(
            Level.WARNING, AREA, name, f"It has {strength} bits at most; {_GOOD} cannot be guessed.", _REMEDY
        )
    return Finding(Level.OK, AREA, name, "It is long enough.")


def _repeats(secret: bytes) -> bool:
    if len(secret) < _LONG:
        return False
    # Hexadecimal digits of randomness pack to half their length: compared is with what they would pack to.
    random_share = min(1.0, bits(secret) / (8 * len(secret)))
    return len(zlib.compress(secret, 9)) - 11 < len(secret) * random_share * _COMPRESSIBLE
