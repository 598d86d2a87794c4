"""Real sockets: what slow, broken and many clients meet. Limits are set short; nothing here measures time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from dora.adapters.http import CannotListenError, Server, listen
from dora.adapters.http.bodies import Intake
from tests.unit.adapters.http.fakes import SIGNATURE, FakeExposition, FakeReceiver, FakeWebhookDoor, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from dora.domain.outcome import Outcome
    from dora.ports import Entry

DELIVERY = (
    b"POST /webhooks/github HTTP/1.1\r\nHost: observer\r\nContent-Type: application/json\r\n"
    b"X-GitHub-Event: push\r\nX-Hub-Signature-256: " + SIGNATURE.encode() + b"\r\n"
)
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: observer\r\n\r\n"


class Client:
    """A client that sends exactly the bytes it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Return the status and body of the next answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
        return int(lines[0].split()[1]), await self.reader.readexactly(length)

    async def ended(self) -> bytes:
        """Wait until the server has closed the connection; return what it sent before."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""


@asynccontextmanager
async def serving(world: World, **limits: float) -> AsyncIterator[Server]:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    server = Server(world.app, listen("127.0.0.1", 0), **limits)  # type: ignore[arg-type] # numbers by name
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0.0)
    assert failures == []


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


class SlowReceiver(FakeReceiver):
    """Takes an entry, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = asyncio.Event()
        self.let = asyncio.Event()

    async def receive(self, entry: Entry) -> tuple[Outcome, ...]:
        self.taken.set()
        await self.let.wait()
        return await super().receive(entry)


async def test_requests_follow_one_another_on_a_connection() -> None:
    async with serving(World()) as server, connected(server) as client:
        for _ in range(3):
            await client.send(HEALTH)
            assert await client.answer() == (200, b'{"status":"ok"}')


async def test_two_requests_in_one_piece_are_answered_one_after_the_other() -> None:
    async with serving(World()) as server, connected(server) as client:
        await client.send(HEALTH + HEALTH[:20])
        assert (await client.answer())[0] == 200
        await client.send(HEALTH[20:])
        assert (await client.answer())[0] == 200


async def test_a_client_that_ends_its_side_still_gets_its_answer() -> None:
    async with serving(World()) as server, connected(server) as client:
        await client.send(DELIVERY + b"Content-Length: 2\r\n\r\n{}")
        client.writer.write_eof()
        assert (await client.answer())[0] == 202
        assert await client.ended() == b""


