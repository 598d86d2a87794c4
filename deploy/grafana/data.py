"""The dashboard *Is the data good?*: whether the other two can be believed."""

from __future__ import annotations

from deploy.grafana import measures as m
from deploy.grafana.panels import (
    BAD,
    CHAINS,
    FAIR,
    GOOD,
    NEUTRAL,
    POOR,
    Band,
    Column,
    Json,
    Look,
    Query,
    Row,
    dashboard,
    datasource,
    figures,
    labels_of,
    lines,
    named,
    now,
    rows,
    steps,
    window,
)

CHAIN_LABELS = "repository, environment, service"
REPOSITORY = 'repository=~"$repository"'

REMEDIES = {
    "first_deployment": "nothing to do: the next deployment has a predecessor",
    "history_rewritten": "nothing to do: the commit deployed before was force-pushed away",
    "too_many_commits": "deploy more often, or raise DORA_MAX_COMMITS",
    "not_found": "send full commit SHAs that GitHub knows",
    "no_token": "a delivery was missed: check the webhook, or give the service a token",
    "github_refused": "give the token access: the log names the permission",
}
"""For each reason of `dora_lead_time_unknown_total`, what helps."""


def is_the_data_good() -> Json:
    """Return the dashboard."""
    return dashboard(
        "dora-data",
        "Is the data good?",
        "What is measured and what is missing, why, and what helps; what comes in and what is refused; "
        "GitHub's budget.",
        [
            datasource(),
            labels_of("environment", "Environment", "label_values(dora_deployments_total, environment)", many=True),
            labels_of(
                "repository",
                "Repository",
                'label_values(dora_deployments_total{environment=~"$environment"}, repository)',
                many=True,
            ),
            labels_of(
                "service",
                "Service",
                'label_values(dora_deployments_total{environment=~"$environment", repository=~"$repository"}, service)',
                many=True,
            ),
            window(),
        ],
        [
            Row("", _glance()),
            Row("What is measured, over $window", _coverage()),
            Row("What comes in", _incoming()),
            Row("GitHub's API", _github()),
            Row("The process", _process()),
        ],
        since="now-24h",
    )


def _glance() -> list[Json]:
    return [
        figures(
            "Scraped",
            "Whether Prometheus reaches the service at this moment.",
            [now('min(up{job=~"dora|dora-internal"})')],
            unit="none",
            height=3,
            thresholds=steps((None, BAD), (1, GOOD)),
            looks=[Look(mappings=(Band("down", most=0, color=BAD), Band("up", least=1, color=GOOD)))],
        ),
        figures(
            "Accepts events",
            "Whether /readyz says so: the state is restored and can be written.",
            [now("min(dora_ready)")],
            unit="none",
            height=3,
            thresholds=steps((None, BAD), (1, GOOD)),
            looks=[Look(mappings=(Band("no", most=0, color=BAD), Band("yes", least=1, color=GOOD)))],
        ),
        figures(
            "Measured deployments",
            "Coverage: the share of the window's successful deployments of which no change is unknown.",
            [now(f"clamp_min(1 - {m.divided(m.UNKNOWN, m.SUCCESSES)}, 0)")],
            unit="percentunit",
            decimals=0,
            height=3,
            thresholds=steps((None, POOR), (0.8, FAIR), (0.95, GOOD)),
            no_value="no deployment",
        ),
        figures(
            "Look-ups pending",
            "Deployments whose changes wait for GitHub or for a missing delivery.",
            [now(f"sum(max by ({CHAIN_LABELS}) (dora_pending_lookups{{{CHAINS}}}))")],
            unit="short",
            decimals=0,
            height=3,
            thresholds=steps((None, GOOD), (1, FAIR)),
        ),
        figures(
            "Refused in a day",
            "Deliveries and pushed events that were refused in the last 24 hours.",
            [now("sum(round(increase(dora_rejected_deliveries_total[1d])))")],
            unit="short",
            decimals=0,
            height=3,
            thresholds=steps((None, GOOD), (1, FAIR)),
        ),
        figures(
            "Counters begun again",
            "How often a counter fell back to 0 within the window: a restart without state. What happened in "
            "between is "
            "missing.",
            [now("max(resets(dora_deployments_total[$window]))")],
            unit="short",
            decimals=0,
            height=3,
            thresholds=steps((None, GOOD), (1, FAIR)),
        ),
    ]


