"""Asking GitHub as a GitHub App: a signed assertion buys a token for an hour, one for each owner that installed it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from http import HTTPStatus
from typing import Final, TypeVar

import jwt
import orjson
from attrs import define, field, frozen
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dora.adapters.github.limits import Budget
from dora.adapters.github.requests import Answer, Ask, Requests, Token
from dora.domain.instant import MICROSECONDS, Instant
from dora.ports import Malformed, Refused, Unavailable
from dora.wire import Moment, structure

_T = TypeVar("_T")

_BACKDATED: Final = 60
"""Seconds by which an assertion is made older than it is, against clocks that differ (GitHub's own advice)."""
_LIFETIME: Final = 9 * 60
"""Seconds. GitHub takes at most ten minutes ahead of its clock."""
_MARGIN: Final = 5 * 60 * MICROSECONDS
"""A token is renewed this long before it expires, so that none expires on the way."""


@frozen
class _Installation:
    id: int


@frozen
class _AccessToken:
    token: str = field(repr=False)
    expires_at: Moment


@define
class _Owner:
    """What is known of the App at one owner. The budget stays when the token changes: limits go by installation."""

    budget: Budget
    turn: asyncio.Lock = field(factory=asyncio.Lock)
    installation: int | None = None
    token: Token | None = None
    expires_at: Instant = 0


def private_key(pem: str) -> RSAPrivateKey:
    r"""Return the private key that GitHub made for an App, from its PEM text.

    Line breaks may be written as `\n`, the way they end up in environment variables.

    Raises:
        ValueError: it is no RSA private key; the message does not quote it.
    """
    text = pem if "\n" in pem else pem.replace("\\n", "\n")
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("is not a private key in PEM form without a password") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("is not an RSA private key")  # noqa: TRY004 - what is wrong is the value of a setting
    return key


@define(kw_only=True)
class App:
    """The credentials of a GitHub App (docs: apps/creating-github-apps/authenticating-with-a-github-app).

    Installation ids and tokens are found by owner, cached, and renewed before they expire. Tokens are opaque: nothing
    is assumed of their form or length.
    """

    requests: Requests
    app_id: str
    """The App's id, or its client id."""
    key: RSAPrivateKey = field(repr=False)
    reserve: float = 0.1
    """See `Budget`."""
    most_owners: int = 1000
    """Owners whose tokens are remembered; of more, the one unused for longest is asked for again."""
    _own: Budget = field(init=False)
    _owners: OrderedDict[str, _Owner] = field(factory=OrderedDict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._own = Budget(reserve=self.reserve)

    async def token(self, repository: str) -> Token:
        """Return the installation's token for the repository's owner, a new one if need be.

        Raises:
            Refused: the App is not installed there, or its own credentials are not taken.
            Unavailable: GitHub gives none now.
        """
        owner = self._owner(repository)
        async with owner.turn:
            if owner.token is None or self.requests.clock() >= owner.expires_at - _MARGIN:
                if owner.installation is None:
                    owner.installation = await self._installation(repository)
                owner.token = await self._renew(owner, owner.installation)
            return owner.token

    async def rejected(self, repository: str, token: Token) -> bool:
        """Forget the token, if it is the one in use; return True: another is worth trying."""
        owner = self._owner(repository)
        if owner.token is token:
            owner.token = None
        return True

    async def send(self, ask: Ask) -> Answer:
        """Return the answer to the App itself, not to one of its installations; see `Requests.send` for the errors."""
        return await self.requests.send(ask, self._assertion())

    def _owner(self, repository: str) -> _Owner:
        name = repository.partition("/")[0].lower()
        known = self._owners.setdefault(name, _Owner(Budget(reserve=self.reserve)))
        self._owners.move_to_end(name)
        if len(self._owners) > self.most_owners:
            self._owners.popitem(last=False)
        return known

    async def _installation(self, repository: str) -> int:
        ask = Ask(endpoint="installation", url=self.requests.addresses.of_repository(repository, "installation"))
        answer = await self.send(ask)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise Refused("the GitHub App is not installed for this repository")
        return _read(answer, _Installation).id

    async def _renew(self, owner: _Owner, installation: int) -> Token:
        url = f"{self.requests.addresses.rest}/app/installations/{installation}/access_tokens"
        answer = await self.send(Ask(endpoint="access_token", url=url, post=True))
        if answer.status == HTTPStatus.NOT_FOUND:
            owner.installation = None  # uninstalled; installed again it has another id
            raise Refused("the GitHub App's installation is gone")
        granted = _read(answer, _AccessToken)
        try:
            token = Token(granted.token, owner.budget)
        except ValueError:
            raise Unavailable("GitHub gave no usable token") from None
        owner.expires_at = granted.expires_at
        return token

    def _assertion(self) -> Token:
        now = self.requests.clock() // MICROSECONDS
        claims = {"iat": now - _BACKDATED, "exp": now + _LIFETIME, "iss": self.app_id}
        return Token(jwt.encode(claims, self.key, algorithm="RS256"), self._own)


def _read(answer: Answer, shape: type[_T]) -> _T:
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
        raise Unavailable(f"GitHub answered {answer.status}")
    try:
        return structure(orjson.loads(answer.body), shape)
    except (orjson.JSONDecodeError, Malformed):
        raise Unavailable("GitHub's answer is not whole") from None
