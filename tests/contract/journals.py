"""States that the contract suite of `Journal` runs over, and the servers that some of them need."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store
from redis import Redis

from dora.adapters.journal import Memory
from dora.adapters.journal.bucket import Bucket
from dora.adapters.journal.objects import Objects
from dora.adapters.journal.redis import Stream
from dora.adapters.journal.volume import Volume
from dora.domain.facts import DeploymentFinished, Environment, Repository, RepositorySeen, Result
from dora.ports import Entry, Journal, Snapshot, StateTaken, Unavailable
from tests.fakes.journal import FakeState


def entry(number: int, *, facts: int = 1) -> Entry:
    """Return an entry that is like no other of another number."""
    return tuple(
        DeploymentFinished(
            repository=Repository("octo/api", 1),
            received_at=1_700_000_000_000_000 + number,
            environment=Environment("prod-eu", "production", "api"),
            deployment_id=f"{number}.{index}",
            result=Result.SUCCESS,
            at=1_700_000_000_000_000 + number,
            sha=f"{number:040x}",
        )
        for index in range(facts)
    )


def large(number: int, *, size: int) -> Entry:
    """Return an entry of some size in bytes."""
    return (RepositorySeen(repository=Repository(f"octo/{number}-" + "x" * size), received_at=number),)


def snapshot(position: int, *, size: int = 10) -> Snapshot:
    """Return a snapshot that tells which one it is."""
    return Snapshot(position=position, version=1, parts=(b'{"position":%d}' % position, b'"' + b"x" * size + b'"'))


async def opened(journal: Journal) -> tuple[Snapshot | None, list[Entry]]:
    """Open a journal and return all it has kept."""
    kept = await journal.open()
    return kept, [entry async for entry in journal.replay()]


async def settle(journal: Journal, *, patience: float = 20) -> list[Entry]:
    """Do what a caller has to after `Unavailable`: ask until the journal works again; return what came through."""
    found: list[Entry] = []
    async with asyncio.timeout(patience):
        while True:
            try:
                unseen = await journal.append(())
            except Unavailable:
                await asyncio.sleep(0.02)
                continue
            if not unseen:
                return found
            found += unseen


class MemoryState:
    """Nothing: what a process forgets, and no other sees."""

    def journal(self) -> Memory:
        return Memory()


class VolumeState:
    """A directory.

    Every state that keeps anything has `journal`, what another process would open; `crashed`, the state as it is found
    when the process that has it open is killed now; `full`, within which nothing can be kept; `damage`, which changes
    a byte of the newest entry; and `size`, how many entries (or segments) are kept.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def journal(self) -> Volume:
        return Volume(self.directory)

    def crashed(self) -> VolumeState:
        # What a killed process leaves is what its files hold at that moment; the copy has no lock.
        copy = self.directory.with_name(self.directory.name + "-crashed")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.directory, copy)
        return VolumeState(copy)

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        filler = self.directory.parent / "filler"
        with pytest.raises(OSError, match="No space left"):
            _fill(filler)
        try:
            yield
        finally:
            filler.unlink()

    async def damage(self) -> None:
        path = self.directory / "journal.sqlite3"
        content = bytearray(path.read_bytes())
        content[content.rindex(b"octo/api")] ^= 1
        path.write_bytes(content)

    async def size(self) -> int:
        connection = sqlite3.connect(self.directory / "journal.sqlite3")
        try:
            return int(connection.execute("SELECT count(*) FROM entry").fetchone()[0])
        finally:
            connection.close()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


class Store:
    """A store whose answers can be lost."""

    def __init__(self, store: Objects) -> None:
        self.store = store
        self.refuses = False

    async def create(self, key: str, body: bytes) -> bool:
        if self.refuses:
            raise Unavailable("refused")
        return await self.store.create(key, body)

    async def read(self, key: str) -> bytes | None:
        return await self.store.read(key)

    async def names(self, folder: str, *, after: str | None = None) -> list[str]:
        return await self.store.names(folder, after=after)

    async def delete(self, keys: Sequence[str]) -> None:
        await self.store.delete(keys)


class BucketState:
    """A prefix of a bucket: in memory, or on a server."""

    def __init__(self, store: MemoryStore | S3Store | AzureStore | GCSStore) -> None:
        self.store = store
        self.objects = Store(Objects(store, place="bucket"))

    def journal(self) -> Bucket:
        return Bucket(self.objects, place="bucket", pace=0)

    def crashed(self) -> BucketState:
        return self

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        self.objects.refuses = True
        try:
            yield
        finally:
            self.objects.refuses = False

    async def damage(self) -> None:
        for name in reversed(await self.objects.names("log")):
            content = bytearray(await self.objects.read(f"log/{name}") or b"")
            if b"octo/api" in content:
                content[content.rindex(b"octo/api")] ^= 1
                await self.store.put_async(f"log/{name}", bytes(content))
                return

    async def size(self) -> int:
        return len(await self.objects.names("log"))


class RedisState:
    """Keys of a Redis server."""

    def __init__(self, port: int, prefix: str) -> None:
        self.port = port
        self.prefix = prefix
        self.server = Redis(port=port)

    def journal(self) -> Stream:
        return Stream(f"redis://127.0.0.1:{self.port}/0?prefix={self.prefix}", margin=0)

    def crashed(self) -> RedisState:
        return self

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        self.server.config_set("maxmemory", 1)
        try:
            yield
        finally:
            self.server.config_set("maxmemory", 0)

    async def damage(self) -> None:
        log = f"{{{self.prefix}}}:log"
        rows: Any = self.server.xrange(log)  # redis-py types answers of every decoding as one
        self.server.delete(log)
        for number, fields in rows:
            if number == rows[-1][0]:
                fields[b"e"] = fields[b"e"].replace(b"octo/api", b"octo/apj")
            self.server.xadd(log, fields, id=number)

    async def size(self) -> int:
        return int(self.server.xlen(f"{{{self.prefix}}}:log"))


State: TypeAlias = VolumeState | BucketState | RedisState | FakeState


class Process:
    """A process that writes as the port asks for, beside others perhaps, and remembers what it applied."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.applied: list[Entry] = []
        self.acknowledged: list[Entry] = []
        self.refused: StateTaken | None = None

    async def work(self, *numbers: int, opens: bool = True) -> None:
        """Append one entry after the other, until all are kept or somebody else has the state."""
        try:
            if opens:
                self.applied += (await opened(self.journal))[1]
            for number in numbers:
                own = [entry(number)]
                self.applied += [*await self.journal.append(own), *own]
                self.acknowledged += own
                await asyncio.sleep(0)
        except StateTaken as refused:
            self.refused = refused
