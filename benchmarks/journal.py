"""How fast a volume keeps facts, and how fast it gives them back: `python -m benchmarks.journal`.

A million facts of 5,000 repositories with two environments each. The replay is measured without the core (reading,
checking, decoding) and with it. Seconds of a clock: a disk has no processor time. `TMPDIR` says where the volume is.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, main
from benchmarks.history import Organisation
from dora.adapters.journal import Volume
from dora.domain.core import Core
from dora.domain.facts import Fact
from dora.ports import Snapshot

FACTS: Final = 1_000_000
REPOSITORIES: Final = 5_000
ALONE: Final = 200
"""Entries that are synced one by one."""
BATCH: Final = 500


def rate(name: str, count: int, began: float, detail: str) -> Figure:
    """Return how much was done in a second, since then."""
    return Figure(f"journal.{name}", count / (time.perf_counter() - began), "/s", detail=detail)


async def figures(directory: Path, many: int) -> AsyncIterator[Figure]:
    """Write, then read."""
    facts = Organisation(REPOSITORIES).facts()
    volume = Volume(directory)
    await volume.open()
    alone = list(islice(facts, ALONE))
    began = time.perf_counter()
    for fact in alone:
        await volume.append([(fact,)])
    yield rate("single", ALONE, began, "facts kept, one an entry and a sync")
    spent = 0.0
    for start in range(ALONE, many, BATCH):
        batch = [(fact,) for fact in islice(facts, min(BATCH, many - start))]
        began = time.perf_counter()
        await volume.append(batch)
        spent += time.perf_counter() - began
    yield rate("batch", many - ALONE, time.perf_counter() - spent, f"facts kept, {BATCH} entries a sync")
    await volume.close()

    volume = Volume(directory)
    began = time.perf_counter()
    await volume.open()
    yield rate("open", many, began, "facts, checking the database's structure")
    began = time.perf_counter()
    read = [fact async for fact in _facts(volume)]
    yield rate("read", len(read), began, "facts read, checked and decoded")
    del read
    await volume.close()

    volume = Volume(directory)
    began = time.perf_counter()
    await volume.open()
    core = Core()
    async for fact in _facts(volume):
        core.apply(fact)
    yield rate("replay", many, began, "facts read, checked, decoded and applied")

    part = b'{"filler":"' + b"0123456789abcdef" * 600 + b'"}'
    parts = tuple(part for _ in range(many // 200))
    size = sum(map(len, parts))
    began = time.perf_counter()
    await volume.snapshot(Snapshot(position=volume.position, version=1, parts=parts))
    yield rate("snapshot", size, began, f"bytes of a snapshot of {size / 1e6:.0f} MB, and compaction of the log")
    await volume.close()
    volume = Volume(directory)
    began = time.perf_counter()
    await volume.open()
    yield rate("load", size, began, "bytes of that snapshot, opening from it")
    await volume.close()


async def _facts(volume: Volume) -> AsyncIterator[Fact]:
    async for entry in volume.replay():
        for fact in entry:
            yield fact


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - every benchmark's one parameter
    """Yield the figures."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        measured = figures(Path(folder) / "state", 2_000 if quick else FACTS)
        while (figure := runner.run(anext(measured, None))) is not None:
            yield figure


if __name__ == "__main__":
    main(measure, __doc__)
