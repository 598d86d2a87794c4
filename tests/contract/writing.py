"""A process that appends until it is killed: `python -m tests.contract.writing URL FIRST`.

It prints what it restored, then each number when its `append` has returned. Between appends it writes snapshots.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress

from dora.adapters.journal import journal
from dora.adapters.journal.bucket import Bucket
from dora.adapters.journal.objects import Objects
from dora.domain.facts import Repository, RepositorySeen
from dora.ports import Entry, Journal, Snapshot, Unavailable

EVERY = 7
"""Appends between two snapshots: often, so that many a kill meets one."""

MOST = 60
"""Appends in one life: what is restored and compared stays small."""


def entry(number: int) -> Entry:
    """Return an entry of two facts that carries a number."""
    return tuple(RepositorySeen(repository=Repository(f"octo/{index}"), received_at=number) for index in range(2))


def numbers(kept: Entry) -> list[int]:
    """Return the number that an entry carries, once if the entry is whole."""
    assert len(kept) == 2
    assert kept[0].received_at == kept[1].received_at
    return [kept[0].received_at]


def at(url: str) -> Journal:
    """Return the journal; a bucket without a pace, so that more is written until the kill."""
    if url.startswith(("s3:", "gs:", "az:")):
        return Bucket(Objects.at(url), place=url, pace=0)
    return journal(url)


async def write(url: str, first: int) -> None:
    """Restore, say what, append a good deal, and wait for the end."""
    kept = at(url)
    snapshot = await kept.open()
    applied: list[int] = json.loads(next(iter(snapshot.parts))) if snapshot else []
    async for replayed in kept.replay():
        applied += numbers(replayed)
    say(json.dumps(applied))
    snapshots: set[asyncio.Task[None]] = set()
    for number in range(first, first + MOST):
        sent = [entry(10 * number + index) for index in range(number % 3 + 1)]
        try:
            known = [*await kept.append(sent), *sent]
            say(*[numbers(one)[0] for one in sent])
        except Unavailable:  # never sent again, so that each number is there once or not at all
            known = await settled(kept)
        for one in known:
            applied += numbers(one)
        if number % EVERY == 0:
            state = Snapshot(position=kept.position, version=1, parts=(json.dumps(applied).encode(),))
            snapshots.add(asyncio.create_task(write_snapshot(kept, state)))
            snapshots = {task for task in snapshots if not task.done()}
    await asyncio.Event().wait()


def say(*words: object) -> None:
    """Write one line, at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def write_snapshot(kept: Journal, state: Snapshot) -> None:
    """Write a snapshot; if it cannot be, the next one will do."""
    with suppress(Unavailable):
        await kept.snapshot(state)


async def settled(kept: Journal) -> list[Entry]:
    """Ask until the journal works again; return what came through of what it could not acknowledge."""
    found: list[Entry] = []
    while True:
        try:
            unseen = await kept.append(())
        except Unavailable:
            await asyncio.sleep(0.01)
            continue
        if not unseen:
            return found
        found += unseen


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2])))
