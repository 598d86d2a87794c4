"""The traffic that *Is the data good?* shows: what comes in, what GitHub is asked, how the process fares.

All of it is of the process and not of the state: it begins at 0 with it.
"""

from __future__ import annotations

from deploy.grafana.looks import COUNT, colored
from deploy.grafana.measures import SUCCESSES
from deploy.grafana.model import Json, Query
from deploy.grafana.panels import Column, lines, rows

REPOSITORY = 'repository=~"$repository"'
NOT_ASKED = "GitHub was not asked"
DOORS = 'route=~"/webhooks/github|/api/event"'


def incoming() -> list[Json]:
    """Return the panels of events and refusals, at both doors."""
    return [
        lines(
            "Events in the last hour, by outcome",
            "Genuine events of watched repositories. counted: a number stepped or a look-up began. stored: kept for "
            "later. duplicate: known already. ignored: of no interest.",
            [
                Query(
                    f"sum by (outcome) (round(increase(dora_events_total{{{REPOSITORY}}}[1h])))",
                    "{{outcome}}",
                )
            ],
            unit="short",
            decimals=0,
            stacked=True,
            colors=colored({"counted": "green", "stored": "blue", "duplicate": "purple", "ignored": "text"}),
        ),
        lines(
            "Refused in the last hour, by reason",
            "Deliveries and pushed events that were not taken. GitHub does not repeat them by itself.",
            [
                Query(
                    "sum by (reason) (round(increase(dora_rejected_deliveries_total[1h])))",
                    "{{reason}}",
                )
            ],
            unit="short",
            decimals=0,
            stacked=True,
        ),
        rows(
            "What each repository has sent",
            "Events since the process started, by type and outcome.",
            [
                Column(outcome.capitalize(), _events(outcome), COUNT, 100)
                for outcome in ("counted", "stored", "duplicate", "ignored")
            ],
            labels=[("repository", "Repository"), ("source", "Door"), ("type", "Type")],
            width=16,
            height=10,
        ),
        rows(
            "Merged and deployed",
            "Pull requests merged in the window, beside deployments (all environments together). Merges without "
            "deployments: nobody tells of the deployments.",
            [
                Column(
                    "Merged",
                    f"sum by (repository) (repository:dora_changes_merged:increase$window{{{REPOSITORY}}})",
                    COUNT,
                ),
                Column("Deployed", f"sum by (repository) ({SUCCESSES})", COUNT),
            ],
            labels=[("repository", "Repository")],
            width=8,
            height=10,
        ),
    ]


def _events(outcome: str) -> str:
    return f'sum by (repository, source, type) (dora_events_total{{{REPOSITORY}, outcome="{outcome}"}})'


def github() -> list[Json]:
    """Return the panels of the requests to GitHub's API and of its budget."""
    return [
        lines(
            "Requests in the last hour, by status",
            "What GitHub answered to the service's questions. Nothing without a token.",
            [Query("sum by (status) (round(increase(dora_github_requests_total[1h])))", "{{status}}")],
            unit="short",
            decimals=0,
            width=8,
            stacked=True,
            no_value=NOT_ASKED,
        ),
        lines(
            "Requests left in GitHub's hour",
            "Of the primary rate limit, as GitHub told last. The service stops at a tenth and waits for the next hour. "
            "Nothing without a token.",
            [
                Query(
                    "min by (resource) (dora_github_rate_limit_remaining)",
                    "{{resource}} left",
                ),
                Query(
                    "max by (resource) (dora_github_rate_limit)",
                    "{{resource}} limit",
                ),
            ],
            unit="short",
            decimals=0,
            width=8,
            no_value=NOT_ASKED,
        ),
        lines(
            "Oldest question",
            "How long the oldest look-up has waited for GitHub's answer. It comes down within a minute of GitHub's "
            "recovery.",
            [Query("max by (instance) (dora_oldest_question_age_seconds)", "{{instance}}")],
            unit="s",
            width=8,
        ),
    ]


def process() -> list[Json]:
    """Return the panels of the process: load, slowness, waiting."""
    return [
        lines(
            "Answered requests, by status",
            "Requests a second at both doors.",
            [
                Query(
                    f"sum by (route, status) (rate(dora_http_requests_total{{{DOORS}}}[$__rate_interval]))",
                    "{{route}} {{status}}",
                )
            ],
            unit="reqps",
            width=8,
        ),
        lines(
            "Time to answer, slowest of a hundred",
            "GitHub gives up after ten seconds.",
            [
                Query(
                    "histogram_quantile(0.99, sum by (route, le) "
                    f"(rate(dora_http_request_duration_seconds_bucket{{{DOORS}}}[$__rate_interval])))",
                    "{{route}}",
                )
            ],
            unit="s",
            width=8,
        ),
        lines(
            "Waiting to be kept",
            "Events received and not yet in the state. A line that grows: the state is too slow.",
            [Query("max by (instance) (dora_queued_entries)", "{{instance}}")],
            unit="short",
            decimals=0,
            width=8,
        ),
    ]
