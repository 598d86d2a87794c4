"""The answer to a scrape, whichever metrics it is about."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen


@frozen
class Scrape:
    """An answer to a scrape."""

    content_type: str
    content_encoding: str | None
    """`gzip`, or None: not encoded."""
    body: Iterator[bytes]
    """Each step takes a few milliseconds at most, and may yield no bytes: give way to the event loop after each. All of
    it shows the state at the time of the answer, whatever is recorded meanwhile; it need not be read to the end."""
