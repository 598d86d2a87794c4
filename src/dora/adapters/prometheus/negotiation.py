"""Which format and encoding a scrape wants, by its `Accept` and `Accept-Encoding` headers (RFC 9110, section 12.5).

The client's own `choose_encoder` ignores weights, promises any version it is asked for, and fails on some headers.
How Prometheus asks: https://prometheus.io/docs/instrumenting/content_negotiation/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

ESCAPINGS: Final = frozenset({"allow-utf-8", "underscores", "dots", "values"})
"""How names outside the old character set may be written: https://prometheus.io/docs/instrumenting/escaping_schemes/.
Ours are inside it, so that all four give the same bytes."""

_WEIGHT = re.compile(r"0(?:\.\d*)?|1(?:\.0*)?", re.ASCII)
_ITEM = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
_PARAMETER = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*"?)+')


@frozen
class Format:
    """A format that a scrape can be answered in."""

    openmetrics: bool
    escaping: str | None = None
    """The escaping scheme that the request named, if it is one that exists."""

    @property
    def content_type(self) -> str:
        """The `Content-Type` of the answer."""
        if not self.openmetrics:
            return "text/plain; version=0.0.4; charset=utf-8"
        escaping = f"; escaping={self.escaping}" if self.escaping else ""
        return f"application/openmetrics-text; version=1.0.0; charset=utf-8{escaping}"


_TEXT: Final = Format(openmetrics=False)
_OFFERS: Final = (
    # The first wins where a request leaves it open.
    (_TEXT, "text/plain", "0.0.4"),
    (Format(openmetrics=True), "application/openmetrics-text", "1.0.0"),
)


@frozen
class _Item:
    """One item of such a header."""

    value: str
    weight: float
    parameters: dict[str, str]


def negotiate(accept: str | None) -> Format:
    """Return the format to answer with: of those the header accepts, the one of the highest weight.

    Versions and types that are not ours fall through. Whatever else is sent, or nothing, is answered in text 0.0.4.
    """
    items = list(_items(accept or ""))
    best, best_rank = _TEXT, (0.0, False, 0)
    for offer, media_type, version in _OFFERS:
        matching = [
            (precision, item.weight, -place, item)
            for place, item in enumerate(items)
            if (precision := _precision(item, media_type, version)) is not None
        ]
        if not matching:
            continue
        # The most precise range that matches decides, RFC 9110, section 12.5.1.
        precision, weight, place, item = max(matching, key=lambda match: match[:3])
        rank = weight, precision >= _NAMED, place
        if weight > 0 and (best_rank[0] == 0 or rank > best_rank):
            escaping = item.parameters.get("escaping")
            best = Format(offer.openmetrics, escaping if offer.openmetrics and escaping in ESCAPINGS else None)
            best_rank = rank
    return best


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Tell if the answer shall be compressed: gzip is accepted, and weighs no less than what is not encoded."""
    weights = {item.value: item.weight for item in _items(accept_encoding or "")}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


_NAMED: Final = 2
"""From this precision on, the type is named."""


def _precision(item: _Item, media_type: str, version: str) -> int | None:
    """Return how precisely the range names the type and version, None if it means something else."""
    if item.value == media_type:
        asked = item.parameters.get("version")
        return _NAMED if asked is None else _NAMED + 1 if asked == version else None
    if item.value == f"{media_type.partition('/')[0]}/*":
        return 1
    return 0 if item.value == "*/*" else None


def _items(header: str) -> Iterator[_Item]:
    """Yield the items of the header, those whose weight is none left out."""
    for text in _ITEM.findall(header):
        value, *rest = _PARAMETER.findall(text) or [""]
        pairs = (parameter.partition("=") for parameter in rest)
        parameters = {name.strip().lower(): _unquoted(content.strip()) for name, _, content in pairs}
        weight = parameters.get("q", "1")
        if _WEIGHT.fullmatch(weight):
            yield _Item(value.strip().lower(), float(weight), parameters)


def _unquoted(text: str) -> str:
    """Return what a quoted string says. Nothing that is compared with needs a quoted pair."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
