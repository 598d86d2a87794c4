"""`redis://`: one stream is the log, and any number of replicas append to it and apply it.

Redis numbers nothing without gaps by itself, and a reader cannot see that a server lost its newest entries. So a
script, which the server runs alone, does it all in one step: it compares the last entry that the replica has applied
with what the stream holds there, returns what others appended since, and appends the new entries under the next
numbers. An entry `N-0` of the stream has two fields: `e`, the entry, and `s`, its seal: who wrote it, and a checksum.

Keys (all in one hash slot, should the server be a cluster): `{dora}:log`, `{dora}:snapshot` (a list: position, then
chunks), `{dora}:claim:NAME`, `{dora}:probe`. `?prefix=` in the URL replaces `dora`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from dora.adapters.journal import redis_scripts as scripts
from dora.adapters.journal.codec import Codec, checksum
from dora.adapters.journal.envelope import pack, unpack
from dora.domain.instant import MICROSECONDS
from dora.ports import StateDamaged, StateTaken, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from dora.domain.instant import Duration
    from dora.ports import Entry, Snapshot

MARGIN = 100_000
"""Entries kept though a snapshot includes them, for a replica that was cut off: some 40 MB of the server's memory."""

_PAGE = 1000  # entries fetched at once: some 400 kB
_CHUNK = 1 << 20  # bytes of a snapshot sent at once: the server does nothing else meanwhile
_ABANDONED = 600  # seconds after which the server drops a snapshot that nobody finished
_OLDEST = (6, 2)  # XTRIM MINID and exclusive ranges
_LOG = logging.getLogger(__name__)
_PATIENCE = 5.0  # seconds without an answer after which a connection counts as lost


class _Trimmed(Exception):
    """The entry that the snapshot ends with is not in the log any more."""


class _Client(Redis):
    """redis-py's client, which heeds every cancellation.

    It sends with `asyncio.wait_for`, and that, up to Python 3.11, loses a cancellation which comes at the moment that
    it ends (https://github.com/python/cpython/issues/86296): a service that is told to end would go on for ever.
    """

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as redis-py has it
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        answer = await super().execute_command(*args, **options)  # type: ignore[no-untyped-call] # redis-py leaves it untyped
        if task and task.cancelling() > before:
            raise asyncio.CancelledError
        return answer


