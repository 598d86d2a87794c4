"""`GET /`: a page for people. Rendered here, without scripts; every text that came from outside is escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from attrs import frozen

from dora.adapters.http import events, webhooks
from dora.adapters.http.answers import whole
from dora.domain.instant import MICROSECONDS, Instant
from dora.domain.outcome import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from dora.adapters.http.gate import Gate
    from dora.adapters.http.guard import Guard
    from dora.adapters.http.sightings import Sighting, Sightings

_MOST_SHOWN: Final = 200
"""Repositories on the page: it is for reading, not for exporting."""

_DEPLOYMENTS: Final = frozenset({"deployment", "deployment_status"})
_PUSHED_DEPLOYMENTS: Final = frozenset({"deployment.succeeded", "deployment.failed"})
_MERGES: Final = frozenset({"pull_request", "change.merged"})
_PUSHES: Final = frozenset({"push", "change.merged"})

# The page needs no more than its own style; whatever slipped through the escaping would find no way to run or to load.
_HEADERS: Final = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --paper: #ffffff; --link: #0550ae; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b1; --line: #3d444d; --paper: #0d1117; --link: #79c0ff; }
}
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
a { color: var(--link); }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, ul { margin: .5rem 0; }
small, .soft { color: var(--soft); }
code { overflow-wrap: anywhere; }
article { border-top: 1px solid var(--line); padding: .75rem 0; overflow-wrap: anywhere; }
article h3 { font-size: 1rem; margin: 0; }
"""


@frozen(kw_only=True)
class About:
    """What the page says of the service itself."""

    version: str
    state: str
    """Kind of the state, like `memory`."""
    lookups: bool
    """True if GitHub can be asked for what is missing."""


@frozen(kw_only=True)
class PageEndpoint:
    """Answers `GET /`."""

    about: About
    guard: Guard
    gate: Gate
    sightings: Sightings
    now: Callable[[], Instant]

    async def page(self, request: Request) -> ASGIApp:
        """Answer one request. Details are for who may read the metrics; all else is for everybody."""
        details = self._details() if self.guard.admits(request.scope) else _LOCKED
        html = _page(self.about, state=self._state(), details=details)
        return whole(200, html.encode(), content_type=b"text/html; charset=utf-8", headers=_HEADERS)

    def _state(self) -> str:
        if self.gate.ready:
            return "Ready: events are accepted."
        if self.gate.draining:
            return "Ending: no more events are accepted."
        return "Not ready: the state is being restored, or cannot be written now."

    def _details(self) -> str:
        seen = self.sightings.newest_first()
        if not seen:
            return _EMPTY
        shown = "".join(_article(sighting, now=self.now(), about=self.about) for sighting in seen[:_MOST_SHOWN])
        rest = len(seen) - _MOST_SHOWN
        return shown + (f'<p class="soft">{rest} more are not shown.</p>' if rest > 0 else "")


_LOCKED: Final = '<p class="soft">Details want the metrics token as a bearer token.</p>'
_EMPTY: Final = f"""<p>Nothing has arrived since this process started.</p>
<ul>
<li>At GitHub, add a webhook to the repository or organisation: URL <code>{webhooks.PATH}</code> of this service,
content type <code>application/json</code>, the secret of <code>WEBHOOK_SECRET</code>, events
<em>Deployment statuses</em>, <em>Pull requests</em>, <em>Pushes</em> and, for incidents, <em>Issues</em>.</li>
<li>Or push events yourself: <code>POST {events.PATH}</code>, as <a href="/openapi.json">openapi.json</a> says.</li>
</ul>"""


def _page(about: About, *, state: str, details: str) -> str:
    lookups = "GitHub is asked for what is missing." if about.lookups else "No token: only what arrives is known."
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>DORA observer</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>DORA observer</h1>
<p class="soft">Version {escape(about.version)} · state <code>{escape(about.state)}</code></p>
</header>
<main>
<p>{escape(state)} {lookups}</p>
<nav aria-label="Links">
<a href="/metrics">Metrics</a> ·
<a href="/internal/metrics">Internal metrics</a> ·
<a href="/openapi.json">API description</a> ·
<a href="/readyz">Readiness</a>
</nav>
<h2>Repositories</h2>
{details}
</main>
</body>
</html>
"""


def _article(sighting: Sighting, *, now: Instant, about: About) -> str:
    outcome = sighting.outcome.status.value
    if sighting.outcome.reason is not None:
        outcome += f" ({sighting.outcome.reason})"
    door = "webhook" if sighting.source == webhooks.SOURCE else "API"
    missing = "".join(f"<li>{escape(text)}</li>" for text in _missing(sighting, about=about))
    return f"""<article>
<h3>{escape(sighting.repository)}</h3>
<p>Last event: <code>{escape(sighting.type)}</code> by {door}, {escape(outcome)},
<time datetime="{_iso(sighting.at)}">{_ago(now - sighting.at)}</time></p>
{f"<ul>{missing}</ul>" if missing else ""}
</article>
"""


def _missing(sighting: Sighting, *, about: About) -> Iterable[str]:
    """Yield what the repository has not sent since the start, why that matters, and the remedy."""
    kinds = sighting.kinds
    if not kinds & (_DEPLOYMENTS | _PUSHED_DEPLOYMENTS):
        yield "No deployment seen yet: send deployment statuses, or push deployment.succeeded."
    if not kinds & _MERGES and not about.lookups:
        yield "No pull request seen yet: without them changes have no lead time."
    if not kinds & _PUSHES and not about.lookups:
        yield "No push seen yet: without them only a deployed merge commit itself can be recognised."
    if sighting.outcome.status is Status.IGNORED and sighting.outcome.reason == "environment":
        yield "The last event's environment is not in DORA_ENVIRONMENTS, or is transient."


def _iso(at: Instant) -> str:
    return datetime.fromtimestamp(at // MICROSECONDS, tz=UTC).isoformat()


def _ago(duration: int) -> str:
    seconds = max(0, duration // MICROSECONDS)
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
