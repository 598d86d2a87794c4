"""Where GitHub's API is, and which addresses belong to it."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from attrs import frozen

_ENTERPRISE_SERVER: Final = "/api/v3"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@frozen
class Addresses:
    """The addresses of one GitHub: github.com, an Enterprise Server, or one with data residency.

    The GraphQL address follows from the REST one: `https://HOST/api/v3` has `https://HOST/api/graphql`, every other has
    `/graphql` behind it (docs: graphql/guides/forming-calls-with-graphql, rest/using-the-rest-api/getting-started).
    """

    rest: str
    """Base of REST addresses, without a slash at the end: GitHub answers 404 to a double one."""
    graphql: str

    @classmethod
    def of(cls, api_url: str) -> Addresses:
        """Return the addresses that belong to a `GITHUB_API_URL`.

        Raises:
            ValueError: it is no http(s) address, or holds more than one; the message does not quote it.
        """
        rest = api_url.rstrip("/")
        parts = urlsplit(rest)
        if _origin(parts) is None or parts.query or parts.fragment:
            raise ValueError("must be an http or https address without credentials, query and fragment")
        if parts.path.endswith(_ENTERPRISE_SERVER):
            return cls(rest=rest, graphql=f"{rest.removesuffix('/v3')}/graphql")
        return cls(rest=rest, graphql=f"{rest}/graphql")

    def of_repository(self, name: str, *steps: str) -> str:
        """Return the REST address of a repository `owner/name`, or of something below it.

        Every step is escaped: a branch `feature/x` is one step.
        """
        owner, _, short = name.partition("/")
        return "/".join([f"{self.rest}/repos", *(quote(step, safe="") for step in (owner, short, *steps))])

    def follow(self, link: str, *, base: str) -> str | None:
        """Return the address that a link or redirect found at `base` leads to; None if it leaves this GitHub.

        Scheme, host and port must be the configured ones: the token goes along, and must never leave.
        """
        try:
            target = urlsplit(urljoin(base, link))
            origin = _origin(target)
        except ValueError:
            return None
        return target.geturl() if origin is not None and origin == _origin(urlsplit(self.rest)) else None


def _origin(parts: SplitResult) -> tuple[str, str, int] | None:
    """Return scheme, host and port; None if it is no plain http(s) address.

    Raises:
        ValueError: the port is none.
    """
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or "\\" in parts.netloc:
        return None
    return parts.scheme, parts.hostname.lower(), parts.port or _DEFAULT_PORTS[parts.scheme]
