"""Who may push events: clients with a token each, workflows with tokens of their own, and who signs like GitHub."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Final, Protocol

from attrs import field, frozen

from dora.policy import repository_globs
from dora.ports import Unauthenticated

SIGNER: Final = "webhook"
"""Name of the client that signs its bodies with the webhook secret, as GitHub does; it may write every repository."""

WORKFLOW: Final = "oidc"
"""What the names of clients begin with that are a repository's workflows: `oidc:owner/name`."""

_ENTRIES = re.compile(r"[,\r\n]")
_TOKEN = re.compile(r"[!-~]+")


def _folded(globs: Iterable[str]) -> tuple[str, ...]:
    return tuple(glob.lower() for glob in globs)


class Workflows(Protocol):
    """Knows the tokens that a forge gives its workflows."""

    async def repository(self, token: str) -> str:
        """Return the repository `owner/name` whose workflow the token proves.

        Raises:
            Unauthenticated: it proves none.
            Unavailable: nobody can tell now.
        """
        ...


@frozen
class Client:
    """A sender of events: its name (idempotency keys are its own), and which repositories it may write.

    The token is kept as its SHA-256 only, which is of no use to who reads memory or a `repr`.
    """

    name: str
    digest: bytes = field(repr=False)
    globs: tuple[str, ...] = field(default=(), converter=_folded)
    """Over `owner/name`, regardless of case; none: every repository."""

    def allows(self, repository: str) -> bool:
        """Return whether the client may write the repository."""
        name = repository.lower()
        return not self.globs or any(fnmatchcase(name, glob) for glob in self.globs)


def workflow(repository: str) -> Client:
    """Return the client that a repository's workflows are: it may write this repository, and no other.

    No entry of `DORA_API_TOKENS` can have its name, since a name ends at the first colon there. The repository's name
    holds no character that a glob would take for more than itself.
    """
    return Client(name=f"{WORKFLOW}:{repository.lower()}", digest=b"", globs=(repository,))


def digest(token: str) -> bytes:
    """Return a token as a client keeps it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def signer() -> Client:
    """Return the client that proves itself by signing. No token's digest is empty, so no token is ever its."""
    return Client(name=SIGNER, digest=b"")


def bearer(authorization: str | None) -> str:
    """Return the token that an `Authorization` header carries (RFC 6750, section 2.1).

    Raises:
        Unauthenticated: it carries none.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("a bearer token is needed")
    return token.strip()


def holder(token: str, clients: tuple[Client, ...]) -> Client | None:
    """Return the client whose token it is.

    All clients are compared, in constant time each: how long it takes says nothing about any token.
    """
    sent = digest(token)
    found = None
    for client in clients:
        if hmac.compare_digest(client.digest, sent):
            found = client
    return found


def parse_clients(text: str) -> tuple[Client, ...]:
    """Read clients as `name:token[:glob[ glob...]]`, separated by commas or line ends; empty entries do not count.

    Raises:
        ValueError: all problems at once, by the number of the entry (from 1); no name, token or glob is repeated.
    """
    clients: list[Client] = []
    problems: list[str] = []
    names: dict[str, int] = {}
    digests: dict[bytes, int] = {}
    entries = (entry.strip() for entry in _ENTRIES.split(text))
    for number, entry in enumerate((entry for entry in entries if entry), start=1):
        name, _, rest = entry.partition(":")
        token, limited, globs_text = rest.partition(":")
        client = Client(name=name.strip(), digest=digest(token.strip()), globs=tuple(globs_text.split()))
        wrong = _wrong(client, token=token.strip(), limited=bool(limited))
        # An earlier entry of the same name would share its idempotency keys; one of the same token would be either.
        if client.name and names.setdefault(client.name, number) != number:
            wrong.append(f"its name is that of entry {names[client.name]}")
        if token.strip() and digests.setdefault(client.digest, number) != number:
            wrong.append(f"its token is that of entry {digests[client.digest]}")
        problems += (f"entry {number}: {problem}" for problem in wrong)
        clients.append(client)
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(clients)


def tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield each client's name and token, of a text that `parse_clients` takes: to judge how strong they are."""
    for entry in _ENTRIES.split(text):
        name, _, rest = entry.partition(":")
        if name.strip():
            yield name.strip(), rest.partition(":")[0].strip()


def _wrong(client: Client, *, token: str, limited: bool) -> list[str]:
    """Return what is wrong with one entry by itself."""
    wrong = []
    if not client.name:
        wrong.append("no name")
    if client.name == SIGNER:
        wrong.append("this name is that of the client who signs with the webhook secret")
    if not token:
        wrong.append("no token")
    elif not _TOKEN.fullmatch(token):
        wrong.append("a token consists of visible ASCII characters (is a colon missing?)")
    # No globs at all means every repository; a colon and then nothing more likely means that something got lost.
    if limited and not client.globs:
        wrong.append("no repository after the second colon")
    elif limited:
        try:
            repository_globs(",".join(client.globs))
        except ValueError as error:
            wrong.append(str(error))
    return wrong
