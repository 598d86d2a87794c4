"""Whose workflow a token proves (docs: actions/reference/security/oidc)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import httpx
import jwt
from attrs import Factory, frozen

from dora.adapters.oidc.documents import ALGORITHMS, Documents
from dora.adapters.oidc.keyring import Keyring
from dora.ports import Unauthenticated

if TYPE_CHECKING:
    from jwt.types import Options

_LEEWAY: Final = 60
"""Seconds by which clocks may differ."""
_LONGEST: Final = 16 * 1024
"""Characters. GitHub's tokens have about 2,000."""
_REQUIRED: Final = ("exp", "iat", "iss", "aud", "repository")
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")
_REASONS: Final = (
    (jwt.ExpiredSignatureError, "the OIDC token has expired"),
    (jwt.ImmatureSignatureError, "the OIDC token is not valid yet"),
    (jwt.InvalidAudienceError, "the OIDC token is for another audience"),
    (jwt.InvalidIssuerError, "the OIDC token is from another issuer"),
    (jwt.MissingRequiredClaimError, f"the OIDC token must have the claims {', '.join(_REQUIRED)}"),
    (jwt.InvalidSignatureError, "the OIDC token's signature is wrong"),
)


@frozen
class Tokens:
    """Checks the tokens of one issuer for one audience."""

    documents: Documents
    audience: str
    keyring: Keyring = Factory(lambda self: Keyring(self.documents.keys), takes_self=True)

    @property
    def client(self) -> httpx.AsyncClient:
        """The connections to the issuer; whoever made them closes them."""
        return self.documents.client

    async def repository(self, token: str) -> str:
        """Return the repository `owner/name` in which the workflow runs that the token was given to.

        Checked are algorithm, issuer, audience (one of several will do), times with a minute's leeway, signature.

        Raises:
            Unauthenticated: the token proves nothing here.
            Unavailable: the issuer's keys cannot be read now, and the token needs them.
        """
        if len(token) > _LONGEST:
            raise Unauthenticated("the OIDC token is too long")
        # First all that needs no key: what is wrong anyhow is told at once, and makes nobody ask the issuer.
        header = self._header(token)
        self._claims(token, {"verify_signature": False})
        key = await self.keyring.key(header["kid"])
        claims = self._claims(token, {"verify_signature": True}, key=key)
        repository = claims["repository"]
        if not isinstance(repository, str) or not _REPOSITORY.fullmatch(repository):
            raise Unauthenticated("the OIDC token names no repository")
        return repository

    def _header(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise Unauthenticated("the bearer token is not known") from None
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise Unauthenticated("the OIDC token is not signed with a public key's algorithm")
        if "kid" not in header:
            raise Unauthenticated("the OIDC token does not name its key")
        return header

    def _claims(self, token: str, options: Options, *, key: jwt.PyJWK | None = None) -> dict[str, Any]:
        """Return the claims, checked as far as without or with the key."""
        checked: Options = {
            **options,
            "require": list(_REQUIRED),
            "verify_exp": True,
            "verify_nbf": True,
            "verify_iat": True,
            "verify_iss": True,
            "verify_aud": True,
        }
        try:
            return jwt.decode(
                token,
                key or "",
                algorithms=[key.algorithm_name] if key else None,
                options=checked,
                audience=self.audience,
                issuer=self.documents.issuer,
                leeway=_LEEWAY,
            )
        except jwt.InvalidTokenError as error:
            # The library's words quote what was sent.
            reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), "the OIDC token is unfit")
            raise Unauthenticated(reason) from None
