"""CDEvents (https://cdevents.dev, 0.3 to 0.5) in our form.

Subject and predicate decide what an event means, whatever version stands behind them, as in
`dev.cdevents.service.deployed.0.2.0`.
The standard has no place for repository, commit and changes: `customData.dora` may hold any field of our form but
`type`, and what stands there wins over what is found elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import Factory, define, frozen

from dora.adapters.events import fields, purl
from dora.adapters.events.places import Place, Unwrapped
from dora.adapters.events.shapes import EventType
from dora.domain.facts import Kind
from dora.ports import Problem

_PREFIX: Final = "dev.cdevents."
_TYPE: Final = re.compile(r"dev\.cdevents\.([a-z]+\.[a-z]+)\.[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?")
_OURS: Final = "dora"
_MISSING: Final = object()


@frozen(kw_only=True)
class _Meaning:
    """What a subject and its predicate are in our form."""

    type: EventType
    needed: Mapping[str, tuple[str, ...]]
    """Fields of our form that the standard requires, and where they stand."""
    possible: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """Fields that may be there."""
    kind: Kind | None = None


_TIME: Final = {"occurred_at": ("context", "timestamp")}
_ENVIRONMENT: Final = {"environment": ("subject", "content", "environment", "id")}
_SERVICE: Final = {"service": ("subject", "id")} | _ENVIRONMENT | _TIME
_INCIDENT: Final = {"incident_id": ("subject", "id")} | _ENVIRONMENT | _TIME
_AFFECTED: Final = {"service": ("subject", "content", "service", "id")}

_OPENED: Final = _Meaning(type=EventType.INCIDENT_OPENED, needed=_INCIDENT, possible=_AFFECTED)
_DEPLOYED: Final = _Meaning(type=EventType.DEPLOYMENT_SUCCEEDED, needed=_SERVICE)
_MEANINGS: Final[Mapping[str, _Meaning]] = MappingProxyType(
    {
        "service.deployed": _DEPLOYED,
        "service.upgraded": _DEPLOYED,
        "service.rolledback": _Meaning(type=EventType.DEPLOYMENT_SUCCEEDED, needed=_SERVICE, kind=Kind.ROLLBACK),
        "incident.detected": _OPENED,
        "incident.reported": _OPENED,
        "incident.resolved": _Meaning(type=EventType.INCIDENT_RESOLVED, needed=_INCIDENT, possible=_AFFECTED),
        "change.merged": _Meaning(
            type=EventType.CHANGE_MERGED,
            needed=_TIME,
            possible={"repository": ("subject", "content", "repository", "id")},
        ),
    }
)


def is_type(text: str) -> bool:
    """Return whether a type is one of CDEvents', of interest here or not."""
    return text.startswith(_PREFIX)


def is_bare(item: object) -> bool:
    """Return whether a JSON value is a CDEvent without a CloudEvent around it."""
    context = item.get("context") if isinstance(item, dict) else None
    type_ = context.get("type") if isinstance(context, dict) else None
    return isinstance(type_, str) and is_type(type_)


def unwrap(item: object, at: Place, *, type_: str | None = None) -> Unwrapped:
    """Return a CDEvent in our form.

    Args:
        item: The CDEvent.
        at: Where it stands.
        type_: The type of the CloudEvent around it; None: there is none.
    """
    if not isinstance(item, dict):
        return Unwrapped(form=None, at=at, problems=(at.problem(fields.NO_OBJECT),))
    reading = _Reading(item, at)
    found = reading.find(("context", "type"))
    if type_ is None:
        type_ = found if isinstance(found, str) else ""
    elif found is _MISSING:
        reading.problems.append(at.below("/context/type").problem(fields.REQUIRED))
    elif found != type_:
        reading.problems.append(at.below("/context/type").problem("must be the type of the CloudEvent around it"))
    match = _TYPE.fullmatch(type_)
    meaning = _MEANINGS.get(match[1]) if match else None
    if meaning is None:
        return Unwrapped(form=None, at=at, problems=tuple(reading.problems), ignored="type")
    reading.own()
    reading.standard(meaning)
    if meaning.type is EventType.DEPLOYMENT_SUCCEEDED:
        reading.deployment()
    if meaning.type is not EventType.CHANGE_MERGED:
        reading.artifact(sha=meaning.type is EventType.DEPLOYMENT_SUCCEEDED)
    if meaning.kind is not None:
        reading.form.setdefault("kind", meaning.kind.value)
    reading.form["type"] = meaning.type.value
    return Unwrapped(
        form=reading.form,
        at=at.below(f"/customData/{_OURS}"),
        elsewhere=reading.elsewhere,
        problems=tuple(reading.problems),
        told=frozenset(reading.told),
    )


@define
class _Reading:
    """One CDEvent being read. A field that is there already is left as it is."""

    item: dict[str, object]
    at: Place
    form: dict[str, object] = Factory(dict)
    elsewhere: dict[str, Place] = Factory(dict)
    problems: list[Problem] = Factory(list)
    told: set[str] = Factory(set)

    def find(self, path: tuple[str, ...]) -> object:
        """Return the value to which the path leads, `_MISSING` if there is none."""
        value: object = self.item
        for name in path:
            value = value.get(name, _MISSING) if isinstance(value, dict) else _MISSING
        return value

    def place(self, path: tuple[str, ...]) -> Place:
        return self.at.below("".join(f"/{name}" for name in path))

    def own(self) -> None:
        """Take the fields that stand in `customData`. It may be anything: only an object can hold ours."""
        path = ("customData", _OURS)
        sent = self.find(path)
        if isinstance(sent, dict):
            self.form |= sent
            if "type" in sent:
                self.problems.append(self.place((*path, "type")).problem("is no field here: the context tells it"))
        elif sent is not _MISSING:
            self.problems.append(self.place(path).problem(fields.NO_OBJECT))

    def standard(self, meaning: _Meaning) -> None:
        """Take the fields that have a place of their own in the standard."""
        for name, path in {**meaning.needed, **meaning.possible}.items():
            if name in self.form:
                continue
            value = self.find(path)
            if value is not _MISSING:
                self.form[name] = value
                self.elsewhere[name] = self.place(path)
            elif name in meaning.needed:
                self.problems.append(self.place(path).problem(fields.REQUIRED))
                self.told.add(name)

    def deployment(self) -> None:
        """Name the deployment after the event itself: its source and its id are its identity (spec.md, `id`)."""
        if "deployment_id" in self.form:
            return
        parts = []
        for path in (("context", "id"), ("context", "source")):
            part = self.find(path)
            if isinstance(part, str) and part:
                parts.append(part)
            else:
                self.problems.append(self.place(path).problem("must be a string that is not empty"))
                self.told.add("deployment_id")
        name = " ".join(parts)
        if len(name) > fields.MAX_ID:
            name = hashlib.sha256(name.encode()).hexdigest()
        self.form["deployment_id"] = name

    def artifact(self, *, sha: bool) -> None:
        """Take what the artifact's package URL tells of its source."""
        path = ("subject", "content", "artifactId")
        text = self.find(path)
        source = purl.source(text if isinstance(text, str) else "")
        found = {"repository": source.repository} | ({"sha": source.sha} if sha else {})
        if text is not _MISSING and not isinstance(text, str):
            self.problems.append(self.place(path).problem("must be a string"))
            self.told.update(found.keys() - self.form.keys())
        for name, value in found.items():
            if value and name not in self.form:
                self.form[name] = value
                self.elsewhere[name] = self.place(path)
