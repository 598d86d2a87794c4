"""DORA's metrics as the dashboards ask for them, from the recorded rules of deploy/prometheus/rules/dora.yml.

`$window` is part of a rule's name. What the variables choose is added up before anything is divided or ranked: a ratio
of sums, a quantile of added buckets.
"""

from __future__ import annotations

from deploy.grafana.looks import BAD, FAIR, GOOD, NEUTRAL, POOR, Band, Look, steps
from deploy.grafana.variables import CHAINS

CHAIN = "repository_environment_service"
"""How the names of a chain's rules begin."""
LABELS = "repository, environment, service"
LEAD, COMMIT, RECOVERY = "dora_lead_time_seconds", "dora_commit_lead_time_seconds", "dora_recovery_time_seconds"
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
FAILURE_RATE = recorded("dora_change_failures_per_deployments", "ratio_increase")
EVERY_FAILURE_RATE = recorded("dora_all_change_failures_per_deployments", "ratio_increase")
REWORK_RATE = recorded("dora_rework_deployments_per_deployments", "ratio_increase")
PENDING = f"max by ({LABELS}) (dora_pending_lookups{{{CHAINS}}})"
OPEN_FAILURES = f"max by ({LABELS}) (dora_open_failures{{{CHAINS}}})"
LAST_DEPLOYMENT = f"1000 * max by ({LABELS}) (dora_last_deployment_timestamp_seconds{{{CHAINS}}})"
SCRAPED_SINCE = f'min_over_time(timestamp(dora_deployments_total{{{CHAINS}, result="success"}})[$window:10m])'
"""In seconds, to ten minutes, within the window."""


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
