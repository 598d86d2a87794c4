"""Between the server and the application: pieces of a body, and who waits for whom."""

from __future__ import annotations

import asyncio

from dora.adapters.http.uptake import Uptake
from tests.fakes.time import breathe


async def put(uptake: Uptake, body: bytes, *, more: bool = True) -> None:
    await uptake.put({"type": "http.request", "body": body, "more_body": more})


async def test_pieces_that_wait_are_received_in_one_and_in_their_order() -> None:
    uptake = Uptake(limit=100)
    await put(uptake, b"one ")
    await put(uptake, b"two")
    assert not uptake.is_whole
    await put(uptake, b"", more=False)
    assert uptake.is_whole
    assert await uptake.receive() == {"type": "http.request", "body": b"one two", "more_body": False}


async def test_who_receives_early_waits_for_the_first_piece_alone() -> None:
    uptake = Uptake(limit=100)
    receiving = asyncio.create_task(uptake.receive())
    await breathe()
    assert not receiving.done()
    await put(uptake, b"one")
    assert await receiving == {"type": "http.request", "body": b"one", "more_body": True}


async def test_who_puts_too_much_waits_until_it_is_received() -> None:
    uptake = Uptake(limit=3)
    await put(uptake, b"four")
    putting = asyncio.create_task(put(uptake, b"more", more=False))
    await breathe()
    assert not putting.done()
    assert await uptake.receive() == {"type": "http.request", "body": b"four", "more_body": True}
    await putting
    assert await uptake.receive() == {"type": "http.request", "body": b"more", "more_body": False}


async def test_what_came_before_the_client_went_is_still_received() -> None:
    uptake = Uptake(limit=100)
    await put(uptake, b"half")
    await uptake.put({"type": "http.disconnect"})
    assert await uptake.receive() == {"type": "http.request", "body": b"half", "more_body": True}
    assert await uptake.receive() == {"type": "http.disconnect"}


async def test_the_end_lets_both_sides_go_on() -> None:
    uptake = Uptake(limit=1)
    receiving = asyncio.create_task(uptake.receive())
    await breathe()
    await uptake.put({"type": "http.disconnect"})
    assert await receiving == {"type": "http.disconnect"}
    full = Uptake(limit=1)
    await put(full, b"12")
    putting = asyncio.create_task(put(full, b"3"))
    await breathe()
    await full.put({"type": "http.disconnect"})
    await asyncio.wait_for(putting, 1)


async def test_who_gave_up_waiting_holds_nobody() -> None:
    uptake = Uptake(limit=100)
    receiving = asyncio.create_task(uptake.receive())
    await breathe()
    receiving.cancel()
    await breathe()
    await put(uptake, b"one")
    assert await uptake.receive() == {"type": "http.request", "body": b"one", "more_body": True}
