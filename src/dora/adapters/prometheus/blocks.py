"""Rows in blocks of neighbours, with the pieces of the exposition that each makes: what need not be done again.

A block is a state of its rows that nobody can change any more, since rows are immutable. When rows have changed, a new
block takes the old one's place, and takes over the pieces of the families in which nothing changed. Where blocks begin
depends on the rows' names alone, so that the cut is a function of the state too.

Only taking hold of the rows must not be interrupted, and that is no more than copying references. What they are in
blocks is found out afterwards, some blocks at a time.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from operator import attrgetter
from typing import Final, Generic, TypeVar

from attrs import define, field, frozen

from dora.adapters.prometheus.families import Family, Kind
from dora.adapters.prometheus.rows import Rows
from dora.adapters.prometheus.state import Row, withheld
from dora.adapters.prometheus.text import Renderer
from dora.domain.instant import Instant

P = TypeVar("P", bound=Sized)
"""A piece: some lines, as bytes or compressed; its length is that of the lines."""

_BLOCKS_COUNTED: Final = 8
"""Blocks until rows are counted anew, on average: a new row changes four of them, about."""

_LOOK: Final = 64
"""Blocks looked at in a step: a millisecond or two even if all of them have changed."""

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
class Cut(Generic[P]):
    """Where all rows are cut into blocks, as far as anybody went through them. It is good until there is a new row.

    So that a new row moves few of the others into other blocks, they are not counted from the first row on, but from
    each row whose digest says so.
    """

    order: array[int]
    """See `Rows.order`."""
    _rows_in_a_block: int
    """At most, and nearly always."""
    _before: dict[int, Block[P]] = field(factory=dict)
    """The blocks of an earlier cut that were not taken over yet, by `order` of their first row."""
    ends: list[int] = field(factory=list, init=False)
    """Where each block ends, counted in rows."""
    blocks: list[Block[P]] = field(factory=list, init=False)

    def again(self, order: array[int]) -> Cut[P]:
        """Return a cut of more rows, which takes over what it can."""
        starts = (0, *self.ends)
        taken_over = {self.order[start]: block for start, block in zip(starts, self.blocks, strict=False)}
        return Cut(order, self._rows_in_a_block, self._before | taken_over)

    def go_on(self, rows: list[Row]) -> None:
        """Cut one more block off."""
        start = self.ends[-1] if self.ends else 0
        end = min(start + self._rows_in_a_block, len(self.order))
        anew = self._rows_in_a_block * _BLOCKS_COUNTED
        counted = (place for place in range(start + 1, end) if rows[self.order[place]].digest % anew == 0)
        self.ends.append(next(counted, end))
        self.blocks.append(self._before.pop(self.order[start], Block((), [])))
        if self.ends[-1] == len(self.order):
            self._before.clear()


@define(eq=False)
class Shelf(Generic[P]):
    """The blocks of one level, in the order of the rows' keys."""

    _rows: Rows
    columns: tuple[Column[P], ...]
    _rows_in_a_block: int
    _cut: Cut[P] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._cut = Cut(array("I"), self._rows_in_a_block)

    def cleared(self) -> list[Block[P]]:
        """Keep nothing; return what was kept. Looks begun can still be gone through."""
        kept, self._cut = self._cut.blocks, Cut(array("I"), self._rows_in_a_block)
        return kept.copy()

    def look(self, horizon: Instant | None) -> Iterator[list[Block[P]]]:
        """Return the present state, some blocks at a time; counters created after the horizon are held at 0.

        To be called within `Series.reading`, and gone through outside.
        """
        if len(self._cut.order) != len(self._rows.order):
            self._cut = self._cut.again(self._rows.order[:])
        return self._look(self._cut, list(self._rows.by_key.values()), horizon)

    def _look(self, cut: Cut[P], rows: list[Row], horizon: Instant | None) -> Iterator[list[Block[P]]]:
        """Go through all blocks, and renew those whose rows changed. Others may do so meanwhile, with other rows."""
        place = start = 0
        while start < len(cut.order):
            seen: list[Block[P]] = []
            while start < len(cut.order) and len(seen) < _LOOK:
                if place == len(cut.ends):
                    cut.go_on(rows)
                end = cut.ends[place]
                shown = _shown(map(rows.__getitem__, cut.order[start:end]), horizon)
                block = cut.blocks[place] = self._renewed(cut.blocks[place], shown)
                seen.append(block)
                place, start = place + 1, end
            yield seen

    def _renewed(self, block: Block[P], rows: tuple[Row, ...]) -> Block[P]:
        """Return a block of the rows, with those of the old one's pieces that they would make again."""
        if block.rows == rows:
            return block
        if len(block.rows) == len(rows):
            pairs = [(old, new) for old, new in zip(block.rows, rows, strict=True) if old is not new]
            if all(old.labels == new.labels for old, new in pairs):
                return Block(
                    rows,
                    [
                        piece if all(column.same(old, new) for old, new in pairs) else None
                        for piece, column in zip(block.pieces, self.columns, strict=True)
                    ],
                )
        return Block(rows, [None] * len(self.columns))


def _shown(rows: Iterable[Row], horizon: Instant | None) -> tuple[Row, ...]:
    if horizon is None:
        return tuple(rows)
    return tuple([withheld(row, horizon) if row.born > horizon else row for row in rows])
