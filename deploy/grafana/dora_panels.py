"""What more than one of the dashboards shows, made once."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.grafana import measures as m
from deploy.grafana.looks import ASIDE, BAD, COUNT, COVERAGE, GOOD, NEUTRAL, POOR, RATE, WARNS, Look, steps
from deploy.grafana.model import Json, Query, now
from deploy.grafana.panels import Column, figures, lines, named


def coverage() -> Json:
    """Return the figure of how many deployments are fully measured."""
    return figures(
        "Measured deployments",
        "Coverage: the share of the window's successful deployments of which no change is unknown. What is missing, "
        "and why, is in the dashboard *Is the data good?*.",
        [now(f"clamp_min(1 - {m.divided(m.UNKNOWN, m.SUCCESSES)}, 0)")],
        unit="percentunit",
        decimals=0,
        height=3,
        thresholds=COVERAGE,
        no_value="no deployment",
    )


def pending() -> Json:
    """Return the figure of how many deployments wait to be measured."""
    return figures(
        "Look-ups pending",
        "Deployments whose changes are still to be measured: they wait for GitHub or for a missing delivery. The lead "
        "times will still gain from them.",
        [now(f"sum({m.PENDING})")],
        unit="short",
        decimals=0,
        height=3,
        thresholds=WARNS,
    )


def open_failures(height: int) -> Json:
    """Return the figure of how many failures have not ended."""
    return figures(
        "Open failures",
        "Failures that have not ended. They are in no recovery time yet.",
        [now(f"sum({m.OPEN_FAILURES})")],
        unit="short",
        decimals=0,
        height=height,
        thresholds=steps((None, GOOD), (1, POOR)),
    )


def median_course(  # noqa: PLR0913 - a panel is described by what it shows
    title: str, says: str, family: str, legend: str, *, observations: str, p90: bool = False, width: int = 12
) -> Json:
    """Return the chart of a duration's median in hours; how much was observed is in its tooltip."""
    values = [Query(f"{m.recorded(family, 'p50_increase')} / {m.HOUR}", legend)]
    if p90:
        values.append(Query(f"{m.recorded(family, 'p90_increase')} / {m.HOUR}", f"{legend} p90"))
    return lines(
        title,
        f"{says} Each point looks back over $window; the tooltip has how many {observations} stand behind it.",
        [*values, Query(m.observed(family), f"{legend} {observations}")],
        unit="suffix: h",
        width=width,
        looks=[*(None for _ in values), ASIDE],
    )


def rate_course(
    title: str, says: str, queries: Sequence[Query], *, looks: Sequence[Look | None] = (), width: int = 12
) -> Json:
    """Return the chart of a ratio."""
    return lines(
        title,
        f"{says} Each point looks back over $window. No line where nothing was deployed.",
        queries,
        unit="percentunit",
        width=width,
        looks=looks,
    )


def columns() -> list[Column]:
    """Return DORA's metrics as the columns of a table of chains."""
    seconds = Look(unit="s", decimals=1, thresholds=m.TIME_COLORS)
    alert = Look(unit="short", decimals=0, thresholds=steps((None, NEUTRAL), (1, BAD)))
    return [
        Column("Deployed", named(f"sum by ({m.LABELS}) ({m.SUCCESSES})"), COUNT, 85),
        Column("A week", named(m.PER_WEEK), Look(unit="short", decimals=1), 75),
        Column("Lead time", named(m.recorded(m.LEAD, "p50_increase")), seconds, 100),
        Column("p90", named(m.recorded(m.LEAD, "p90_increase")), seconds, 90),
        Column("of changes", named(m.observed(m.LEAD)), COUNT, 95),
        Column("From 1st commit", named(m.recorded(m.COMMIT, "p50_increase")), seconds, 130),
        # A trailing blank: a heading names its column alone.
        Column("of changes ", named(m.observed(m.COMMIT)), COUNT, 95),
        Column("Failure rate", named(m.FAILURE_RATE), RATE, 100),
        Column("Every cause", named(m.EVERY_FAILURE_RATE), RATE, 100),
        Column("Recovery", named(m.recorded(m.RECOVERY, "p50_increase")), seconds, 100),
        Column("of failures", named(m.observed(m.RECOVERY)), COUNT, 90),
        Column("Rework", named(m.REWORK_RATE), RATE, 80),
        Column("Open", named(m.OPEN_FAILURES), alert, 60),
        Column("Last deployment", named(m.LAST_DEPLOYMENT), Look(unit="dateTimeFromNow"), 130),
    ]
