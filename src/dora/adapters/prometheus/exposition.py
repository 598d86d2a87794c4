"""What `/metrics` answers: one consistent state, at a cost in proportion to what changed since the last scrape.

A view is one format in one encoding. When asked, it takes references to the present state, without looking at anything;
what has changed is found out, and rendered, while the answer is read, in steps short enough for an event loop, and kept
for the next scrape (`dora.adapters.prometheus.blocks`). What is not kept any longer is let go of in steps too: to give
back the memory of a whole view takes as long as ten of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from itertools import chain
from typing import Final, Generic, TypeVar

from attrs import define, field

from dora.adapters.prometheus import deflate
from dora.adapters.prometheus.blocks import Block, Column, Shelf
from dora.adapters.prometheus.families import FAMILIES, Level
from dora.adapters.prometheus.negotiation import Format, accepts_gzip, negotiate
from dora.adapters.prometheus.scrape import Scrape
from dora.adapters.prometheus.series import Series
from dora.adapters.prometheus.text import END, header, renderer
from dora.domain.instant import MICROSECONDS, Duration, Instant

P = TypeVar("P", bound=Sized)
"""A piece: lines as bytes, or compressed; its length is that of the lines."""

_ROWS_IN_A_PIECE: Final = 4
"""How many rows a piece of plain lines has: few to render again, and not too many pieces to go through."""
_ROWS_IN_A_COMPRESSED_PIECE: Final = 8
"""The same of a compressed one: 8 histograms (20 kB) compress 8 times, and 1,000 not much better."""

_RUN: Final = 128 * 1024
"""Bytes of lines handed out at a time, about: less than a millisecond to render, about one more to compress."""

_EFFORT: Final = 1024
"""What rendering a piece costs beside its bytes, in bytes: most chains have no recoveries, and finding that out takes
time too."""

_LEAVING: Final = 64
"""Blocks let go of in a step: two megabytes of lines, more than the step can add."""

_IDLE: Final = 900 * MICROSECONDS
"""A view that nobody asked for in this time is dropped: one look with curl should not pin it. Prometheus scrapes at
least every other minute."""


@define(eq=False)
class Exposition:
    """Answers scrapes of the series.

    With a `hold`, counters and histograms younger than that are shown as 0, without exemplars, for servers that cannot
    use created timestamps.
    """

    _series: Series
    _hold: Duration = 0
    _plain: dict[bool, _View[bytes]] = field(factory=dict, init=False, repr=False)
    """One at most: the lines of 10,000 chains take 100 MB, and who scrapes for a living asks for gzip."""
    _compressed: dict[bool, _View[deflate.Piece]] = field(factory=dict, init=False, repr=False)
    _leaving: list[Block[bytes] | Block[deflate.Piece]] = field(factory=list, init=False, repr=False)
    """What views that are not kept any longer had."""
    _now: Instant = field(default=0, init=False)

    def answer(self, *, accept: str | None, accept_encoding: str | None, now: Instant) -> Scrape:
        """Return the answer to a request with these headers."""
        format_ = negotiate(accept)
        compressed = accepts_gzip(accept_encoding)
        return Scrape(
            content_type=format_.content_type,
            content_encoding="gzip" if compressed else None,
            body=self.body(format_, compressed=compressed, now=now),
        )

    def body(self, format_: Format, *, compressed: bool, now: Instant) -> Iterator[bytes]:
        """Return the exposition of the state as it is at this call; see `Scrape.body`."""
        # A clock set back must not take back what was shown.
        self._now = now = max(now, self._now)
        self._forget_idle(now)
        horizon = now - self._hold if self._hold else None
        openmetrics = format_.openmetrics
        if compressed:
            view = self._compressed.get(openmetrics)
            if view is None:
                view = _View.of(self._series, deflate.piece, _ROWS_IN_A_COMPRESSED_PIECE, openmetrics=openmetrics)
                self._compressed[openmetrics] = view
            return self._letting_go(deflate.member(view.runs(now=now, horizon=horizon)))
        lines = self._plain.get(openmetrics)
        if lines is None:
            for other in tuple(self._plain):
                self._leaving += self._plain.pop(other).cleared()
            lines = self._plain[openmetrics] = _View.of(self._series, bytes, _ROWS_IN_A_PIECE, openmetrics=openmetrics)
        return self._letting_go(map(b"".join, lines.runs(now=now, horizon=horizon)))

    def _forget_idle(self, now: Instant) -> None:
        views: tuple[dict[bool, _View[bytes]] | dict[bool, _View[deflate.Piece]], ...] = self._plain, self._compressed
        for kept in views:
            for openmetrics in [key for key, view in kept.items() if now - view.asked_at > _IDLE]:
                self._leaving += kept.pop(openmetrics).cleared()

    def _letting_go(self, body: Iterator[bytes]) -> Iterator[bytes]:
        for part in body:
            del self._leaving[-_LEAVING:]
            yield part


@define(eq=False)
class _View(Generic[P]):
    """One format in one encoding."""

    _series: Series
    _shelves: dict[Level, Shelf[P]]
    _headers: tuple[P, ...]
    _end: P
    asked_at: Instant = 0

    @classmethod
    def of(cls, series: Series, encode: Callable[[bytes], P], rows_in_a_piece: int, *, openmetrics: bool) -> _View[P]:
        """Return a view that has rendered nothing yet."""
        columns = {
            level: tuple(
                Column(family, renderer(family, openmetrics=openmetrics), encode)
                for family in FAMILIES
                if family.level is level
            )
            for level in Level
        }
        with series.reading() as levels:
            shelves = {level: Shelf(rows, columns[level], rows_in_a_piece) for level, rows in levels.items()}
        headers = tuple(encode(header(family, openmetrics=openmetrics).encode()) for family in FAMILIES)
        return cls(series, shelves, headers, encode(END.encode() if openmetrics else b""))

    def cleared(self) -> Iterator[Block[P]]:
        """Keep nothing; return what was kept. Answers begun can still be read."""
        return chain.from_iterable([shelf.cleared() for shelf in self._shelves.values()])

    def runs(self, *, now: Instant, horizon: Instant | None) -> Iterator[list[P]]:
        """Return the pieces of the state as it is at this call, some at a time."""
        self.asked_at = now
        with self._series.reading():
            looks = {level: shelf.look(horizon) for level, shelf in self._shelves.items()}
        return self._runs(looks)

    def _runs(self, looks: dict[Level, Iterator[list[Block[P]]]]) -> Iterator[list[P]]:
        blocks: dict[Level, list[Block[P]]] = {level: [] for level in looks}
        for level, look in looks.items():
            for some in look:
                blocks[level] += some
                yield []
        places = {
            column.family: (place, column)
            for shelf in self._shelves.values()
            for place, column in enumerate(shelf.columns)
        }
        last = {family.level: family for family in FAMILIES}
        run: list[P] = []
        size = 0
        for family, head in zip(FAMILIES, self._headers, strict=True):
            run.append(head)
            place, column = places[family]
            of_level = blocks[family.level]
            for block in _emptying(of_level) if family is last[family.level] else of_level:
                piece = block.pieces[place]
                if piece is None:
                    piece = block.render(place, column)
                    size += _EFFORT
                run.append(piece)
                size += len(piece)
                if size >= _RUN:
                    yield run
                    run, size = [], 0
        run.append(self._end)
        yield run


def _emptying(blocks: list[Block[P]]) -> Iterator[Block[P]]:
    """Yield them, and let go of each: where the view is not kept any longer, nobody else has them."""
    blocks.reverse()
    while blocks:
        yield blocks.pop()
