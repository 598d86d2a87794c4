"""What proves a workflow, and what an attacker may try instead."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.oidc import Documents, Tokens
from dora.ports import Unauthenticated, Unavailable
from tests.fakes.issuer import (
    AUDIENCE,
    FakeIssuer,
    claims,
    curve_jwk,
    curve_key,
    edwards_jwk,
    edwards_key,
    jwk,
    rsa_key,
)

URL = "https://issuer.example"


async def repository(token: str, issuer: FakeIssuer | None = None) -> str:
    issuer = issuer or FakeIssuer()
    async with issuer.client() as client:
        return await Tokens(Documents(issuer.url, client), AUDIENCE).repository(token)


async def refused(token: str, issuer: FakeIssuer | None = None) -> str:
    with pytest.raises(Unauthenticated) as raised:
        await repository(token, issuer)
    assert token not in str(raised.value)
    return str(raised.value)


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def forged(header: dict[str, Any], key: bytes | None = None, **changes: object) -> str:
    """Return a token with any header, signed with an HMAC or not at all."""
    signed = f"{part(header)}.{part(claims(URL, **changes))}"
    return f"{signed}.{part(hmac.new(key, signed.encode(), hashlib.sha256).digest()) if key is not None else ''}"


async def test_a_token_proves_the_repository_of_its_workflow() -> None:
    assert await repository(FakeIssuer().token()) == "acme/shop"
    assert await repository(FakeIssuer().token("two", repository="Acme/Web.js")) == "Acme/Web.js"


async def test_other_signatures_are_taken_if_the_issuer_says_that_it_makes_them() -> None:
    issuer = FakeIssuer(
        keys=[jwk("one", alg="PS512"), curve_jwk("curve"), edwards_jwk("edwards")],
        algorithms=["PS512", "ES256", "EdDSA"],
    )
    assert await repository(issuer.token(algorithm="PS512"), issuer) == "acme/shop"
    for name, key, algorithm in (("curve", curve_key("curve"), "ES256"), ("edwards", edwards_key("edwards"), "EdDSA")):
        token = jwt.encode(claims(URL), key, algorithm=algorithm, headers={"kid": name})
        assert await repository(token, issuer) == "acme/shop"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": -61}, "the OIDC token has expired"),
        ({"nbf": 62}, "the OIDC token is not valid yet"),
        ({"iat": 62}, "the OIDC token is not valid yet"),
        ({"aud": "other"}, "the OIDC token is for another audience"),
        ({"aud": ["other", "dora2"]}, "the OIDC token is for another audience"),
        ({"aud": []}, None),
        ({"aud": {"dora": 1}}, "the OIDC token is for another audience"),
        ({"aud": ["dora", 5]}, "the OIDC token is for another audience"),
        ({"aud": "DORA"}, "the OIDC token is for another audience"),
        ({"iss": "https://issuer.example/"}, "the OIDC token is from another issuer"),
        ({"iss": "https://other.example"}, "the OIDC token is from another issuer"),
        *(({name: None}, None) for name in ("exp", "iat", "iss", "aud", "repository")),
        ({"exp": "soon"}, None),
        ({"exp": [1]}, None),
        ({"iat": {}}, None),
        ({"nbf": "x"}, None),
        *(
            ({"repository": name}, "the OIDC token names no repository")
            for name in (
                "shop",
                "acme/shop/x",
                "*/*",
                "acme/*",
                "acme/sh?p",
                "acme/[a-z]",
                "",
                5,
                "https://x/acme/shop",
            )
        ),
    ],
)
async def test_a_genuine_token_with_a_wrong_claim_proves_nothing(changes: dict[str, Any], reason: str | None) -> None:
    now = int(time.time())
    shifted: dict[str, Any] = {
        name: now + value if name in {"exp", "nbf", "iat"} and isinstance(value, int) else value
        for name, value in changes.items()
    }
    told = await refused(FakeIssuer().token(**shifted))
    assert reason is None or told == reason


async def test_clocks_may_differ_by_a_little() -> None:
    now = int(time.time())
    assert await repository(FakeIssuer().token(exp=now - 30, nbf=now + 30, iat=now + 30)) == "acme/shop"


async def test_one_of_several_audiences_will_do() -> None:
    assert await repository(FakeIssuer().token(aud=["other", "dora"])) == "acme/shop"
    assert await repository(FakeIssuer().token(nbf=None, jti=None, sub=None)) == "acme/shop"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 5, [], "HS256", "HS512", "RS1", "ES256K"])
async def test_no_algorithm_without_a_public_key_is_taken_and_the_issuer_is_not_even_asked(algorithm: object) -> None:
    pem = rsa_key("one").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    modulus = base64.urlsafe_b64decode(str(jwk("one")["n"]) + "==")
    for key in (None, b"", pem, pem.strip(), modulus, json.dumps(jwk("one")).encode()):
        issuer = FakeIssuer(algorithms=["none", "HS256", "HS512", "RS256"])
        await refused(forged({"alg": algorithm, "kid": "one", "typ": "JWT"}, key), issuer)
        assert issuer.asked == []


async def test_a_tokens_algorithm_must_be_its_keys() -> None:
    issuer = FakeIssuer(keys=[jwk("one"), curve_jwk("curve")], algorithms=["RS256", "RS512", "PS256", "ES256"])
    for algorithm in ("RS512", "PS256"):
        await refused(issuer.token(algorithm=algorithm), issuer)
    # A signature of the right kind under another's name.
    token = jwt.encode(claims(URL), curve_key("curve"), algorithm="ES256", headers={"kid": "one"})
    await refused(token, issuer)
    await refused(issuer.token(header={"kid": "curve"}), issuer)


async def test_a_token_that_names_another_algorithm_than_it_is_signed_with_proves_nothing() -> None:
    issuer = FakeIssuer(algorithms=["RS256", "RS512"])
    signed = f"{part({'alg': 'RS512', 'kid': 'one'})}.{part(claims(URL))}"
    signature = rsa_key("one").sign(signed.encode(), PKCS1v15(), SHA256())
    await refused(f"{signed}.{part(signature)}", issuer)


async def test_a_signature_of_another_key_proves_nothing() -> None:
    issuer = FakeIssuer()
    assert (
        await refused(issuer.token("stranger", header={"kid": "one"}), issuer) == "the OIDC token's signature is wrong"
    )
    assert await refused(issuer.token("two", header={"kid": "one"}), issuer) == "the OIDC token's signature is wrong"


@pytest.mark.parametrize("key", ["stranger", "", "../one", "one\x00", "One", "https://evil.example/jwks", "x" * 2000])
async def test_a_key_that_the_issuer_does_not_publish_proves_nothing_and_leads_nowhere(key: str) -> None:
    issuer = FakeIssuer()
    token = issuer.token(header={"kid": key})
    assert await refused(token, issuer) == "the OIDC token is signed with a key that is not the issuer's"
    assert len(issuer.asked) == 2


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": jwk("stranger")},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIC"]},
    ],
)
async def test_a_key_that_a_token_brings_itself_is_not_looked_at(header: dict[str, Any]) -> None:
    issuer = FakeIssuer()
    await refused(issuer.token("stranger", header=header | {"kid": "one"}), issuer)
    assert await repository(issuer.token(header=header)) == "acme/shop"


@pytest.mark.parametrize(
    "header", [{"crit": ["exp"], "exp": 1}, {"crit": []}, {"crit": "x"}, {"crit": ["b64"], "b64": False}]
)
async def test_an_extension_that_must_be_understood_and_is_not_is_refused(header: dict[str, Any]) -> None:
    await refused(forged({"alg": "RS256", "kid": "one"} | header))


async def test_a_changed_token_proves_nothing() -> None:
    header, payload, signature = FakeIssuer().token().split(".")
    other = part(claims(URL, repository="other/shop"))
    for token in (
        f"{header}.{other}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature[:-8]}",
        f"{header}.{payload}.{signature}.{signature}",
        f".{payload}.{signature}",
        f"{header}.{part([])}.{signature}",
        f"{header}.{part(b'x')}.{signature}",
        f"{header}.{part(b'[' * 6000)}.{signature}",
        f"{part(b'[' * 6000)}.{payload}.{signature}",
        f"{part({'alg': 'RS256'})}.{payload}.{signature}",
        f"{part({'alg': 'RS256', 'kid': 5})}.{payload}.{signature}",
        f"{part(b'{' + b'%s:1' % (b'9' * 5000) + b'}')}.{payload}.{signature}",
    ):
        await refused(token)


async def test_a_token_of_any_length_is_refused_at_once() -> None:
    issuer = FakeIssuer()
    assert await refused(issuer.token(more="x" * 20_000), issuer) == "the OIDC token is too long"
    assert issuer.asked == []


async def test_what_is_wrong_anyhow_needs_no_issuer_and_what_is_not_waits_for_it() -> None:
    issuer = FakeIssuer(answers={"/.well-known/openid-configuration": (500, b"")})
    assert await refused(issuer.token(aud="other"), issuer) == "the OIDC token is for another audience"
    assert issuer.asked == []
    with pytest.raises(Unavailable) as raised:
        await repository(issuer.token(), issuer)
    assert raised.value.retry_after


@given(
    st.text(max_size=60)
    | st.lists(st.binary(max_size=30).map(part), min_size=1, max_size=4).map(".".join)
    | st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64"]), st.text(max_size=5) | st.booleans()).map(
        lambda header: forged(header | {"alg": "RS256"})
    )
)
async def test_any_token_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        await repository(token)


def test_nothing_secret_is_shown() -> None:
    client = FakeIssuer().client()
    assert "PRIVATE" not in repr(Tokens(Documents(URL, client), AUDIENCE))
