"""The pictures of docs/performance.md, as SVG with a ground of their own: light or dark as the reader's system is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from typing import Final

from attrs import frozen

Point = tuple[float, float]

_WIDTH: Final = 860
_STYLE: Final = """
  svg { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif }
  .ground { fill: #ffffff } text { fill: #1f2328 } .faint { fill: #59636e } .grid { stroke: #d1d9e0 }
  .even { stroke: #1f2328; stroke-dasharray: 4 3 }
  .a { --c: #c03a2b } .b { --c: #bc7100 } .c { --c: #0a64c8 } .d { --c: #117a65 } .e { --c: #7d3fb5 }
  .met { fill: #117a65 } .missed { fill: #c03a2b }
  .series path { fill: none; stroke: var(--c); stroke-width: 2.2 } .series circle, .series text { fill: var(--c) }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .faint { fill: #9198a1 } .grid { stroke: #2f363d }
    .even { stroke: #e6edf3 }
    .a { --c: #ff7b6b } .b { --c: #e3a43c } .c { --c: #62a8ff } .d { --c: #45c9a8 } .e { --c: #c297f5 }
    .met { fill: #45c9a8 } .missed { fill: #ff7b6b }
  }
"""
_CLASSES: Final = "abcde"
_LABEL_HEIGHT: Final = 17


@frozen
class Curve:
    """A line of a chart."""

    label: str
    points: Sequence[Point]


@frozen
class Bar:
    """How a figure stands to its target."""

    label: str
    told: str
    times: float
    """How many times as good as asked: 1 is just met."""


def _text(at: Point, words: str, *, anchor: str = "start", kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}"{named}>{escape(words)}</text>'


def _line(one: Point, other: Point, kind: str) -> str:
    return f'<line x1="{one[0]:.1f}" y1="{one[1]:.1f}" x2="{other[0]:.1f}" y2="{other[1]:.1f}" class="{kind}"/>'


def _picture(height: int, title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img"><title>{escape(title)}</title><style>{_STYLE}</style>\n'
        f'<rect class="ground" width="{_WIDTH}" height="{height}" rx="6"/>\n{body}\n</svg>\n'
    )


def curves(title: str, across: str, up: str, drawn: Sequence[Curve]) -> str:
    """Return a chart with both axes logarithmic; each curve bears its label at its right end."""
    left, right, top, bottom, height = 74, 606, 64, 386, 440
    xs = [x for curve in drawn for x, _ in curve.points]
    ys = [y for curve in drawn for _, y in curve.points]
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    begin, end = math.log10(min(xs)), math.log10(max(xs))

    def place(point: Point) -> Point:
        along = (math.log10(point[0]) - begin) / (end - begin)
        return left + along * (right - left), bottom - (math.log10(point[1]) - low) / (high - low) * (bottom - top)

    parts = [_text((left, 28), title), _text((left, 48), up, kind="faint")]
    for power in range(low, high + 1):
        y = place((min(xs), 10.0**power))[1]
        parts += [_line((left, y), (right, y), "grid"), _text((left - 8, y + 4), _tick(10.0**power), anchor="end")]
    for x in sorted(set(xs)):
        parts.append(_text((place((x, 10.0**low))[0], bottom + 20), f"{x:,.0f}", anchor="middle"))
    parts.append(_text(((left + right) / 2, bottom + 42), across, anchor="middle", kind="faint"))
    ends = _apart([place(curve.points[-1])[1] for curve in drawn])
    for curve, kind, label_y in zip(drawn, _CLASSES, ends, strict=False):
        placed = [place(point) for point in curve.points]
        path = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>' for x, y in placed)
        label = _text((right + 12, label_y + 4), curve.label)
        parts.append(f'<g class="series {kind}"><path d="{path}"/>{dots}{label}</g>')
    return _picture(height, title, parts)


def bars(title: str, drawn: Sequence[Bar]) -> str:
    """Return bars from the line of the targets: to the right what is better than asked, to the left what is worse."""
    row, top, left, right = 30, 70, 390, 730
    height = top + row * len(drawn) + 22
    reach = max(1.0, *(abs(math.log2(bar.times)) for bar in drawn))
    worst = max(1.0, *(-math.log2(bar.times) for bar in drawn))
    even = left + (right - left) * worst / (reach + worst)
    unit = (right - even) / reach
    parts = [
        _text((16, 28), title),
    ]
    for power in range(math.ceil((left - even) / unit), math.floor((right - even) / unit) + 1):
        x = even + power * unit
        parts += [
            _text((x, 54), _times(power), anchor="middle", kind="faint"),
            _line((x, top - 8), (x, height - 16), "grid" if power else "even"),
        ]
    for place, bar in enumerate(drawn):
        y = top + place * row
        length = math.log2(bar.times) * unit
        start, kind = (even, "met") if length >= 0 else (even + length, "missed")
        parts += [
            _text((16, y + 15), bar.label),
            f'<rect x="{start:.1f}" y="{y + 3}" width="{max(abs(length), 1.5):.1f}" height="16" class="{kind}"/>',
            _text((max(even, even + length) + 8, y + 15), bar.told),
        ]
    return _picture(height, title, parts)


def _tick(milliseconds: float) -> str:
    return f"{milliseconds:g} ms" if milliseconds < 1_000 else f"{milliseconds / 1_000:g} s"  # noqa: PLR2004 - ms in a s


def _times(power: int) -> str:
    return "as asked" if not power else f"× {2**power}" if power > 0 else f"÷ {2**-power}"


def _apart(ys: Sequence[float]) -> list[float]:
    """Return the heights of labels, moved so far that none covers another."""
    order = sorted(range(len(ys)), key=lambda place: ys[place])
    moved = list(ys)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + _LABEL_HEIGHT)
    return moved
