"""The form of one pushed event, as a table: which fields each type has and needs, and how each is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from attrs import frozen

from dora.adapters.events import fields
from dora.domain.facts import Kind, SentChange
from dora.domain.instant import Instant
from dora.policy import PRODUCTION
from dora.ports import Invalid, Problem


class EventType(StrEnum):
    """What happened, in the words of the form."""

    DEPLOYMENT_STARTED = "deployment.started"
    DEPLOYMENT_SUCCEEDED = "deployment.succeeded"
    DEPLOYMENT_FAILED = "deployment.failed"
    DEPLOYMENT_MARKED_FAILED = "deployment.marked_failed"
    DEPLOYMENT_RECOVERED = "deployment.recovered"
    INCIDENT_OPENED = "incident.opened"
    INCIDENT_RESOLVED = "incident.resolved"
    CHANGE_MERGED = "change.merged"


@frozen(kw_only=True)
class Event:
    """An event that keeps every rule. A text is empty where none was sent; its type needs no such text."""

    type: EventType
    repository: str
    """`owner/name`, in the sender's spelling."""
    occurred_at: Instant
    environment: str = PRODUCTION
    service: str | None = None
    """None: not sent, so the environment's template may tell it. Empty: sent as empty."""
    id: str = ""
    deployment_id: str = ""
    sha: str = ""
    changes: tuple[SentChange, ...] | None = None
    kind: Kind | None = None
    fixes: str = ""
    incident_id: str = ""
    committed_at: Instant | None = None


READERS: Final[Mapping[str, Callable[[object], object]]] = MappingProxyType(
    {
        "type": lambda value: fields.word(value, EventType),
        "repository": fields.repository,
        "occurred_at": fields.moment,
        "environment": fields.environment,
        "service": fields.service,
        "id": fields.key,
        "deployment_id": fields.identity,
        "sha": fields.sha,
        "changes": fields.changes,
        "kind": fields.kind,
        "fixes": fields.identity,
        "incident_id": fields.identity,
        "committed_at": fields.moment,
    }
)
"""How each field is read."""

NEEDED: Final = frozenset({"type", "repository", "occurred_at"})
"""Fields that every type needs."""

SHARED: Final = NEEDED | {"environment", "service", "id"}
"""Fields that every type may have: where something happened, and the sender's own key."""


@frozen(kw_only=True)
class Form:
    """Which fields events of some types have beside the shared ones."""

    types: tuple[EventType, ...]
    needed: frozenset[str]
    possible: frozenset[str] = frozenset()
    """Beside the needed ones."""


FORMS: Final = (
    Form(
        types=(
            EventType.DEPLOYMENT_STARTED,
            EventType.DEPLOYMENT_FAILED,
            EventType.DEPLOYMENT_MARKED_FAILED,
            EventType.DEPLOYMENT_RECOVERED,
        ),
        needed=frozenset({"deployment_id"}),
        possible=frozenset({"sha"}),
    ),
    Form(
        types=(EventType.DEPLOYMENT_SUCCEEDED,),
        needed=frozenset({"deployment_id", "sha"}),
        possible=frozenset({"changes", "kind", "fixes"}),
    ),
    Form(
        types=(EventType.INCIDENT_OPENED, EventType.INCIDENT_RESOLVED),
        needed=frozenset({"incident_id"}),
        possible=frozenset({"deployment_id"}),
    ),
    Form(
        types=(EventType.CHANGE_MERGED,),
        needed=frozenset({"sha"}),
        possible=frozenset({"committed_at"}),
    ),
)
"""The whole table. A field outside an event's form is refused: its sender would wait for an effect that never comes."""

_FORM_OF: Final = MappingProxyType({type_.value: form for form in FORMS for type_ in form.types})


def read_event(raw: object, *, received_at: Instant) -> Event:
    """Read one event.

    Raises:
        Invalid: it breaks rules: all of them, with pointers relative to the event.
    """
    if not isinstance(raw, dict):
        raise fields.refused(fields.NO_OBJECT)
    type_ = raw.get("type")
    form = _FORM_OF.get(type_) if isinstance(type_, str) else None
    read, problems = _members(raw, form)
    needed = NEEDED | form.needed if form else NEEDED
    problems += (Problem(f"/{name}", fields.REQUIRED) for name in sorted(needed - raw.keys()))
    if read.get("occurred_at", received_at) > received_at + fields.MAX_AHEAD:
        problems.append(Problem("/occurred_at", "lies more than 5 minutes ahead"))
    if "fixes" in read and read["fixes"] == read.get("deployment_id"):
        problems.append(Problem("/fixes", "names the deployment itself"))
    if problems:
        raise Invalid(*problems)
    return Event(**read)


def _members(raw: dict[str, object], form: Form | None) -> tuple[dict[str, Any], list[Problem]]:
    """Read what is there; with a type that is unknown, every field of any type is."""
    read: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in raw.items():
        reader = READERS.get(name)
        if reader is None:
            problems.append(fields.unknown(name))
        elif form and not (name in SHARED or name in form.needed or name in form.possible):
            problems.append(Problem(f"/{name}", "is no field of this type of event"))
        else:
            try:
                read[name] = reader(value)
            except Invalid as invalid:
                problems.extend(fields.within(invalid, at=f"/{name}"))
    return read, problems
