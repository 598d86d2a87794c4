"""JSON to attrs classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, NewType, TypeAlias, TypeVar, Union, get_args, get_origin

import attrs
from attrs import frozen
from cattrs import (
    AttributeValidationNote,
    BaseValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn

from dora.domain.instant import Instant
from dora.ports import Malformed, Problem
from dora.wire.time import rfc3339

T = TypeVar("T")
Hook: TypeAlias = Callable[[Any, Any], Any]

Moment = NewType("Moment", Instant)
"""A field of a shape that is an RFC 3339 time on the wire, and an `Instant` afterwards."""


class _Unless:
    """Marks a field that is read as absent if it is not what it should be."""


Maybe: TypeAlias = Annotated[T | None, _Unless]
"""A field of a shape that is nice to have: None if it is null or of another type, and never a problem."""


@frozen
class Rule:
    """What a field must keep beside its type: `Annotated[str, Rule(check)]`."""

    check: Callable[[Any], Any]
    """Called with a value of the type; returns what to keep.

    Raises:
        ValueError: the rule is broken; the text says what was wanted (`must be ...`) and quotes nothing.
    """


_MOST_PROBLEMS: Final = 100
"""Problems told at once. A body can hold a million unknown keys; nobody reads that many."""

_LONGEST_KEY: Final = 100
"""Characters of an unknown key that are told: the one text of a sender that a problem quotes, as part of the place."""


def structure(raw: object, shape: type[T], *, at: str = "", forbid_extra: bool = False) -> T:
    """Return the JSON value as an instance of the attrs class `shape`.

    Fields may be `str`, `int`, `float`, `bool` and unions of them, a `StrEnum`, a `Literal`, `Moment`, another attrs
    class, `tuple[..., ...]`, each of these or `None`, `dict[str, object]` for an object as it is, `object` for
    anything, `Maybe[...]`, and any of them with a `Rule`. A field with an alias goes by it on the wire.

    Args:
        raw: What `parse` returned, or a part of it.
        shape: The attrs class; its fields with defaults may be absent.
        at: JSON pointer of `raw` in the body, put before the pointers of problems.
        forbid_extra: Whether keys that the shape does not know are problems; else they are ignored.

    Raises:
        Malformed: it does not fit; every problem at once (up to a hundred).
    """
    fitting, telling = (_STRICT, _STRICT_TELLING) if forbid_extra else (_LENIENT, _LENIENT_TELLING)
    read: T
    try:
        read = fitting.get_structure_hook(shape)(raw, shape)
    except _MISFITS:
        # Nearly everything fits. What does not is read again by a converter that goes on after the first problem.
        try:
            read = telling.get_structure_hook(shape)(raw, shape)
        except _MISFITS as error:
            raise Malformed(*_problems(error, at)[:_MOST_PROBLEMS]) from None
    return read


def escape(key: str) -> str:
    """Return a key as one step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


class _Wrong(ValueError):
    """A value is not what its field wants. The text says what was wanted."""


_MISFITS: Final = (BaseValidationError, ForbiddenExtraKeysError, KeyError, _Wrong)
"""What is raised of a value that does not fit its shape: of a field that is absent, a `KeyError`."""


def _problems(error: BaseException, at: str) -> list[Problem]:
    """Return what is wrong, with pointers, from the tree of errors that cattrs raises."""
    if isinstance(error, BaseValidationError):
        return [problem for inner in error.exceptions for problem in _problems(inner, at + _step(inner, error.cl))]
    if isinstance(error, ForbiddenExtraKeysError):
        return [
            Problem(f"{at}/{escape(key[:_LONGEST_KEY])}", "is not a known field")
            for key in sorted(error.extra_fields)[:_MOST_PROBLEMS]
        ]
    if isinstance(error, KeyError):
        return [Problem(at, "is required")]
    if isinstance(error, _Wrong):
        return [Problem(at, str(error))]
    raise error  # no value that was sent can cause it: a shape that this module does not know


