"""The dashboard *DORA overview*: the five metrics of what is chosen, their course, and a table of repositories."""

from __future__ import annotations

from deploy.grafana import measures as m
from deploy.grafana.panels import (
    CHAINS,
    FAIR,
    GOOD,
    NEUTRAL,
    POOR,
    Json,
    Look,
    Query,
    Row,
    dashboard,
    datasource,
    figures,
    labels_of,
    lines,
    link,
    now,
    rows,
    steps,
    window,
)

LEAD, COMMIT, RECOVERY = "dora_lead_time_seconds", "dora_commit_lead_time_seconds", "dora_recovery_time_seconds"
BY_CHAIN = "{{repository}} {{service}}"

BAND = Look(mappings=m.TIME_BANDS)
SCORE = Look(unit="suffix: of 10", decimals=1)


def overview() -> Json:
    """Return the dashboard."""
    return dashboard(
        "dora-overview",
        "DORA overview",
        "DORA's five metrics. DORA measures one application at a time: choose a repository (and a service) for figures "
        "that mean something; of several they are a blend. Times come from the facts, counts from when they arrived.",
        [
            datasource(),
            labels_of(
                "environment",
                "Environment",
                "label_values(dora_deployments_total, environment)",
                many=False,
                first="production",
            ),
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
            Row("", _context()),
            Row("The five metrics over $window", _five()),
            Row("Repositories", [_table()]),
            _course(),
        ],
        since="now-30d",
    )


def _context() -> list[Json]:
    return [
        figures(
            "Chains in the figures",
            "How many applications (repository and service) the figures below add up. DORA measures one at a "
            "time and warns "
            "of comparing or blending unlike ones: choose one above.",
            [now(f"count({m.recorded('dora_deployments_per_day', 'increase')})")],
            unit="short",
            decimals=0,
            height=3,
            thresholds=steps((None, GOOD), (2, FAIR)),
        ),
        figures(
            "Measured deployments",
            "Coverage: the share of successful deployments in the window of which no change is unknown. What "
            "is missing, "
            "and why, is in the dashboard *Is the data good?*.",
            [now(f"clamp_min(1 - {m.divided(m.UNKNOWN, m.SUCCESSES)}, 0)")],
            unit="percentunit",
            decimals=0,
            height=3,
            thresholds=steps((None, POOR), (0.8, FAIR), (0.95, GOOD)),
            no_value="no deployment",
        ),
        figures(
            "Look-ups pending",
            "Deployments whose changes are still to be measured: they wait for GitHub or for a missing "
            "delivery. The lead "
            "times will still gain from them.",
            [now(f"sum(max by (repository, environment, service) (dora_pending_lookups{{{CHAINS}}}))")],
            unit="short",
            decimals=0,
            height=3,
            thresholds=steps((None, GOOD), (1, FAIR)),
        ),
        figures(
            "Open failures",
            "Failures that have not ended. They are in no recovery time yet.",
            [now(f"sum(max by (repository, environment, service) (dora_open_failures{{{CHAINS}}}))")],
            unit="short",
            decimals=0,
            height=3,
            thresholds=steps((None, GOOD), (1, POOR)),
        ),
        figures(
            "Last deployment",
            "The latest success of what is chosen, by the sender's time.",
            [now(f"1000 * max(dora_last_deployment_timestamp_seconds{{{CHAINS}}})")],
            unit="dateTimeFromNow",
            height=3,
            no_value="none yet",
        ),
        figures(
            "Days of data",
            "For how much of the window the oldest of the chosen chains has been scraped, to ten minutes. A "
            "frequency is "
            "divided by the whole window all the same: before it is full, it is too low.",
            [
                now(
                    "(time() - min(min_over_time(timestamp("
                    f'dora_deployments_total{{{CHAINS}, result="success"}})[$window:10m]))) / 86400'
                )
            ],
            unit="suffix: days",
            decimals=1,
            height=3,
            no_value="minutes",
        ),
    ]


