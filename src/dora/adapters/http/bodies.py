"""Reading request bodies under limits: of size, of time, and of memory for all of them together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from attrs import Factory, define

from dora.adapters.http.answers import RETRY_AFTER, RefusedError, header
from dora.adapters.http.uptake import EXTENSION

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

LARGEST_DELIVERY: Final = 25 * 1024 * 1024
"""GitHub caps its payloads at 25 MB."""
LARGEST_EVENT: Final = 1024 * 1024
"""A batch of 100 events with 500 changes each does not fit; nobody needs one that large."""

SLOWEST: Final = 15.0
"""Seconds for a whole body. GitHub itself gives up after 10."""
TOGETHER: Final = 96 * 1024 * 1024
"""Bytes that all bodies being read may take together: three of the largest, and what comes with them."""
SMALL: Final = 64 * 1024
"""A body up to this size is always let in: the connections are counted, so the sum of these is bounded too."""


class GoneError(Exception):
    """The client went away; nobody is left to be answered."""


@define
class Intake:
    """Bounds what all bodies being read take together, in memory and, once it drains, in time."""

    together: int = TOGETHER
    slowest: float = SLOWEST
    taken: int = 0
    """Bytes of the bodies that are counted now."""
    readers: set[asyncio.Timeout] = Factory(set)
    """The time limits of the bodies being read now."""

    def hurry(self, seconds: float) -> None:
        """Let no body that is being read now take longer than this from now on."""
        latest = asyncio.get_running_loop().time() + seconds
        for reader in self.readers:
            when = reader.when()
            reader.reschedule(latest if when is None else min(when, latest))


@define
class Body:
    """One request's body. Use as a context: its memory counts until the request is answered."""

    scope: Scope
    receive: Receive
    intake: Intake
    _size: int = 0
    _reserved: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.intake.taken -= self._reserved

    async def read(self, limit: int) -> bytes:
        """Return the body.

        Raises:
            RefusedError: it is or says to be larger than the limit (413), comes too slowly (408), or there is no
                memory for it now (503).
            GoneError: the client went away.
        """
        declared = header(self.scope, b"content-length")
        # More than twenty digits are cut: the number stays too large.
        if declared is not None and declared.isdecimal() and int(declared[:20]) > limit:
            raise _too_large(limit)
        uptake = self.scope.get("extensions", {}).get(EXTENSION)
        if uptake is not None and uptake.is_whole:
            return await self._pieces(limit)  # it waits for nothing, and needs no clock
        try:
            async with asyncio.timeout(self.intake.slowest) as timer:
                self.intake.readers.add(timer)
                try:
                    return await self._pieces(limit)
                finally:
                    self.intake.readers.discard(timer)
        except TimeoutError:
            raise RefusedError(408, "The body came too slowly.") from None

    async def _pieces(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            piece: bytes = message.get("body", b"")
            self._admit(len(piece), limit)
            pieces.append(piece)
            more = message.get("more_body", False)
        return b"".join(pieces)

    def _admit(self, length: int, limit: int) -> None:
        """Count a piece, or refuse it."""
        self._size += length
        if self._size > limit:
            raise _too_large(limit)
        if self._size > SMALL:
            wanted = self._size - self._reserved
            if self.intake.taken + wanted > self.intake.together:
                retry = ((b"retry-after", str(RETRY_AFTER).encode()),)
                raise RefusedError(503, "Too many large bodies at once; send it again.", headers=retry)
            self.intake.taken += wanted
            self._reserved = self._size


def _too_large(limit: int) -> RefusedError:
    return RefusedError(413, f"The body is larger than {limit} bytes.")
