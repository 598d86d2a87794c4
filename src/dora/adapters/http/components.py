"""What the descriptions of routes have in common: proofs, headers, answers, shapes (OpenAPI 3.1, `components`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


def schema(name: str) -> dict[str, str]:
    """Return a reference to a shape."""
    return {"$ref": f"#/components/schemas/{name}"}


def response(name: str) -> dict[str, str]:
    """Return a reference to an answer."""
    return {"$ref": f"#/components/responses/{name}"}


def header(name: str) -> dict[str, str]:
    """Return a reference to a header."""
    return {"$ref": f"#/components/headers/{name}"}


def parameter(name: str, text: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter of a query, whose value has the given schema."""
    return {"name": name, "in": "query", "description": text, "schema": value}


def json(text: str, shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer in JSON."""
    return {"description": text, "content": {"application/json": {"schema": shape}}}


def problem(text: str, *headers: str) -> dict[str, Any]:
    """Return an answer that is a problem."""
    value: dict[str, Any] = {
        "description": text,
        "content": {"application/problem+json": {"schema": schema("Problem")}},
    }
    if headers:
        value["headers"] = {name: header(name) for name in headers}
    return value


def words(text: str, *choice: str) -> dict[str, Any]:
    """Return the shape of one word out of several."""
    return {"type": "string", "enum": list(choice), "description": text}


SECURITY: Final = {
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

HEADERS: Final = {
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

RESPONSES: Final = {
    "Malformed": problem("The body cannot be read as what it should be; `errors` names all problems by path."),
    "Unauthenticated": problem("The sender did not prove who it is.", "WWW-Authenticate"),
    "Forbidden": problem("This client may not write this repository."),
    "Slow": problem("The body came too slowly."),
    "TooLarge": problem("The body is too large."),
    "MediaType": problem("The body is of another media type, charset or coding than is taken here."),
    "Invalid": problem("The event breaks rules, all named in `errors`; or its key was used with other content."),
    "Unavailable": problem(
        "This cannot be done now. It may have been stored; sending it again is safe.", "Retry-After"
    ),
}

SCHEMAS: Final = {
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
            "status": words("`duplicate`: it was here before. `ignored`: of no interest.", "duplicate", "ignored"),
            "reason": {"type": "string", "description": "Why it was ignored."},
        },
        "additionalProperties": False,
    },
    "Result": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": words(
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
        "properties": {"results": {"type": "array", "minItems": 1, "maxItems": 100, "items": schema("Result")}},
        "additionalProperties": False,
    },
    "Alive": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string"}},
        "additionalProperties": False,
    },
}
