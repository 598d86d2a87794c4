"""The dashboard *Is the data good?*: whether the other two can be believed."""

from __future__ import annotations

from deploy.grafana import measures as m
from deploy.grafana.dora_panels import coverage, pending
from deploy.grafana.looks import BAD, COUNT, COVERAGE, FAIR, GOOD, NEUTRAL, WARNS, Band, Look, colored, steps
from deploy.grafana.model import Json, Query, Row, dashboard, now
from deploy.grafana.panels import Column, figures, lines, named, rows
from deploy.grafana.traffic import github, incoming, process
from deploy.grafana.variables import variables

REASONS = {
    "first_deployment": "text",
    "history_rewritten": "purple",
    "too_many_commits": "yellow",
    "not_found": "orange",
    "no_token": "blue",
    "github_refused": "red",
}
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
        "What is measured and what is missing, why, and what helps; what comes in, what is refused; GitHub's budget.",
        variables("environment", "repository", "service"),
        [
            Row("", _glance()),
            Row("What is measured, over $window", _coverage()),
            Row("What comes in", incoming()),
            Row("GitHub's API", github()),
            Row("The process", process()),
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
        coverage(),
        pending(),
        figures(
            "Refused in a day",
            "Deliveries and pushed events that were refused in the last 24 hours.",
            [now("sum(round(increase(dora_rejected_deliveries_total[1d])))")],
            unit="short",
            decimals=0,
            height=3,
            thresholds=WARNS,
        ),
        figures(
            "Counters begun again",
            "How often a counter fell back to 0 within the window: a restart without state. What happened in between "
            "is missing.",
            [now("max(resets(dora_deployments_total[$window]))")],
            unit="short",
            decimals=0,
            height=3,
            thresholds=WARNS,
        ),
    ]


def _coverage() -> list[Json]:
    share = m.recorded("dora_measured_deployments_per_deployments", "ratio_increase")
    return [
        rows(
            "Coverage",
            "Each chain: its successful deployments, how many of them are fully measured, how many wait, since when it "
            "is scraped (to ten minutes), and when it was last deployed.",
            [
                Column("Deployed", named(f"sum by ({m.LABELS}) ({m.SUCCESSES})"), COUNT),
                Column("Measured", named(share), Look(unit="percentunit", decimals=0, thresholds=COVERAGE)),
                Column("Changes", named(m.observed(m.LEAD)), COUNT),
                Column("With first commit", named(m.observed(m.COMMIT)), COUNT),
                Column(
                    "Pending",
                    named(m.PENDING),
                    Look(unit="short", decimals=0, thresholds=steps((None, NEUTRAL), (1, FAIR))),
                ),
                Column(
                    "Scraped since",
                    named(f"1000 * min by ({m.LABELS}) ({m.SCRAPED_SINCE})"),
                    Look(unit="dateTimeFromNow"),
                ),
                Column("Last deployment", named(m.LAST_DEPLOYMENT), Look(unit="dateTimeFromNow")),
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
            colors=colored(REASONS),
        ),
        lines(
            "Look-ups pending over time",
            "A line that does not come down: GitHub does not answer, or a delivery is missing.",
            [Query(m.PENDING, "{{repository}} {{environment}} {{service}}")],
            unit="short",
            decimals=0,
            width=6,
        ),
    ]
