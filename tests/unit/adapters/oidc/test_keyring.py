from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from attrs import Factory, define
from jwt import PyJWK

from dora.adapters.oidc.keyring import Keyring
from dora.ports import Unauthenticated, Unavailable
from tests.fakes.issuer import jwk

KEYS = {name: PyJWK(jwk(name)) for name in ("one", "two")}


@define
class Place:
    """A keyring, what the issuer publishes, and the time."""

    published: list[str] = Factory(lambda: ["one"])
    reachable: bool = True
    seconds: float = 1000.0
    asked: int = 0
    gate: asyncio.Event | None = None
    """What the issuer waits for before it answers."""
    reached: asyncio.Event = Factory(asyncio.Event)
    """Set when the issuer is asked."""

    def keyring(self) -> Keyring:
        return Keyring(self.fetch, clock=lambda: self.seconds)

    async def fetch(self) -> Mapping[str, PyJWK]:
        self.asked += 1
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        if not self.reachable:
            raise Unavailable("no")
        return {name: KEYS[name] for name in self.published}


async def test_keys_are_asked_for_once_an_hour() -> None:
    place = Place()
    ring = place.keyring()
    assert await ring.key("one") is KEYS["one"]
    place.seconds += 3_599
    assert await ring.key("one") is KEYS["one"]
    assert place.asked == 1
    place.seconds += 2
    assert await ring.key("one") is KEYS["one"]
    assert place.asked == 2


async def test_a_new_key_is_asked_for_at_once() -> None:
    place = Place()
    ring = place.keyring()
    await ring.key("one")
    place.published.append("two")
    place.seconds += 10
    assert await ring.key("two") is KEYS["two"]
    assert place.asked == 2


async def test_names_that_nobody_knows_ask_the_issuer_no_more_than_every_ten_seconds() -> None:
    place = Place()
    ring = place.keyring()
    for _ in range(50):
        with pytest.raises(Unauthenticated):
            await ring.key("../../etc/passwd")
    assert place.asked == 1
    place.seconds += 9
    with pytest.raises(Unauthenticated):
        await ring.key("other")
    assert place.asked == 1
    assert await ring.key("one") is KEYS["one"]
    place.seconds += 1
    with pytest.raises(Unauthenticated):
        await ring.key("other")
    assert place.asked == 2


async def test_a_withdrawn_key_is_good_for_an_hour_at_most() -> None:
    place = Place(published=["one", "two"])
    ring = place.keyring()
    await ring.key("one")
    place.published.remove("one")
    place.seconds += 3_601
    with pytest.raises(Unauthenticated):
        await ring.key("one")


async def test_an_issuer_out_of_reach_is_said_to_be_and_is_asked_again_after_ten_seconds() -> None:
    place = Place(reachable=False)
    ring = place.keyring()
    for waited, asked in ((0, 1), (4, 1), (6, 2)):
        place.seconds += waited
        with pytest.raises(Unavailable) as raised:
            await ring.key("one")
        assert place.asked == asked
        assert raised.value.retry_after is not None
        assert 1 <= raised.value.retry_after <= 10
    place.reachable = True
    place.seconds += 10
    assert await ring.key("one") is KEYS["one"]


async def test_known_keys_are_used_for_a_day_while_the_issuer_is_out_of_reach() -> None:
    place = Place()
    ring = place.keyring()
    await ring.key("one")
    place.reachable = False
    with pytest.raises(Unauthenticated):
        await ring.key("two")
    place.seconds += 86_399
    assert await ring.key("one") is KEYS["one"]
    with pytest.raises(Unavailable):
        await ring.key("two")
    place.seconds += 2
    with pytest.raises(Unavailable):
        await ring.key("one")


async def test_all_who_need_the_issuer_wait_for_one_answer_and_nobody_else_waits() -> None:
    place = Place()
    ring = place.keyring()
    await ring.key("one")
    place.gate, place.reached = asyncio.Event(), asyncio.Event()
    place.seconds += 10
    place.published.append("two")
    waiting = [asyncio.create_task(ring.key("two")) for _ in range(20)]
    await place.reached.wait()
    assert await ring.key("one") is KEYS["one"]
    assert not any(task.done() for task in waiting)
    place.gate.set()
    assert await asyncio.gather(*waiting) == [KEYS["two"]] * 20
    assert place.asked == 2
