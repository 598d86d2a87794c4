"""An issuer of OIDC tokens: its documents, the tokens of its workflows, and whatever an attacker makes of both."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from attrs import Factory, define
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "dora"
DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/.well-known/jwks"


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the private key of the name; making one takes a moment."""
    del name
    return rsa.generate_private_key(65537, bits)


@cache
def curve_key(name: str) -> ec.EllipticCurvePrivateKey:
    del name
    return ec.generate_private_key(ec.SECP256R1())


@cache
def edwards_key(name: str) -> ed25519.Ed25519PrivateKey:
    del name
    return ed25519.Ed25519PrivateKey.generate()


def jwk(name: str, **members: object) -> dict[str, object]:
    """Return the public half of an RSA key as the issuer publishes it."""
    found: dict[str, object] = RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True)
    return found | {"kid": name, "alg": "RS256", "use": "sig", "x5t": "abc", "x5c": ["MIIC"]} | members


def curve_jwk(name: str, **members: object) -> dict[str, object]:
    found: dict[str, object] = ECAlgorithm.to_jwk(curve_key(name).public_key(), as_dict=True)
    return found | {"kid": name} | members


def edwards_jwk(name: str, **members: object) -> dict[str, object]:
    found: dict[str, object] = OKPAlgorithm.to_jwk(edwards_key(name).public_key(), as_dict=True)
    return found | {"kid": name} | members


def claims(issuer: str, **changes: object) -> dict[str, object]:
    """Return what GitHub says of a workflow, as far as anybody looks at it; None takes a claim away."""
    now = int(time.time())
    told = {
        "iss": issuer,
        "aud": AUDIENCE,
        "iat": now - 10,
        "nbf": now - 310,
        "exp": now + 290,
        "jti": "6f4a1d3c",
        "sub": "repo:acme/shop:ref:refs/heads/main",
        "repository": "acme/shop",
        "repository_owner": "acme",
    } | changes
    return {name: value for name, value in told.items() if value is not None}


@define(kw_only=True)
class FakeIssuer:
    """An issuer that signs with the keys it publishes."""

    url: str = "https://issuer.example"
    keys: list[Any] = Factory(lambda: [jwk("one"), jwk("two")])
    algorithms: list[str] | None = Factory(lambda: ["RS256"])
    discovery: dict[str, object] = Factory(dict)
    """Members of the discovery document that are other than they should be."""
    answers: dict[str, tuple[int, bytes]] = Factory(dict)
    """Answers by path, in place of the right ones."""
    error: Exception | None = None
    """What asking ends in."""
    asked: list[str] = Factory(list)
    """Paths that were asked for."""

    def token(
        self, key: str = "one", *, algorithm: str = "RS256", header: dict[str, Any] | None = None, **changes: object
    ) -> str:
        """Return the token of a workflow."""
        return jwt.encode(
            claims(self.url, **changes), rsa_key(key), algorithm=algorithm, headers={"kid": key} | (header or {})
        )

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        base = urlsplit(self.url).path.rstrip("/")
        if path == base + DISCOVERY:
            told: dict[str, object] = {"issuer": self.url, "jwks_uri": self.url.rstrip("/") + JWKS}
            if self.algorithms is not None:
                told["id_token_signing_alg_values_supported"] = self.algorithms
            return 200, json.dumps(told | self.discovery).encode()
        if path == base + JWKS:
            return 200, json.dumps({"keys": self.keys}).encode()
        return 404, b"{}"

    def client(self) -> httpx.AsyncClient:
        """Return a client that reaches this issuer and nobody else."""

        def handle(request: httpx.Request) -> httpx.Response:
            if self.error is not None:
                raise self.error
            status, body = self.answer(request.url.raw_path.decode())
            return httpx.Response(status, stream=httpx.ByteStream(body))

        return httpx.AsyncClient(transport=httpx.MockTransport(handle))

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve on a port of this machine, and be named after it."""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = issuer.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()