def _five() -> list[Json]:
    height = 7
    return [
        figures(
            "Deployment frequency",
            "Successful deployments. Band: of the six answers of DORA's Quick Check, 6 the best; at least "
            "daily, weekly, "
            "monthly. That a team deploys *on demand* cannot be seen in a count.",
            [
                now(f"sum({m.PER_WEEK})", "pace"),
                now(f"sum({m.recorded('dora_deployments_per_day', 'increase')})", "band"),
                now(f"sum({m.SUCCESSES})", "deployments"),
            ],
            unit="suffix: / week",
            decimals=1,
            height=height,
            looks=[None, Look(mappings=m.FREQUENCY_BANDS), m.COUNT],
        ),
        _time(
            "Lead time, from merge",
            "From landing on the tracked branch to the first successful deployment that contains it, one observation a "
            "change. The median is interpolated within a bucket; the band it falls into is exact.",
            LEAD,
            "changes",
            height,
        ),
        _time(
            "Lead time, from first commit",
            "The same changes, from the author date of their first commit: DORA's *from committed to version control*. "
            "Where that date cannot be known (a squash merge, without a token) the change is missing here.",
            COMMIT,
            "changes",
            height,
        ),
        figures(
            "Change failure rate",
            "As DORA words it: deployments that reached users and then needed intervention (rollback, revert, hotfix, "
            "incident, report) over successful deployments. Beside it every cause, failed attempts included, "
            "over every "
            "attempt. A window counts failures when they are found out. Score: DORA's Quick Check has no "
            "bands here, it takes "
            "10 - 10 x rate.",
            [
                now(m.divided(m.FAILURES, m.SUCCESSES), "rate"),
                now(f"clamp_min(10 - 10 * {m.divided(m.FAILURES, m.SUCCESSES)}, 0)", "score"),
                now(m.divided(m.ALL_FAILURES, m.ATTEMPTS), "every cause"),
                now(f"sum({m.FAILURES})", "failures"),
                now(f"sum({m.SUCCESSES})", "deployments"),
            ],
            unit="percentunit",
            decimals=1,
            height=height,
            looks=[None, SCORE, None, m.COUNT, m.COUNT],
            no_value="no deployment",
        ),
        _time(
            "Recovery time",
            "From the beginning of a failure to its end, one observation a failure that ended. What has not "
            "ended is not in "
            "it: see the open failures.",
            RECOVERY,
            "recoveries",
            height,
        ),
        figures(
            "Rework rate",
            "Successful deployments that were unplanned: a rollback, a revert of what had been deployed, a "
            "hotfix. Score: "
            "10 - 10 x rate, as DORA's Quick Check has it.",
            [
                now(m.divided(m.REWORK, m.SUCCESSES), "rate"),
                now(f"clamp_min(10 - 10 * {m.divided(m.REWORK, m.SUCCESSES)}, 0)", "score"),
                now(f"sum({m.REWORK})", "rework"),
                now(f"sum({m.SUCCESSES})", "deployments"),
            ],
            unit="percentunit",
            decimals=1,
            height=height,
            looks=[None, SCORE, m.COUNT, m.COUNT],
            no_value="no deployment",
        ),
    ]


def _time(title: str, says: str, family: str, observations: str, height: int) -> Json:
    return figures(
        title,
        f"{says} Band: of the six answers of DORA's Quick Check, 6 the best. p90 is shown from "
        f"{m.MANY_CHANGES} observations on.",
        [
            now(m.ranked(family, 0.5, 1), "median"),
            now(m.ranked(family, 0.5, 1), "band"),
            now(m.ranked(family, 0.9, m.MANY_CHANGES), "p90"),
            now(f"sum({m.observed(family)})", observations),
        ],
        unit="s",
        decimals=1,
        height=height,
        thresholds=m.TIME_COLORS,
        looks=[None, BAND, None, Look(unit="short", decimals=0, thresholds=steps((None, NEUTRAL)))],
    )


def _table() -> Json:
    return rows(
        "Repositories",
        "Each chain by itself, over $window. A dash: nothing was observed, which is not 0. The two columns "
        "of changes count "
        "what stands behind the medians before them; p90 needs ten changes. Order is no ranking.",
        m.columns(),
        labels=[("repository", "Repository"), ("environment", "Environment"), ("service", "Service")],
        label_looks=link(
            "Repository",
            "This repository",
            "/d/dora-repository?var-repository=${__value.raw}&${datasource:queryparam}&${window:queryparam}",
        ),
    )


def _course() -> Row:
    return Row(
        "Course: each point looks back over $window",
        [
            lines(
                "Deployments a week",
                "Successful deployments, each chain by itself.",
                [Query(m.PER_WEEK, BY_CHAIN)],
                unit="short",
            ),
            lines(
                "Lead time from merge, median",
                "No line where no change was observed. Ten observations say more than two: see the counts in "
                "the table.",
                [Query(m.recorded(LEAD, "p50_increase"), BY_CHAIN)],
                unit="s",
            ),
            lines(
                "Lead time from first commit, median",
                "No line where no first commit is known.",
                [Query(m.recorded(COMMIT, "p50_increase"), BY_CHAIN)],
                unit="s",
            ),
            lines(
                "Failure rate over time",
                "As DORA words it. No line where nothing was deployed.",
                [Query(m.recorded("dora_change_failures_per_deployments", "ratio_increase"), BY_CHAIN)],
                unit="percentunit",
            ),
            lines(
                "Recovery time, median",
                "No line where no failure ended.",
                [Query(m.recorded(RECOVERY, "p50_increase"), BY_CHAIN)],
                unit="s",
            ),
            lines(
                "Rework rate over time",
                "No line where nothing was deployed.",
                [Query(m.recorded("dora_rework_deployments_per_deployments", "ratio_increase"), BY_CHAIN)],
                unit="percentunit",
            ),
        ],
    )