async def test_a_client_that_asks_before_it_sends_its_body_is_told_to() -> None:
    async with serving(World()) as server, connected(server) as client:
        await client.send(DELIVERY + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await client.send(b"{}")
        assert (await client.answer())[0] == 202


async def test_a_large_body_is_taken_no_faster_than_it_is_used() -> None:
    receiver = SlowReceiver()
    async with serving(World(receiver=receiver)) as server, connected(server) as client:
        await client.send(DELIVERY + b"Content-Length: 2\r\n\r\n{}")
        await receiver.taken.wait()
        # The next request waits, and its body in the kernel's buffers: the server has taken no more than its own.
        client.writer.write(DELIVERY + b"Content-Length: 50000000\r\n\r\n" + b"x" * 50_000_000)
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert client.writer.transport.get_write_buffer_size() > 30_000_000
        receiver.let.set()
        assert (await client.answer())[0] == 202
        assert (await client.answer())[0] == 413


async def test_a_client_that_goes_while_it_is_answered_leaves_nothing_behind() -> None:
    receiver = SlowReceiver()
    world = World(receiver=receiver)
    async with serving(world) as server:
        async with connected(server) as client:
            await client.send(DELIVERY + b"Content-Length: 2\r\n\r\n{}")
            await receiver.taken.wait()
        receiver.let.set()
        await server.quiet()
    assert len(world.receiver.entries) == 1


class BrokenDoor(FakeWebhookDoor):
    """A door with a fault of its own."""

    def verify(self, signature: str | None, body: bytes) -> None:
        raise ZeroDivisionError(f"{signature} {len(body)}")


async def test_our_own_fault_is_a_500_and_the_connection_goes_on() -> None:
    async with serving(World(webhook_door=BrokenDoor())) as server, connected(server) as client:
        await client.send(DELIVERY + b"Content-Length: 2\r\n\r\n{}")
        assert (await client.answer())[0] == 500
        await client.send(HEALTH)
        assert (await client.answer())[0] == 200


async def test_an_answer_that_is_begun_and_given_up_ends_the_connection_with_nothing_said() -> None:
    async def begins(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError(f"{scope['path']} {receive}")

    server = Server(begins, listen("127.0.0.1", 0))
    await server.start()
    async with connected(server) as client:
        await client.send(HEALTH)
        assert await client.ended() == b""
    await server.stop(0.0)


async def test_an_answer_in_parts_leaves_part_by_part() -> None:
    let = asyncio.Event()

    async def in_parts(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await let.wait()
        await send({"type": "http.response.body", "body": b"two"})

    server = Server(in_parts, listen("127.0.0.1", 0))
    await server.start()
    async with connected(server) as client:
        await client.send(HEALTH)
        await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.readexactly(3) == b"one"
        let.set()
        assert await client.reader.readexactly(3) == b"two"
    await server.stop(0.0)


async def test_the_answer_to_head_has_no_body_and_the_next_one_has() -> None:
    async with serving(World()) as server, connected(server) as client:
        await client.send(HEALTH.replace(b"GET", b"HEAD") + HEALTH)
        assert b"content-length: 15" in (await client.reader.readuntil(b"\r\n\r\n")).lower()
        assert await client.answer() == (200, b'{"status":"ok"}')


async def test_every_answer_says_when_and_the_last_of_many_that_it_is_the_last() -> None:
    async with serving(World()) as server, connected(server) as client:
        for number in range(server.config.keep_alive_max_requests):
            await client.send(HEALTH)
            head = await client.reader.readuntil(b"\r\n\r\n")
            is_last = number == server.config.keep_alive_max_requests - 1
            assert (b"connection: close" in head.lower()) == is_last
            assert b"\r\ndate: " in head
            await client.reader.readexactly(len(b'{"status":"ok"}'))
        assert await client.ended() == b""


async def test_who_would_rather_speak_http_2_is_answered_in_http_1() -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    async with serving(World()) as server, connected(server) as client:
        await client.send(HEALTH[:-2] + upgrade)
        assert await client.answer() == (200, b'{"status":"ok"}')
    async with serving(World()) as server, connected(server) as client:
        await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert (await client.ended()).startswith(b"HTTP/1.1 4")


async def test_case_51_a_head_that_trickles_is_cut_off() -> None:
    async with serving(World(), head_seconds=0.05) as server, connected(server) as client:
        await client.send(b"GET /healthz HTTP/1.1\r\nHost:")
        assert await client.ended() == b""


async def test_case_51_a_second_head_that_trickles_is_cut_off_too() -> None:
    async with serving(World(), head_seconds=0.5) as server, connected(server) as client:
        await client.send(HEALTH)
        await client.answer()
        await client.send(b"GET /he")
        assert await client.ended() == b""


async def test_case_51_a_second_head_gets_no_more_time_for_every_byte() -> None:
    async with serving(World(), head_seconds=0.5) as server, connected(server) as client:
        await client.send(HEALTH)
        await client.answer()
        ending = asyncio.create_task(client.ended())
        # Were the clock set anew, it would go on to the largest head, and be told that this is too large.
        while not ending.done():
            client.writer.write(b"G")
            await asyncio.wait({ending}, timeout=0.01)
        assert await ending == b""


async def test_a_connection_without_a_further_request_is_closed() -> None:
    async with serving(World(), idle_seconds=0.05) as server, connected(server) as client:
        await client.send(HEALTH)
        await client.answer()
        assert await client.ended() == b""


async def test_case_51_a_connection_that_says_nothing_is_cut_off() -> None:
    async with serving(World(), head_seconds=0.05) as server, connected(server) as client:
        assert await client.ended() == b""


async def test_case_51_a_head_that_never_ends_is_refused() -> None:
    async with serving(World()) as server, connected(server) as client:
        await client.send(b"GET /healthz HTTP/1.1\r\n" + b"X-Filler: " + b"x" * 200_000)
        assert b" 200 " not in await client.ended()


async def test_case_51_a_body_that_trickles_gets_a_408_and_is_cut_off() -> None:
    world = World(intake=Intake(slowest=0.05))
    async with serving(world) as server, connected(server) as client:
        await client.send(DELIVERY + b"Content-Length: 100\r\n\r\n{")
        status, _ = await client.answer()
        assert status == 408
    assert world.receiver.entries == []


async def test_case_51_a_body_shorter_than_its_length_is_never_taken() -> None:
    world = World()
    async with serving(world) as server, connected(server) as client:
        await client.send(DELIVERY + b"Content-Length: 100\r\n\r\n{}")
        client.writer.write_eof()
        assert b" 202 " not in await client.ended()
    assert world.receiver.entries == []


async def test_case_51_a_body_longer_than_its_length_is_cut_at_its_length() -> None:
    world = World()
    async with serving(world) as server, connected(server) as client:
        await client.send(DELIVERY + b"Content-Length: 2\r\n\r\n{}{}\r\n\r\n")
        assert (await client.answer())[0] == 202
        assert b" 202 " not in await client.ended()
    assert world.webhook_door.bodies == [b"{}"]


async def test_case_51_an_endless_body_gets_its_413_while_it_is_sent() -> None:
    async with serving(World()) as server, connected(server) as client:
        await client.send(DELIVERY + b"Transfer-Encoding: chunked\r\n\r\n")
        million = b"F4240\r\n" + b"x" * 1_000_000 + b"\r\n"

        async def flood() -> None:
            while True:
                await client.send(million)

        flooding = asyncio.create_task(flood())
        status, _ = await client.answer()
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
        assert status == 413


async def test_a_body_that_is_too_large_by_its_length_gets_its_413_though_it_is_sent() -> None:
    async with serving(World()) as server, connected(server) as client:
        size = 26 * 1024 * 1024
        await client.send(DELIVERY + f"Content-Length: {size}\r\n\r\n".encode())
        sending = asyncio.create_task(client.send(b"x" * size))
        assert (await client.answer())[0] == 413
        await sending
        await client.send(HEALTH)
        assert (await client.answer())[0] == 200


async def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    world = World(metrics=FakeExposition(body=(b"x" * 1_000_000,) * 100))
    async with serving(world, send_seconds=0.05) as server, connected(server) as client:
        await client.send(b"GET /metrics HTTP/1.1\r\nHost: observer\r\n\r\n")
        await server.quiet()
    assert world.internals.requests == [("/metrics", "GET", 200)]


async def test_one_connection_too_many_takes_the_place_of_an_idle_one() -> None:
    async with serving(World(), most_connections=1) as server, connected(server) as first:
        await first.send(HEALTH)
        await first.answer()
        async with connected(server) as second:
            await second.send(HEALTH)
            assert (await second.answer())[0] == 200
            assert await first.ended() == b""


async def test_one_connection_too_many_is_told_to_come_again_if_none_is_idle() -> None:
    receiver = SlowReceiver()
    async with serving(World(receiver=receiver), most_connections=1) as server, connected(server) as first:
        await first.send(DELIVERY + b"Content-Length: 2\r\n\r\n{}")
        await receiver.taken.wait()
        async with connected(server) as second:
            assert (await second.answer())[0] == 503
        receiver.let.set()
        assert (await first.answer())[0] == 202


async def test_a_request_under_way_is_answered_while_the_server_stops() -> None:
    receiver = SlowReceiver()
    async with serving(World(receiver=receiver)) as server, connected(server) as client:
        await client.send(DELIVERY + b"Content-Length: 2\r\n\r\n{}")
        await receiver.taken.wait()
        stopping = asyncio.create_task(server.stop(60.0))
        receiver.let.set()
        assert (await client.answer())[0] == 202
        await stopping
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", server.port)


async def test_a_server_that_stops_waits_for_idle_and_stuck_clients_no_longer_than_told() -> None:
    async with serving(World()) as server, connected(server) as idle, connected(server) as stuck:
        await idle.send(HEALTH)
        await idle.answer()
        await stuck.send(DELIVERY + b"Content-Length: 100\r\n\r\n{")
        await server.stop(0.05)
        assert await idle.ended() == b""
        assert await stuck.ended() == b""


async def test_bytes_that_are_no_http_get_a_4xx_or_nothing() -> None:
    for nonsense in (
        b"\x16\x03\x01\x00\xa5\x01\x00",
        b"GET\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
    ):
        async with serving(World(), head_seconds=0.05) as server, connected(server) as client:
            await client.send(nonsense)
            answer = await client.ended()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


async def test_an_upgrade_to_websockets_is_refused() -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    async with serving(World()) as server, connected(server) as client:
        await client.send(b"GET /metrics HTTP/1.1\r\nHost: observer\r\n" + upgrade + key)
        assert (await client.answer())[0] == 403


def test_an_address_that_is_taken_is_refused_plainly() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotListenError):
            listen("127.0.0.1", port)
