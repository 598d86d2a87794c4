"""`GET /openapi.json`: the description of every route, as plain data (OpenAPI 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dora.adapters.http import events, webhooks
from dora.adapters.http.components import (
    HEADERS,
    RESPONSES,
    SCHEMAS,
    SECURITY,
    header,
    json,
    parameter,
    response,
    schema,
)
from dora.adapters.http.media import CLOUDEVENT, CLOUDEVENTS, JSON

if TYPE_CHECKING:
    from collections.abc import Mapping


def description(event_schemas: Mapping[str, Mapping[str, Any]], *, version: str) -> dict[str, Any]:
    """Return the description.

    Args:
        event_schemas: JSON Schemas (2020-12) of one pushed event by its form: `Event`, `CloudEvent`, `CDEvent`.
        version: the service's.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "DORA observer",
            "version": version,
            "summary": "Webhooks and pushed events in, exact DORA primitives for Prometheus out.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "in", "description": "What is sent here."},
            {"name": "out", "description": "What is read here."},
        ],
        "paths": {
            webhooks.PATH: {"post": _DELIVERY},
            events.PATH: {"post": _EVENT},
            "/metrics": {"get": _METRICS},
            "/internal/metrics": {"get": _INTERNALS},
            "/healthz": {"get": _HEALTH},
            "/readyz": {"get": _READY},
            "/openapi.json": {"get": _DESCRIPTION},
            "/": {"get": _PAGE},
        },
        "components": {
            "securitySchemes": SECURITY,
            "headers": HEADERS,
            "responses": RESPONSES,
            "schemas": {**SCHEMAS, **event_schemas},
        },
    }


_DELIVERY: Final = {
    "tags": ["in"],
    "operationId": "receiveDelivery",
    "summary": "Take a webhook of GitHub.",
    "security": [{"signature": []}],
    "parameters": [
        {
            "name": "X-GitHub-Event",
            "in": "header",
            "required": True,
            "description": "GitHub's name of the event.",
            "schema": {"type": "string", "minLength": 1},
        },
        {
            "name": "X-GitHub-Delivery",
            "in": "header",
            "description": "GitHub's id of the delivery; not needed.",
            "schema": {"type": "string"},
        },
    ],
    "requestBody": {
        "required": True,
        "description": "As GitHub sends it, at most 25 MiB.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["payload"],
                    "properties": {"payload": {"type": "string", "description": "The same, as JSON text."}},
                }
            },
        },
    },
    "responses": {
        "200": json("Seen before, or of no interest.", schema("Passed")),
        "202": json("Counted, or stored for linking and later measuring.", schema("Accepted")),
        "400": response("Malformed"),
        "401": response("Unauthenticated"),
        "408": response("Slow"),
        "413": response("TooLarge"),
        "415": response("MediaType"),
        "503": response("Unavailable"),
    },
}


def _several(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "maxItems": 100, "items": items}


_EVENT_FORMS: Final = [schema("Event"), schema("CDEvent")]

_EVENT: Final = {
    "tags": ["in"],
    "operationId": "pushEvents",
    "summary": "Take one pushed event, or up to 100 that are taken together or not at all.",
    "security": [{"client": []}, {"workflow": []}, {"signature": []}],
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A key of the sender's own, if the event has no `id`; in an array KEY/0, KEY/1 and so on.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        },
        *(
            {
                "name": f"ce-{name}",
                "in": "header",
                "description": f"{text} With one of the first four the body is a CloudEvent's data (binary mode).",
                "schema": {"type": "string"},
            }
            for name, text in (
                ("specversion", "`1.0`."),
                ("type", "One of our types behind any prefix, or one of CDEvents'."),
                ("source", "Who sends."),
                ("id", "The sender's name for the envelope."),
                ("time", "Stands in for a missing `occurred_at`."),
            )
        ),
    ],
    "requestBody": {
        "required": True,
        "description": "At most 1 MiB.",
        "content": {
            JSON: {"schema": {"anyOf": [*_EVENT_FORMS, _several({"anyOf": _EVENT_FORMS})]}},
            CLOUDEVENT: {"schema": schema("CloudEvent")},
            CLOUDEVENTS: {"schema": _several(schema("CloudEvent"))},
        },
    },
    "responses": {
        "200": json(
            "A duplicate; or what became of each event of an array, in the order sent.",
            {"anyOf": [schema("Results"), schema("Result")]},
        ),
        "201": json("New.", schema("Result")),
        "400": response("Malformed"),
        "401": response("Unauthenticated"),
        "403": response("Forbidden"),
        "408": response("Slow"),
        "413": response("TooLarge"),
        "415": response("MediaType"),
        "422": response("Invalid"),
        "503": response("Unavailable"),
    },
}

_TEXT: Final = {"schema": {"type": "string"}}

_METRICS: Final = {
    "tags": ["out"],
    "operationId": "readMetrics",
    "summary": "The DORA metrics, as OpenMetrics 1.0.0 or Prometheus text 0.0.4 by the Accept header.",
    "security": [{}, {"metrics": []}],
    "responses": {
        "200": {
            "description": "All series.",
            "headers": {"Vary": header("Vary")},
            "content": {
                "text/plain; version=0.0.4; charset=utf-8": _TEXT,
                "application/openmetrics-text; version=1.0.0; charset=utf-8": _TEXT,
            },
        },
        "401": response("Unauthenticated"),
        "503": response("Unavailable"),
    },
}

_INTERNALS: Final = {
    "tags": ["out"],
    "operationId": "readInternalMetrics",
    "summary": "The metrics of this process itself.",
    "security": [{}, {"metrics": []}],
    "responses": {
        "200": {
            "description": "All series.",
            "headers": {"Vary": header("Vary")},
            "content": {
                "text/plain; version=0.0.4; charset=utf-8": _TEXT,
                "application/openmetrics-text; version=1.0.0; charset=utf-8": _TEXT,
            },
        },
        "401": response("Unauthenticated"),
    },
}

_HEALTH: Final = {
    "tags": ["out"],
    "operationId": "readHealth",
    "summary": "Whether the process lives.",
    "security": [{}],
    "responses": {"200": json("It does.", schema("Alive"))},
}

_READY: Final = {
    "tags": ["out"],
    "operationId": "readReadiness",
    "summary": "Whether events are accepted.",
    "security": [{}],
    "responses": {"200": json("They are.", schema("Alive")), "503": response("Unavailable")},
}

_DESCRIPTION: Final = {
    "tags": ["out"],
    "operationId": "readDescription",
    "summary": "This description.",
    "security": [{}],
    "responses": {"200": json("OpenAPI 3.1.", {"type": "object"})},
}

_PAGE: Final = {
    "tags": ["out"],
    "operationId": "readPage",
    "summary": "A page for people; its details want the metrics token, if there is one.",
    "security": [{}, {"metrics": []}],
    "parameters": [
        parameter("q", "Only repositories whose name contains this.", {"type": "string"}),
        parameter("page", "Which page of the list.", {"type": "integer", "minimum": 1}),
        parameter("repository", "This one alone, `owner/name`.", {"type": "string"}),
    ],
    "responses": {"200": {"description": "HTML.", "content": {"text/html; charset=utf-8": _TEXT}}},
}