def _coverage() -> list[Json]:
    share = m.recorded("dora_measured_deployments_per_deployments", "ratio_increase")
    return [
        rows(
            "Coverage",
            "Each chain: its successful deployments, how many of them are fully measured, how many wait, "
            "since when it is "
            "scraped (to ten minutes), and when it was last deployed.",
            [
                Column("Deployed", named(f"sum by ({CHAIN_LABELS}) ({m.SUCCESSES})"), m.COUNT),
                Column(
                    "Measured",
                    named(share),
                    Look(unit="percentunit", decimals=0, thresholds=steps((None, POOR), (0.8, FAIR), (0.95, GOOD))),
                ),
                Column("Changes", named(m.observed("dora_lead_time_seconds")), m.COUNT),
                Column("With first commit", named(m.observed("dora_commit_lead_time_seconds")), m.COUNT),
                Column(
                    "Pending",
                    named(f"max by ({CHAIN_LABELS}) (dora_pending_lookups{{{CHAINS}}})"),
                    Look(unit="short", decimals=0, thresholds=steps((None, NEUTRAL), (1, FAIR))),
                ),
                Column(
                    "Scraped since",
                    named(
                        f"1000 * min by ({CHAIN_LABELS}) (min_over_time(timestamp("
                        f'dora_deployments_total{{{CHAINS}, result="success"}})[$window:10m]))'
                    ),
                    Look(unit="dateTimeFromNow"),
                ),
                Column(
                    "Last deployment",
                    named(f"1000 * max by ({CHAIN_LABELS}) (dora_last_deployment_timestamp_seconds{{{CHAINS}}})"),
                    Look(unit="dateTimeFromNow"),
                ),
            ],
            labels=[("repository", "Repository"), ("environment", "Environment"), ("service", "Service")],
            height=9,
        ),
        rows(
            "Unknown, and what helps",
            "Deployments of the window whose changes could not be measured, or not all, by reason. Empty: none.",
            [
                Column(
                    "Deployments",
                    f"sum by (repository, environment, reason) ({m.UNKNOWN}) > 0",
                    Look(unit="short", decimals=0, thresholds=steps((None, FAIR))),
                    110,
                )
            ],
            labels=[("repository", "Repository"), ("environment", "Environment"), ("reason", "Reason")],
            label_looks={
                "Reason": [
                    {
                        "id": "mappings",
                        "value": [
                            {
                                "type": "value",
                                "options": {
                                    reason: {"text": f"{reason}: {remedy}", "index": index}
                                    for index, (reason, remedy) in enumerate(REMEDIES.items())
                                },
                            }
                        ],
                    }
                ]
            },
            width=12,
            height=8,
            empty="nothing is unknown",
        ),
        lines(
            "Unknown by reason",
            "Each point looks back over $window.",
            [Query(f"sum by (reason) ({m.UNKNOWN})", "{{reason}}")],
            unit="short",
            decimals=0,
            width=6,
            stacked=True,
        ),
        lines(
            "Look-ups pending over time",
            "A line that does not come down: GitHub does not answer, or a delivery is missing.",
            [
                Query(
                    f"max by ({CHAIN_LABELS}) (dora_pending_lookups{{{CHAINS}}})",
                    "{{repository}} {{environment}} {{service}}",
                )
            ],
            unit="short",
            decimals=0,
            width=6,
        ),
    ]


def _incoming() -> list[Json]:
    return [
        lines(
            "Events in the last hour, by outcome",
            "Genuine events of watched repositories. counted: a number stepped or a look-up began. stored: "
            "kept for later. "
            "duplicate: known already. ignored: of no interest.",
            [
                Query(
                    f"sum by (outcome) (round(increase(dora_events_total{{{REPOSITORY}}}[1h])))",
                    "{{outcome}}",
                )
            ],
            unit="short",
            decimals=0,
            stacked=True,
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
                Column(outcome.capitalize(), _events(outcome), m.COUNT, 100)
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
                    m.COUNT,
                ),
                Column("Deployed", f"sum by (repository) ({m.SUCCESSES})", m.COUNT),
            ],
            labels=[("repository", "Repository")],
            width=8,
            height=10,
        ),
    ]


def _events(outcome: str) -> str:
    return f'sum by (repository, source, type) (dora_events_total{{{REPOSITORY}, outcome="{outcome}"}})'


def _github() -> list[Json]:
    return [
        lines(
            "Requests in the last hour, by status",
            "What GitHub answered to the service's questions. Nothing without a token.",
            [Query("sum by (status) (round(increase(dora_github_requests_total[1h])))", "{{status}}")],
            unit="short",
            decimals=0,
            width=8,
            stacked=True,
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
        ),
        lines(
            "Oldest question",
            "How long the oldest look-up has waited for GitHub's answer. It comes down within a minute of "
            "GitHub's recovery.",
            [Query("max by (instance) (dora_oldest_question_age_seconds)", "{{instance}}")],
            unit="s",
            width=8,
        ),
    ]


def _process() -> list[Json]:
    return [
        lines(
            "Answered requests, by status",
            "Requests a second at both doors.",
            [
                Query(
                    "sum by (route, status) (rate(dora_http_requests_total"
                    '{route=~"/webhooks/github|/api/event"}[$__rate_interval]))',
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
                    "histogram_quantile(0.99, sum by (route, le) (rate(dora_http_request_duration_seconds_bucket"
                    '{route=~"/webhooks/github|/api/event"}[$__rate_interval])))',
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
