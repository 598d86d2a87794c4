"""Rows as lines of text, in OpenMetrics 1.0.0 and in the Prometheus text format 0.0.4.

The two differ in the families' headers, and in that OpenMetrics has `_created` samples and exemplars. The lines are
prometheus-client's own, byte for byte, but made many at a time: values are escaped once per row and labels joined once
per child.

- https://prometheus.io/docs/specs/om/open_metrics_spec/#text-format
- https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import accumulate
from typing import TypeAlias

from attrs import frozen

from dora.adapters.prometheus.families import LE, Family, Kind, go_float
from dora.adapters.prometheus.state import NOTHING, Distribution, Mark, Row, escaped
from dora.domain.instant import Duration, Instant, seconds

Renderer: TypeAlias = Callable[[Iterable[Row]], str]
"""Turns rows into a family's lines."""

END = "# EOF\n"
"""The last line of OpenMetrics."""

_EXPONENTS_FROM = 1_000_000
"""From here on Go, and so the client, writes whole numbers with an exponent."""


def header(family: Family, *, openmetrics: bool) -> str:
    """Return the lines that describe the family. No help text needs escaping in either format."""
    name = family.name if openmetrics or family.kind is not Kind.COUNTER else f"{family.name}_total"
    unit = f"# UNIT {name} {family.unit}\n" if openmetrics and family.unit else ""
    return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind.value}\n{unit}"


def renderer(family: Family, *, openmetrics: bool) -> Renderer:
    """Return what renders the family's children of the rows given."""
    children = tuple(_child(family, value, place) for value, place in family.places.items())
    match family.kind:
        case Kind.COUNTER:
            return lambda rows: _counters(family.name, children, rows, openmetrics=openmetrics)
        case Kind.HISTOGRAM:
            return lambda rows: _histograms(family.name, children, rows, openmetrics=openmetrics)
        case Kind.GAUGE:
            written = _stamp if family.unit else number
            return lambda rows: _gauges(family.name, children, rows, written=written)


@frozen
class _Child:
    """One of the children that each row has of a family: its place there, and its labels but for the row's values."""

    place: int
    labels: str
    before_le: str
    after_le: str
    taken: int
    """How many of the row's values stand before `le`."""


def _child(family: Family, value: str, place: int) -> _Child:
    pairs = [f'{name}="{value}"' if name == family.label else f'{name}="%s"' for name in family.labels]
    le = bisect_left(family.labels, "le")
    return _Child(
        place=place,
        labels=",".join(pairs),
        before_le="".join(f"{pair}," for pair in pairs[:le]),
        after_le="".join(f",{pair}" for pair in pairs[le:]),
        taken=bisect_left(family.level.value, "le"),
    )


def _counters(name: str, children: tuple[_Child, ...], rows: Iterable[Row], *, openmetrics: bool) -> str:
    lines: list[str] = []
    for row in rows:
        for child in children:
            count = row.counts[child.place]
            if count is None:
                continue
            labels = child.labels % row.labels
            exemplar = _exemplar(count.mark, "1.0") if openmetrics and count.mark else ""
            lines.append(f"{name}_total{{{labels}}} {number(count.value)}{exemplar}\n")
            if openmetrics:
                lines.append(f"{name}_created{{{labels}}} {_stamp(count.created)}\n")
    return "".join(lines)


def _gauges(name: str, children: tuple[_Child, ...], rows: Iterable[Row], *, written: Callable[[int], str]) -> str:
    lines: list[str] = []
    for row in rows:
        for child in children:
            gauge = row.gauges[child.place]
            if gauge is not None:
                lines.append(f"{name}{{{child.labels % row.labels}}} {written(gauge)}\n")
    return "".join(lines)


def _histograms(name: str, children: tuple[_Child, ...], rows: Iterable[Row], *, openmetrics: bool) -> str:
    lines: list[str] = []
    for row in rows:
        for child in children:
            seen = row.distributions[child.place]
            if seen is None:
                continue
            opening = f'{name}_bucket{{{child.before_le % row.labels[: child.taken]}le="'
            closing = f'"{child.after_le % row.labels[child.taken :]}}} '
            labels = child.labels % row.labels
            lines.append(_buckets(seen, opening, closing, openmetrics=openmetrics))
            lines.append(
                f"{name}_count{{{labels}}} {number(sum(seen.counts))}\n{name}_sum{{{labels}}} {_seconds(seen.total)}\n"
            )
            if openmetrics:
                lines.append(f"{name}_created{{{labels}}} {_stamp(seen.created)}\n")
    return "".join(lines)


def _buckets(seen: Distribution, opening: str, closing: str, *, openmetrics: bool) -> str:
    if seen.counts == NOTHING:
        between = f"{closing}0.0\n{opening}"
        return f"{opening}{between.join(LE)}{closing}0.0\n"
    cumulated = accumulate(seen.counts)
    if sum(seen.counts) < _EXPONENTS_FROM:
        lines = [f"{opening}{le}{closing}{many}.0\n" for le, many in zip(LE, cumulated, strict=True)]
    else:
        lines = [f"{opening}{le}{closing}{number(many)}\n" for le, many in zip(LE, cumulated, strict=True)]
    if openmetrics:
        for one in seen.spotted:
            lines[one.bucket] = f"{lines[one.bucket][:-1]}{_exemplar(one.mark, _seconds(one.duration))}\n"
    return "".join(lines)


def _exemplar(mark: Mark, value: str) -> str:
    return f' # {{deployment_id="{escaped(mark.deployment_id)}",sha="{escaped(mark.sha)}"}} {value}'


def number(value: int) -> str:
    """Return a whole number, which is not negative, as the client writes it."""
    return f"{value}.0" if value < _EXPONENTS_FROM else go_float(value)


def _seconds(duration: Duration) -> str:
    value = seconds(duration)
    return repr(value) if value < _EXPONENTS_FROM else go_float(value)


@lru_cache(maxsize=4_096)  # all series that one fact registered have one birth
def _stamp(instant: Instant) -> str:
    return go_float(seconds(instant))
