from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import pytest

from dora.adapters.prometheus import Series
from dora.adapters.prometheus.blocks import Block, Column, Shelf
from dora.adapters.prometheus.families import DEPLOYMENTS, Level
from dora.adapters.prometheus.state import Row
from dora.domain.facts import Result
from dora.domain.observations import Chain, ChainRegistered, DeploymentCounted
from tests.unit.adapters.prometheus.observed import EXEMPLAR, HOUR, NOON

AT_A_TIME = 64
SIZE = 4


def named(rows: Iterable[Row]) -> str:
    """A family's lines: no more than whose they are."""
    return "".join(f"{row.labels[1]}\n" for row in rows)


def shelf(series: Series) -> Shelf[bytes]:
    with series.reading() as levels:
        return Shelf(levels[Level.CHAIN], (Column(DEPLOYMENTS, named, bytes),), SIZE)


def look(shelf_: Shelf[bytes], series: Series, horizon: int | None = None) -> list[list[Block[bytes]]]:
    with series.reading():
        seen = shelf_.look(horizon)
    return list(seen)


def register(series: Series, numbers: Iterable[int]) -> None:
    for number in numbers:
        series.record([ChainRegistered(Chain(f"acme/{number:04}", "production", ""))], at=NOON)


def rows(steps: Iterable[list[Block[bytes]]]) -> list[Row]:
    return [row for block in chain.from_iterable(steps) for row in block.rows]


@pytest.mark.parametrize("changed", [0, 10, 1_000])
@pytest.mark.parametrize("horizon", [None, NOON - HOUR])
def test_a_step_looks_at_few_blocks_however_many_rows_there_are_and_changed(changed: int, horizon: int | None) -> None:
    series = Series()
    register(series, range(1_000))
    kept = shelf(series)
    look(kept, series, horizon)
    for number in range(changed):
        chain_ = Chain(f"acme/{number:04}", "production", "")
        series.record([DeploymentCounted(chain_, Result.SUCCESS, EXEMPLAR)], at=NOON)
    steps = look(kept, series, horizon)
    assert max(map(len, steps)) <= AT_A_TIME
    assert [row.labels[1] for row in rows(steps)] == [f"acme/{number:04}" for number in range(1_000)]


def test_to_begin_a_look_takes_the_rows_and_looks_at_none() -> None:
    series = Series()
    register(series, range(100))
    kept = shelf(series)
    with series.reading():
        begun = kept.look(None)
    assert not kept.cleared()
    expected = [row for _, row in series.state()[Level.CHAIN]]
    register(series, range(100, 200))
    assert rows(begun) == expected


def test_blocks_whose_rows_are_the_same_stay_and_so_do_their_pieces() -> None:
    series = Series()
    register(series, range(400))
    kept = shelf(series)
    before = list(chain.from_iterable(look(kept, series)))
    for block in before:
        block.render(0, kept.columns[0])
    chain_ = Chain("acme/0007", "production", "")
    series.record([DeploymentCounted(chain_, Result.SUCCESS, EXEMPLAR)], at=NOON)
    after = list(chain.from_iterable(look(kept, series)))
    (changed,) = [new for old, new in zip(before, after, strict=True) if old is not new]
    assert changed.pieces == [None]
    assert chain_.repository in {row.labels[1] for row in changed.rows}


def test_a_new_row_leaves_most_blocks_as_they_are() -> None:
    series = Series()
    register(series, range(0, 2_000, 2))
    kept = shelf(series)
    before = list(chain.from_iterable(look(kept, series)))
    register(series, [999])
    after = list(chain.from_iterable(look(kept, series)))
    assert rows([after]) == [row for _, row in series.state()[Level.CHAIN]]
    assert 0 < len([block for block in after if block not in before]) < len(before) / 4


def test_rows_are_cut_the_same_whatever_came_first_and_however_often_somebody_looked() -> None:
    cuts = []
    for order in (range(500), reversed(range(500))):
        series = Series()
        kept = shelf(series)
        for number in order:
            register(series, [number])
            if number % 100 == 0:
                with series.reading():
                    next(kept.look(None))  # and not to its end
        cuts.append([[row.labels for row in block.rows] for block in chain.from_iterable(look(kept, series))])
    assert cuts[0] == cuts[1]
