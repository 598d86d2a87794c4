"""`GET /openapi.json`: the description of every route, as plain data (OpenAPI 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dora.adapters.http import events, webhooks

if TYPE_CHECKING:
    from collections.abc import Mapping


def description(event_schema: Mapping[str, Any], *, version: str) -> dict[str, Any]:
    """Return the description.

    Args:
        event_schema: JSON Schema (2020-12) of one pushed event.
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
            "securitySchemes": _SECURITY,
            "headers": _HEADERS,
            "responses": _RESPONSES,
            "schemas": {**_SCHEMAS, "Event": dict(event_schema)},
        },
    }


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _response(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{name}"}


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _json(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _problem(text: str, *headers: str) -> dict[str, Any]:
    value: dict[str, Any] = {
        "description": text,
        "content": {"application/problem+json": {"schema": _schema("Problem")}},
    }
    if headers:
        value["headers"] = {name: _header(name) for name in headers}
    return value


def _words(text: str, *words: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(words), "description": text}


_SECURITY: Final = {
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Hub-Signature-256",
        "description": "`sha256=` and the hexadecimal HMAC-SHA256 of the raw body under the webhook secret.",
    },
    "client": {"type": "http", "scheme": "bearer", "description": "A token of DORA_API_TOKENS."},
    "workflow": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of a GitHub Actions workflow, if DORA_OIDC_AUDIENCE is set; for its own repository.",
    },
    "metrics": {"type": "http", "scheme": "bearer", "description": "DORA_METRICS_TOKEN, if it is set."},
}

_HEADERS: Final = {
    "Retry-After": {
        "description": "Seconds to wait before sending again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate here.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Vary": {"description": "What the answer depends on.", "required": True, "schema": {"type": "string"}},
}

_RESPONSES: Final = {
    "Malformed": _problem("The body cannot be read as what it should be; `errors` names all problems by path."),
    "Unauthenticated": _problem("The sender did not prove who it is.", "WWW-Authenticate"),
    "Forbidden": _problem("This client may not write this repository."),
    "Slow": _problem("The body came too slowly."),
    "TooLarge": _problem("The body is too large."),
    "MediaType": _problem("The body is of another media type, charset or coding than is taken here."),
    "Invalid": _problem("The event breaks rules, all named in `errors`; or its key was used with other content."),
    "Unavailable": _problem(
        "This cannot be done now. It may have been stored; sending it again is safe.", "Retry-After"
    ),
}

_SCHEMAS: Final = {
    "Problem": {
        "description": "A problem (RFC 9457).",
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["detail", "pointer"],
                    "properties": {
                        "detail": {"type": "string"},
                        "pointer": {"type": "string", "description": "JSON pointer (RFC 6901) into the body."},
                    },
                    "additionalProperties": False,
                },
            },
        },
    },
    "Accepted": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"const": "accepted"}},
        "additionalProperties": False,
    },
    "Passed": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": _words("`duplicate`: it was here before. `ignored`: of no interest.", "duplicate", "ignored"),
            "reason": {"type": "string", "description": "Why it was ignored."},
        },
        "additionalProperties": False,
    },
    "Result": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": _words(
                "`counted`: a number stepped or a look-up began. `stored`: kept, nothing stepped.",
                "counted",
                "stored",
                "duplicate",
                "ignored",
            ),
            "reason": {"type": "string", "description": "Why it was ignored."},
        },
        "additionalProperties": False,
    },
    "Results": {
        "type": "object",
        "required": ["results"],
        "properties": {"results": {"type": "array", "minItems": 1, "maxItems": 100, "items": _schema("Result")}},
        "additionalProperties": False,
    },
    "Alive": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string"}},
        "additionalProperties": False,
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
        "200": _json("Seen before, or of no interest.", _schema("Passed")),
        "202": _json("Counted, or stored for linking and later measuring.", _schema("Accepted")),
        "400": _response("Malformed"),
        "401": _response("Unauthenticated"),
        "408": _response("Slow"),
        "413": _response("TooLarge"),
        "415": _response("MediaType"),
        "503": _response("Unavailable"),
    },
}

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
        }
    ],
    "requestBody": {
        "required": True,
        "description": "At most 1 MiB.",
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        _schema("Event"),
                        {"type": "array", "minItems": 1, "maxItems": 100, "items": _schema("Event")},
                    ]
                }
            }
        },
    },
    "responses": {
        "200": _json(
            "A duplicate; or what became of each event of an array, in the order sent.",
            {"anyOf": [_schema("Results"), _schema("Result")]},
        ),
        "201": _json("New.", _schema("Result")),
        "400": _response("Malformed"),
        "401": _response("Unauthenticated"),
        "403": _response("Forbidden"),
        "408": _response("Slow"),
        "413": _response("TooLarge"),
        "415": _response("MediaType"),
        "422": _response("Invalid"),
        "503": _response("Unavailable"),
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
            "headers": {"Vary": _header("Vary")},
            "content": {
                "text/plain; version=0.0.4; charset=utf-8": _TEXT,
                "application/openmetrics-text; version=1.0.0; charset=utf-8": _TEXT,
            },
        },
        "401": _response("Unauthenticated"),
        "503": _response("Unavailable"),
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
            "headers": {"Vary": _header("Vary")},
            "content": {
                "text/plain; version=0.0.4; charset=utf-8": _TEXT,
                "application/openmetrics-text; version=1.0.0; charset=utf-8": _TEXT,
            },
        },
        "401": _response("Unauthenticated"),
    },
}

_HEALTH: Final = {
    "tags": ["out"],
    "operationId": "readHealth",
    "summary": "Whether the process lives.",
    "security": [{}],
    "responses": {"200": _json("It does.", _schema("Alive"))},
}

_READY: Final = {
    "tags": ["out"],
    "operationId": "readReadiness",
    "summary": "Whether events are accepted.",
    "security": [{}],
    "responses": {"200": _json("They are.", _schema("Alive")), "503": _response("Unavailable")},
}

_DESCRIPTION: Final = {
    "tags": ["out"],
    "operationId": "readDescription",
    "summary": "This description.",
    "security": [{}],
    "responses": {"200": _json("OpenAPI 3.1.", {"type": "object"})},
}

_PAGE: Final = {
    "tags": ["out"],
    "operationId": "readPage",
    "summary": "A page for people; its details want the metrics token, if there is one.",
    "security": [{}, {"metrics": []}],
    "responses": {"200": {"description": "HTML.", "content": {"text/html; charset=utf-8": _TEXT}}},
}
