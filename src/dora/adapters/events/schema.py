"""The forms of one pushed event as JSON Schema 2020-12; ours from the same table that the reader goes by.

What the reader accepts, the schema accepts. The schema is wider where JSON Schema cannot say it: `occurred_at` too far
ahead; a text that is no time (unless the validator checks formats); `fixes` that names the deployment itself; an owner
or a name that is `.`, `..` or `.git`; an integer id of more than 128 digits or with a fraction (`1.0`); a key twice in
one object. It holds no reference, so that it can be put anywhere in another document.
"""

from __future__ import annotations

from typing import Any, Final

from dora.adapters.events import fields
from dora.adapters.events.shapes import FORMS, NEEDED, SHARED, EventType, Form
from dora.domain.facts import Kind
from dora.policy import PRODUCTION


def _time(description: str) -> dict[str, Any]:
    return {"type": "string", "format": "date-time", "description": f"{description}, RFC 3339 with offset."}


def _id(description: str) -> dict[str, Any]:
    return {
        "type": ["string", "integer"],
        "minLength": 1,
        "maxLength": fields.MAX_ID,
        "description": f"{description}; an integer means its decimal digits.",
    }


def _name(description: str, *, least: int, default: str) -> dict[str, Any]:
    return {
        "type": "string",
        "pattern": f"^{fields.NAME_CHARACTERS}*$",
        "minLength": least,
        "maxLength": fields.MAX_NAME,
        "default": default,
        "description": description,
    }


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_FIELDS: Final[dict[str, Any]] = {
    "type": {"type": "string", "enum": [type_.value for type_ in EventType], "description": "What happened."},
    "repository": {
        "type": "string",
        "pattern": f"^{fields.REPOSITORY_PATTERN}$",
        "maxLength": fields.MAX_URL,
        "description": "owner/name, or a clone URL of it (https, ssh, git@host:owner/name.git).",
    },
    "occurred_at": _time("When it happened, at most 5 minutes ahead; for change.merged the merge"),
    "environment": _name(
        "Name of the environment; one that is a configured label is that label. Without effect on change.merged.",
        least=1,
        default=PRODUCTION,
    ),
    "service": _name(
        "The service within the environment; wins over one that the environment's name tells.", least=0, default=""
    ),
    "id": {
        "type": "string",
        "minLength": 1,
        "maxLength": fields.MAX_KEY,
        "description": "Idempotency key, unique per client; wins over the Idempotency-Key header.",
    },
    "deployment_id": _id("The deployment, in the sender's words or GitHub's"),
    "sha": {
        "type": "string",
        "pattern": f"^{fields.SHA_PATTERN}$",
        "description": "The commit, 7 to 64 hexadecimal digits: what was deployed, or the merge commit.",
    },
    "changes": {
        "type": "array",
        "maxItems": fields.MAX_CHANGES,
        "items": _object(
            {
                "id": _id("The change"),
                "merged_at": _time("When it landed; without it no lead time is measured"),
                "committed_at": _time("When its first commit was authored; without it no commit lead time is measured"),
            },
            ["id"],
        ),
        "description": "All changes of the deployment, taken as they are instead of any look-up; an empty array: none.",
    },
    "kind": {
        "type": "string",
        "enum": [kind.value for kind in Kind],
        "description": "What the deployment was; without it, this is inferred.",
    },
    "fixes": _id("The deployment that this one repairs; not itself"),
    "incident_id": _id("The incident"),
    "committed_at": _time("When the change's first commit was authored"),
}


def _variant(form: Form) -> dict[str, Any]:
    types = [type_.value for type_ in form.types]
    names = SHARED | form.needed | form.possible
    properties = {name: schema for name, schema in _FIELDS.items() if name in names}
    properties["type"] = _FIELDS["type"] | {"enum": types}
    return {"title": ", ".join(types)} | _object(
        properties, [name for name in properties if name in NEEDED | form.needed]
    )


EVENT_SCHEMA: Final[dict[str, Any]] = {
    "title": "Event",
    "description": "One event of POST /api/event.",
    "oneOf": [_variant(form) for form in FORMS],
}
"""One event. Plain data: dicts, lists, texts and numbers that fit any JSON writer. Not to be changed in place."""

_TYPES: Final = "|".join(type_.replace(".", "[.]") for type_ in EventType)

CLOUDEVENT_SCHEMA: Final[dict[str, Any]] = {
    "title": "CloudEvent",
    "description": "A CloudEvent 1.0 around an event or a CDEvent, which may leave out what the envelope says.",
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
        "type": {
            "type": "string",
            "pattern": f"^(?:(?:.*[./:])?(?:{_TYPES})|dev[.]cdevents[.].*)$",
            "description": "One of ours behind any prefix, or one of CDEvents'.",
        },
        "time": {"description": "Stands in for a missing `occurred_at`."},
        "datacontenttype": {"type": ["string", "null"], "description": "A media type of JSON."},
        "data": {"type": ["object", "null"], "description": "The event."},
        "data_base64": {"type": ["string", "null"], "description": "The same, as JSON in base64."},
    },
}
"""An envelope; extensions are not looked at."""

CDEVENT_SCHEMA: Final[dict[str, Any]] = {
    "title": "CDEvent",
    "description": "A CDEvent 0.3 to 0.5. `customData.dora` may hold any field of an event but `type`.",
    "type": "object",
    "required": ["context"],
    "properties": {
        "context": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"type": "string", "pattern": "^dev[.]cdevents[.]"}},
        }
    },
}
"""A CDEvent; its own schemas say more."""

SCHEMAS: Final = {"Event": EVENT_SCHEMA, "CloudEvent": CLOUDEVENT_SCHEMA, "CDEvent": CDEVENT_SCHEMA}
"""Every form, by its name."""
