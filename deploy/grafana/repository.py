"""The dashboard *One repository*: its chains side by side, its failures by cause, its changes one by one."""

from __future__ import annotations

from deploy.grafana import measures as m
from deploy.grafana.dora_panels import columns, median_course, open_failures, rate_course
from deploy.grafana.looks import ASIDE, COUNT, DASHED, FAIR, NEUTRAL, Look, colored, steps
from deploy.grafana.model import Json, Query, Row, dashboard, now
from deploy.grafana.panels import Column, figures, lines, rows
from deploy.grafana.variables import CHAINS, variables

HERE = "{{environment}} {{service}}"
CAUSES = {
    "deployment_failed": "text",
    "rollback": "purple",
    "revert": "blue",
    "hotfix": "orange",
    "incident": "red",
    "reported": "yellow",
}


def one_repository() -> Json:
    """Return the dashboard."""
    return dashboard(
        "dora-repository",
        "One repository",
        "A repository's environments and services side by side: what was deployed, how long changes took, what failed "
        "and why, and the single changes behind the numbers.",
        variables("repository", "environment", "service", one="repository"),
        [
            Row("$repository over $window", [_table()]),
            Row("Deployments and changes", _changes()),
            Row("Failures", _failures()),
            Row("Before the deployment", _merging()),
        ],
        since="now-30d",
    )


def _table() -> Json:
    return rows(
        "Environments and services",
        "Each by itself. A dash: nothing was observed, which is not 0. p90 needs ten changes.",
        columns(),
        labels=[("environment", "Environment"), ("service", "Service"), ("repository", "Repository")],
        height=7,
    )


def _changes() -> list[Json]:
    in_a_day = f"{m.CHAIN}_result:dora_deployments:increase1d"
    return [
        lines(
            "Deployments in the last day",
            "By how they ended, red for attempts that failed; each point looks back over 24 hours.",
            [
                Query(f'{in_a_day}{{{CHAINS}, result="success"}}', HERE),
                Query(f'{in_a_day}{{{CHAINS}, result="failure"}}', f"{HERE} failed"),
            ],
            unit="short",
            decimals=0,
            colors=colored({"/ failed$/": "red"}),
        ),
        lines(
            "Single changes, by lead time",
            "A dot for each change of which Prometheus keeps an exemplar (--enable-feature=exemplar-storage): its lead "
            "time from merge, its commit and its deployment. The other points: the slowest change of the moment, "
            "rounded up to its bucket's edge.",
            [
                Query(
                    "histogram_quantile(1, sum by (environment, service, le) "
                    f"(increase(dora_lead_time_seconds_bucket{{{CHAINS}}}[$__rate_interval])))",
                    HERE,
                    exemplars=True,
                )
            ],
            unit="s",
            dots=True,
        ),
        median_course(
            "Lead time from merge",
            "Median, and from ten changes on the 90th percentile.",
            m.LEAD,
            HERE,
            observations="changes",
            p90=True,
            width=8,
        ),
        _shares("Live within, from merge", m.LEAD),
        median_course(
            "Lead time from first commit",
            "Median, and from ten changes on the 90th percentile.",
            m.COMMIT,
            HERE,
            observations="changes",
            p90=True,
            width=8,
        ),
        _shares("Live within, from first commit", m.COMMIT),
    ]


def _shares(title: str, family: str) -> Json:
    return figures(
        title,
        "The share of the window's changes that were live within an hour, a day, a week. Exact: those are buckets' "
        "edges. Of all environments and services that are chosen.",
        [
            now(m.share(family, m.HOUR), "an hour"),
            now(m.share(family, m.DAY), "a day"),
            now(m.share(family, m.WEEK), "a week"),
            now(f"sum({m.observed(family)})", "changes"),
        ],
        unit="percentunit",
        decimals=0,
        height=8,
        looks=[None, None, None, COUNT],
    )


def _failures() -> list[Json]:
    return [
        open_failures(8),
        lines(
            "Failures by cause",
            "Failed deployments, by the first evidence; each point looks back over $window. deployment_failed is an "
            "attempt that did not reach users: DORA's rate leaves it out.",
            [Query(f"sum by (cause) ({m.ALL_FAILURES})", "{{cause}}")],
            unit="short",
            decimals=0,
            width=10,
            stacked=True,
            colors=colored(CAUSES),
        ),
        rate_course(
            "Change failure rate",
            "As DORA words it, and of every cause over every attempt.",
            [Query(m.FAILURE_RATE, HERE), Query(m.EVERY_FAILURE_RATE, f"{HERE} every cause")],
            looks=[None, DASHED],
            width=10,
        ),
        median_course(
            "Recovery time, median",
            "No line where no failure ended in the window.",
            m.RECOVERY,
            HERE,
            observations="recoveries",
            width=8,
        ),
        rate_course(
            "Rework rate",
            "Rollbacks, reverts and hotfixes among the successful deployments.",
            [Query(m.REWORK_RATE, HERE)],
            width=8,
        ),
        lines(
            "Incidents",
            "Opened and resolved, whether a deployment can be held against them or not. Each point looks back over "
            "$window.",
            [Query(f"sum by (state) ({m.recorded('dora_incidents', 'increase', extra='_state')})", "{{state}}")],
            unit="short",
            decimals=0,
            width=8,
            colors=colored({"opened": "red", "resolved": "green"}),
        ),
    ]


def _merging() -> list[Json]:
    merged = 'repository:dora_changes_merged:increase$window{repository=~"$repository"}'
    waited = "repository:dora_time_to_merge_seconds"
    return [
        figures(
            "Pull requests merged",
            "Into a tracked branch, in the window.",
            [now(f"sum({merged})")],
            unit="short",
            decimals=0,
            height=8,
        ),
        lines(
            "Time to merge",
            "From opening a pull request to merging it: the part before the lead time from merge. Each point looks "
            "back over $window; the tooltip has how many pull requests stand behind it.",
            [
                Query(f'{waited}:p50_increase$window{{repository=~"$repository"}} / {m.HOUR}', "median"),
                Query(f'{waited}:p90_increase$window{{repository=~"$repository"}} / {m.HOUR}', "p90"),
                Query(f'{waited}_count:increase$window{{repository=~"$repository"}}', "pull requests"),
            ],
            unit="suffix: h",
            width=12,
            looks=[None, None, ASIDE],
        ),
        rows(
            "What the lead times miss",
            "Deployments of the window whose changes are unknown, by reason. Empty: none.",
            [
                Column(
                    "Deployments",
                    f"sum by (environment, service, reason) ({m.UNKNOWN}) > 0",
                    Look(unit="short", decimals=0, thresholds=steps((None, NEUTRAL), (1, FAIR))),
                )
            ],
            labels=[("environment", "Environment"), ("service", "Service"), ("reason", "Reason")],
            width=8,
            height=8,
            empty="nothing is unknown",
        ),
    ]
