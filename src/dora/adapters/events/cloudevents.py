"""CloudEvents 1.0 around our form or around a CDEvent: JSON event format, and the HTTP binding's three modes.

Needed: `specversion` `1.0`, `id`, `source`, `type`. The type is one of CDEvents', or ends in one of ours; the event
inside may leave its own out then, and so it may `occurred_at` if the envelope says `time`. Every other attribute,
extensions included, is not looked at. `id` and `source` name the envelope and decide nothing for our form: what makes
two events the same is in the events, whoever wrapped them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from attrs import evolve

from dora import wire
from dora.adapters.events import cdevents, fields
from dora.adapters.events.places import Place, Unwrapped
from dora.adapters.events.shapes import EventType
from dora.ports import Malformed, Problem

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"

_VERSION: Final = "1.0"
_NEEDED: Final = ("specversion", "id", "source", "type")
_LOOKED_AT: Final = frozenset((*_NEEDED, "time"))
_BEFORE_OURS: Final = "./:"
"""What may stand between a prefix and our type."""
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")


def structured(item: object, at: Place) -> Unwrapped:
    """Return the event of an envelope in JSON."""
    if not isinstance(item, dict):
        return Unwrapped(form=None, at=at, problems=(at.problem(fields.NO_OBJECT),))
    # null means the same as leaving out (JSON event format, section 2.2).
    members = {name: value for name, value in item.items() if value is not None}
    problems: list[Problem] = []
    type_ = members.get("datacontenttype", "application/json")
    if not isinstance(type_, str) or not wire.is_json(type_.partition(";")[0].strip()):
        problems.append(at.below("/datacontenttype").problem("must be JSON's"))
        data: tuple[object, Place] | None = None
    else:
        data = _data(members, at, problems)
    return _open(members, lambda name: at.below(f"/{name}"), data, problems)


def binary(data: object, headers: Iterable[tuple[str, str]]) -> Unwrapped:
    """Return the event whose attributes are headers.

    Args:
        data: The body, parsed.
        headers: Names without `ce-`, in lower case, and values as they were sent.
    """
    problems: list[Problem] = []
    attributes: dict[str, object] = {}
    for name, value in headers:
        if name not in _LOOKED_AT:
            continue
        if name in attributes:
            problems.append(_header_place(name).problem("is there twice"))
        text = _header(value)
        if text is None:
            problems.append(_header_place(name).problem("is not percent-encoded UTF-8"))
        attributes[name] = text
    return _open(attributes, _header_place, (data, Place()), problems)


def _header_place(name: str) -> Place:
    return Place(what=f"the header ce-{name}")


def _header(value: str) -> str | None:
    """Return the text that a header's value stands for, None for none (HTTP binding, section 3.1.3.2)."""
    quoted = _QUOTED.fullmatch(value)
    text = _ESCAPED.sub(r"\1", quoted[1]) if quoted else value
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeDecodeError:
        return None


def _data(members: Mapping[str, object], at: Place, problems: list[Problem]) -> tuple[object, Place] | None:
    """Return the data and its place; None with a problem if there is none."""
    if "data_base64" not in members:
        if "data" in members:
            return members["data"], at.below("/data")
        problems.append(at.below("/data").problem(fields.REQUIRED))
        return None
    place = at.below("/data_base64")
    if "data" in members:
        problems.append(place.problem("must not stand beside data"))
        return None
    encoded = members["data_base64"]
    if not isinstance(encoded, str):
        problems.append(place.problem("must be a string"))
        return None
    try:
        return wire.parse(base64.b64decode(encoded, validate=True)), Place(place.pointer, "the JSON in it")
    except (ValueError, Malformed):
        problems.append(place.problem("must be JSON in base64"))
        return None


def _open(
    attributes: Mapping[str, object],
    place: Callable[[str], Place],
    data: tuple[object, Place] | None,
    problems: list[Problem],
) -> Unwrapped:
    """Return what an envelope holds."""
    type_ = ""
    for name in _NEEDED:
        value = attributes.get(name, "")
        if name not in attributes:
            problems.append(place(name).problem(fields.REQUIRED))
        elif value is not None and (not isinstance(value, str) or not value):
            problems.append(place(name).problem("must be a string that is not empty"))
        elif name == "specversion" and value not in {None, _VERSION}:
            problems.append(place(name).problem(f"must be {_VERSION}"))
        elif name == "type" and isinstance(value, str):
            type_ = value
    ours = _ending(type_)
    if type_ and not ours and not cdevents.is_type(type_):
        problems.append(place("type").problem(f"must end in one of {', '.join(EventType)}, or be one of CDEvents'"))
        type_ = ""
    if not type_ or data is None:
        return Unwrapped(form=None, at=Place(), problems=tuple(problems))
    item, at = data
    inside = (
        _ours(ours, item, at, attributes.get("time"), place("time")) if ours else cdevents.unwrap(item, at, type_=type_)
    )
    return evolve(inside, problems=(*problems, *inside.problems))


def _ours(type_: EventType, item: object, at: Place, time: object, time_at: Place) -> Unwrapped:
    if not isinstance(item, dict):
        return Unwrapped(form=None, at=at, problems=(at.problem(fields.NO_OBJECT),))
    agrees = item.get("type", type_) == type_
    problems = () if agrees else (at.below("/type").problem(f"must be {type_}, as the envelope says"),)
    form = item | {"type": type_.value}
    elsewhere = {}
    if time is not None and "occurred_at" not in form:
        form["occurred_at"] = time
        elsewhere["occurred_at"] = time_at
    return Unwrapped(form=form, at=at, elsewhere=elsewhere, problems=problems)


def _ending(type_: str) -> EventType | None:
    """Return which of our types an envelope's type ends in, behind any prefix."""
    for ours in EventType:
        before = type_.removesuffix(ours)
        if before != type_ and (not before or before[-1] in _BEFORE_OURS):
            return ours
    return None
