"""Who asks GitHub: the holder of a token, or a GitHub App (`dora.adapters.github.app`)."""

from __future__ import annotations

from typing import Protocol

from attrs import define, field

from dora.adapters.github.limits import Budget
from dora.adapters.github.requests import Token


class Credential(Protocol):
    """Gives the token to ask about a repository with."""

    async def token(self, repository: str) -> Token:
        """Return the token for the repository `owner/name`.

        Raises:
            Refused: there is none for it.
            Unavailable: not now.
        """
        ...

    async def rejected(self, repository: str, token: Token) -> bool:
        """Take note that GitHub did not accept the token; return whether asking for another makes sense."""
        ...


@define
class PersonalToken:
    """A token that was given in the settings: a personal access token, or any other that GitHub takes as a bearer."""

    _token: Token = field(alias="token")

    @classmethod
    def of(cls, secret: str, *, budget: Budget | None = None) -> PersonalToken:
        """Return the credential for a token.

        Raises:
            ValueError: it cannot be a token; the message does not quote it.
        """
        return cls(token=Token(secret, budget or Budget()))

    async def token(self, repository: str) -> Token:  # noqa: ARG002 - one token for all
        """Return the token."""
        return self._token

    async def rejected(self, repository: str, token: Token) -> bool:  # noqa: ARG002 - the port's signature
        """Return False: there is no other token."""
        return False
