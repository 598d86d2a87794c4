from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from dora.adapters.oidc.documents import ALGORITHMS, Documents
from dora.ports import Unavailable
from tests.fakes.issuer import DISCOVERY, JWKS, FakeIssuer, curve_jwk, edwards_jwk, jwk, rsa_key


async def found(issuer: FakeIssuer, **named: Any) -> dict[str, str]:  # noqa: ANN401 - as `Documents` takes it
    """Return the algorithms of the usable keys by key."""
    async with issuer.client() as client:
        keys = await Documents(issuer.url, client, **named).keys()
    return {name: key.algorithm_name for name, key in keys.items()}


async def refused(issuer: FakeIssuer, **named: Any) -> str:  # noqa: ANN401 - as `Documents` takes it
    with pytest.raises(Unavailable) as raised:
        await found(issuer, **named)
    return str(raised.value)


async def test_the_keys_are_where_the_discovery_document_says() -> None:
    issuer = FakeIssuer()
    assert await found(issuer) == {"one": "RS256", "two": "RS256"}
    assert issuer.asked == [DISCOVERY, JWKS]


@pytest.mark.parametrize(
    "url", ["https://ghes.example/_services/token", "https://issuer.example/", "http://127.0.0.1:9"]
)
async def test_an_issuer_may_have_a_path_a_slash_or_a_port(url: str) -> None:
    assert set(await found(FakeIssuer(url=url))) == {"one", "two"}


@pytest.mark.parametrize(
    "name", ["https://other.example", "https://issuer.example/", "HTTPS://issuer.example", 5, None]
)
async def test_a_document_of_another_issuer_is_refused(name: object) -> None:
    issuer = FakeIssuer(discovery={"issuer": name})
    await refused(issuer)
    assert issuer.asked == [DISCOVERY]


@pytest.mark.parametrize(
    "url",
    [
        *("https://other.example/jwks", "http://issuer.example/jwks", "https://issuer.example:444/jwks", "/jwks", ""),
        *("https://user@issuer.example/jwks", "https://issuer.example@other.example/", "file:///etc/passwd", "//x"),
        *("https://[", "https://issuer.example.other.example/jwks"),
    ],
)
async def test_keys_at_another_host_are_not_fetched(url: str) -> None:
    issuer = FakeIssuer(discovery={"jwks_uri": url})
    assert await refused(issuer) == "the discovery document leads to another host"
    assert issuer.asked == [DISCOVERY]


@pytest.mark.parametrize("path", [DISCOVERY, JWKS])
@pytest.mark.parametrize(
    "answer",
    [
        *((404, b"{}"), (500, b""), (302, b""), (204, b""), (200, b""), (200, b"{"), (200, b"[]"), (200, b"{}")),
        *((200, b'{"keys":{}}'), (200, b'{"keys":[],"keys":[]}'), (200, b"x" * 300_000), (200, b"[" * 100_000)),
    ],
    ids=lambda answer: f"{answer[0]}-{answer[1][:12]!r}",
)
async def test_an_answer_that_is_none_is_a_matter_of_now(path: str, answer: tuple[int, bytes]) -> None:
    await refused(FakeIssuer(answers={path: answer}))


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("no"), httpx.ReadTimeout("no"), httpx.InvalidURL("no"), httpx.RemoteProtocolError("no")],
)
async def test_an_issuer_out_of_reach_is_a_matter_of_now(error: Exception) -> None:
    assert "no" not in (await refused(FakeIssuer(error=error))).split()


async def test_an_issuer_that_takes_its_time_is_not_waited_for() -> None:
    async def hang(request: httpx.Request) -> httpx.Response:
        del request
        await asyncio.Event().wait()
        raise AssertionError

    async with httpx.AsyncClient(transport=httpx.MockTransport(hang)) as client:
        with pytest.raises(Unavailable, match="in time"):
            await Documents("https://issuer.example", client, deadline=0.01).keys()


