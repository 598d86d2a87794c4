"""Where this service is, as whoever asks has reached it: what to write into a webhook's settings."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from attrs import frozen

from dora.adapters.http.answers import header

if TYPE_CHECKING:
    from starlette.types import Scope

_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?", re.ASCII)
_UNKNOWN: Final = "https://WHERE-THIS-IS-REACHED"
_LOCAL: Final = (".localhost", ".local", ".internal", ".svc", ".lan")


@frozen
class Reached:
    """The service's address for one client."""

    base: str
    """Scheme, host and port, without a slash at the end."""
    public: bool
    """False if GitHub cannot reach it, as far as the name tells."""

    @classmethod
    def by(cls, scope: Scope) -> Reached:
        """Return the address in a request's own headers, those of a proxy before it first.

        Whoever sends the headers is the only one to be shown them: it is text for a person, and decides nothing.
        """
        host = _first(scope, b"x-forwarded-host") or header(scope, b"host") or ""
        scheme = (_first(scope, b"x-forwarded-proto") or str(scope["scheme"])).lower()
        if _HOST.fullmatch(host) is None or scheme not in {"http", "https"}:
            return cls(_UNKNOWN, public=True)
        return cls(f"{scheme}://{host}", public=_is_public(host))


def _first(scope: Scope, name: bytes) -> str:
    """Return the value of the proxy next to the client, of several in a row."""
    return (header(scope, name) or "").partition(",")[0].strip()


def _is_public(host: str) -> bool:
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    try:
        return ip_address(name).is_global
    except ValueError:
        return "." in name and not name.lower().endswith(_LOCAL)
