"""`file:///directory`: a volume, written by one process at a time.

In the directory: `lock` (held by the kernel for the process' life), `journal.sqlite3` with its companions, the mark
`acknowledged` (`sqlite_log` says what for), and `snapshot-N`, the state after entry N, swapped in by a rename.
All file work happens in a thread of its own, one job after the other, so that the event loop never waits for a disk.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from dora.adapters.journal.codec import Codec
from dora.adapters.journal.files import SnapshotFiles
from dora.adapters.journal.sqlite_log import SqliteLog
from dora.ports import StateDamaged, StateTaken, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from dora.domain.instant import Duration
    from dora.ports import Entry, Snapshot

_T = TypeVar("_T")

GATHERING: Duration = 5_000
"""A commit takes as much processor time as a delivery does, half of it the sync, for one entry as for sixteen."""

_PAGE = 1000  # entries read at once in a replay: some ten milliseconds of decoding between two turns of the loop
_SLICE = 2000  # entries deleted at once: appends get their turn in between


class Volume:
    """A `Journal` in a directory."""

    pace: Duration = 0
    gathering: Duration = GATHERING
    poll: Duration | None = None

    def __init__(self, directory: Path, *, reader: bool = False) -> None:
        """Name the directory; `reader` changes nothing in it and cannot append."""
        self._directory = directory
        self._reader = reader
        self._codec = Codec()
        self._log = SqliteLog(directory)
        self._snapshots = SnapshotFiles(directory)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._snapshotting = asyncio.Lock()
        self._lock: int | None = None
        self._position = 0
        self._end = 0
        self._refusal: str | None = None
        self._closed = False

    @property
    def position(self) -> int:
        """Number of the last entry handed over."""
        return self._position

    async def open(self) -> Snapshot | None:
        """Lock the directory, check all of it, and return the snapshot."""
        snapshot, self._end = await self._run(self._take)
        self._position = snapshot.position if snapshot else 0
        return snapshot

    async def replay(self) -> AsyncIterator[Entry]:
        """Yield the entries behind the snapshot; each is checked when it is read."""
        while self._position < self._end:
            upto = min(self._position + _PAGE, self._end)
            after = self._position
            for position, body in await self._run(lambda: self._log.read(after=after, upto=upto)):  # noqa: B023 - awaited here
                entry = self._entry(position, body)
                self._position = position
                yield entry

    async def append(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Commit the entries with one sync."""
        bodies = [self._codec.encode(entry) for entry in entries]
        known = self._position
        unseen = await self._run(lambda: self._log.append(bodies, known=known))
        found = [self._entry(position, body) for position, body in unseen]
        self._position = known + len(found) + len(entries)
        return found

    async def snapshot(self, snapshot: Snapshot) -> None:
        """Write the snapshot beside the old one, swap them, and delete what it includes, a slice at a time."""
        self._refuse()
        async with self._snapshotting:
            # In another thread than the log's: appends go on while a large snapshot is written.
            kept = await asyncio.to_thread(self._snapshots.write, snapshot)
            if not kept:
                return
            with suppress(Unavailable):  # the snapshot is kept; what could not be deleted is, behind the next one
                # The entry at the position stays: a log is never empty once something was acknowledged.
                while await self._run(lambda: self._log.drop(before=snapshot.position, limit=_SLICE)):
                    pass

    async def claim(self, name: str, *, lease: Duration) -> bool:  # noqa: ARG002 - nobody else is there
        """Return True."""
        return True

    async def release(self, name: str) -> None:
        """Give nothing back."""

    async def close(self) -> None:
        """Close the database and give the lock back."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._leave)
        self._thread.shutdown(wait=False)

    async def _run(self, job: Callable[[], _T]) -> _T:
        self._refuse()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, job)
        except StateDamaged as error:
            self._refusal = str(error)
            raise

    def _refuse(self) -> None:
        if self._refusal is not None:
            raise StateDamaged(self._refusal)

    def _entry(self, position: int, body: bytes) -> Entry:
        return self._codec.decode(body, place=f"{self._directory}: entry {position}")

    def _take(self) -> tuple[Snapshot | None, int]:
        try:
            if not self._reader:
                self._directory.mkdir(parents=True, exist_ok=True)
            self._hold()
            snapshot = self._snapshots.read()
            last = self._log.examine(base=snapshot.position if snapshot else 0)
            if self._reader:
                self._log.look()
            else:
                self._snapshots.tidy()
                last = self._log.connect()
        except OSError as error:
            self._leave()
            raise Unavailable(f"{self._directory}: {error.strerror}") from error
        except (StateDamaged, StateTaken, Unavailable):
            self._leave()
            raise
        return snapshot, last

    def _hold(self) -> None:
        if self._lock is not None:
            return
        lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            if not isinstance(error, BlockingIOError):
                raise
            raise StateTaken(f"{self._directory}: another process (number {holder}) writes this state") from error
        self._lock = lock
        with suppress(OSError):  # on a full disk: the number only makes a message clearer
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)

    def _leave(self) -> None:
        self._log.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
