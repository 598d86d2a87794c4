"""Kills processes at a moment that is too short to be met by chance: `python -m tests.system.hunter WHAT WHERE PID...`.

WHAT and WHERE are `writing DIRECTORY` or `sending PORT`: a snapshot is under way on the volume, in Redis; or
`compacting DIRECTORY`: a snapshot has just been swapped in on the volume. It looks without a pause until then.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from redis import Redis


def names(directory: str, suffix: str = "") -> set[str]:
    """Return the snapshots that are there, whole or not."""
    return {name for name in os.listdir(directory) if name.startswith("snapshot-") and name.endswith(suffix)}  # noqa: PTH208 - the quickest way


def moment(what: str, where: str) -> Callable[[], bool]:
    """Return what tells whether it is now."""
    if what == "sending":
        redis = Redis(port=int(where))
        return lambda: bool(redis.keys("{dora}:snapshot:*"))
    if what == "writing":
        return lambda: bool(names(where, ".new"))
    before = names(where)
    return lambda: any(not name.endswith(".new") for name in names(where) - before)


def hunt(what: str, where: str, *pids: int) -> None:
    """Wait for the moment, and kill."""
    is_now = moment(what, where)
    while not is_now():
        pass
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    hunt(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
