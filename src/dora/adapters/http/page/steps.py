"""The steps that connect something to the service, with the addresses that this reader has to use."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from dora.adapters.http import events, webhooks
from dora.adapters.http.page.html import marked
from dora.domain.instant import MICROSECONDS

if TYPE_CHECKING:
    from dora.adapters.http.page.about import About
    from dora.adapters.http.page.reached import Reached
    from dora.domain.instant import Instant

_LOCAL = "GitHub cannot reach this address: give the service a name on the internet, behind something that speaks TLS."
_PLAIN = "Without TLS everybody on the way can read what GitHub sends: use an address that begins with `https://`."


def steps(reached: Reached, about: About, *, now: Instant) -> str:
    """Return how to add a webhook, and how to push an event instead."""
    hint = "" if reached.public else _LOCAL
    if reached.public and reached.base.startswith("http:"):
        hint = _PLAIN
    clients = "" if about.clients else f"<p>{marked(_NO_CLIENTS)}</p>"
    return f"""<h3>By GitHub's webhook</h3>
<ol>
<li>At GitHub, open the settings of the repository or organisation, <em>Webhooks</em>, <em>Add webhook</em>.</li>
<li>Fill in:
<dl>
<dt>Payload URL</dt><dd><code>{escape(reached.base)}{webhooks.PATH}</code>
{f'<br><span class="waiting">{marked(hint)}</span>' if hint else ""}</dd>
<dt>Content type</dt><dd><code>application/json</code></dd>
<dt>Secret</dt><dd>the value of <code>WEBHOOK_SECRET</code></dd>
<dt>SSL verification</dt><dd>enabled</dd>
<dt>Which events</dt><dd><em>Let me select individual events</em>: <em>Deployments</em>, <em>Deployment statuses</em>,
<em>Pull requests</em>, <em>Pushes</em> and, for incidents, <em>Issues</em></dd>
</dl></li>
<li>GitHub sends a <code>ping</code> at once: the repository shows here. <code>dora check owner/name</code> tells what
is still wrong.</li>
</ol>
<h3>By pushed events</h3>
<p>Whatever deploys can tell it itself; <a href="/openapi.json">the description</a> has all fields.</p>
<pre tabindex="0"><code>{escape(_curl(reached, now))}</code></pre>
{clients}"""


_NO_CLIENTS = "There are no clients yet: `DORA_API_TOKENS` names them, like `deployer:A-LONG-RANDOM-TOKEN`."


def _curl(reached: Reached, now: Instant) -> str:
    at = datetime.fromtimestamp(now // MICROSECONDS, tz=UTC)
    return f"""curl {reached.base}{events.PATH} \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{{"type": "deployment.succeeded", "repository": "owner/name", "environment": "production",
       "deployment_id": "1", "sha": "0123456789abcdef0123456789abcdef01234567",
       "occurred_at": "{at:%Y-%m-%dT%H:%M:%SZ}"}}'"""
