"""The log of a volume: one SQLite table, and a mark that tells how far it was acknowledged.

Synchronous, for one thread. SQLite's own recovery drops everything behind the first frame of its write-ahead log that
does not have the right checksum. After a crash that is right: what follows was never acknowledged. After damage it
would forget acknowledged entries without a word. So the last acknowledged position is also written to a file of its
own, in place and without waiting for the disk (the log was already synced): a log that ends before it lost entries.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from dora.adapters.journal.codec import checksum
from dora.adapters.journal.files import Mark, sync_directory
from dora.ports import StateDamaged, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dora.ports import DoraError

_APPLICATION = 0x444F5241  # "DORA": file(1) and a reader of the header can tell whose database this is
_FORMAT = 1
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH})
_PROBE = 65536  # bytes written to see whether a full disk has room again: as much as a good many entries
_WAL_LIMIT = 16 * 1024 * 1024  # the write-ahead log file is cut back to this after a burst


class SqliteLog:
    """The entries of one directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "journal.sqlite3"
        self._mark = Mark(directory / "acknowledged")
        self._connection: sqlite3.Connection | None = None
        self._last = 0

    def examine(self, *, base: int) -> int:
        """Check everything but the entries' contents, change nothing, and return the last position.

        Args:
            base: position of the snapshot; the log has to hold it (if it is not 0) and everything behind it.

        Raises:
            StateDamaged: something is wrong; names the place.
            Unavailable: it cannot be read now.
        """
        acknowledged = self._mark.read()
        if not self._path.exists():
            return self._compare(0, acknowledged=acknowledged, base=base)
        connection = self._look()
        try:
            self._check_structure(connection)
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'entry'").fetchone():
                return self._compare(0, acknowledged=acknowledged, base=base)
            last = self._end(connection)
            row = connection.execute("SELECT min(position), count(*) FROM entry WHERE position > ?", (base,)).fetchone()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        finally:
            connection.close()
        if row[1] != max(last - base, 0) or (row[1] and row[0] != base + 1):
            raise StateDamaged(f"{self._path}: of the entries {base + 1} to {last} only {row[1]} are there")
        return self._compare(last, acknowledged=acknowledged, base=base)

    def look(self) -> None:
        """Open for reading alone.

        Raises:
            Unavailable: not now.
        """
        if self._path.exists():
            self._connection = self._look()

    def connect(self) -> int:
        """Open for writing, create what is missing, and return the last position.

        Raises:
            Unavailable: not now.
            StateDamaged: the log is shorter than what was acknowledged.
        """
        if self._connection is not None:
            return self._last
        connection: sqlite3.Connection | None = None
        try:
            self._mark.create()
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=1)
            self._prepare(connection)
            # After a failure it is unknown whether the last commit is in the write-ahead log, and whether the disk has
            # it. Checkpointing copies what is there into the database and syncs it: only then may it be handed over.
            self._checkpoint(connection)
            self._last = self._compare(self._end(connection), acknowledged=self._mark.read(), base=0)
        except (sqlite3.Error, OSError) as error:
            _close(connection)
            raise self._translated(error) from error
        except (Unavailable, StateDamaged):
            _close(connection)
            raise
        self._connection = connection
        return self._last

    def append(self, bodies: Sequence[bytes], *, known: int) -> list[tuple[int, bytes]]:
        """Keep the bodies durably, and return with their positions those that stand between `known` and them.

        With no bodies a broken log is opened again and probed by a write; a sound one is only asked.

        Raises:
            Unavailable: not kept, or not known to be; the next call tells.
            StateDamaged: the log cannot be read.
        """
        mended = self._connection is None
        last = self.connect()
        unseen = self.read(after=known, upto=last) if known < last else []
        if not bodies and not mended:
            return unseen
        rows = [(last + number, body, checksum(last + number, body)) for number, body in enumerate(bodies, start=1)]
        connection = self._connected()
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO entry (position, body, checksum) VALUES (?, ?, ?)", rows)
            if not rows:
                connection.execute("UPDATE probe SET filler = zeroblob(?)", (_PROBE,))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.close()
            raise self._translated(error) from error
        self._last += len(rows)
        self._mark.write(self._last)
        return unseen

    def read(self, *, after: int, upto: int) -> list[tuple[int, bytes]]:
        """Return the entries behind one position up to another, checked.

        Raises:
            StateDamaged: one is missing or not what was written.
            Unavailable: they cannot be read now.
        """
        try:
            rows = self._connected().execute(
                "SELECT position, body, checksum FROM entry WHERE position > ? AND position <= ? ORDER BY position",
                (after, upto),
            )
            found: list[tuple[int, bytes]] = []
            for expected, (position, body, written) in enumerate(rows, start=after + 1):
                if position != expected:
                    raise StateDamaged(f"{self._path}: entry {expected} is missing")
                if not isinstance(body, bytes) or checksum(position, body) != written:
                    raise StateDamaged(f"{self._path}: entry {position} is not what was written")
                found.append((position, body))
        except sqlite3.Error as error:
            raise self._translated(error) from error
        if len(found) != upto - after:
            raise StateDamaged(f"{self._path}: entry {after + len(found) + 1} is missing")
        return found

    def drop(self, *, before: int, limit: int) -> bool:
        """Delete entries before a position, or give freed pages back; some at a time. Return whether more is to do.

        Raises:
            Unavailable: not now.
        """
        connection = self._connected()
        try:
            dropped = connection.execute(
                "DELETE FROM entry WHERE position IN (SELECT position FROM entry WHERE position < ? LIMIT ?)",
                (before, limit),
            ).rowcount
            if dropped:
                return True
            free = connection.execute("PRAGMA freelist_count").fetchone()[0]
            connection.execute(f"PRAGMA incremental_vacuum({limit:d})").fetchall()
            return bool(0 < connection.execute("PRAGMA freelist_count").fetchone()[0] < free)
        except sqlite3.Error as error:
            self.close()
            raise self._translated(error) from error

    def close(self) -> None:
        """Close the database; it can be connected again."""
        connection, self._connection = self._connection, None
        _close(connection)
        self._mark.close()

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise Unavailable(f"{self._path}: not open")
        return self._connection

    def _look(self) -> sqlite3.Connection:
        # A read-only connection leaves the write-ahead log as it is: what is damaged stays there to be looked at.
        location = f"{self._path.absolute().as_uri()}?mode=ro"
        try:
            return sqlite3.connect(location, uri=True, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'probe'").fetchone():
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect only before the first table
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_FORMAT}")
            connection.execute("CREATE TABLE entry (position INTEGER PRIMARY KEY, body BLOB, checksum INTEGER)")
            connection.execute("CREATE TABLE probe (filler BLOB)")
            connection.execute("INSERT INTO probe VALUES (NULL)")
            connection.execute("COMMIT")
            sync_directory(self._path.parent)
        connection.execute("PRAGMA synchronous = FULL")  # each commit syncs the write-ahead log before it returns
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise Unavailable(f"{self._path}: somebody else reads or writes it")

    def _check_structure(self, connection: sqlite3.Connection) -> None:
        written = connection.execute("PRAGMA user_version").fetchone()[0]
        if written not in {0, _FORMAT}:
            raise StateDamaged(f"{self._path}: written in format {written}; this version reads {_FORMAT}")
        problems = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
        if problems != ["ok"]:
            raise StateDamaged(f"{self._path}: {'; '.join(problems)}")

    def _end(self, connection: sqlite3.Connection) -> int:
        last = connection.execute("SELECT max(position) FROM entry").fetchone()[0]
        return int(last or 0)

    def _compare(self, last: int, *, acknowledged: int, base: int) -> int:
        if last < acknowledged:
            raise StateDamaged(f"{self._path}: ends at entry {last}, but entry {acknowledged} had been acknowledged")
        if last < base:
            raise StateDamaged(f"{self._path}: ends at entry {last}, but the snapshot includes entry {base}")
        return last

    def _translated(self, error: sqlite3.Error | OSError) -> DoraError:
        if isinstance(error, OSError):
            return Unavailable(f"{self._path}: {error.strerror}")
        # The low byte is the primary code. Errors of the module itself (a closed connection) carry none.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
        return (StateDamaged if code in _DAMAGE else Unavailable)(f"{self._path}: {error}")


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        # Closing checkpoints, which a full or broken disk refuses; the next opening does it then.
        with suppress(sqlite3.Error):
            connection.close()
