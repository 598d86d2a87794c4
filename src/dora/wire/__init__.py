"""Strict reading of what senders send: bytes to JSON, JSON to attrs classes, text to instants.

Both doors read with this, so that both refuse the same things and say so in the same words. Nothing here coerces: a
bool is no integer, `"1"` is no integer, null is a value of optional fields only. Texts of errors name the place and
what was wanted, and never quote what was sent.
"""

from __future__ import annotations

from dora.wire.json import is_json, parse
from dora.wire.shapes import Maybe, Moment, Rule, escape, structure
from dora.wire.signature import signed
from dora.wire.time import rfc3339

__all__ = ["Maybe", "Moment", "Rule", "escape", "is_json", "parse", "rfc3339", "signed", "structure"]
