"""DORA's metrics as the dashboards ask for them, from the recorded rules of deploy/prometheus/rules/dora.yml.

`$window` is part of a rule's name. What the variables choose is added up before anything is divided or ranked: a ratio
of sums, a quantile of added buckets.
"""

from __future__ import annotations

from deploy.grafana.panels import BAD, CHAIN, CHAINS, FAIR, GOOD, NEUTRAL, POOR, Band, Column, Look, named, steps

HOUR, DAY, WEEK, MONTH = 3600, 86400, 604800, 2592000
MANY_CHANGES = 10
"""What a 90th percentile needs; the rules' own limit."""

TIME_BANDS = (
    Band("6 of 6, < 1 hour", most=HOUR, color=GOOD),
    Band("5 of 6, < 1 day", most=DAY, color=GOOD),
    Band("4 of 6, < 1 week", most=WEEK, color=FAIR),
    Band("3 of 6, < 1 month", most=MONTH, color=POOR),
    Band("2 of 6, < 6 months", most=6 * MONTH, color=BAD),
    Band("1 of 6, > 6 months", least=6 * MONTH, color=BAD),
)
"""The answers of DORA's Quick Check for lead time and recovery time (https://dora.dev/quickcheck/)."""

FREQUENCY_BANDS = (
    # "On demand" is an intention: a count cannot tell it from "at least daily".
    Band("5 or 6 of 6, daily", least=1, color=GOOD),
    Band("4 of 6, weekly", least=1 / 7, color=FAIR),
    Band("3 of 6, monthly", least=1 / 30, color=POOR),
    Band("2 of 6, half-yearly", least=1 / 180, color=BAD),
    Band("none", most=0, color=NEUTRAL),
)
"""The same for deployment frequency, of deployments a day. A window of 90 days shows nothing rarer."""

TIME_COLORS = steps((None, GOOD), (DAY + 1, FAIR), (WEEK + 1, POOR), (MONTH + 1, BAD))
"""As the bands. A threshold begins at its value, a band ends with it; medians are often a bucket's edge exactly."""
SECONDS = Look(unit="s", decimals=1, thresholds=TIME_COLORS)
COUNT = Look(unit="short", decimals=0)
RATE = Look(unit="percentunit", decimals=1)


def recorded(family: str, operation: str, *, extra: str = "", labels: str = "", selector: str = CHAINS) -> str:
    """Return the selector of a recorded rule.

    Args:
        family: The middle of the rule's name.
        operation: Its end, without the window.
        extra: More labels in the beginning of its name, with the underscore before them.
        labels: More matchers.
        selector: Which chains.
    """
    chosen = f"{selector}, {labels}" if labels else selector
    return f"{CHAIN}{extra}:{family}:{operation}$window{{{chosen}}}"


SUCCESSES = recorded("dora_deployments", "increase", extra="_result", labels='result="success"')
ATTEMPTS = recorded("dora_deployments", "increase", extra="_result")
FAILURES = recorded("dora_change_failures", "increase", extra="_cause", labels='cause!="deployment_failed"')
ALL_FAILURES = recorded("dora_change_failures", "increase", extra="_cause")
REWORK = recorded("dora_rework_deployments", "increase")
UNKNOWN = recorded("dora_lead_time_unknown", "increase", extra="_reason")
PER_WEEK = f"7 * {recorded('dora_deployments_per_day', 'increase')}"


def observed(family: str) -> str:
    """Return how much was observed of a histogram."""
    return recorded(f"{family}_count", "increase")


def ranked(family: str, value: float, least: int) -> str:
    """Return a quantile of everything chosen, if so much was observed."""
    buckets = recorded(f"{family}_bucket", "increase", extra="_le")
    return f"histogram_quantile({value}, sum by (le) ({buckets})) and on () sum({observed(family)}) >= {least}"


def share(family: str, le: int) -> str:
    """Return the exact share of everything chosen within so many seconds, which are a bucket's edge."""
    buckets = f"{family}_bucket"
    within = recorded(buckets, "increase", extra="_le", labels=rf'le=~"{le}(\\.0)?"')
    all_of_them = recorded(buckets, "increase", extra="_le", labels='le="+Inf"')
    return f"sum({within}) / (sum({all_of_them}) > 0)"


def divided(numerator: str, denominator: str) -> str:
    """Return a ratio of everything chosen; none where there is nothing to divide by."""
    return f"sum({numerator}) / (sum({denominator}) > 0)"


def columns() -> list[Column]:
    """Return DORA's metrics as the columns of a table of chains."""
    lead, commit, recovery = "dora_lead_time_seconds", "dora_commit_lead_time_seconds", "dora_recovery_time_seconds"
    labels = "repository, environment, service"
    return [
        Column("Deployed", named(f"sum by ({labels}) ({SUCCESSES})"), COUNT, 85),
        Column("A week", named(PER_WEEK), Look(unit="short", decimals=1), 75),
        Column("Lead time", named(recorded(lead, "p50_increase")), SECONDS, 100),
        Column("Changes", named(observed(lead)), COUNT, 80),
        Column("p90", named(recorded(lead, "p90_increase")), SECONDS, 90),
        Column("From 1st commit", named(recorded(commit, "p50_increase")), SECONDS, 130),
        Column("Changes ", named(observed(commit)), COUNT, 80),
        Column("Failure rate", named(recorded("dora_change_failures_per_deployments", "ratio_increase")), RATE, 100),
        Column("Every cause", named(recorded("dora_all_change_failures_per_deployments", "ratio_increase")), RATE, 100),
        Column("Recovery", named(recorded(recovery, "p50_increase")), SECONDS, 100),
        Column("Recovered", named(observed(recovery)), COUNT, 90),
        Column("Rework", named(recorded("dora_rework_deployments_per_deployments", "ratio_increase")), RATE, 80),
        Column(
            "Open",
            named(f"max by ({labels}) (dora_open_failures{{{CHAINS}}})"),
            Look(unit="short", decimals=0, thresholds=steps((None, NEUTRAL), (1, BAD))),
            60,
        ),
        Column(
            "Last deployment",
            named(f"1000 * max by ({labels}) (dora_last_deployment_timestamp_seconds{{{CHAINS}}})"),
            Look(unit="dateTimeFromNow"),
            130,
        ),
    ]
