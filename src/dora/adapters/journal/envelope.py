"""What is stored as one piece (a snapshot, a segment of a bucket): a line of JSON that describes it, then its body.

The line carries a digest of everything else, so that a flipped or missing byte anywhere is found.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from dora.ports import Snapshot, StateDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FORMAT = 1
_PIECE = 1 << 14  # bytes unpacked at once
_LEVEL = 1  # JSON shrinks to about a sixth; higher levels cost several times as long for a tenth less


def seal(kind: str, head: Mapping[str, object], body: bytes) -> bytes:
    """Return the piece: what kind it is, what describes it (JSON values), and its body."""
    line = {"dora": kind, "format": _FORMAT, **head}
    return orjson.dumps(line | {"digest": _digest(line, body)}) + b"\n" + body


def unseal(sealed: bytes, *, kind: str, place: str) -> tuple[dict[str, Any], bytes]:
    """Return what describes the piece, and its body.

    Raises:
        StateDamaged: it is not what was written, or of a newer version; names the place.
    """
    line, _, body = sealed.partition(b"\n")
    try:
        head = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise StateDamaged(f"{place}: its first line is not JSON") from error
    if not isinstance(head, dict) or head.get("dora") != kind:
        raise StateDamaged(f"{place}: not a {kind}")
    if head.get("format") != _FORMAT:
        raise StateDamaged(f"{place}: a {kind} of format {head.get('format')}; this version reads {_FORMAT}")
    if head.pop("digest", None) != _digest(head, body):
        raise StateDamaged(f"{place}: the content does not have the digest that was written with it")
    return head, body


def pack(snapshot: Snapshot, extra: Mapping[str, object] | None = None) -> bytes:
    """Return the snapshot as bytes; `extra` is what a journal needs to know beside it, JSON values only."""
    compress = zlib.compressobj(_LEVEL)
    chunks = [compress.compress(part + b"\n") for part in snapshot.parts]
    chunks.append(compress.flush())
    head = {"position": snapshot.position, "version": snapshot.version, "extra": dict(extra or {})}
    return seal("snapshot", head, b"".join(chunks))


def unpack(packed: bytes, *, place: str) -> tuple[Snapshot, dict[str, Any]]:
    """Return the snapshot and what stood beside it.

    Raises:
        StateDamaged: it is not what was written, or of a newer version; names the place.
    """
    head, body = unseal(packed, kind="snapshot", place=place)
    return Snapshot(position=head["position"], version=head["version"], parts=_Packed(body)), head["extra"]


class _Packed:
    """Parts that are unpacked one after the other: unpacked all at once, a large state takes twice its memory."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        inflate = zlib.decompressobj()
        rest = b""
        for start in range(0, len(self._body), _PIECE):
            *parts, rest = (rest + inflate.decompress(self._body[start : start + _PIECE])).split(b"\n")
            yield from parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Iterable) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


def _digest(head: Mapping[str, object], body: bytes) -> str:
    digest = blake2b(orjson.dumps(head, option=orjson.OPT_SORT_KEYS), digest_size=16)
    digest.update(body)
    return digest.hexdigest()
