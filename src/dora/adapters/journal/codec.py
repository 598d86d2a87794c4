"""Entries as bytes: a JSON array `[format, fact, …]`, each fact an object that names its class under `fact`.

Fields that have their default are left out, so an optional field that comes later reads old entries. What is not known
here (a format, a class, a field) was written by a newer version and is refused: leaving it out would change numbers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, get_args
from zlib import crc32

import orjson
from cattrs.errors import CattrsError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn
from cattrs.preconf.orjson import make_converter

from dora.domain.facts import Environment, Fact, Repository
from dora.ports import StateDamaged

if TYPE_CHECKING:
    from collections.abc import Callable

    from dora.ports import Entry

FORMAT = 1
"""Format of an entry. A release that changes a field's meaning raises it and goes on reading what was before."""

_TAG = "fact"
_SHARED = 1 << 16
"""A million facts name far fewer repositories and environments: a replay makes one object of each, not a million."""

_SHAPES: dict[str, type[Fact]] = {shape.__name__: shape for shape in get_args(Fact)}

_K = TypeVar("_K")
_V = TypeVar("_V")


class Codec:
    """Turns entries into bytes and back, exactly."""

    def __init__(self) -> None:
        self._converter = make_converter(detailed_validation=False, forbid_extra_keys=True, omit_if_default=True)
        repository = lru_cache(_SHARED, typed=True)(Repository)
        environment = lru_cache(_SHARED, typed=True)(Environment)
        self._converter.register_structure_hook(Repository, lambda raw, _: repository(**raw))
        self._converter.register_structure_hook(Environment, lambda raw, _: environment(**raw))
        # Made when first needed: compiling all takes some 20 ms, of which a start has no use.
        self._read: dict[str, Callable[[Any, Any], Fact]] = _Made(self._reader)
        self._write: dict[type, Callable[[Any], dict[str, Any]]] = _Made(self._writer)

    def encode(self, entry: Entry) -> bytes:
        """Return the entry as one line of JSON, without the line break."""
        facts: list[object] = [FORMAT]
        for fact in entry:
            shape = type(fact)
            facts.append({_TAG: shape.__name__} | self._write[shape](fact))
        return orjson.dumps(facts)

    def decode(self, body: bytes, *, place: str) -> Entry:
        """Return the entry that `encode` made the bytes of.

        Raises:
            StateDamaged: the bytes are no entry, or one of a newer version; names the place.
        """
        try:
            facts = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise StateDamaged(f"{place}: not JSON") from error
        if not isinstance(facts, list) or not facts or type(facts[0]) is not int:
            raise StateDamaged(f"{place}: not an entry")
        if facts[0] != FORMAT:
            raise StateDamaged(f"{place}: written in format {facts[0]}; this version reads {FORMAT}")
        read = self._read
        try:
            return tuple([read[fact.pop(_TAG)](fact, None) for fact in facts[1:]])
        except (AttributeError, KeyError, TypeError, ValueError, CattrsError) as error:
            raise StateDamaged(f"{place}: a fact that this version does not know ({type(error).__name__})") from error

    def _reader(self, name: str) -> Callable[[Any, Any], Fact]:
        return make_dict_structure_fn(
            _SHAPES[name], self._converter, _cattrs_detailed_validation=False, _cattrs_forbid_extra_keys=True
        )

    def _writer(self, shape: type) -> Callable[[Any], dict[str, Any]]:
        return make_dict_unstructure_fn(shape, self._converter, _cattrs_omit_if_default=True)


class _Made(dict[_K, _V]):
    """A dictionary that makes what is missing."""

    def __init__(self, make: Callable[[_K], _V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: _K) -> _V:
        made = self[key] = self._make(key)
        return made


def checksum(position: int, body: bytes) -> int:
    """Return a CRC-32 of an entry at its position: any flipped byte shows, and an entry at the wrong place."""
    return crc32(body, position & 0xFFFFFFFF)