def _step(error: BaseException, owner: type) -> str:
    """Return the step of a JSON pointer that leads from the owner to where the error is; empty if nowhere."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f"/{escape(attrs.fields_dict(owner)[note.name].alias or note.name)}"
        if isinstance(note, IterableValidationNote):
            return f"/{escape(str(note.index))}"
    return ""


_PRIMITIVES: Final[Mapping[object, str]] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
}


def _exact(*kinds: type) -> Hook:
    """Return a hook that lets values of exactly these types pass, and nothing else."""
    accepted = frozenset((*kinds, int) if float in kinds else kinds)
    wanted = f"must be {' or '.join(_PRIMITIVES[kind] for kind in kinds if kind is not NoneType)}"

    def read(value: object, _: object) -> object:
        if type(value) not in accepted:
            raise _Wrong(wanted)
        return value

    return read


def _moment(value: object, _: object) -> Instant:
    if type(value) is not str:
        raise _Wrong("must be a string")
    try:
        return rfc3339(value)
    except ValueError:
        raise _Wrong("must be an RFC 3339 time with an offset") from None


def _word(value: object, kind: type[StrEnum]) -> StrEnum:
    if type(value) is not str or value not in kind._value2member_map_:
        raise _Wrong(f"must be one of {', '.join(kind)}")
    return kind(value)


def _literal(kind: Any) -> Hook:  # noqa: ANN401 - the form of a type has no type
    words = get_args(kind)
    # The type is part of the key: True equals 1.
    known = frozenset((type(word), word) for word in words)
    wanted = f"must be {' or '.join(map(str, words))}"

    def read(value: object, _: object) -> object:
        if type(value) not in _PRIMITIVES or (type(value), value) not in known:
            raise _Wrong(wanted)
        return value

    return read


def _mapping(value: object, _: object) -> object:
    if type(value) is not dict:
        raise _Wrong("must be an object")
    return value


def _shape(kind: type[Any], converter: Converter) -> Hook:
    read_fields = make_dict_structure_fn(
        kind,
        converter,
        _cattrs_use_alias=True,
        _cattrs_forbid_extra_keys=converter.forbid_extra_keys,
    )

    def read(value: object, kind: Any) -> object:  # noqa: ANN401 - the form of a type has no type
        if type(value) is not dict:
            raise _Wrong("must be an object")
        return read_fields(value, kind)

    return read


def _several(kind: Any, converter: Converter) -> Hook:  # noqa: ANN401 - the form of a type has no type
    inner = get_args(kind)[0]
    read_item = converter.get_structure_hook(inner)

    def read(value: object, _: object) -> object:
        if type(value) is not list:
            raise _Wrong("must be an array")
        items: list[object] = []
        errors: list[Exception] = []
        for index, item in enumerate(value):
            try:
                items.append(read_item(item, inner))
            except (BaseValidationError, _Wrong) as error:
                error.add_note(IterableValidationNote("an item", index, inner))
                errors.append(error)
                if len(errors) == _MOST_PROBLEMS:
                    break
        if errors:
            raise IterableValidationError("items", errors, tuple)
        return tuple(items)

    return read


def _optional(kind: Any, converter: Converter) -> Hook:  # noqa: ANN401 - the form of a type has no type
    # cattrs' own way looks the inner hook up for each value.
    inner = next(part for part in get_args(kind) if part is not NoneType)
    read_inner = converter.get_structure_hook(inner)

    def read(value: object, _: object) -> object:
        return None if value is None else read_inner(value, inner)

    return read


def _maybe(kind: Any, converter: Converter) -> Hook:  # noqa: ANN401 - the form of a type has no type
    inner = get_args(kind)[0]
    read_fit = converter.get_structure_hook(inner)

    def read(value: object, _: object) -> object:
        try:
            return read_fit(value, inner)
        except _MISFITS:
            return None

    return read


def _ruled(kind: Any, converter: Converter) -> Hook:  # noqa: ANN401 - the form of a type has no type
    inner, rule = get_args(kind)
    read_inner, check = converter.get_structure_hook(inner), rule.check

    def read(value: object, _: object) -> object:
        try:
            # Most fields that a delivery must have are texts or numbers with a rule: they take the short way.
            return check(value if type(value) is inner else read_inner(value, inner))
        except ValueError as error:
            raise _Wrong(str(error)) from None

    return read


def _origin(kind: object) -> object:
    return get_origin(kind)


def _is_plain_union(kind: object) -> bool:
    return _origin(kind) in (Union, UnionType) and all(part in _PRIMITIVES for part in get_args(kind))


def _is_optional(kind: object) -> bool:
    return _origin(kind) in (Union, UnionType) and len(set(get_args(kind)) - {NoneType}) == 1


def _is_shape(kind: object) -> bool:
    return isinstance(kind, type) and attrs.has(kind)


def _is_maybe(kind: object) -> bool:
    return _origin(kind) is Annotated and _Unless in get_args(kind)[1:]


def _is_ruled(kind: object) -> bool:
    return _origin(kind) is Annotated and isinstance(get_args(kind)[1], Rule)


def _converter(*, forbid_extra: bool = False, telling: bool = False) -> Converter:
    """Return what reads shapes.

    Args:
        forbid_extra: Whether keys that a shape does not know are problems.
        telling: Whether it goes on after the first problem, and notes where each is.
    """
    # Aliases make a Python name of what has none on the wire.
    converter = Converter(use_alias=True, forbid_extra_keys=forbid_extra, detailed_validation=telling)
    for primitive in (str, int, float, bool):
        converter.register_structure_hook(primitive, _exact(primitive))
    converter.register_structure_hook(StrEnum, _word)
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    converter.register_structure_hook(Moment, _moment)
    converter.register_structure_hook_func(lambda kind: _origin(kind) is dict, _mapping)
    converter.register_structure_hook_factory(_is_optional, _optional)
    converter.register_structure_hook_factory(_is_plain_union, lambda kind: _exact(*get_args(kind)))
    converter.register_structure_hook_factory(lambda kind: _origin(kind) is Literal, _literal)
    converter.register_structure_hook_factory(_is_shape, _shape)
    converter.register_structure_hook_factory(lambda kind: _origin(kind) is tuple, _several)
    converter.register_structure_hook_factory(_is_maybe, _maybe)
    converter.register_structure_hook_factory(_is_ruled, _ruled)
    return converter


_LENIENT: Final = _converter()
_LENIENT_TELLING: Final = _converter(telling=True)
_STRICT: Final = _converter(forbid_extra=True)
_STRICT_TELLING: Final = _converter(forbid_extra=True, telling=True)