class Stream:
    """A `Journal` in Redis 6.2 or newer, or Valkey."""

    pace: Duration = 0
    gathering: Duration = 0
    poll: Duration | None = 250_000
    """Others' entries show within this and a round trip."""
    durable: bool | None = None
    """Whether the server keeps what it acknowledges; None: it does not tell, or was not asked yet."""

    def __init__(self, url: str, *, margin: int = MARGIN) -> None:
        """Name the server."""
        split = urlsplit(url)
        query = dict(parse_qsl(split.query))
        prefix = query.pop("prefix", "dora")
        self._place = f"redis ({{{prefix}}})"
        self._log, self._snapshot = f"{{{prefix}}}:log", f"{{{prefix}}}:snapshot"
        self._probe = f"{{{prefix}}}:probe"
        self._claims = f"{{{prefix}}}:claim:"
        # No retries of redis-py's own: a script that was sent twice would append twice.
        self._client = _Client.from_url(
            urlunsplit(split._replace(query=urlencode(query))),
            retry=Retry(NoBackoff(), 0),
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
        )
        self._append = self._client.register_script(scripts.APPEND)
        self._swap = self._client.register_script(scripts.SWAP)
        self._hold = self._client.register_script(scripts.CLAIM)
        self._giveback = self._client.register_script(scripts.RELEASE)
        self._codec = Codec()
        self._writer = token_hex(8)
        self.margin = margin
        self._position = 0
        self._fetched = 0
        self._seal = ""
        """Number and seal of the newest entry that was fetched and found sound."""
        self._unseen: deque[Entry] = deque()
        """Fetched, and not handed over yet."""
        self._restored = False
        self._ailing = False
        self._snapshotting = asyncio.Lock()
        self._refusal: StateTaken | StateDamaged | None = None

    @property
    def position(self) -> int:
        """Number of the last entry handed over."""
        return self._position

    async def open(self) -> Snapshot | None:
        """Read the newest snapshot, and look whether the log goes with it."""
        self._refuse()
        self._unseen.clear()
        self._restored = False
        try:
            await self._examine()
        except RedisError as error:
            raise self._unavailable(error) from error
        before = -1
        while True:
            snapshot = await self._newest()
            try:
                await self._exchange(())
            except _Trimmed:
                # Others put a newer one in its place while it was read, and trimmed the log; or something else did.
                if self._fetched == before:
                    self._damaged(f"{self._place}: entry {before}, which the snapshot ends with, is not in the log")
                before = self._fetched
            else:
                self._restored = True
                return snapshot

    async def replay(self) -> AsyncIterator[Entry]:
        """Yield the entries behind the snapshot, and those that others append meanwhile."""
        complete = False
        while self._unseen or not complete:
            while self._unseen:
                self._position += 1
                yield self._unseen.popleft()
            complete = await self._exchange(())

    async def append(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Append the entries, and return those of other replicas that stand before them, in one step of the server."""
        bodies = [self._codec.encode(entry) for entry in entries]
        while not await self._exchange(bodies):
            pass
        unseen = tuple(self._unseen)
        self._unseen.clear()
        self._position = self._fetched
        return unseen

    async def snapshot(self, snapshot: Snapshot) -> None:
        """Send the snapshot in chunks, swap it in, and trim the log behind the snapshot before it."""
        self._refuse()
        async with self._snapshotting:
            try:
                await self._send(snapshot)
            except RedisError as error:
                raise self._unavailable(error) from error

    async def claim(self, name: str, *, lease: Duration) -> bool:
        """Set a key with an expiry if nobody has; or prolong it if it is ours."""
        try:
            return bool(await self._hold(keys=[self._claims + name], args=[self._writer, lease * 1000 // MICROSECONDS]))
        except RedisError as error:
            raise self._unavailable(error) from error

    async def release(self, name: str) -> None:
        """Delete the key if it is ours."""
        with suppress(RedisError):
            await self._giveback(keys=[self._claims + name], args=[self._writer])

    async def close(self) -> None:
        """Close the connections."""
        with suppress(RedisError):
            await self._client.aclose()

    async def _newest(self) -> Snapshot | None:
        try:
            # One command, so that no other replica swaps the list in between.
            chunks = await self._client.lrange(self._snapshot, 0, -1)
        except RedisError as error:
            raise self._unavailable(error) from error
        snapshot = None
        self._fetched, self._seal = 0, ""
        if chunks:
            snapshot, extra = unpack(b"".join(map(_bytes, chunks[1:])), place=f"{self._place}: snapshot")
            self._fetched, self._seal = snapshot.position, str(extra["seal"])
        self._position = self._fetched
        return snapshot

    async def _examine(self) -> None:
        info = await self._client.info("server")
        version = str(info.get("redis_version", ""))
        if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < _OLDEST:
            raise Unavailable(f"{self._place}: the server is version {version}; 6.2 or newer is needed")
        with suppress(ResponseError):  # a server whose operator has hidden CONFIG
            settings = await self._client.config_get("append*")
            self.durable = settings.get("appendonly") == "yes" and settings.get("appendfsync") == "always"
            if not self.durable:
                _LOG.warning("redis keeps what it acknowledges only with appendonly yes and appendfsync always")
            policy = str((await self._client.config_get("maxmemory-policy")).get("maxmemory-policy", ""))
            if policy.startswith("allkeys"):
                _LOG.warning("redis may evict the log: set maxmemory-policy to noeviction")
        if await self._client.exists(self._log) and not await self._client.xlen(self._log):
            raise StateDamaged(f"{self._place}: the log was emptied")

    async def _send(self, snapshot: Snapshot) -> None:
        entry = await self._client.xrange(self._log, f"{snapshot.position}-0", f"{snapshot.position}-0")
        if not entry:  # so far behind that others' snapshots have let it be trimmed
            return
        fields = entry[0][1] or {}
        packed = await asyncio.to_thread(pack, snapshot, {"seal": _bytes(fields[b"s"]).decode()})
        fresh = f"{self._snapshot}:{token_hex(8)}"
        await self._client.rpush(fresh, str(snapshot.position))
        await self._client.expire(fresh, _ABANDONED)
        chunks = [packed[start : start + _CHUNK] for start in range(0, len(packed), _CHUNK)]
        for chunk in chunks:
            await self._client.rpush(fresh, chunk)
        args = [snapshot.position, self.margin, 1 + len(chunks)]
        if not await self._swap(keys=[self._log, self._snapshot, fresh], args=args):
            raise Unavailable(f"{self._place}: the snapshot did not stay while it was sent")

    async def _exchange(self, bodies: Sequence[bytes]) -> bool:
        """Fetch a page of what is new; append the bodies and return True if there was no more than a page."""
        self._refuse()
        number = self._fetched
        seals = [f"{self._writer}:{checksum(0, body):08x}" for body in bodies]
        pairs = [item for pair in zip(bodies, seals, strict=True) for item in pair]
        # A server that is full or read-only still answers who only reads: after a failure a small write is tried too.
        probe, self._ailing = self._ailing, True
        try:
            answer = await self._append(
                keys=[self._log, self._probe], args=[number, self._seal, _PAGE, int(probe), *pairs]
            )
        except RedisError as error:
            raise self._unavailable(error) from error
        self._ailing = False
        status, last = answer[0], int(answer[1])
        if status not in {b"kept", b"more"}:
            self._misfit(status.decode(), last)
        self._take(answer[2])
        if status == b"more":
            return False
        if seals:
            self._fetched, self._seal = last, seals[-1]
        return True

    def _take(self, rows: Sequence[tuple[bytes, Sequence[bytes]]]) -> None:
        for name, (_, body, _, seal) in rows:
            number = self._fetched + 1
            place = f"{self._place}: entry {number}"
            if name != b"%d-0" % number:
                self._damaged(f"{place} is missing")
            if seal.rpartition(b":")[2] != b"%08x" % checksum(0, body):
                self._damaged(f"{place} is not what was written")
            self._unseen.append(self._codec.decode(body, place=place))
            self._fetched, self._seal = number, seal.decode()

    def _misfit(self, status: str, last: int) -> NoReturn:
        known = self._fetched
        if status == "short":
            self._damaged(f"{self._place}: the log ends at entry {last}, but entry {known} had been there")
        if status == "trimmed" and not self._restored:
            raise _Trimmed
        if status == "other":
            self._damaged(f"{self._place}: entry {known} of the log is not the one that was there before")
        self._refusal = StateTaken(
            f"{self._place}: the others went on and entries behind {known} are deleted already; "
            "a restart begins from their snapshot"
        )
        raise self._refusal

    def _damaged(self, message: str) -> NoReturn:
        self._refusal = StateDamaged(message)
        raise self._refusal

    def _unavailable(self, error: RedisError) -> Unavailable:
        # The server's own words may quote what was sent; its code (OOM, MISCONF, NOAUTH) does not.
        code = str(error).partition(" ")[0]
        return Unavailable(f"{self._place}: {type(error).__name__}{f' ({code})' if code.isupper() else ''}")

    def _refuse(self) -> None:
        if self._refusal is not None:
            raise type(self._refusal)(*self._refusal.args)


def _bytes(value: bytes | str) -> bytes:
    # redis-py types what it returns as either; without `decode_responses` it is always bytes.
    return value if isinstance(value, bytes) else value.encode()
