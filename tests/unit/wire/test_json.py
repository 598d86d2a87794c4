from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.ports import Malformed
from dora.wire import is_json, parse

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(JSON)
def test_whatever_a_json_writer_writes_is_read_back_equal(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) == value


@given(JSON)
def test_spaces_and_line_breaks_change_nothing(value: object) -> None:
    assert parse(json.dumps(value, indent=2).encode()) == value


@given(st.binary())
def test_any_bytes_are_read_or_malformed(body: bytes) -> None:
    try:
        value = parse(body)
    except Malformed:
        return
    assert value == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1,]",
        b"{'a':1}",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"[Infinity]",
        b"1e400",
        b'"\\ud800"',
        b'"\\udc00x"',
        b'"\xed\xa0\x80"',
        b'"\x01"',
        b"01",
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 1_000 + b"]" * 1_000,
    ],
)
def test_case_50_what_is_no_strict_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse(body)


@pytest.mark.parametrize("body", [b'{"a":1,"a":1}', b'{"x":[{"a":1,"b":2,"a":3}]}', b'{"a":1,"\\u0061":2}'])
def test_case_50_a_key_that_stands_twice_in_an_object_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="same key twice"):
        parse(body)


def test_integers_past_64_bits_stay_exact() -> None:
    assert parse(b'{"id":123456789012345678901234567890}') == {"id": 123456789012345678901234567890}


@pytest.mark.parametrize("media", ["application/json", "text/json", "Application/CloudEvents+JSON", "a/b+c+json"])
def test_a_media_type_may_be_json_by_its_name_or_by_its_suffix(media: str) -> None:
    assert is_json(media)


@pytest.mark.parametrize(
    "media", ["", "json", "/json", "application/jsonp", "application/x;+json", "a/b/json", "a/+json"]
)
def test_any_other_media_type_is_not(media: str) -> None:
    assert not is_json(media)
