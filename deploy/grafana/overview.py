"""The dashboard *DORA overview*: the five metrics of what is chosen, their course, and a table of repositories."""

from __future__ import annotations

from deploy.grafana import measures as m
from deploy.grafana.dora_panels import columns, coverage, median_course, open_failures, pending, rate_course
from deploy.grafana.looks import COUNT, FAIR, GOOD, PLAIN, Look, steps
from deploy.grafana.model import Json, Query, Row, dashboard, now
from deploy.grafana.panels import figures, lines, link, rows
from deploy.grafana.variables import variables

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
        variables("environment", "repository", "service", one="environment", first="production"),
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
            "How many applications (repository and service) the figures below add up. DORA measures one at a time and "
            "warns of comparing or blending unlike ones: choose one above.",
            [now(f"count({m.recorded('dora_deployments_per_day', 'increase')})")],
            unit="short",
            decimals=0,
            height=3,
            thresholds=steps((None, GOOD), (2, FAIR)),
        ),
        coverage(),
        pending(),
        open_failures(3),
        figures(
            "Last deployment",
            "The latest success of what is chosen, by the sender's time.",
            [now(f"max({m.LAST_DEPLOYMENT})")],
            unit="dateTimeFromNow",
            height=3,
            no_value="none yet",
        ),
        figures(
            "Days of data",
            "For how much of the window the oldest of the chosen chains has been scraped, to ten minutes. A frequency "
            "is divided by the whole window all the same: before it is full, it is too low.",
            [now(f"(time() - min({m.SCRAPED_SINCE})) / {m.DAY}")],
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
            "Successful deployments. Band: of the six answers of DORA's Quick Check, 6 the best; at least daily, "
            "weekly, monthly. That a team deploys *on demand* cannot be seen in a count.",
            [
                now(f"sum({m.PER_WEEK})", "pace"),
                now(f"sum({m.recorded('dora_deployments_per_day', 'increase')})", "band"),
                now(f"sum({m.SUCCESSES})", "deployments"),
            ],
            unit="suffix: / week",
            decimals=1,
            height=height,
            looks=[None, Look(mappings=m.FREQUENCY_BANDS), COUNT],
        ),
        _time(
            "Lead time, from merge",
            "From landing on the tracked branch to the first successful deployment that contains it, one observation a "
            "change. The median is interpolated within a bucket; the band it falls into is exact.",
            m.LEAD,
            "changes",
            height,
        ),
        _time(
            "Lead time, from first commit",
            "The same changes, from the author date of their first commit: DORA's *from committed to version control*. "
            "Where that date cannot be known (a squash merge, without a token) the change is missing here.",
            m.COMMIT,
            "changes",
            height,
        ),
        figures(
            "Change failure rate",
            "As DORA words it: deployments that reached users and then needed intervention (rollback, revert, hotfix, "
            "incident, report) over successful deployments. Beside it every cause, failed attempts included, over "
            "every attempt. A window counts failures when they are found out. Score: DORA's Quick Check has no bands "
            "here, it takes 10 - 10 x rate.",
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
            looks=[None, SCORE, None, COUNT, COUNT],
            no_value="no deployment",
        ),
        _time(
            "Recovery time",
            "From the beginning of a failure to its end, one observation a failure that ended. What has not ended is "
            "not in it: see the open failures.",
            m.RECOVERY,
            "recoveries",
            height,
        ),
        figures(
            "Rework rate",
            "Successful deployments that were unplanned: a rollback, a revert of what had been deployed, a hotfix. "
            "Score: 10 - 10 x rate, as DORA's Quick Check has it.",
            [
                now(m.divided(m.REWORK, m.SUCCESSES), "rate"),
                now(f"clamp_min(10 - 10 * {m.divided(m.REWORK, m.SUCCESSES)}, 0)", "score"),
                now(f"sum({m.REWORK})", "rework"),
                now(f"sum({m.SUCCESSES})", "deployments"),
            ],
            unit="percentunit",
            decimals=1,
            height=height,
            looks=[None, SCORE, COUNT, COUNT],
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
        looks=[None, BAND, None, Look(unit="short", decimals=0, thresholds=PLAIN)],
    )


def _table() -> Json:
    return rows(
        "Repositories",
        "Each chain by itself, over $window. A dash: nothing was observed, which is not 0. *of changes* and *of "
        "failures* count what stands behind the medians before them; p90 needs ten changes. Order is no ranking.",
        columns(),
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
            median_course(
                "Lead time from merge, median",
                "No line where no change was observed.",
                m.LEAD,
                BY_CHAIN,
                observations="changes",
            ),
            median_course(
                "Lead time from first commit, median",
                "No line where no first commit is known.",
                m.COMMIT,
                BY_CHAIN,
                observations="changes",
            ),
            rate_course("Failure rate over time", "As DORA words it.", [Query(m.FAILURE_RATE, BY_CHAIN)]),
            median_course(
                "Recovery time, median",
                "No line where no failure ended.",
                m.RECOVERY,
                BY_CHAIN,
                observations="recoveries",
            ),
            rate_course(
                "Rework rate over time",
                "Rollbacks, reverts and hotfixes among the successful deployments.",
                [Query(m.REWORK_RATE, BY_CHAIN)],
            ),
        ],
    )
