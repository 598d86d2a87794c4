"""Rows in blocks of neighbours, with the pieces of the exposition that each makes: what need not be done again.

A block is a state of its rows that nobody can change any more, since rows are immutable. When rows have changed, a new
block takes the old one's place, and takes over the pieces of the families in which nothing changed. Where blocks begin
depends on the rows' names alone, so that the cut is a function of the state too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence, Sized
from itertools import pairwise
from operator import attrgetter
from typing import Final, Generic, TypeVar

from attrs import define, field, frozen

from dora.adapters.prometheus.families import Family, Kind
from dora.adapters.prometheus.rows import Rows, Watch
from dora.adapters.prometheus.state import Key, Row, withheld
from dora.adapters.prometheus.text import Renderer
from dora.domain.instant import Instant

P = TypeVar("P", bound=Sized)
"""A piece: some lines, as bytes or compressed; its length is that of the lines."""

_BLOCKS_COUNTED: Final = 8
"""Blocks until rows are counted anew, on average: a new row changes four of them, about."""

_CHILDREN: Final[dict[Kind, Callable[[Row], Sequence[object]]]] = {
    Kind.COUNTER: attrgetter("counts"),
    Kind.HISTOGRAM: attrgetter("distributions"),
    Kind.GAUGE: attrgetter("gauges"),
}


@frozen(eq=False)
class Column(Generic[P]):
    """What makes pieces of one family."""

    family: Family
    render: Renderer
    encode: Callable[[bytes], P]

    def same(self, one: Row, other: Row) -> bool:
        """Tell if two rows show the same of this family."""
        children = _CHILDREN[self.family.kind]
        return children(one)[self.family.children] == children(other)[self.family.children]


@define(eq=False)
class Block(Generic[P]):
    """Some rows at one time, and their pieces as far as anybody asked for them."""

    rows: tuple[Row, ...]
    pieces: list[P | None]

    def render(self, place: int, column: Column[P]) -> P:
        """Make, keep and return the piece of the family whose place it is."""
        piece = self.pieces[place] = column.encode(column.render(self.rows).encode())
        return piece


@define(eq=False)
class Shelf(Generic[P]):
    """The blocks of one level, in the order of the rows' keys. To be used within `Series.reading`."""

    _rows: Rows
    columns: tuple[Column[P], ...]
    _rows_in_a_block: int
    """At most, and nearly always."""
    _watch: Watch = field(init=False)
    _heads: list[Key] = field(factory=list, init=False)
    """The first key of each block."""
    _ends: list[int] = field(factory=list, init=False)
    """Where each block ends, counted in keys."""
    _blocks: list[Block[P]] = field(factory=list, init=False)
    _held: set[Key] = field(factory=set, init=False)
    """The rows last shown with something held at 0."""

    def __attrs_post_init__(self) -> None:
        self._watch = self._rows.watch()

    def close(self) -> None:
        """Stop watching the rows. Blocks handed out stay good."""
        self._rows.watches.remove(self._watch)

    def blocks(self, horizon: Instant | None) -> list[Block[P]]:
        """Return the present state, with counters and histograms created after the horizon held at 0."""
        changed, grown = self._watch.take()
        if horizon is not None:
            held = {key for key, row in self._rows.by_key.items() if row.born > horizon}
            changed |= held | self._held
            self._held = held
        if grown:
            self._cut(horizon)
        else:
            for place in {bisect_right(self._heads, key) - 1 for key in changed}:
                start = self._ends[place - 1] if place else 0
                rows = self._shown(self._rows.keys[start : self._ends[place]], horizon)
                self._blocks[place] = self._renewed(self._blocks[place], rows)
        return self._blocks.copy()

    def _cut(self, horizon: Instant | None) -> None:
        """Cut all rows into blocks; what was there before is taken over.

        So that a new row moves few of the others into other blocks, they are not counted from the first row on, but
        from each row whose digest says so.
        """
        keys = self._rows.keys
        rows = self._shown(keys, horizon)
        size, anew = self._rows_in_a_block, self._rows_in_a_block * _BLOCKS_COUNTED
        counted = [place for place, row in enumerate(rows) if row.digest % anew == 0 or not place]
        starts = [start for first, end in pairwise([*counted, len(rows)]) for start in range(first, end, size)]
        before = dict(zip(self._heads, self._blocks, strict=True))
        self._heads = [keys[start] for start in starts]
        self._ends = [*starts[1:], len(keys)]
        self._blocks = [
            self._renewed(before[head], rows[start:end]) if head in before else self._block(rows[start:end])
            for head, start, end in zip(self._heads, starts, self._ends, strict=False)
        ]

    def _shown(self, keys: list[Key], horizon: Instant | None) -> tuple[Row, ...]:
        rows = map(self._rows.by_key.__getitem__, keys)
        if horizon is None:
            return tuple(rows)
        return tuple(withheld(row, horizon) if row.born > horizon else row for row in rows)

    def _block(self, rows: tuple[Row, ...]) -> Block[P]:
        return Block(rows, [None] * len(self.columns))

    def _renewed(self, block: Block[P], rows: tuple[Row, ...]) -> Block[P]:
        """Return a block of the rows, with those of the old one's pieces that they would make again."""
        if len(block.rows) == len(rows):
            pairs = [(old, new) for old, new in zip(block.rows, rows, strict=True) if old is not new]
            if not pairs:
                return block
            if all(old.labels == new.labels for old, new in pairs):
                return Block(
                    rows,
                    [
                        piece if all(column.same(old, new) for old, new in pairs) else None
                        for piece, column in zip(block.pieces, self.columns, strict=True)
                    ],
                )
        return self._block(rows)
