"""A bucket over HTTP whose answers are errors, get lost, or never come. The store is moto, behind a proxy."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Self

import pytest
from obstore.store import MemoryStore, S3Store

from dora.adapters.journal.bucket import Bucket
from dora.adapters.journal.objects import Objects
from dora.ports import StateTaken, Unavailable
from tests.contract.gcs import gcs_environ, gcs_server
from tests.contract.journals import entry, opened, settle, snapshot
from tests.contract.servers import (
    azure_environ,
    azurite_server,
    create_bucket,
    create_container,
    free_port,
    moto_server,
    s3_environ,
    server,
)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with server(moto_server(port), port=port, folder=tmp_path_factory.mktemp("moto")):
        create_bucket(port, "dora")
        yield port


class Proxy:
    """Passes each request on, and answers by itself as often as it is told to."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.answers: list[bytes | None] = []
        """What to answer to the next writes instead of what the store says; None: nothing, ever."""
        self.passes = True
        """Whether such a write reaches the store all the same."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(length[1])) if length else b""
            instead = self.answers.pop(0) if head.startswith(b"PUT") and self.answers else b""
            answer = await self._ask(head, body) if instead == b"" or self.passes else b""
            if instead is None:
                await asyncio.Event().wait()
            writer.write(instead or answer)
            await writer.drain()
        finally:
            writer.close()

    async def _ask(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        writer.write(head.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1) + body)
        answer = await reader.read(-1)
        writer.close()
        return answer


BROKEN = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
REFUSED = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@pytest.fixture
async def proxy(port: int) -> AsyncIterator[Proxy]:
    async with Proxy(port) as proxy:
        yield proxy


def store(proxy: Proxy, prefix: str) -> S3Store:
    return S3Store(
        "dora",
        prefix=prefix,
        config={
            "endpoint": f"http://127.0.0.1:{proxy.port}",
            "access_key_id": "key",
            "secret_access_key": "hunter2",
            "region": "us-east-1",
            "virtual_hosted_style_request": False,
        },
        client_options={"allow_http": True, "timeout": "1s"},
        retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=3)},
    )


@pytest.mark.system
@pytest.mark.parametrize(
    ("answers", "passes"),
    [([BROKEN] * 2, True), ([BROKEN] * 2, False), ([REFUSED], False), ([None] * 2, True), ([None] * 2, False)],
    ids=["error after storing", "error", "credentials refused", "no answer after storing", "no answer"],
)
async def test_a_write_without_a_good_answer_is_unavailable_and_settled_later(
    proxy: Proxy, answers: list[bytes | None], *, passes: bool
) -> None:
    objects = Objects(store(proxy, token_hex(4)), place="s3://dora")
    journal = Bucket(objects, place="s3://dora", pace=0)
    await opened(journal)
    await journal.append([entry(1)])
    proxy.answers, proxy.passes = answers, passes
    with pytest.raises(Unavailable) as refused:
        await journal.append([entry(2)])
    assert "hunter2" not in str(refused.value)
    assert await settle(journal) == [entry(2)]
    assert not await journal.append([entry(3)])
    after = Bucket(objects, place="s3://dora", pace=0)
    assert await opened(after) == (None, [entry(1), entry(2), entry(3)])


@pytest.mark.system
async def test_one_error_after_storing_is_not_even_noticed(proxy: Proxy) -> None:
    objects = Objects(store(proxy, token_hex(4)), place="s3://dora")
    journal = Bucket(objects, place="s3://dora", pace=0)
    await opened(journal)
    proxy.answers = [BROKEN]
    assert not await journal.append([entry(1)])
    proxy.answers = [BROKEN]
    await journal.snapshot(snapshot(1))
    after = Bucket(objects, place="s3://dora", pace=0)
    assert await opened(after) == (snapshot(1), [])


@pytest.mark.system
async def test_an_answer_lost_while_taking_over_still_takes_over(proxy: Proxy) -> None:
    objects = Objects(store(proxy, token_hex(4)), place="s3://dora")
    older, newer = (Bucket(objects, place="s3://dora", pace=0) for _ in range(2))
    await opened(older)
    proxy.answers = [BROKEN, BROKEN]
    with pytest.raises(Unavailable):
        await newer.open()
    assert await opened(newer) == (None, [])
    with pytest.raises(StateTaken):
        await older.append([entry(1)])
    assert not await newer.append([entry(2)])


PROGRAM = """
import asyncio, sys
from dora.adapters.journal import journal
from tests.contract.journals import entry, opened
async def twice():
    for number in (1, 2):
        kept = journal(sys.argv[1])
        print(len((await opened(kept))[1]), end=" ")
        await kept.append([entry(number)])
        await kept.close()
asyncio.run(twice())
"""


async def run(url: str, environ: Mapping[str, str]) -> bytes:
    """Return what a process prints that opens the URL twice and appends once each time."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, url, env={**os.environ, **environ}, stdout=asyncio.subprocess.PIPE
    )
    return (await process.communicate())[0]


@pytest.mark.system
async def test_an_s3_url_takes_its_credentials_and_endpoint_from_the_environment(port: int) -> None:
    assert await run(f"s3://dora/{token_hex(4)}/state/", s3_environ(port)) == b"0 1 "


@pytest.mark.system
async def test_an_azure_url_takes_its_account_from_the_environment(tmp_path: Path) -> None:
    port, key = free_port(), b64encode(token_bytes(64)).decode()
    with azurite_server(port, key, folder=tmp_path):
        create_container(port, key, "dora")
        assert await run("az://dora/state", azure_environ(port, key)) == b"0 1 "


async def test_a_google_url_takes_its_token_from_the_environment() -> None:
    with gcs_server() as port:
        assert await run("gs://dora/state", gcs_environ(port)) == b"0 1 "


async def test_an_extra_that_is_not_installed_is_named() -> None:
    program = """
import sys
sys.modules["obstore"] = sys.modules["redis"] = None
from dora.adapters.journal import journal
for url in ("s3://bucket", "redis://host"):
    try:
        journal(url)
    except ValueError as error:
        print(error)
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0].decode().splitlines() == [
        "a bucket needs the extra: pip install 'dora[bucket]'",
        "Redis needs the extra: pip install 'dora[redis]'",
    ]


async def test_objects_are_listed_behind_a_name_read_and_deleted() -> None:
    objects = Objects(MemoryStore(), place="memory")
    for name in ("3", "1", "2"):
        assert await objects.create(f"log/{name}", name.encode())
    assert not await objects.create("log/1", b"other")
    assert await objects.read("log/1") == b"1"
    assert await objects.read("log/4") is None
    assert await objects.names("log") == ["1", "2", "3"]
    assert await objects.names("log", after="1") == ["2", "3"]
    await objects.delete(["log/1", "log/4"])
    assert await objects.names("log") == ["2", "3"]
    assert await objects.names("snapshot") == []
