"""What a credential may read of a repository, found out by asking what the service itself asks."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final, TypeVar

import orjson
from attrs import frozen

from dora.adapters.github import queries
from dora.adapters.github.requests import Answer, Ask, Rejected
from dora.adapters.github.sessions import Session
from dora.domain.instant import MICROSECONDS, Instant, instant
from dora.findings import Finding, Level
from dora.ports import Malformed, Refused, Unavailable
from dora.wire import structure

T = TypeVar("T")

AREA: Final = "github"

_DAY: Final = 24 * 3600 * MICROSECONDS
_SOON: Final = 14 * _DAY
"""A token that expires within this is worth a warning: renewing one may need somebody else."""
_FEW: Final = 0.1
"""Share of the rate limit below which the service leaves the rest to others (`Budget.reserve`)."""
_ONLY_THE_SHA: Final = "application/vnd.github.sha"
_EXPIRY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2})")
_WRITING: Final = frozenset(
    {"repo", "public_repo", "workflow", "delete_repo", "admin:org", "write:org", "admin:repo_hook"}
)
"""Scopes of classic tokens that allow more than reading, of those that tokens for repositories often have."""

_PERMISSIONS: Final = {
    "contents": ("Contents", "commits and ranges"),
    "pull_requests": ("Pull requests", "the pull requests of a change and their first commits"),
    "deployments": ("Deployments", "what was deployed before the first delivery"),
}


@frozen
class _Owner:
    login: str
    type: str = "User"


@frozen
class _Repository:
    full_name: str
    owner: _Owner
    archived: bool = False


@frozen
class _Anything:
    """Whatever an answer holds."""


@frozen
class Seen:
    """A repository that the credential may see."""

    name: str
    """As GitHub calls it now."""
    owner: str
    organisation: bool
    """True if an organisation owns it: organisations have webhooks of their own."""
    answer: Answer
    """What GitHub answered: its headers tell of the token."""


async def repository(session: Session, name: str) -> tuple[Seen | None, list[Finding]]:
    """Return the repository as GitHub shows it (None: it does not), and what was found.

    Raises:
        Rejected: GitHub does not take the credential at all: nothing else is worth asking.
        Unavailable: GitHub does not answer.
    """
    try:
        answer = await session.send(Ask(endpoint="repository", url=session.addresses.of_repository(name)), name)
    except Rejected:
        raise
    except Refused as refused:
        return None, [_refused(name, "metadata", refused)]
    if answer.status == HTTPStatus.NOT_FOUND:
        return None, [
            Finding(
                Level.ERROR,
                AREA,
                name,
                "GitHub shows no such repository to the credentials.",
                "Is the name right? Let the token, or the App's installation, reach this repository.",
            )
        ]
    if answer.status != HTTPStatus.OK:
        raise Unavailable(f"GitHub answered {answer.status}")
    try:
        read = structure(orjson.loads(answer.body), _Repository)
    except (orjson.JSONDecodeError, Malformed):
        raise Unavailable("GitHub's answer is not whole") from None
    seen = Seen(read.full_name, read.owner.login, read.owner.type == "Organization", answer)
    findings = [Finding(Level.OK, AREA, name, "GitHub shows the repository.")]
    if read.full_name.lower() != name.lower():
        text = f"GitHub calls it {read.full_name} now."
        findings = [Finding(Level.WARNING, AREA, name, text, "Use the new name, in DORA_REPOSITORIES too.")]
    if read.archived:
        findings.append(
            Finding(
                Level.WARNING, AREA, name, "The repository is archived: nothing is merged any more.", "Leave it out."
            )
        )
    return seen, findings


async def permissions(session: Session, name: str) -> list[Finding]:
    """Return whether what the service asks of the repository is answered.

    Raises:
        Rejected: GitHub does not take the credential.
    """
    findings: list[Finding] = []
    sha = await _head(session, name, findings)
    if sha is not None:
        document, variables = queries.changes([sha], [], pulls=1)
        pulls = session.query(document, variables, _Anything, endpoint="changes", repository=name)
        await _try(name, "pull_requests", pulls, findings)
    deployments = session.query(
        queries.DEPLOYMENTS,
        {"environments": None, "after": None},
        queries.Deployments,
        endpoint="deployments",
        repository=name,
    )
    await _try(name, "deployments", deployments, findings)
    return findings


async def _head(session: Session, name: str, findings: list[Finding]) -> str | None:
    """Return the newest commit, if there is one that may be read."""
    url = session.addresses.of_repository(name, "commits", "HEAD")
    asked = session.send(Ask(endpoint="commit", url=url, accept=_ONLY_THE_SHA), name)
    answer = await _try(name, "contents", asked, findings)
    if answer is None:
        return None
    if answer.status == HTTPStatus.OK:
        return answer.body.decode("ascii", errors="replace").strip()
    findings.pop()
    if answer.status in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
        text = "The repository has no commit yet: whether they and pull requests may be read is not known."
        findings.append(Finding(Level.UNKNOWN, AREA, name, text, "Check again when something was pushed."))
    else:
        findings.append(_refused(name, "contents", Refused(f"GitHub answered {answer.status}")))
    return None


async def _try(name: str, permission: str, asked: Awaitable[T], findings: list[Finding]) -> T | None:
    """Return what was asked for; None, with a finding, if it is not to be had."""
    word, use = _PERMISSIONS[permission]
    try:
        found = await asked
    except Rejected:
        raise
    except Refused as refused:
        findings.append(_refused(name, permission, refused))
        return None
    except Unavailable as unavailable:
        findings.append(unanswered(AREA, name, unavailable))
        return None
    findings.append(Finding(Level.OK, AREA, name, f"{word} may be read: {use}."))
    return found


def _refused(name: str, permission: str, refused: Refused) -> Finding:
    wanted = refused.permission or f"{permission}=read"
    word, use = _PERMISSIONS.get(permission, ("Metadata", "that the repository is there"))
    text = f"{word} may not be read: {use}. {refused}."
    return Finding(Level.ERROR, AREA, name, text, f"Give the token, or the App and its installation, {wanted}.")


def unanswered(area: str, subject: str, unavailable: Unavailable) -> Finding:
    """Return the finding that GitHub did not answer something."""
    again = "Try again later."
    if unavailable.retry_after is not None:
        again = f"Try again in {max(1, round(unavailable.retry_after)):,} seconds."
    text = str(unavailable)
    return Finding(Level.UNKNOWN, area, subject, f"{text[:1].upper()}{text[1:]}.", again)


def token(answer: Answer, variable: str, *, now: Instant) -> list[Finding]:
    """Return what an answer's headers say of the token itself.

    Args:
        answer: any answer that was given to the token.
        variable: where the token comes from.
        now: our time.
    """
    findings: list[Finding] = []
    expires = _expiry(answer.headers.get("github-authentication-token-expiration", ""))
    if expires is not None and expires - now < _SOON:
        days = max(0, (expires - now) // _DAY)
        text = f"The token expires in {days} days."
        findings.append(Finding(Level.WARNING, AREA, variable, text, "Make another in time, or use a GitHub App."))
    scopes = frozenset(part.strip() for part in answer.headers.get("x-oauth-scopes", "").split(","))
    if writing := sorted(scopes & _WRITING):
        text = f"A classic token that may write, by its scopes {', '.join(writing)}; the service only reads."
        remedy = "Use a fine-grained token, or a GitHub App, that may read Contents, Pull requests and Deployments."
        findings.append(Finding(Level.WARNING, AREA, variable, text, remedy))
    findings += _budget(answer, variable)
    return findings or [Finding(Level.OK, AREA, variable, "GitHub takes the token.")]


def _budget(answer: Answer, variable: str) -> list[Finding]:
    remaining, limit = (answer.headers.get(f"x-ratelimit-{name}", "") for name in ("remaining", "limit"))
    if not (remaining.isascii() and remaining.isdecimal() and limit.isascii() and limit.isdecimal()):
        return []  # an Enterprise Server without limits
    if int(remaining) > int(limit) * _FEW:
        return [Finding(Level.OK, AREA, variable, f"{remaining} of {limit} requests are left in this hour.")]
    text = f"Only {remaining} of {limit} requests are left in this hour: look-ups wait for the next."
    return [Finding(Level.WARNING, AREA, variable, text, "Who else uses this token? Give the service one of its own.")]


def _expiry(text: str) -> Instant | None:
    """Return when a token expires, as GitHub writes it: `2026-12-24 10:00:00 UTC`, or with an offset of zero."""
    match = _EXPIRY.match(text)
    if match is None:
        return None
    try:
        year, month, day, hour, minute, second = map(int, match.groups())
        return instant(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
    except ValueError:
        return None
