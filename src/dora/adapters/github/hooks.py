"""Webhooks as GitHub keeps them, and whether those that lead to this service are set up as it needs.

Sources: docs: rest/repos/webhooks, rest/orgs/webhooks, rest/apps/webhooks, rest/webhooks/repo-deliveries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from dora.domain.instant import MICROSECONDS, Instant
from dora.findings import Finding, Level
from dora.wire import Maybe, Moment

AREA: Final = "webhooks"
PATH: Final = "/webhooks/github"
"""Where a webhook leads if it leads to a service like this."""

_NEEDED: Final = ("deployment_status", "pull_request", "push")
_RECOMMENDED: Final = ("deployment", "issues")
_TICKED: Final = {
    "deployment": "Deployments",
    "deployment_status": "Deployment statuses",
    "issues": "Issues",
    "pull_request": "Pull requests",
    "push": "Pushes",
}
_USES: Final = {
    "deployment": "environments are known before their first result",
    "deployment_status": "without it no deployment is counted",
    "issues": "GitHub issues are incidents",
    "pull_request": "without it changes have no lead time, or GitHub is asked for each",
    "push": "without it ranges are not known, or GitHub is asked for each",
}
_KEPT: Final = 3 * 24 * 3600 * MICROSECONDS
"""GitHub redelivers what is no older (docs: webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks)."""
_TOLD: Final = 60
"""Characters of GitHub's word for what became of a delivery that are shown."""


@frozen
class Config:
    """Where a webhook leads, and how."""

    url: Maybe[str] = None
    content_type: Maybe[str] = None
    insecure_ssl: Maybe[str | int] = None
    secret: Maybe[str] = field(default=None, repr=False)
    """Masked by GitHub; None: there is none."""


@frozen
class LastResponse:
    """What the service answered last, as GitHub saw it."""

    code: Maybe[int] = None
    status: Maybe[str] = None


@frozen
class SentHook:
    """A webhook of a repository or organisation, as GitHub's API shows it."""

    id: int
    config: Config
    events: tuple[str, ...] = ()
    active: bool = True
    last_response: Maybe[LastResponse] = None


@frozen
class Delivery:
    """One try to deliver an event."""

    guid: str
    delivered_at: Moment
    status_code: int
    status: Maybe[str] = None
    event: Maybe[str] = None


@frozen(kw_only=True)
class Hook:
    """A webhook that leads here."""

    place: str
    """Whose it is: `acme/api`, `organisation acme`, `the GitHub App`."""
    config: Config
    events: frozenset[str]
    active: bool = True
    last: LastResponse | None = None
    deliveries: tuple[Delivery, ...] | None = None
    """The latest tries, newest first; None: they cannot be seen."""

    @property
    def subject(self) -> str:
        """Which webhook it is, fit to be shown."""
        return f"{self.place}: {shown(self.config.url or '')}"


def leads_here(config: Config) -> bool:
    """Return whether a webhook's address is that of a service like this."""
    try:
        return urlsplit(config.url or "").path.rstrip("/").endswith(PATH)
    except ValueError:
        return False


