"""Whether a state could be written from here, found out beside it: nothing is taken over, and nothing is left behind.

A running service goes on undisturbed: no lock is held, no fence is written, no entry appended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from dora.adapters.journal import journal
from dora.domain.instant import MICROSECONDS
from dora.findings import Finding, Level
from dora.ports import StateDamaged, Unavailable

if TYPE_CHECKING:
    from dora.adapters.journal.bucket import Store
    from dora.adapters.journal.redis import Stream

AREA: Final = "state"

_BYTES: Final = 65_536
"""Written to see whether there is room: as much as a good many entries."""
_LITTLE: Final = 1 << 30
"""Bytes of free disk below which it is worth a warning: a snapshot is written beside the one before."""
_ROOM: Final = "Free some space, or move the state to a larger volume."
_OWNER: Final = "Let the user that the service runs as write there (the image's is 10001)."


async def probe(url: str) -> list[Finding]:
    """Return how the state of the URL stands. The URL is one that `journal` takes."""
    match urlsplit(url).scheme:
        case "memory":
            text = "State lives in memory: all figures are lost when the service ends."
            remedy = "Set DORA_STATE to a volume, a bucket or Redis to keep them."
            return [Finding(Level.WARNING, AREA, "memory", text, remedy)]
        case "file":
            directory = Path(unquote(urlsplit(url).path))
            try:
                return _volume(directory)
            except OSError as error:  # somebody else's directory above it, a name that is too long
                text = f"It cannot be looked at: {error.strerror}."
                return [Finding(Level.ERROR, AREA, str(directory), text, _OWNER)]
        case "redis" | "rediss":
            return await _stream(url)
        case _:
            return await _of_bucket(url)


def _volume(directory: Path) -> list[Finding]:
    subject = str(directory)
    if not directory.is_dir():
        above = next(parent for parent in directory.parents if parent.exists())
        if above.is_dir() and not directory.exists() and os.access(above, os.W_OK | os.X_OK):
            return [Finding(Level.OK, AREA, subject, "The directory is not there yet; the service can make it.")]
        return [Finding(Level.ERROR, AREA, subject, "The directory is not there and cannot be made.", _OWNER)]
    findings = [_written(directory), _held(directory)]
    free = shutil.disk_usage(directory).free
    if free < _LITTLE:
        text = f"Only {free // (1 << 20):,} MiB of disk are free."
        findings.append(Finding(Level.WARNING, AREA, subject, text, _ROOM))
    return findings


def _written(directory: Path) -> Finding:
    """Write a file beside the state, see that the disk took it, and take it away."""
    path = directory / f"check-{token_hex(8)}"
    try:
        with path.open("xb") as file:
            file.write(b"\0" * _BYTES)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        remedy = _OWNER if isinstance(error, PermissionError) else _ROOM
        return Finding(Level.ERROR, AREA, str(directory), f"It cannot be written: {error.strerror}.", remedy)
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return Finding(Level.OK, AREA, str(directory), "It can be written.")


def _held(directory: Path) -> Finding:
    """Return whether a service writes this state now.

    The question is put by a shared lock that is given back at once.
    """
    subject = str(directory)
    try:
        lock = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Finding(Level.OK, AREA, subject, "No service has used it yet.")
    except OSError as error:
        return Finding(Level.ERROR, AREA, subject, f"Its lock cannot be read: {error.strerror}.", _OWNER)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        holder = "".join(filter(str.isdecimal, os.read(lock, 20).decode("ascii", "replace"))) or "unknown"
        text = f"A running service (process {holder}) holds it; a second one would refuse to start."
        return Finding(Level.OK, AREA, subject, text)
    finally:
        os.close(lock)
    text = "No service holds it now. What it holds was not read: dora state check does that."
    return Finding(Level.OK, AREA, subject, text)


async def _of_bucket(url: str) -> list[Finding]:
    from dora.adapters.journal.objects import Objects  # noqa: PLC0415 - an extra, which the URL's check has found

    place = url.partition("?")[0].rstrip("/")
    return await bucket(Objects.at(place), place)


async def bucket(store: Store, place: str) -> list[Finding]:
    """Return how a bucket stands: read as the service reads it, and written to beside its log."""
    from dora.adapters.journal.bucket import Bucket  # noqa: PLC0415 - the same

    remedy = "Do the credentials in the environment (AWS_…, GOOGLE_…, AZURE_…) allow to list, read, write and delete?"
    findings: list[Finding] = []
    try:
        await Bucket(store, place=place, reader=True).open()
        findings.append(Finding(Level.OK, AREA, place, "It can be read."))
        findings.append(await _created_once(store, place))
    except Unavailable as unavailable:
        findings.append(Finding(Level.ERROR, AREA, place, f"{unavailable}.", remedy))
    except StateDamaged as damaged:
        findings.append(_damaged(place, damaged))
    return findings


async def _created_once(store: Store, place: str) -> Finding:
    """Create an object twice: the second time the store has to refuse, or two services could write at once."""
    key = f"check/{token_hex(8)}"
    try:
        first, second = await store.create(key, b"dora check"), await store.create(key, b"dora check again")
    finally:
        with suppress(Unavailable):
            await store.delete([key])
    if first and not second:
        return Finding(Level.OK, AREA, place, "It can be written, and creates an object only if there is none.")
    text = "The store does not enforce create-only writes: two services could write at once, so none will."
    return Finding(
        Level.ERROR, AREA, place, text, "Use a store that does: S3, Google Cloud Storage, Azure Blob Storage."
    )


async def _stream(url: str) -> list[Finding]:
    kept: Stream = journal(url)  # type: ignore[assignment]  # what this URL names
    subject = "redis"
    name = f"check-{token_hex(8)}"
    findings: list[Finding] = []
    try:
        await kept.open()
        # A claim is a key that goes by itself: written, and harmless to everybody.
        await kept.claim(name, lease=5 * MICROSECONDS)
        await kept.release(name)
        findings.append(Finding(Level.OK, AREA, subject, "It can be read and written."))
    except Unavailable as unavailable:
        remedy = "Is the server up, is the password right, and may it write (maxmemory, read-only replica)?"
        findings.append(Finding(Level.ERROR, AREA, subject, f"{unavailable}.", remedy))
    except StateDamaged as damaged:
        findings.append(_damaged(subject, damaged))
    finally:
        await kept.close()
    if kept.durable is False:
        text = "The server may lose what it acknowledged."
        remedy = "Set appendonly yes and appendfsync always."
        findings.append(Finding(Level.WARNING, AREA, subject, text, remedy))
    elif kept.durable is None and findings[0].level is Level.OK:
        text = "The server does not tell whether it keeps what it acknowledges."
        findings.append(Finding(Level.UNKNOWN, AREA, subject, text, "It should: appendonly yes, appendfsync always."))
    return findings


def _damaged(place: str, damaged: StateDamaged) -> Finding:
    return Finding(Level.ERROR, AREA, place, f"{damaged}.", "docs/scaling.md tells what to do about a damaged state.")
