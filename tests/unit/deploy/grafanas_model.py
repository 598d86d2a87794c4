"""Grafana's own model of a dashboard, read strictly.

Grafana's readers take any key and any value: what they do not know is dropped, and what has another type is kept. So
what was read is written again and compared, and every value is held against the type that the model declares for it.
"""

from __future__ import annotations

import enum
import json
import sys
import types
import typing
import warnings
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_PACKAGE = "grafana_foundation_sdk."


def problems(dashboard: Json) -> list[str]:
    """Return the places of what Grafana would lose or misread; overrides are read as the defaults that they replace."""
    found = list(_strictly(dashboard))
    for place, panel in enumerate(dashboard.get("panels", ())):
        for override in panel.get("fieldConfig", {}).get("overrides", ()):
            defaults: Json = {}
            for entry in override["properties"]:
                *outer, name = entry["id"].split(".")
                (defaults.setdefault(outer[0], {}) if outer else defaults)[name] = entry["value"]
            alone = {**panel, "fieldConfig": {"defaults": defaults, "overrides": []}}
            found += [f"/panels/{place} overrides{path}" for path in _strictly({**dashboard, "panels": [alone]})]
    return found


def _strictly(dashboard: Json) -> Iterator[str]:
    with warnings.catch_warnings():
        # It prefers its second model; this is the one that is written to files.
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.cog.plugins import register_default_plugins  # noqa: PLC0415 - importing it warns
        from grafana_foundation_sdk.models.dashboard import Dashboard  # noqa: PLC0415 - the same

        register_default_plugins()
        yield from _misread(dashboard, Dashboard, "")


def _misread(value: object, declared: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - a type of any kind
    """Find what the declared type does not know, or knows otherwise; of several types, as the one that fits best."""
    alternatives = typing.get_args(declared) if _is_union(declared) else (declared,)
    yield from min((list(_misread_as(value, one, path)) for one in alternatives), key=len)


def _is_union(declared: object) -> bool:
    return typing.get_origin(declared) in (typing.Union, types.UnionType)


def _misread_as(value: object, declared: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - a type of any kind
    origin, inner = typing.get_origin(declared), typing.get_args(declared)
    if _is_models(type(value)):
        module = vars(sys.modules[type(value).__module__])
        for name, hint in typing.get_type_hints(type(value), module).items():
            yield from _misread(getattr(value, name), hint, f"{path}/{name}")
    elif _is_models(declared) and hasattr(declared, "from_json") and isinstance(value, dict):
        yield from _read(value, declared, path)
    elif origin is list and isinstance(value, list):
        for place, one in enumerate(value):
            yield from _misread(one, inner[0], f"{path}/{place}")
    elif origin is dict and isinstance(value, dict):
        for key, one in value.items():
            yield from _misread(one, inner[1], f"{path}/{key}")
    elif not _fits(value, declared):
        yield path


def _is_models(declared: object) -> bool:
    return getattr(declared, "__module__", "").startswith(_PACKAGE)


def _read(value: Json, declared: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - a type of any kind
    from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: PLC0415 - see above

    try:
        read = declared.from_json(value)
    except (AttributeError, KeyError, TypeError, ValueError):
        yield path
        return
    yield from _lost(value, json.loads(JSONEncoder().encode(read)), path)
    yield from _misread_as(read, declared, path)


def _lost(ours: object, theirs: object, path: str) -> Iterator[str]:
    """Find what is in ours and not, or otherwise, in theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in ours:
            if key in theirs:
                yield from _lost(ours[key], theirs[key], f"{path}/{key}")
            else:
                yield f"{path}/{key}"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _lost(one, other, f"{path}/{place}")
    elif ours != theirs:
        yield path


def _fits(value: object, declared: Any) -> bool:  # noqa: ANN401 - a type of any kind
    if declared in (object, Any):
        return True
    if typing.get_origin(declared) is typing.Literal:
        return value in typing.get_args(declared)
    if not isinstance(declared, type):
        return False
    if issubclass(declared, enum.Enum):
        return value in {member.value for member in declared}
    if declared is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, declared) and (declared is bool or not isinstance(value, bool))