async def test_only_what_the_issuer_signs_with_is_taken() -> None:
    keys = [jwk("one"), jwk("ps", alg="PS256"), jwk("other", alg=None), curve_jwk("curve"), edwards_jwk("edwards")]
    every = {"one": "RS256", "ps": "PS256", "other": "RS256", "curve": "ES256", "edwards": "EdDSA"}
    assert await found(FakeIssuer(keys=keys, algorithms=[*ALGORITHMS])) == every
    assert await found(FakeIssuer(keys=keys, algorithms=["ES256"])) == {"curve": "ES256"}
    assert await found(FakeIssuer(keys=keys, algorithms=None)) == {"one": "RS256", "other": "RS256"}


async def test_no_algorithm_of_shared_secrets_or_of_none_is_ever_taken() -> None:
    keys = [
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        {"kty": "oct", "kid": "secret256", "k": "c2VjcmV0", "alg": "RS256"},
        jwk("none", alg="none"),
        jwk("hs", alg="HS256"),
    ]
    issuer = FakeIssuer(keys=keys, algorithms=["none", "HS256", "RS256"])
    assert await refused(issuer) == "the issuer publishes no key that can be used"
    assert await found(FakeIssuer(keys=[*keys, jwk("one")], algorithms=["none", "HS256", "RS256"])) == {"one": "RS256"}


async def test_odd_keys_are_passed_over() -> None:
    small = RSAAlgorithm.to_jwk(rsa_key("small", 1024).public_key(), as_dict=True)
    odd = [
        {},
        {"kid": "empty"},
        {"kty": "RSA", "kid": "bare"},
        jwk("nameless", kid=None),
        jwk("number", kid=5),
        jwk("n", n="!"),
        jwk("n", n="AA"),
        jwk("n", n=5),
        jwk("e", e=""),
        jwk("e", e="AA"),
        jwk("encryption", use="enc"),
        jwk("kind", kty="EC"),
        jwk("kind", kty="XYZ"),
        jwk("algorithm", alg="ES256"),
        jwk("algorithm", alg="RSA-OAEP"),
        curve_jwk("point", x="AA"),
        curve_jwk("curve", crv="P-999"),
        edwards_jwk("edwards", crv="X25519"),
        small | {"kid": "small"},
    ]
    issuer = FakeIssuer(keys=[*odd, jwk("one")], algorithms=[*ALGORITHMS])
    assert await found(issuer) == {"one": "RS256"}
    assert set(await found(FakeIssuer(keys=[jwk("one"), jwk("two") | {"kid": "one"}]))) == {"one"}


async def test_a_private_key_that_was_published_by_mistake_is_read_as_its_public_half() -> None:
    private = RSAAlgorithm.to_jwk(rsa_key("one"), as_dict=True) | {"kid": "one"}
    async with FakeIssuer(keys=[private]).client() as client:
        keys = await Documents("https://issuer.example", client).keys()
    assert not hasattr(keys["one"].key, "private_numbers")


json_texts = st.text(max_size=5) | st.sampled_from(
    ["RSA", "EC", "OKP", "oct", "sig", "P-256", "Ed25519", "AQAB", "RS256", "ES256"]
)
json_keys = st.dictionaries(
    st.sampled_from(["kty", "kid", "use", "alg", "crv", "n", "e", "x", "y", "d"]),
    json_texts | st.none() | st.integers(),
)


@given(
    st.lists(json_keys | st.sampled_from([jwk("one"), curve_jwk("curve"), edwards_jwk("edwards")]), max_size=5),
    st.data(),
)
def test_any_keys_are_read(keys: list[dict[str, object]], data: st.DataObject) -> None:
    changed = [key | data.draw(json_keys) for key in keys]
    issuer = FakeIssuer(keys=changed, algorithms=[*ALGORITHMS, "none", "HS256"])
    try:
        algorithms = asyncio.run(found(issuer))
    except Unavailable:
        return
    assert ALGORITHMS.issuperset(algorithms.values())
    assert json.dumps([*algorithms])
