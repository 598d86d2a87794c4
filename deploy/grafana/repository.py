"""The dashboard *One repository*: its chains side by side, its failures by cause, its changes one by one."""

from __future__ import annotations

from deploy.grafana import measures as m
from deploy.grafana.panels import (
    CHAIN,
    CHAINS,
    FAIR,
    GOOD,
    NEUTRAL,
    POOR,
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
    now,
    rows,
    steps,
    window,
)

LEAD, COMMIT, RECOVERY = "dora_lead_time_seconds", "dora_commit_lead_time_seconds", "dora_recovery_time_seconds"
HERE = "{{environment}} {{service}}"


def one_repository() -> Json:
    """Return the dashboard."""
    return dashboard(
        "dora-repository",
        "One repository",
        "A repository's environments and services side by side: what was deployed, how long changes took, "
        "what failed and "
        "why, and the single changes behind the numbers.",
        [
            datasource(),
            labels_of("repository", "Repository", "label_values(dora_deployments_total, repository)", many=False),
            labels_of(
                "environment",
                "Environment",
                'label_values(dora_deployments_total{repository=~"$repository"}, environment)',
                many=True,
            ),
            labels_of(
                "service",
                "Service",
                'label_values(dora_deployments_total{repository=~"$repository", environment=~"$environment"}, service)',
                many=True,
            ),
            window(),
        ],
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
        m.columns(),
        labels=[("environment", "Environment"), ("service", "Service"), ("repository", "Repository")],
        height=7,
    )


def _changes() -> list[Json]:
    return [
        lines(
            "Deployments in the last day",
            "By how they ended; each point looks back over 24 hours.",
            [
                Query(
                    f"sum by (environment, service, result) ({CHAIN}_result:dora_deployments:increase1d{{{CHAINS}}})",
                    f"{HERE} {{{{result}}}}",
                )
            ],
            unit="short",
            decimals=0,
        ),
        lines(
            "Single changes, by lead time",
            "A dot for each change of which Prometheus keeps an exemplar "
            "(--enable-feature=exemplar-storage): its lead time "
            "from merge, its commit and its deployment. The other points: the slowest change of the moment, "
            "rounded up to "
            "its bucket's edge.",
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
        lines(
            "Lead time from merge",
            "Median, and from ten changes on the 90th percentile. Each point looks back over $window.",
            [
                Query(m.recorded(LEAD, "p50_increase"), f"{HERE} median"),
                Query(m.recorded(LEAD, "p90_increase"), f"{HERE} p90"),
            ],
            unit="s",
        ),
        lines(
            "Lead time from first commit",
            "Median, and from ten changes on the 90th percentile. Each point looks back over $window.",
            [
                Query(m.recorded(COMMIT, "p50_increase"), f"{HERE} median"),
                Query(m.recorded(COMMIT, "p90_increase"), f"{HERE} p90"),
            ],
            unit="s",
        ),
        _shares("Live within, from merge", LEAD),
        _shares("Live within, from first commit", COMMIT),
    ]


def _shares(title: str, family: str) -> Json:
    return figures(
        title,
        "The share of the window's changes that were live within an hour, a day, a week. Exact: those are "
        "buckets' edges. "
        "Of all environments and services that are chosen.",
        [
            now(m.share(family, m.HOUR), "an hour"),
            now(m.share(family, m.DAY), "a day"),
            now(m.share(family, m.WEEK), "a week"),
            now(f"sum({m.observed(family)})", "changes"),
        ],
        unit="percentunit",
        decimals=0,
        width=12,
        height=6,
        looks=[None, None, None, m.COUNT],
    )


def _failures() -> list[Json]:
    return [
        figures(
            "Open failures",
            "Failures that have not ended.",
            [now(f"sum(max by (repository, environment, service) (dora_open_failures{{{CHAINS}}}))")],
            unit="short",
            decimals=0,
            height=8,
            thresholds=steps((None, GOOD), (1, POOR)),
        ),
        lines(
            "Failures by cause",
            "Failed deployments, by the first evidence; each point looks back over $window. "
            "deployment_failed is an attempt "
            "that did not reach users: DORA's rate leaves it out.",
            [Query(f"sum by (cause) ({m.ALL_FAILURES})", "{{cause}}")],
            unit="short",
            decimals=0,
            width=10,
            stacked=True,
        ),
        lines(
            "Change failure rate",
            "As DORA words it, and of every cause over every attempt. No line where nothing was deployed.",
            [
                Query(m.recorded("dora_change_failures_per_deployments", "ratio_increase"), HERE),
                Query(
                    m.recorded("dora_all_change_failures_per_deployments", "ratio_increase"),
                    f"{HERE} every cause",
                ),
            ],
            unit="percentunit",
            width=10,
        ),
        lines(
            "Recovery time, median",
            "No line where no failure ended in the window.",
            [Query(m.recorded(RECOVERY, "p50_increase"), HERE)],
            unit="s",
            width=8,
        ),
        lines(
            "Rework rate",
            "Rollbacks, reverts and hotfixes among the successful deployments.",
            [Query(m.recorded("dora_rework_deployments_per_deployments", "ratio_increase"), HERE)],
            unit="percentunit",
            width=8,
        ),
        lines(
            "Incidents",
            "Opened and resolved, whether a deployment can be held against them or not. Each point looks "
            "back over $window.",
            [Query(f"sum by (state) ({m.recorded('dora_incidents', 'increase', extra='_state')})", "{{state}}")],
            unit="short",
            decimals=0,
            width=8,
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
            "From opening a pull request to merging it: the part before the lead time from merge.",
            [
                Query(f'{waited}:p50_increase$window{{repository=~"$repository"}}', "median"),
                Query(f'{waited}:p90_increase$window{{repository=~"$repository"}}', "p90"),
            ],
            unit="s",
            width=12,
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
