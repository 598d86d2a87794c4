"""The figures of the last run of each benchmark, as JSON lines in `build/benchmarks/`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure

FOLDER: Final = Path(__file__).parents[1] / "build" / "benchmarks"

BENCHMARKS: Final = (
    "floor",
    "scrape",
    "stall",
    "contention",
    "webhooks",
    "transition",
    "flatness",
    "footprint",
    "journal",
    "restart",
)
"""All benchmarks, in the order in which they run."""


def read(path: Path) -> list[Figure]:
    """Return the figures of a file of JSON lines."""
    raw = [json.loads(one) for one in path.read_text(encoding="utf-8").splitlines()]
    return [Figure(**{**one, "repeats": tuple(one["repeats"])}) for one in raw]


def kept(name: str) -> Path:
    """Return where a benchmark's figures are kept."""
    return FOLDER / f"{name}.jsonl"


def figures(names: Sequence[str]) -> list[Figure]:
    """Return the kept figures of benchmarks."""
    return [figure for name in names if kept(name).exists() for figure in read(kept(name))]
