"""Whether a state could be written, found out without touching it. A service that runs notices nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from obstore.store import MemoryStore
from redis import Redis

from dora.adapters.journal.bucket import Bucket
from dora.adapters.journal.objects import Objects
from dora.adapters.journal.probing import bucket, probe
from dora.adapters.journal.redis import Stream
from dora.adapters.journal.volume import Volume
from dora.findings import Finding, Level
from dora.ports import Unavailable
from tests.contract.journals import Store, entry, opened
from tests.contract.servers import free_port, redis_server, server

if TYPE_CHECKING:
    from collections.abc import Iterator


def levels(findings: list[Finding]) -> set[Level]:
    return {finding.level for finding in findings}


def said(findings: list[Finding]) -> str:
    return " ".join(f"{finding.found} {finding.remedy}" for finding in findings)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def test_memory_is_a_warning() -> None:
    (found,) = await probe("memory:")
    assert (found.level, "DORA_STATE" in found.remedy) == (Level.WARNING, True)


# A volume.


async def test_a_directory_that_the_service_can_make_is_not_made(tmp_path: Path) -> None:
    (found,) = await probe(f"file://{tmp_path}/one/two%20words")
    assert found.level is Level.OK
    assert found.subject.endswith("two words")
    assert contents(tmp_path) == {}


async def test_a_directory_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in ("file", "file/below"):
        (found,) = await probe(f"file://{tmp_path}/{path}")
        assert found.level is Level.ERROR


async def test_an_empty_directory_is_written_to_and_left_empty(tmp_path: Path) -> None:
    findings = await probe(f"file://{tmp_path}")
    assert levels(findings) == {Level.OK}
    assert "can be written" in said(findings)
    assert "No service has used it yet" in said(findings)
    assert contents(tmp_path) == {}


async def test_the_state_of_a_running_service_is_left_as_it_is_and_its_holder_is_told(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    await opened(volume)
    await volume.append([entry(1)])
    before = contents(tmp_path)
    findings = await probe(f"file://{tmp_path}")
    assert levels(findings) == {Level.OK}
    assert f"process {os.getpid()}" in said(findings)
    assert contents(tmp_path) == before
    await volume.append([entry(2)])
    await volume.close()


async def test_after_the_service_has_ended_another_can_begin(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    await opened(volume)
    await volume.close()
    findings = await probe(f"file://{tmp_path}")
    assert levels(findings) == {Level.OK}
    assert "No service holds it" in said(findings)
    again = Volume(tmp_path)
    await opened(again)
    await again.close()


async def test_a_directory_that_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    (found,) = await probe(f"file://{tmp_path}/{'n' * 300}/below")
    assert found.level is Level.ERROR
    assert "too long" in found.found


async def test_what_is_no_real_disk_cannot_be_written() -> None:
    findings = await probe("file:///proc/self")
    assert findings[0].level is Level.ERROR
    assert "cannot be written" in findings[0].found


# A bucket.


def store() -> Store:
    return Store(Objects(MemoryStore(), place="bucket"))


async def names(one: Store) -> list[str]:
    return [name for folder in ("log", "snapshot", "check") for name in await one.names(folder)]


async def test_a_bucket_is_written_to_beside_its_log_and_left_as_it_was() -> None:
    there = store()
    serving = Bucket(there, place="bucket", pace=0)
    await opened(serving)
    await serving.append([entry(1)])
    before = await names(there)
    findings = await bucket(there, "bucket")
    assert levels(findings) == {Level.OK}
    assert len(findings) == 2
    assert await names(there) == before
    await serving.append([entry(2)])  # nobody has taken it over


async def test_a_bucket_that_refuses_to_be_written_is_an_error() -> None:
    there = store()
    there.refuses = True
    findings = await bucket(there, "bucket")
    assert [finding.level for finding in findings] == [Level.OK, Level.ERROR]
    assert "credentials" in findings[1].remedy


class Careless(Store):
    """Overwrites what is there."""

    async def create(self, key: str, body: bytes) -> bool:
        await self.delete([key])
        return await super().create(key, body)


async def test_a_store_that_overwrites_is_an_error() -> None:
    findings = await bucket(Careless(Objects(MemoryStore(), place="bucket")), "bucket")
    assert "create-only" in findings[1].found
    assert findings[1].level is Level.ERROR


class Silent(Store):
    """Answers nothing."""

    async def names(self, folder: str, *, after: str | None = None) -> list[str]:
        raise Unavailable(f"{folder} {after}")


async def test_a_bucket_that_is_not_reached_is_an_error() -> None:
    (found,) = await bucket(Silent(Objects(MemoryStore(), place="bucket")), "bucket")
    assert found.level is Level.ERROR


async def test_a_bucket_that_lacks_a_segment_is_damaged() -> None:
    there = store()
    serving = Bucket(there, place="bucket", pace=0)
    await opened(serving)
    for number in (1, 2):
        await serving.append([entry(number)])
    await there.delete([f"log/{2:020d}"])
    (found,) = await bucket(there, "bucket")
    assert found.level is Level.ERROR
    assert "missing" in found.found


# Redis: needs a real server.


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("redis")
    port = free_port()
    with server(redis_server(folder, port=port), port=port, folder=folder):
        yield port


@pytest.mark.system
async def test_redis_is_read_and_written_and_left_as_it_was(port: int) -> None:
    with Redis(port=port) as client:
        replica = Stream(f"redis://127.0.0.1:{port}/0")
        await opened(replica)
        await replica.append([entry(1)])
        before: object = client.keys()
        findings = await probe(f"redis://:@127.0.0.1:{port}/0")
        assert levels(findings) == {Level.OK}
        assert client.keys() == before
        await replica.append([entry(2)])
        await replica.close()


@pytest.mark.system
async def test_redis_that_may_lose_what_it_acknowledged_is_a_warning_and_one_that_is_full_an_error(port: int) -> None:
    with Redis(port=port) as client:
        client.config_set("appendfsync", "everysec")
        try:
            assert levels(await probe(f"redis://127.0.0.1:{port}/0")) == {Level.OK, Level.WARNING}
        finally:
            client.config_set("appendfsync", "always")
        client.config_set("maxmemory", 1)
        try:
            findings = await probe(f"redis://127.0.0.1:{port}/0")
            assert Level.ERROR in levels(findings)
            assert "maxmemory" in said(findings)
        finally:
            client.config_set("maxmemory", 0)


@pytest.mark.system
async def test_redis_that_is_not_there_is_an_error_that_shows_no_password() -> None:
    (found,) = await probe(f"redis://:hidden@127.0.0.1:{free_port()}/0")
    assert found.level is Level.ERROR
    assert "hidden" not in repr(found)
