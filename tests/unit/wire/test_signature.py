from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.wire import signed


def sign(secret: bytes, body: bytes) -> str:
    return "sha256=" + hmac.new(secret, body, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        # GitHub's own test vector (its page "Validating webhook deliveries").
        (
            b"It's a Secret to Everybody",
            b"Hello, World!",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
        (b"123456", b"gidget", "sha256=091319196718d5bcb1c20ad25fc890597423ecdbad1f947f560afd643b5000de"),
        (
            b"123456",
            b'{"action": "opened"}',
            "sha256=0340d06469a1b35662ebd7a67ea2c0c328239f319f1cfafb221451de629e0430",
        ),
    ],
)
def test_published_signatures_are_right(secret: bytes, body: bytes, signature: str) -> None:
    assert signed(body, signature, (secret,))
    assert not signed(body + b" ", signature, (secret,))
    assert not signed(body, signature, (secret + b" ",))


@given(st.binary(), st.binary(min_size=1), st.binary(min_size=1))
def test_either_of_two_secrets_will_do(body: bytes, current: bytes, previous: bytes) -> None:
    assert signed(body, sign(current, body), (current, previous))
    assert signed(body, sign(previous, body), (current, previous))


@given(st.none() | st.text())
def test_any_other_text_is_no_signature(signature: str | None) -> None:
    assert not signed(b"body", signature, (b"secret",))


@pytest.mark.parametrize("spoil", [str.upper, str.strip, lambda text: f" {text}", lambda text: text[7:], lambda _: "é"])
def test_a_signature_has_one_form(spoil: object) -> None:
    assert callable(spoil)
    right = sign(b"secret", b"body")
    spoiled = spoil(right)
    assert signed(b"body", spoiled, (b"secret",)) is (spoiled == right)
