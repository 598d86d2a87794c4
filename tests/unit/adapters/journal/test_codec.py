from __future__ import annotations

import types
from enum import EnumMeta
from pathlib import Path
from typing import Any, get_args, get_origin

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.journal.codec import Codec, checksum
from dora.domain.facts import Fact, Repository, RepositorySeen
from dora.ports import StateDamaged

GOLDEN = Path(__file__).parent / "entries-1.jsonl"
"""An entry of every kind of fact as the first release wrote it. Lines may be added, never changed."""


def values(shape: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - a type as `attrs` resolves it: class, union or generic
    """Return a strategy for every value that a field of a fact may have."""
    if shape is int:
        return st.integers(-(2**63), 2**63 - 1)
    if attrs.has(shape):
        return st.builds(
            shape, **{field.name: values(field.type) for field in attrs.fields(attrs.resolve_types(shape))}
        )
    if isinstance(shape, EnumMeta):
        return st.sampled_from(list(shape))
    if isinstance(shape, types.UnionType):
        return st.one_of([values(member) for member in get_args(shape)])
    if get_origin(shape) is tuple:
        return st.lists(values(get_args(shape)[0]), max_size=3).map(tuple)
    return st.from_type(shape)


@given(st.lists(st.one_of([values(shape) for shape in get_args(Fact)]), max_size=4).map(tuple))
def test_every_entry_comes_back_as_it_went_in(entry: tuple[Fact, ...]) -> None:
    codec = Codec()
    encoded = codec.encode(entry)
    assert b"\n" not in encoded
    assert codec.decode(encoded, place="here") == entry


def test_entries_of_the_first_release_are_read() -> None:
    codec = Codec()
    lines = GOLDEN.read_bytes().splitlines()
    entries = [codec.decode(line, place="golden") for line in lines]
    assert {type(fact) for entry in entries for fact in entry} == set(get_args(Fact))
    assert [orjson.loads(codec.encode(entry)) for entry in entries] == [orjson.loads(line) for line in lines]


def test_an_optional_field_that_is_missing_has_its_default() -> None:
    read = Codec().decode(b'[1,{"fact":"RepositorySeen","repository":{"name":"o/n"},"received_at":5}]', place="here")
    assert read == (RepositorySeen(repository=Repository("o/n", None), received_at=5),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"1",
        b"[true]",
        b"[2]",
        b'["1"]',
        b"[1,5]",
        b"[1,{}]",
        b'[1,{"fact":["RepositorySeen"]}]',
        b'[1,{"fact":"RepositoryForgotten","received_at":5}]',
        b'[1,{"fact":"RepositorySeen","repository":{"name":"o/n"}}]',
        b'[1,{"fact":"RepositorySeen","repository":{"name":"o/n"},"received_at":5,"later":1}]',
        b'[1,{"fact":"RepositorySeen","repository":{"name":"o/n","later":1},"received_at":5}]',
        b'[1,{"fact":"RepositorySeen","repository":{},"received_at":5}]',
        b'[1,{"fact":"RepositorySeen","repository":[],"received_at":5}]',
        b'[1,{"fact":"RepositorySeen","repository":{"name":"o/n"},"received_at":"x"}]',
    ],
)
def test_what_this_version_does_not_know_is_refused_with_its_place(body: bytes) -> None:
    with pytest.raises(StateDamaged, match=r"^segment 7: "):
        Codec().decode(body, place="segment 7")


@given(st.binary(min_size=1), st.integers(1, 2**40), st.data())
def test_the_checksum_shows_any_flipped_bit_and_a_wrong_position(
    body: bytes, position: int, data: st.DataObject
) -> None:
    bit = data.draw(st.integers(0, len(body) * 8 - 1))
    flipped = bytearray(body)
    flipped[bit // 8] ^= 1 << bit % 8
    assert checksum(position, bytes(flipped)) != checksum(position, body)
    assert checksum(position + 1, body) != checksum(position, body)
