"""An issuer's keys, kept for a while, and asked for anew when a token names one that is not among them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from attrs import define, field
from jwt import PyJWK

from dora.ports import Unauthenticated, Unavailable

_FRESH: Final = 3_600.0
"""Seconds for which keys are used unasked. A key that the issuer withdraws is good for no longer than this."""
_USABLE: Final = 86_400.0
"""Seconds for which they are used while the issuer cannot be asked."""
_PAUSE: Final = 10.0
"""Seconds between two attempts: anybody can make up tokens with a key's name that nobody knows."""

_log = structlog.get_logger("dora.oidc")


@define
class Keyring:
    """The public keys of one issuer by their names. Who needs the issuer waits for it, all together for one answer."""

    fetch: Callable[[], Awaitable[Mapping[str, PyJWK]]]
    """Asks the issuer for its keys, or raises `Unavailable`."""
    clock: Callable[[], float] = time.monotonic
    """Seconds, from whenever."""
    _keys: Mapping[str, PyJWK] = field(factory=dict, init=False)
    _read_at: float = field(default=-math.inf, init=False)
    _tried_at: float = field(default=-math.inf, init=False)
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def key(self, name: str) -> PyJWK:
        """Return the key of the name (`kid`).

        Raises:
            Unauthenticated: the issuer has none of the name, as far as was asked in the last seconds.
            Unavailable: the issuer cannot tell now.
        """
        known = self._known(name, _FRESH)
        if known is not None:
            return known
        async with self._turn:
            # Whoever was here just now has asked for all who waited.
            if self.clock() >= self._tried_at + _PAUSE:
                await self._ask()
        known = self._known(name, _USABLE)
        if known is not None:
            return known
        if self._read_at < self._tried_at:
            wait = max(1.0, self._tried_at + _PAUSE - self.clock())
            raise Unavailable("the OIDC issuer's keys cannot be read", retry_after=wait)
        raise Unauthenticated("the OIDC token is signed with a key that is not the issuer's")

    def _known(self, name: str, seconds: float) -> PyJWK | None:
        return self._keys.get(name) if self.clock() < self._read_at + seconds else None

    async def _ask(self) -> None:
        self._tried_at = self.clock()
        try:
            self._keys = await self.fetch()
        except Unavailable as unavailable:
            _log.warning("the OIDC issuer's keys cannot be read", reason=str(unavailable))
        else:
            self._read_at = self._tried_at
