from __future__ import annotations

import random
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.check.strength import bits, judge
from dora.findings import Level


def level(secret: str) -> Level:
    return judge("WEBHOOK_SECRET", secret.encode()).level


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ("0123456789", 33),
        ("0123456789abcdef", 64),
        ("0123456789ABCDEF", 64),
        ("abcdefghijklmnop", 75),
        ("Ab1", 17),
        ("Ab1!", 26),
    ],
)
def test_bits_are_those_of_a_random_secret_of_the_same_characters(secret: str, expected: int) -> None:
    assert bits(secret.encode()) == expected


@pytest.mark.parametrize(
    "secret",
    [
        "secret",
        "Secret!",
        "changeme",
        "webhook-secret",
        "dora-test-token",
        "password123456",
        "a",
        "4711",
        "k3X!",
        "a" * 64,
        "ab" * 40,
        "0123456789" * 8,
        "correct horse " * 6,
    ],
)
def test_what_can_be_guessed_is_an_error_with_a_remedy(secret: str) -> None:
    found = judge("WEBHOOK_SECRET", secret.encode())
    assert found.level is Level.ERROR
    assert "openssl rand" in found.remedy


def test_what_is_only_long_enough_for_now_is_a_warning() -> None:
    assert level("7f3a91c05de8b264f01a") is Level.WARNING
    assert level("Xk9$mQ2vLp7!") is Level.WARNING


@pytest.mark.parametrize("size", [16, 20, 32, 64])
def test_random_secrets_of_128_bits_and_more_are_good_however_they_are_written(size: int) -> None:
    source = random.Random(size)  # noqa: S311 - the same secrets in every run
    for _ in range(300):
        made = source.randbytes(size)
        for written in (
            made,
            made.hex().encode(),
            urlsafe_b64encode(made).rstrip(b"="),
            str(int.from_bytes(made)).encode(),
        ):
            assert judge("WEBHOOK_SECRET", written).level is Level.OK


@given(st.binary(min_size=1, max_size=300))
def test_whatever_the_secret_it_is_judged_and_not_shown(secret: bytes) -> None:
    found = judge("WEBHOOK_SECRET", secret)
    text = secret.decode("utf-8", "replace")
    assert len(text) < 4 or text not in found.found + found.remedy
