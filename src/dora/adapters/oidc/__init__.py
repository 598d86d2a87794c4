"""OpenID Connect: tokens that GitHub Actions gives its workflows, checked with the issuer's public keys.

Loaded only if an audience is set: the cryptography takes memory that nobody else needs.
"""

from __future__ import annotations

from dora.adapters.oidc.documents import Documents, connect
from dora.adapters.oidc.tokens import Tokens

__all__ = ["Documents", "Tokens", "connect"]
