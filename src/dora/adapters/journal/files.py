"""The files of a volume beside its database: the mark of what was acknowledged, and the snapshots."""

from __future__ import annotations

import os
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING
from zlib import crc32

from dora.adapters.journal.envelope import pack, unpack
from dora.ports import StateDamaged, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from dora.ports import Snapshot

_SLOT = Struct("<QI")  # a position and its CRC-32; two slots, so that a write cut short leaves the other one


class Mark:
    """The last acknowledged position, in a file of two slots that are written in turn."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._slot = 0

    def create(self) -> None:
        """Create the file with position 0, if there is none."""
        if not self._path.exists():
            fresh = self._path.with_suffix(".new")
            with fresh.open("wb") as file:
                file.write(_slot(0) * 2)
                file.flush()
                os.fsync(file.fileno())  # else a power cut may leave the name without the content: damage
            fresh.rename(self._path)

    def read(self) -> int:
        """Return the position, 0 if there is no file.

        Raises:
            StateDamaged: neither slot can be read.
            Unavailable: the file cannot.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise Unavailable(f"{self._path}: {error.strerror}") from error
        slots = (content[: _SLOT.size], content[_SLOT.size :])
        sound = [_SLOT.unpack(slot)[0] for slot in slots if len(slot) == _SLOT.size and _slot(_position(slot)) == slot]
        if not sound:
            raise StateDamaged(f"{self._path}: neither of its two slots is what was written")
        return int(max(sound))

    def write(self, position: int) -> None:
        """Overwrite the older slot."""
        # The entries are safe without it: if the mark cannot be written, damage is merely harder to notice.
        with suppress(OSError):
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
            os.pwrite(self._file, _slot(position), self._slot * _SLOT.size)
            self._slot ^= 1

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _slot(position: int) -> bytes:
    return _SLOT.pack(position, crc32(position.to_bytes(8, "little")))


def _position(slot: bytes) -> int:
    return int.from_bytes(slot[:8], "little")


class SnapshotFiles:
    """The snapshots of one directory: the newest counts, older ones are on their way out."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self) -> Snapshot | None:
        """Return the newest snapshot.

        Raises:
            StateDamaged: it is not what was written.
            OSError: it cannot be read now.
        """
        newest = self._newest()
        if newest is None:
            return None
        snapshot, _ = unpack(newest.read_bytes(), place=str(newest))
        if newest.name != _name(snapshot.position):
            raise StateDamaged(f"{newest}: holds the snapshot of entry {snapshot.position}")
        return snapshot

    def write(self, snapshot: Snapshot) -> bool:
        """Keep the snapshot; return False if there is a newer one.

        Raises:
            Unavailable: not kept.
        """
        path = self._directory / _name(snapshot.position)
        fresh = path.with_suffix(".new")
        try:
            newest = self._newest()
            if newest is not None and newest.name >= path.name:
                return False
            with fresh.open("wb") as file:
                file.write(pack(snapshot))
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
            sync_directory(self._directory)
            self.tidy()
        except OSError as error:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise Unavailable(f"{path}: {error.strerror}") from error
        return True

    def tidy(self) -> None:
        """Delete older snapshots, and what a crash left half written."""
        newest = self._newest()
        for path in self._directory.glob("snapshot-*"):
            if path.suffix == ".new" or (newest is not None and path.name < newest.name):
                path.unlink(missing_ok=True)

    def _newest(self) -> Path | None:
        return max((path for path in self._directory.glob("snapshot-*") if not path.suffix), default=None)


def _name(position: int) -> str:
    return f"snapshot-{position:020d}"


def sync_directory(directory: Path) -> None:
    """Make renames and new files in the directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
