"""The page's HTML: landmarks, headings in order, tables with captions and scopes; no script, nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from dora.adapters.http import webhooks
from dora.adapters.http.page.advice import HARMLESS, Kind
from dora.adapters.http.page.html import ago, counted, marked, moment, name
from dora.adapters.http.page.style import ICON, STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dora.adapters.http.needs import ChainStanding, Standing
    from dora.adapters.http.page.about import About
    from dora.adapters.http.page.advice import Advice
    from dora.adapters.http.page.listing import Listing, Shown, Wanted
    from dora.adapters.http.page.reached import Reached
    from dora.adapters.http.page.service import Line
    from dora.adapters.http.sightings import Sighting
    from dora.domain.instant import Instant


def document(  # noqa: PLR0913 - the parts of the page, each named
    about: About, *, lines: Sequence[Line], repositories: str, steps: str, begin: bool, now: Instant
) -> str:
    """Return the whole page.

    Args:
        about: the service.
        lines: how it does.
        repositories: what is known of them.
        steps: how to connect something.
        begin: True if nothing is connected yet: then the steps stand open.
        now: the time.
    """
    status = "".join(
        f'<li><span class="kind {line.kind}">{line.word}:</span> {marked(line.text)}</li>' for line in lines
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>DORA observer</title>
<link rel="icon" href="{ICON}">
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>DORA observer</h1>
<p class="soft">Version {escape(about.version)} · state <code>{escape(about.state)}</code>
 · this process started {ago(now - about.started)}</p>
<nav aria-label="Service">
<ul>
<li><a href="/metrics">Metrics</a></li>
<li><a href="/internal/metrics">Internal metrics</a></li>
<li><a href="/openapi.json">API description</a></li>
<li><a href="/readyz">Readiness</a></li>
</ul>
</nav>
</header>
<main id="main" tabindex="-1">
<section aria-labelledby="service">
<h2 id="service">Service</h2>
<ul class="plain">{status}</ul>
</section>
<section aria-labelledby="repositories">
<h2 id="repositories">Repositories</h2>
{repositories}
</section>
<section aria-labelledby="connect">
<h2 id="connect">Connect a repository</h2>
{steps if begin else f"<details><summary>Show the steps</summary>{steps}</details>"}
</section>
</main>
</body>
</html>
"""


def locked(reached: Reached) -> str:
    """Return what is said instead to who did not show the token."""
    curl = f'curl -H "Authorization: Bearer $DORA_METRICS_TOKEN" {reached.base}/ > dora.html'
    return f"""<p>Details want the token of <code>DORA_METRICS_TOKEN</code> as a bearer token:</p>
<pre tabindex="0"><code>{escape(curl)}</code></pre>"""


def repositories(listing: Listing, about: About, *, now: Instant) -> str:
    """Return what is known of the repositories that are shown."""
    wanted = listing.wanted
    if not listing.known:
        return "<p>Nothing has arrived yet. The steps below connect a repository.</p>"
    shown = "".join(
        _repository(one, about, number=number, now=now) for number, one in enumerate(listing.shown, start=listing.first)
    )
    if wanted.repository is not None:
        missing = f"<p>Nothing is known of {name(wanted.repository)}.</p>"
        return f'<p><a href="/">All repositories</a></p>{shown or missing}'
    return f"{_search(wanted)}{_place(listing)}{shown}{_pages(listing)}"


def _search(wanted: Wanted) -> str:
    return f"""<form method="get" action="/" role="search">
<label for="q">Name contains</label>
<input id="q" name="q" type="search" value="{escape(wanted.search)}" maxlength="200">
<button type="submit">Search</button>
</form>"""


def _place(listing: Listing) -> str:
    of = f"of {listing.known:,}" if listing.found == listing.known else f"of {listing.found:,} found"
    if not listing.shown:
        return '<p>No repository has a name like that. <a href="/">Show all.</a></p>'
    last = listing.first + len(listing.shown) - 1
    return f'<p class="soft">{listing.first:,} to {last:,} {of}, those that moved last first.</p>'


def _pages(listing: Listing) -> str:
    if listing.pages == 1:
        return ""
    links = [
        f'<li><a href="/?{_query(listing.wanted, page)}" rel="{rel}">{word}</a></li>'
        for word, rel, page in (("Newer", "prev", listing.page - 1), ("Older", "next", listing.page + 1))
        if 1 <= page <= listing.pages
    ]
    here = f"<li>Page {listing.page:,} of {listing.pages:,}</li>"
    return f'<nav aria-label="Pages"><ul>{here}{"".join(links)}</ul></nav>'


def _query(wanted: Wanted, page: int) -> str:
    parameters = {"q": wanted.search, "page": page} if wanted.search else {"page": page}
    return escape(urlencode(parameters))


def _repository(shown: Shown, about: About, *, number: int, now: Instant) -> str:
    measured = "" if shown.standing is None else _measured(shown.standing)
    return f"""<article aria-labelledby="r{number}">
<h3 id="r{number}">{name(shown.repository)}</h3>
<p>{_last_event(shown.sighting, about, now)}</p>
{_table(shown, now) if shown.chains else ""}
{measured}
{_advice(shown.advice)}
</article>
"""


