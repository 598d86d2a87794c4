"""What an operator does with a state beside serving: check it, write all of it out, read it back in.

An export is JSON lines: a head, the parts of the snapshot, the entries, and an end that carries a digest of all lines
before it, so that an export cut short or edited is not taken for whole.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import IO, TYPE_CHECKING, Any

import orjson
from attrs import frozen

from dora.adapters.journal import journal
from dora.adapters.journal.codec import Codec
from dora.ports import Snapshot, StateDamaged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dora.ports import Entry, Journal

_FORMAT = 1
_BATCH = 500  # entries written at once when read back in


@frozen
class Finding:
    """What a state holds, all of it read and found sound."""

    snapshot: int | None
    """Number of the last entry that the snapshot includes; None if there is no snapshot."""
    last: int
    """Number of the last entry."""
    entries: int
    """Entries behind the snapshot."""
    facts: int
    """Facts in them."""


async def check(url: str) -> Finding:
    """Read a whole state and change nothing. A volume must not be in use; a bucket and Redis may be.

    Raises:
        StateDamaged: it is damaged; names the place.
        StateTaken: a process writes this volume.
        Unavailable: it cannot be reached.
        ValueError: the URL names no state that outlives a process.
    """
    kept = _kept(url, reader=True)
    try:
        snapshot = await kept.open()
        entries = facts = 0
        async for entry in kept.replay():
            entries += 1
            facts += len(entry)
        return Finding(
            snapshot=snapshot.position if snapshot else None, last=kept.position, entries=entries, facts=facts
        )
    finally:
        await kept.close()


async def export(url: str, out: IO[bytes]) -> Finding:
    """Write a whole state as JSON lines and change nothing.

    Raises:
        StateDamaged, StateTaken, Unavailable, ValueError: as `check`.
        OSError: `out` cannot be written.
    """
    kept = _kept(url, reader=True)
    codec = Codec()
    lines = _Lines(out)
    try:
        snapshot = await kept.open()
        lines.write(
            {
                "dora": "export",
                "format": _FORMAT,
                "position": snapshot.position if snapshot else 0,
                "snapshot": {"version": snapshot.version, "parts": sum(1 for _ in snapshot.parts)}
                if snapshot
                else None,
            }
        )
        for part in snapshot.parts if snapshot else ():
            lines.write_text(part)
        entries = facts = 0
        async for entry in kept.replay():
            lines.write_text(codec.encode(entry))
            entries += 1
            facts += len(entry)
        lines.write({"dora": "end", "entries": entries, "digest": lines.digest()})
        return Finding(
            snapshot=snapshot.position if snapshot else None, last=kept.position, entries=entries, facts=facts
        )
    finally:
        await kept.close()


async def restore(url: str, lines: Iterable[bytes]) -> Finding:
    """Read an export into a state that is empty. All of it is read and checked before anything is written.

    Entries are numbered anew: a snapshot becomes the state after entry 1, which is empty.

    Raises:
        StateDamaged: the export is not whole, or not one that this version reads.
        StateTaken: a process writes this state.
        Unavailable: the state cannot be written. What was written until then has to be removed before trying again.
        ValueError: the state is not empty, or the URL names none that outlives a process.
    """
    snapshot, entries = _read(lines)
    kept = _kept(url, reader=False)
    try:
        if await kept.open() is not None or [entry async for entry in kept.replay()]:
            raise ValueError("the state is not empty: an export is read into an empty one only")
        if snapshot is not None:
            await kept.append([()])
            await kept.snapshot(snapshot)
        for start in range(0, len(entries), _BATCH):
            await kept.append(entries[start : start + _BATCH])
        return Finding(
            snapshot=snapshot.position if snapshot else None,
            last=kept.position,
            entries=len(entries),
            facts=sum(len(entry) for entry in entries),
        )
    finally:
        await kept.close()


def _kept(url: str, *, reader: bool) -> Journal:
    if url.startswith("memory:"):
        raise ValueError("memory: keeps nothing")
    return journal(url, reader=reader)


def _read(lines: Iterable[bytes]) -> tuple[Snapshot | None, list[Entry]]:
    codec = Codec()
    digest = blake2b(digest_size=16)
    source = iter(lines)

    def following(what: str) -> bytes:
        line = next(source, None)
        if line is None or not line.endswith(b"\n"):
            raise StateDamaged(f"export: ends before its {what}")
        return line

    first = following("head")
    head = _object(first)
    if head.get("dora") != "export" or head.get("format") != _FORMAT:
        raise StateDamaged(f"export: its first line is not the head of an export of format {_FORMAT}")
    digest.update(first)
    snapshot = None
    if head["snapshot"] is not None:
        parts: list[bytes] = []
        for _ in range(head["snapshot"]["parts"]):
            line = following("snapshot's end")
            digest.update(line)
            parts.append(line[:-1])
        snapshot = Snapshot(position=1, version=head["snapshot"]["version"], parts=tuple(parts))
    entries: list[Entry] = []
    while True:
        line = following("end")
        if line.startswith(b"{"):
            break
        digest.update(line)
        entries.append(codec.decode(line, place=f"export: entry {len(entries) + 1}"))
    end = _object(line)
    if end.get("dora") != "end" or end.get("digest") != digest.hexdigest() or end.get("entries") != len(entries):
        raise StateDamaged("export: its lines do not have the digest at its end")
    return snapshot, entries


def _object(line: bytes) -> dict[str, Any]:
    try:
        read = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}


class _Lines:
    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._digest = blake2b(digest_size=16)

    def write(self, line: dict[str, object]) -> None:
        self.write_text(orjson.dumps(line))

    def write_text(self, line: bytes) -> None:
        self._digest.update(line + b"\n")
        self._out.write(line + b"\n")

    def digest(self) -> str:
        return self._digest.hexdigest()
