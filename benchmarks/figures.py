"""Figures, what is asked of them, and how a benchmark tells them: a table for people, JSON lines for programs.

Every benchmark is a module with one function, `measure(quick)`, that yields its figures; `main` is its command line.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

from attrs import asdict, frozen

Measure: TypeAlias = Callable[[bool], Iterable["Figure"]]
"""Takes whether it must be quick: then everything runs once, in small, and proves only that it runs."""

AT_LEAST: Final = "≥"
AT_MOST: Final = "≤"


@frozen
class Target:
    """What is asked of a figure."""

    what: str
    bound: float
    unit: str
    """What stands behind the number. A figure in `%` is a share: 0.5 is shown as 50 %."""
    sense: str
    """`AT_LEAST` or `AT_MOST`."""
    baseline: str

    def met(self, value: float) -> bool:
        """Return whether a value is good enough."""
        return value >= self.bound if self.sense == AT_LEAST else value <= self.bound

    @property
    def told(self) -> str:
        """The bound in words."""
        return f"{self.sense} {shown(self.bound, self.unit)}"


_CLIENT: Final = "`prometheus_client`'s `generate_latest` of the same families"
_ZIPPED: Final = "the same client's, with gzip at level 6"
_BARE: Final = "a bare Hypercorn application that reads the body and answers 202"

TARGETS: Final = {
    "scrape": Target("scrape, 5,000 repositories × 2, 1 % of chains changed", 150, "×", AT_LEAST, _CLIENT),
    "scrape.gzip": Target("the same with gzip", 20, "×", AT_LEAST, _ZIPPED),
    "scrape.gzip.cold": Target("the same with gzip, first scrape after start", 5, "×", AT_LEAST, _ZIPPED),
    "stall": Target("longest stall of the event loop in any scrape", 25, "ms", AT_MOST, "–"),
    "contention": Target("webhook p99 while two scrapers never pause", 2, "×", AT_MOST, "p99 without scrapers"),
    "webhooks.memory": Target("webhooks a second, 10 kB, 16 connections, `memory:`", 0.65, "%", AT_LEAST, _BARE),
    "webhooks.volume": Target("the same on a volume", 0.50, "%", AT_LEAST, _BARE),
    "transition": Target("transition of the domain", 40_000, "facts/s", AT_LEAST, "–"),
    "flatness": Target(
        "a deployment fact after 10⁶ facts and with 10⁴ repositories",
        1.2,
        "×",
        AT_MOST,
        "after 10³ facts of 10 repositories",
    ),
    "memory": Target("resident memory, 5,000 repositories × 2, after all scrapes", 300, "MB", AT_MOST, "–"),
    "memory.idle": Target("resident memory of an idle service", 70, "MB", AT_MOST, "–"),
    "start": Target("process start to `/readyz`, empty state", 0.7, "s", AT_MOST, "`python -c pass` beside it"),
    "restart.replay": Target("process start to `/readyz`, a log of 10⁶ facts", 60, "s", AT_MOST, "–"),
    "restart.snapshot": Target("the same from a snapshot", 10, "s", AT_MOST, "–"),
}
"""The rows of the table in docs/performance.md, by the name of the figure that fills them."""


@frozen
class Figure:
    """Something measured."""

    name: str
    """A key of `TARGETS`, or a name of its own: then nothing is asked of it."""
    value: float
    unit: str
    repeats: tuple[float, ...] = ()
    """What each repeat gave; the value is their median."""
    detail: str = ""
    """What else is worth knowing, in words."""

    @property
    def spread(self) -> str:
        """The least and the most of the repeats in words; empty if there was but one."""
        if len(self.repeats) <= 1:
            return ""
        return f"{shown(min(self.repeats), self.unit)} … {shown(max(self.repeats), self.unit)}"


def middle(name: str, repeats: Sequence[float], unit: str, detail: str = "") -> Figure:
    """Return the figure that is the median of repeats."""
    return Figure(name, median(repeats), unit, tuple(repeats), detail)


def shown(value: float, unit: str) -> str:
    """Return a value as people read it."""
    if unit == "%":
        return f"{value:.0%}".replace("%", " %")
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2  # noqa: PLR2004 - three places that tell
    text = f"{value:,.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"


def verdict(figure: Figure) -> str:
    """Return whether the figure's target is met; nothing if there is none."""
    target = TARGETS.get(figure.name)
    if target is None:
        return ""
    return f"{target.told}: {'met' if target.met(figure.value) else 'MISSED'}"


def line(figure: Figure) -> str:
    """Return a figure as a line of a table."""
    spread = f" ({figure.spread})" if figure.spread else ""
    words = "; ".join(filter(None, (verdict(figure), figure.detail)))
    return f"{figure.name:<28} {shown(figure.value, figure.unit) + spread:<44} {words}"


def main(measure: Measure, description: str | None) -> None:
    """Measure, print each figure when it is there, and append it to a file if one is named."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="run everything once, in small: the figures mean nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the figures to a file, as JSON lines")
    options = parser.parse_args()
    for figure in measure(options.quick):
        print(line(figure), flush=True)
        if options.json:
            with options.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(figure), ensure_ascii=False) + "\n")