def _last_event(sighting: Sighting | None, about: About, now: Instant) -> str:
    if sighting is None:
        others = " Another replica may have taken some." if about.shared else ""
        return f"No event since this process started.{others}" + (
            " What is below, the state remembers; which events arrived before, it does not." if about.lasting else ""
        )
    outcome = sighting.outcome.status.value
    if sighting.outcome.reason is not None:
        outcome += f" ({sighting.outcome.reason})"
    door = "webhook" if sighting.source == webhooks.SOURCE else "API"
    here = " of this replica" if about.shared else ""
    at = moment(sighting.at, now)
    return f"Last event{here}: <code>{escape(sighting.type)}</code> by {door}, {escape(outcome)}, {at}."


def _table(shown: Shown, now: Instant) -> str:
    rows = "".join(_row(chain, now) for chain in shown.chains)
    more = ""
    if shown.left_out:
        query = escape(urlencode({"repository": shown.repository}))
        more = f'<p><a href="/?{query}">{shown.left_out:,} more of {name(shown.repository)}</a></p>'
    # The roles are a table's own. They are said because a narrow window shows rows as blocks, and browsers then forget.
    return f"""<table role="table">
<caption>Deployments of {name(shown.repository)}</caption>
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Environment</th>
<th scope="col" role="columnheader">{_LAST}</th><th scope="col" role="columnheader">{_DEPLOYMENTS}</th>
<th scope="col" role="columnheader">{_CHANGES}</th></tr></thead>
<tbody role="rowgroup">{rows}</tbody>
</table>{more}"""


_LAST = "Last success"
_DEPLOYMENTS = "Deployments"
_CHANGES = "Changes measured"


def _row(chain: ChainStanding, now: Instant) -> str:
    service = f' <span class="soft">/ {name(chain.service)}</span>' if chain.service else ""
    last = "none" if chain.last_success is None else moment(chain.last_success, now)
    deployments = f"{chain.successes:,}"
    if chain.failures:
        deployments += f' succeeded, <span class="bad">{chain.failures:,} failed</span>'
    changes = [f"{chain.lead_times:,}"]
    if chain.pending:
        changes.append(f'<span class="waiting">{chain.pending:,} pending</span>')
    if unknown := sum(chain.unknown.values()):
        harmless = chain.unknown.keys() <= HARMLESS
        changes.append(f'<span class="{"soft" if harmless else "bad"}">{counted(unknown, "deployment")} unknown</span>')
    cells = "".join(
        f'<td role="cell" data-column="{column}">{cell}</td>'
        for column, cell in ((_LAST, last), (_DEPLOYMENTS, deployments), (_CHANGES, ", ".join(changes)))
    )
    return f'<tr role="row"><th scope="row" role="rowheader">{name(chain.environment)}{service}</th>{cells}</tr>'


def _measured(standing: Standing) -> str:
    """Return what there are figures of, over all environments."""
    chains = standing.chains
    figures = (
        (sum(chain.successes + chain.failures for chain in chains), "deployment"),
        (standing.merged, "merged pull request"),
        (sum(chain.lead_times for chain in chains), "change lead time"),
        (sum(chain.commit_lead_times for chain in chains), "lead time from the first commit"),
        (sum(chain.change_failures for chain in chains), "failed change"),
        (sum(chain.recoveries for chain in chains), "recovery time"),
        (sum(chain.rework for chain in chains), "rework deployment"),
        (sum(chain.incidents for chain in chains), "incident"),
    )
    words = [_figure(count, thing) for count, thing in figures if count]
    if not words:
        return '<p><span class="kind good">Measured:</span> nothing yet; all its series stand at 0.</p>'
    still = sum(chain.open_failures for chain in chains)
    rest = f' <span class="bad">{counted(still, "failure")} not recovered yet.</span>' if still else ""
    return f'<p><span class="kind good">Measured:</span> {", ".join(words)}.{rest}</p>'


def _figure(count: int, thing: str) -> str:
    if thing == "lead time from the first commit" and count != 1:
        return f"{count:,} lead times from the first commit"
    return counted(count, thing)


def _advice(advice: Iterable[Advice]) -> str:
    """Return what is missing; what is only good to know is folded away."""
    told = list(advice)
    notes = [one for one in told if one.kind is Kind.NOTE]
    shown = _items(one for one in told if one.kind is not Kind.NOTE)
    return shown + (
        f"<details><summary>{counted(len(notes), 'note')}</summary>{_items(notes)}</details>" if notes else ""
    )


def _items(advice: Iterable[Advice]) -> str:
    items = "".join(
        f'<li><span class="kind {one.kind}">{one.kind.capitalize()}:</span> {marked(one.what)} '
        f'<span class="soft">{marked(one.remedy)}</span></li>'
        for one in advice
    )
    return f'<ul class="plain">{items}</ul>' if items else ""
