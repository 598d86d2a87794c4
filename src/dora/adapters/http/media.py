"""What a request says about its body: `Content-Type` and `Content-Encoding`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from dora import wire
from dora.adapters.http.answers import RefusedError, header

if TYPE_CHECKING:
    from starlette.types import Scope

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENTS = "application/cloudevents-batch+json"


def media_type(scope: Scope, *allowed: str, suffixed: bool = False) -> str:
    """Return which of the allowed media types the body has.

    A charset other than UTF-8 (or its subset) is refused: JSON has no other (RFC 8259, section 8.1).

    Args:
        scope: the request's.
        allowed: the media types.
        suffixed: whether any other type that is JSON too (`application/anything+json`) is `application/json` here.

    Raises:
        RefusedError: it has another one, or is compressed (415).
    """
    media = _media_type(header(scope, b"content-type") or "", allowed, suffixed=suffixed)
    encoding = header(scope, b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in {"", "identity"}:
        raise RefusedError(415, "A compressed body is not taken.", headers=((b"accept-encoding", b"identity"),))
    return media


@lru_cache(maxsize=64)  # senders are many, and send the same few
def _media_type(content_type: str, allowed: tuple[str, ...], *, suffixed: bool) -> str:
    essence, _, parameters = content_type.partition(";")
    media = essence.strip().lower()
    if suffixed and media not in allowed and wire.is_json(media):
        media = JSON
    if media not in allowed:
        raise RefusedError(415, f"The Content-Type must be {' or '.join(allowed)}.")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise RefusedError(415, "The charset must be UTF-8.")
    return media
