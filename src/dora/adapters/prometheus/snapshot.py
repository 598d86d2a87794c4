"""The series as plain data, so that a journal can keep them: what a snapshot of the state holds of the metrics.

The form, version 1, is public (state written by a released version is read by the next)::

    {"version": 1,
     "edges": [seconds of the finite buckets],
     "levels": {"chain" | "repository": {
        "counters" | "histograms" | "gauges": [[family, value of its own label], ...],
        "rows": [[key, counters, histograms, gauges], ...]}}}

The four lists of a row stand in the order that the names before them give, with null for a series that is not
registered. A counter is `[value, created]`, followed by its exemplar's `sha` and `deployment_id` if it has one; a
histogram `[created, sum, counts, [[bucket, duration, sha, deployment_id], ...]]`; a gauge a number. Times are whole
microseconds; a sum is text, since it has no upper bound and JSON readers take at most 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

from dora.adapters.prometheus.families import EDGES, FAMILIES, LE, Kind, Level
from dora.adapters.prometheus.state import Count, Distribution, Key, Mark, Row, Spotted, unregistered
from dora.domain.instant import MICROSECONDS
from dora.ports import StateDamaged

Snapshot: TypeAlias = dict[str, object]
T = TypeVar("T")

_VERSION: Final = 1
_SLICE: Final = 25  # rows: some three milliseconds of work
_KINDS: Final = {Kind.COUNTER: "counters", Kind.HISTOGRAM: "histograms", Kind.GAUGE: "gauges"}
_EDGES: Final = [edge // MICROSECONDS for edge in EDGES]


def dump(levels: Mapping[Level, Iterable[tuple[Key, Row]]]) -> Snapshot:
    """Return the rows as plain data."""
    return {
        "version": _VERSION,
        "edges": list(_EDGES),
        "levels": {
            level.name.lower(): {
                **{name: [list(child) for child in _children(level, kind)] for kind, name in _KINDS.items()},
                "rows": [
                    [
                        list(key),
                        [count and [count.value, count.created, *(count.mark or ())] for count in row.counts],
                        [seen and _distribution(seen) for seen in row.distributions],
                        list(row.gauges),
                    ]
                    for key, row in rows
                ],
            }
            for level, rows in levels.items()
        },
    }


def slices(levels: Mapping[Level, Sequence[tuple[Key, Row]]]) -> Iterator[Snapshot]:
    """Yield the rows as plain data, some at a time, and at least one slice a level."""
    for level, rows in levels.items():
        for start in range(0, max(1, len(rows)), _SLICE):
            yield dump({other: rows[start : start + _SLICE] if other is level else () for other in levels})


def load(snapshot: object) -> dict[Level, list[tuple[Key, Row]]]:
    """Return the rows that `dump` was given.

    Raises:
        StateDamaged: the data have another form, or name series that this version does not know.
    """
    try:
        content = _mapping(snapshot)
        if content["version"] != _VERSION:
            raise StateDamaged("the series' snapshot was written by another version of the form")
        if content["edges"] != _EDGES:
            raise StateDamaged("the series' snapshot has other buckets")
        levels = _mapping(content["levels"])
        return {level: _rows(level, _mapping(levels[level.name.lower()])) for level in Level}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise StateDamaged("the series' snapshot does not have the form of one") from error


def _children(level: Level, kind: Kind) -> list[tuple[str, str]]:
    return [
        (family.name, str(value))
        for family in FAMILIES
        if family.level is level and family.kind is kind
        for value in family.values
    ]


def _distribution(seen: Distribution) -> list[object]:
    spotted = [[one.bucket, one.duration, *one.mark] for one in seen.spotted]
    return [seen.created, str(seen.total), list(seen.counts), spotted]


def _rows(level: Level, content: Mapping[str, object]) -> list[tuple[Key, Row]]:
    places = {kind: _places(level, kind, _list(content[name])) for kind, name in _KINDS.items()}
    rows: list[tuple[Key, Row]] = []
    for item in _list(content["rows"]):
        key_, counts_, distributions_, gauges_ = map(_list, _list(item))
        key = tuple(map(_text, key_))
        empty = unregistered(level, key)
        counts = _placed(empty.counts, places[Kind.COUNTER], counts_, _read_count)
        distributions = _placed(empty.distributions, places[Kind.HISTOGRAM], distributions_, _read_distribution)
        gauges = _placed(empty.gauges, places[Kind.GAUGE], gauges_, _whole)
        born = max((series.created for series in (*counts, *distributions) if series is not None), default=0)
        row = empty._replace(born=born, counts=counts, distributions=distributions, gauges=gauges)
        rows.append((key, row))
    return rows


def _places(level: Level, kind: Kind, names: list[object]) -> list[int]:
    """Return where each of the snapshot's children stands now; a child it does not name was not registered then."""
    now = _children(level, kind)
    return [now.index((_text(family), _text(value))) for family, value in map(_list, names)]


def _placed(
    empty: tuple[T | None, ...], places: list[int], written: list[object], read: Callable[[object], T]
) -> tuple[T | None, ...]:
    row = list(empty)
    for place, value in zip(places, written, strict=True):
        row[place] = None if value is None else read(value)
    return tuple(row)


def _read_count(value: object) -> Count:
    number, created, *exemplar = _list(value)
    return Count(_whole(number), _whole(created), _mark(exemplar) if exemplar else None)


def _read_distribution(value: object) -> Distribution:
    created, total, counts_, spotted_ = _list(value)
    counts = tuple(map(_whole, _list(counts_)))
    if len(counts) != len(LE):
        raise ValueError
    spotted = tuple(
        Spotted(_whole(bucket), _whole(duration), _mark(exemplar))
        for bucket, duration, *exemplar in map(_list, _list(spotted_))
    )
    return Distribution(counts, int(_text(total)), _whole(created), spotted)


def _mark(exemplar: list[object]) -> Mark:
    sha, deployment_id = map(_text, exemplar)
    return Mark(sha, deployment_id)


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value
