"""Who may read metrics: everybody, or whoever shows the token."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from attrs import field, frozen

from dora.adapters.http.answers import Answer, header, problem

if TYPE_CHECKING:
    from starlette.types import Scope


@frozen
class Guard:
    """Asks for a bearer token (RFC 6750), if there is one to ask for."""

    _digest: bytes | None = field(repr=False)

    @classmethod
    def of(cls, token: str | None) -> Guard:
        """Return the guard that wants this token; None: none."""
        return cls(None if token is None else _digest(token))

    def admits(self, scope: Scope) -> bool:
        """Return whether the request may read; in constant time over digests, so no length shows either."""
        if self._digest is None:
            return True
        scheme, _, token = (header(scope, b"authorization") or "").partition(" ")
        return hmac.compare_digest(_digest(token.strip()), self._digest) and scheme.lower() == "bearer"

    def refusal(self) -> Answer:
        """Return the answer to who is not admitted."""
        challenge = (b"www-authenticate", b'Bearer realm="dora metrics"')
        return problem(401, "The metrics want a bearer token.", headers=(challenge,))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("latin-1", "replace")).digest()
