"""What an issuer publishes: its discovery document, and the keys to which that leads.

OpenID Connect Discovery 1.0 (sections 3 and 4) and RFC 7517.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx
import jwt
from attrs import define, frozen
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from dora import wire
from dora.ports import Malformed, Unavailable

T = TypeVar("T")

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Signatures that only the holder of a private key can make. No `none`, and no HMAC: its key would be public here."""

_KINDS: Final = frozenset({"RSA", "EC", "OKP"})
"""Types of public keys; `oct` is a shared secret."""
_SHORTEST_RSA: Final = 2048
"""Bits (RFC 7518, section 3.3)."""
_DEADLINE: Final = 5.0
"""Seconds for both documents: a sender waits for them."""
_LARGEST: Final = 256 * 1024
"""Bytes of a document; GitHub's keys with their certificates are about 10 KiB."""
_PATH: Final = "/.well-known/openid-configuration"


@frozen
class _Discovery:
    issuer: str
    jwks_uri: str
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)


@frozen
class _Keys:
    keys: tuple[dict[str, object], ...]


@frozen(kw_only=True)
class _Key:
    """A public key's members; private ones and certificates are not looked at."""

    kty: str
    kid: str
    use: str | None = None
    alg: str | None = None
    crv: str | None = None
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None


def connect(*, tls: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """Return the HTTP client for an issuer. It follows nothing: where keys come from is settled beforehand.

    Args:
        tls: Whom to trust; None: whom the machine trusts (`SSL_CERT_FILE`, for an Enterprise Server's own authority).
    """
    return httpx.AsyncClient(
        verify=True if tls is None else tls,
        follow_redirects=False,
        # Asked once an hour; a connection kept meanwhile would only break.
        limits=httpx.Limits(max_connections=2, max_keepalive_connections=0),
        headers={
            "User-Agent": f"dora-observer/{version('dora')}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        },
    )


@define
class Documents:
    """Reads what one issuer publishes."""

    issuer: str
    client: httpx.AsyncClient
    deadline: float = _DEADLINE

    async def keys(self) -> Mapping[str, jwt.PyJWK]:
        """Return the issuer's public keys by their id: those that can be used, and that it says it signs with.

        Raises:
            Unavailable: the issuer cannot be reached, or what it says cannot be used.
        """
        try:
            async with asyncio.timeout(self.deadline):
                found = await self._read(self.issuer.rstrip("/") + _PATH, _Discovery)
                if found.issuer != self.issuer:
                    raise Unavailable("the discovery document is another issuer's")
                if not _same_origin(found.jwks_uri, self.issuer):
                    raise Unavailable("the discovery document leads to another host")
                published = await self._read(found.jwks_uri, _Keys)
        except (httpx.TimeoutException, TimeoutError):
            raise Unavailable("the issuer did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"the issuer could not be reached or broke off ({type(error).__name__})") from None
        keys = dict(_usable(published.keys, ALGORITHMS.intersection(found.id_token_signing_alg_values_supported)))
        if not keys:
            raise Unavailable("the issuer publishes no key that can be used")
        return keys

    async def _read(self, url: str, shape: type[T]) -> T:
        body = bytearray()
        async with self.client.stream("GET", url) as response:
            if response.status_code != HTTPStatus.OK:
                raise Unavailable(f"the issuer answered {response.status_code}")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _LARGEST:
                    raise Unavailable(f"the issuer's answer is longer than {_LARGEST} bytes")
        try:
            return wire.structure(wire.parse(bytes(body)), shape)
        except Malformed:
            raise Unavailable("the issuer's answer is not what it should be") from None


def _same_origin(url: str, issuer: str) -> bool:
    """Return whether an address is at the issuer's host: only that one is trusted, and only as safely as itself."""
    try:
        parts, own = urlsplit(url), urlsplit(issuer)
        return (parts.scheme, parts.netloc.lower()) == (own.scheme, own.netloc.lower())
    except ValueError:
        return False


def _usable(published: Iterable[dict[str, object]], algorithms: frozenset[str]) -> Iterable[tuple[str, jwt.PyJWK]]:
    """Yield the keys for signatures of these algorithms. Any other is passed over, as RFC 7517 (section 5) asks."""
    for raw in published:
        try:
            key = wire.structure(raw, _Key)
        except Malformed:
            continue
        if key.kty not in _KINDS or key.use not in {None, "sig"} or key.alg not in {None, *algorithms}:
            continue
        members = {name: text for name in ("kty", "alg", "crv", "n", "e", "x", "y") if (text := getattr(key, name))}
        try:
            usable = jwt.PyJWK(members)
        except jwt.PyJWTError:
            continue
        if usable.algorithm_name not in algorithms:
            continue
        if isinstance(usable.key, RSAPublicKey) and usable.key.key_size < _SHORTEST_RSA:
            continue
        yield key.kid, usable