def shown(url: str) -> str:
    """Return an address without what may be secret in it: user, password, query."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(an address that cannot be read)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def settings(hook: Hook) -> Iterator[Finding]:
    """Yield what is wrong with how a webhook is set up; or that nothing is."""

    def told(level: Level, found: str, remedy: str) -> Finding:
        return Finding(level, AREA, hook.subject, found, f"At GitHub, edit the webhook: {remedy}")

    found: list[Finding] = []
    url = hook.config.url or ""
    if not hook.active:
        found.append(told(Level.ERROR, "It is not active: GitHub sends nothing.", "tick Active."))
    if not hook.config.secret:
        found.append(
            told(Level.ERROR, "It has no secret: every delivery is refused.", "enter the value of WEBHOOK_SECRET.")
        )
    if urlsplit(url).path.endswith("/"):
        found.append(told(Level.ERROR, "Its address ends in a slash: the service answers 404.", "take it away."))
    if hook.config.content_type != "json":
        found.append(
            told(
                Level.WARNING,
                "Its content type is a form's; the service takes it, and it is larger than need be.",
                "choose application/json.",
            )
        )
    if urlsplit(url).scheme != "https":
        found.append(told(Level.WARNING, "Its address is no https:// one: anybody on the way reads along.", "use TLS."))
    elif str(hook.config.insecure_ssl) != "0":
        found.append(
            told(
                Level.WARNING,
                "GitHub does not verify the service's certificate: somebody else could pose as it.",
                "enable SSL verification.",
            )
        )
    yield from found or [Finding(Level.OK, AREA, hook.subject, "It is active, has a secret, and sends JSON over TLS.")]


def events(subject: str, hooks: Iterable[Hook]) -> Iterator[Finding]:
    """Yield which events the webhooks of a repository do not send, taken together."""
    sent = frozenset[str]().union(*(hook.events for hook in hooks if hook.active))
    if "*" in sent:
        yield Finding(Level.OK, AREA, subject, "All events are sent, more than are needed.")
        return
    for event in (*_NEEDED, *_RECOMMENDED):
        if event not in sent:
            yield Finding(
                Level.ERROR if event in _NEEDED else Level.WARNING,
                AREA,
                subject,
                f"The event {event} is not sent: {_USES[event]}.",
                f"At GitHub, edit the webhook and tick {_TICKED[event]}.",
            )
    if sent.issuperset(_NEEDED):
        yield Finding(Level.OK, AREA, subject, f"The events {', '.join(_NEEDED)} are sent.")


def deliveries(hook: Hook, *, now: Instant) -> Iterator[Finding]:
    """Yield what became of the latest deliveries."""
    if hook.deliveries is None:
        if hook.last is not None and hook.last.code is not None and not _is_success(hook.last.code):
            yield _failing(hook, hook.last.code, hook.last.status, Level.ERROR, "The last delivery failed")
        return
    tries = [one for one in hook.deliveries if now - one.delivered_at <= _KEPT]
    if not tries:
        text = "GitHub has delivered nothing in the past three days."
        yield Finding(Level.UNKNOWN, AREA, hook.subject, text, "Have it redeliver the ping, under Recent Deliveries.")
        return
    failed = list(_failed(tries))
    if not failed:
        yield Finding(Level.OK, AREA, hook.subject, f"The latest {_count(len(tries))} of the past three days arrived.")
        return
    newest = tries[0] in failed
    text = (
        f"{_count(len(failed))} of the past three days failed, the latest among them"
        if newest
        else (f"{_count(len(failed))} of the past three days failed and were not made good")
    )
    yield _failing(hook, failed[0].status_code, failed[0].status, Level.ERROR if newest else Level.WARNING, text)


def _failed(tries: Sequence[Delivery]) -> Iterator[Delivery]:
    """Yield the latest try of each event that never arrived. A redelivery has the same guid as what it repeats."""
    arrived = {one.guid for one in tries if _is_success(one.status_code)}
    for one in tries:
        if one.guid not in arrived:
            arrived.add(one.guid)
            yield one


def _failing(hook: Hook, code: int, status: str | None, level: Level, text: str) -> Finding:
    word = "".join(character for character in status or "" if character.isprintable())[:_TOLD]
    told = f"{code} {word}".strip() if code else word or "no answer"
    again = "Then redeliver them at GitHub, under Recent Deliveries: each counts once."
    return Finding(level, AREA, hook.subject, f"{text} ({told}).", f"{_remedy(code)} {again}")


_REMEDIES: Final = {
    0: "GitHub reached nobody in time: is the address right, and open to the internet?",
    400: "The answer's body tells which fields could not be read.",
    401: "The secret at GitHub is not the service's: enter the value of WEBHOOK_SECRET.",
    404: f"The address leads elsewhere: its path must be {PATH}, behind the service's own.",
    503: "The service was starting, ending or could not write its state; its log tells.",
}
"""By the status that GitHub saw; 0: none."""


def _remedy(code: int) -> str:
    if 300 <= code < 400:  # noqa: PLR2004 - redirections, by HTTP's own numbers
        return "GitHub follows no redirection: enter the address that it leads to."
    return _REMEDIES.get(code, "What stands before the service, or the service itself, failed; its log tells.")


def _is_success(code: int) -> bool:
    return 200 <= code < 300  # noqa: PLR2004 - success, by HTTP's own numbers


def _count(number: int) -> str:
    return f"{number:,} deliver{'y' if number == 1 else 'ies'}"
