"""Fills docs/performance.md with what was measured last, and draws its pictures: `python -m benchmarks.document`.

Whatever stands between `<!-- NAME -->` and `<!-- end -->` is written anew from the figures in `build/benchmarks/`.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Final

from attrs import frozen

from benchmarks.drawing import Bar, Curve, bars, curves
from benchmarks.figures import AT_LEAST, TARGETS, Figure, shown
from benchmarks.kept import BENCHMARKS, figures

DOCS: Final = Path(__file__).parents[1] / "docs"

_PACKAGES: Final = ("hypercorn", "prometheus-client", "orjson")
_COMMANDS: Final = {"memory": "footprint", "start": "footprint"}
"""The benchmark that measures a figure, where it is not the first word of the figure's name."""
_CURVES: Final = {
    "client.gzip": "prometheus_client, gzip",
    "client": "prometheus_client",
    "ours.gzip.cold": "ours, gzip, first scrape",
    "ours.gzip": "ours, gzip, 1 % changed",
    "ours": "ours, 1 % changed",
}


@frozen
class Measured:
    """All figures by name."""

    by_name: dict[str, Figure]

    def told(self, name: str) -> str:
        """Return a figure in words."""
        figure = self.by_name.get(name)
        return "not measured" if figure is None else shown(figure.value, figure.unit)

    def value(self, name: str) -> float:
        """Return a figure's value."""
        return self.by_name[name].value

    def table(self, *prefixes: str) -> str:
        """Return the figures whose names begin so, as a table with the least and the most of their repeats."""
        rows = ["| figure | median | repeats | |", "|---|---|---|---|"]
        for name, figure in self.by_name.items():
            if name.startswith(prefixes):
                rows.append(f"| `{name}` | {self.told(name)} | {figure.spread} | {figure.detail} |")
        return "\n".join(rows)


def machine(_: Measured) -> str:
    """Return what the figures were measured on."""
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    busy = f"load average of the last quarter of an hour, the benchmarks' own included: {os.getloadavg()[2]:.1f}"
    return f"{os.cpu_count()} cores of {processor}; {system}; Python {platform.python_version()}; {versions}; {busy}."


def targets(measured: Measured) -> str:
    """Return the table of what is asked and what was measured."""
    rows = [
        "| what | target | measured | | baseline in the same run | `python -m benchmarks …` |",
        "|---|---|---|---|---|---|",
    ]
    for name, target in TARGETS.items():
        verdict = ""
        if name in measured.by_name:
            verdict = "met" if target.met(measured.value(name)) else "**missed**"
        command = _COMMANDS.get(name.partition(".")[0], name.partition(".")[0])
        cells = (target.what, target.told, measured.told(name), verdict, target.baseline, f"`{command}`")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def growth(measured: Measured) -> str:
    """Return what scrapes cost by size."""
    rows = [f"| repositories | {' | '.join(_CURVES.values())} | bytes | bytes, gzip |", "|---:|" + "---:|" * 7]
    for size in _sizes(measured):
        cells = [measured.told(f"scrape.{size}.{name}") for name in _CURVES]
        sizes = [f"{measured.value(f'scrape.{size}.{name}') / 1e6:.1f} MB" for name in ("bytes", "bytes.gzip")]
        rows.append(f"| {size:,} | {' | '.join(cells + sizes)} |")
    return "\n".join(rows)


def floor(measured: Measured) -> str:
    """Return the most that a service on this server could reach."""
    names = ("webhooks.bare.cost", "floor.hmac", "floor.json")
    if not measured.by_name.keys() >= set(names):
        return "Not measured yet."
    plain, signature, read = map(measured.value, names)
    reachable = plain / (plain + signature + read)
    return (
        f"The bare application takes {plain:.0f} µs of processor time a webhook, the signature {signature:.0f} µs and "
        f"the JSON {read:.0f} µs: whatever does these three on this server does at most {reachable:.0%} of the bare "
        "application's webhooks. What is left between that and our figure is ours: reading the fields, deciding "
        "what they mean, the transition, the metrics, the answer."
    ).replace("%", " %")


BLOCKS: Final[dict[str, Callable[[Measured], str]]] = {
    "machine": machine,
    "targets": targets,
    "growth": growth,
    "floor": floor,
    "floors": lambda measured: measured.table("floor"),
    "stalls": lambda measured: measured.table("stall"),
    "contention": lambda measured: measured.table("contention"),
    "webhooks": lambda measured: measured.table("webhooks"),
    "transition": lambda measured: measured.table("transition"),
    "flatness": lambda measured: measured.table("flatness"),
    "footprint": lambda measured: measured.table("memory", "start"),
    "volume": lambda measured: measured.table("journal", "restart"),
}
"""What stands between the marks in the document, by their names."""


def _sizes(measured: Measured) -> list[int]:
    return sorted(
        int(found[1])
        for name in measured.by_name
        if (found := re.fullmatch(r"scrape\.(\d+)\.client", name)) is not None
    )


def scrape_picture(measured: Measured) -> str:
    """Return the picture of how the cost of a scrape grows."""
    drawn = [
        Curve(label, [(size, measured.value(f"scrape.{size}.{name}")) for size in _sizes(measured)])
        for name, label in _CURVES.items()
    ]
    return curves(
        "What one scrape costs", "repositories, two environments each", "processor time, both axes logarithmic", drawn
    )


def targets_picture(measured: Measured) -> str:
    """Return the picture of how the figures stand to their targets."""
    drawn = []
    for name, target in TARGETS.items():
        if name in measured.by_name:
            value = measured.value(name)
            times = value / target.bound if target.sense == AT_LEAST else target.bound / value
            drawn.append(Bar(target.what.replace("`", ""), f"{measured.told(name)} ({target.told})", times))
    return bars("How many times as good as asked, or as bad", drawn)


def fill(text: str, measured: Measured) -> str:
    """Return the document with its blocks written anew.

    Raises:
        KeyError: there is no such block, or a figure that a block cannot do without was not measured.
    """
    return re.sub(
        r"<!-- (?!end)(\w+) -->\n.*?<!-- end -->",
        lambda block: f"<!-- {block[1]} -->\n{BLOCKS[block[1]](measured)}\n<!-- end -->",
        text,
        flags=re.DOTALL,
    )


def main() -> None:
    """Write the document and the pictures."""
    measured = Measured({figure.name: figure for figure in figures(BENCHMARKS)})
    if not measured.by_name:
        sys.exit("nothing was measured yet: make bench")
    document = DOCS / "performance.md"
    document.write_text(fill(document.read_text(encoding="utf-8"), measured), encoding="utf-8")
    (DOCS / "scrape-cost.svg").write_text(scrape_picture(measured), encoding="utf-8")
    (DOCS / "cost-targets.svg").write_text(targets_picture(measured), encoding="utf-8")


if __name__ == "__main__":
    main()
