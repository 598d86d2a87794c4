"""Writes `rules/dora.yml`, the recording rules: the same few questions for each window.

    python deploy/prometheus/make_rules.py

Prometheus' rule files know no loops; this is the loop. Names follow https://prometheus.io/docs/practices/rules/:
the labels that are kept, the family, and what was done to it. `docs/dashboards.md` says what each rule means.
"""

# ruff: noqa: INP001 - a script beside the file that it writes, in no package

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

WRITTEN = Path(__file__).with_name("rules") / "dora.yml"

CHAIN = ("repository", "environment", "service")
"""What DORA measures: an application (or a service of it) in one environment. Nothing is summed further."""

LEAD_TIMES = ("dora_lead_time_seconds", "dora_commit_lead_time_seconds")
RECOVERY_TIME = "dora_recovery_time_seconds"
TIME_TO_MERGE = "dora_time_to_merge_seconds"

P90_FROM = 10
"""Below ten observations, nine in ten is a guess about the slowest one."""

SHARES = r"3600(\\.0)?|86400(\\.0)?|604800(\\.0)?"
"""An hour, a day, a week: buckets' edges, so the shares are exact. Prometheus 2 stores `le` as it was exposed."""


@dataclass(frozen=True)
class Window:
    """A stretch of time that is looked back on."""

    days: int
    interval: str
    """How often it is evaluated. A rule's result goes stale after five minutes, so four is the most."""

    def __str__(self) -> str:
        return f"{self.days}d"


COUNTED = Window(1, "1m")
"""Of a single day only counts say anything."""
MEASURED = (Window(7, "1m"), Window(30, "2m"), Window(90, "4m"))


@dataclass(frozen=True)
class Rule:
    """A recording rule, and why it is as it is."""

    record: str
    expr: str
    comment: str = ""


def listed(*labels: str) -> str:
    """Return the labels as PromQL lists them."""
    return ", ".join(labels)


def level(*labels: str) -> str:
    """Return the labels as a rule's name begins with them."""
    return "_".join(labels)


def counted(family: str, sample: str, window: Window, labels: tuple[str, ...]) -> Rule:
    """Return the rule of a counter's steps: whole numbers."""
    series = f"{sample}[{window}]"
    return Rule(
        f"{level(*labels)}:{family}:increase{window}",
        f"""\
sum by ({listed(*labels)}) (
    max_over_time({series}) - min_over_time({series})
  unless
    resets({series}) > 0
  or
    round(increase({series}))
)
""",
    )


def spread(family: str, window: Window, labels: tuple[str, ...]) -> Rule:
    """Return the rule of a histogram's buckets."""
    by = (*labels, "le")
    return Rule(
        f"{level(*by)}:{family}_bucket:increase{window}",
        f"sum by ({listed(*by)}) (increase({family}_bucket[{window}]))\n",
    )


def quantiles(family: str, window: Window, labels: tuple[str, ...]) -> tuple[Rule, Rule]:
    """Return the rules of the median and of the 90th percentile, each only where enough was observed."""
    buckets = f"{level(*labels, 'le')}:{family}_bucket:increase{window}"
    count = f"{level(*labels)}:{family}_count:increase{window}"

    def quantile(name: str, value: float, least: int) -> Rule:
        return Rule(
            f"{level(*labels)}:{family}:{name}_increase{window}",
            f"""\
histogram_quantile({value}, {buckets})
  and on ({listed(*labels)}) {count} >= {least}
""",
        )

    return quantile("p50", 0.5, 1), quantile("p90", 0.9, P90_FROM)


def shares(family: str, window: Window) -> Rule:
    """Return the rule of the exact shares within an hour, a day and a week, told apart by `le`."""
    buckets = f"{level(*CHAIN, 'le')}:{family}_bucket:increase{window}"
    return Rule(
        f"{level(*CHAIN, 'le')}:{family}_bucket:ratio_increase{window}",
        f"""\
{buckets}{{le=~"{SHARES}"}}
  / on ({listed(*CHAIN)}) group_left () ({buckets}{{le="+Inf"}} > 0)
""",
    )


def ratio(name: str, numerator: str, denominator: str, window: Window, comment: str = "") -> Rule:
    """Return the rule of a ratio of sums. Where nothing was deployed there is no ratio, and not 0 %."""
    return Rule(
        f"{level(*CHAIN)}:{name}:ratio_increase{window}",
        f"""\
sum by ({listed(*CHAIN)}) ({numerator})
  / (sum by ({listed(*CHAIN)}) ({denominator}) > 0)
""",
        comment,
    )


def counts(window: Window) -> list[Rule]:
    """Return the rules that every window has."""
    return [
        counted("dora_deployments", "dora_deployments_total", window, (*CHAIN, "result")),
        counted("dora_change_failures", "dora_change_failures_total", window, (*CHAIN, "cause")),
        counted("dora_rework_deployments", "dora_rework_deployments_total", window, CHAIN),
        counted("dora_lead_time_unknown", "dora_lead_time_unknown_total", window, (*CHAIN, "reason")),
        counted("dora_incidents", "dora_incidents_total", window, (*CHAIN, "state")),
        counted("dora_changes_merged", "dora_changes_merged_total", window, ("repository",)),
    ]


def measures(window: Window) -> list[Rule]:
    """Return the rules of DORA's metrics over a window."""
    deployments = f"{level(*CHAIN, 'result')}:dora_deployments:increase{window}"
    successes = f'{deployments}{{result="success"}}'
    failures = f"{level(*CHAIN, 'cause')}:dora_change_failures:increase{window}"
    rules = [
        Rule(
            f"{level(*CHAIN)}:dora_deployments_per_day:increase{window}",
            f"sum by ({listed(*CHAIN)}) ({successes}) / {window.days}\n",
            "Deployment frequency. A chain younger than the window is divided by the whole window all the same.",
        ),
        ratio(
            "dora_change_failures_per_deployments",
            f'{failures}{{cause!="deployment_failed"}}',
            successes,
            window,
            "Change failure rate as DORA words it: deployments that reached users and then needed intervention.",
        ),
        ratio(
            "dora_all_change_failures_per_deployments",
            failures,
            deployments,
            window,
            "The same of every cause, failed attempts included, over every attempt.",
        ),
        ratio(
            "dora_rework_deployments_per_deployments",
            f"{level(*CHAIN)}:dora_rework_deployments:increase{window}",
            successes,
            window,
            "Deployment rework rate.",
        ),
    ]
    for family in LEAD_TIMES:
        rules.append(counted(f"{family}_count", f"{family}_count", window, CHAIN))
        rules.append(spread(family, window, CHAIN))
        rules.extend(quantiles(family, window, CHAIN))
        rules.append(shares(family, window))
    rules.append(counted(f"{RECOVERY_TIME}_count", f"{RECOVERY_TIME}_count", window, CHAIN))
    rules.append(spread(RECOVERY_TIME, window, CHAIN))
    rules.extend(quantiles(RECOVERY_TIME, window, CHAIN))
    rules.append(counted(f"{TIME_TO_MERGE}_count", f"{TIME_TO_MERGE}_count", window, ("repository",)))
    rules.append(spread(TIME_TO_MERGE, window, ("repository",)))
    rules.extend(quantiles(TIME_TO_MERGE, window, ("repository",)))
    rules.append(
        Rule(
            f"{level(*CHAIN)}:dora_measured_deployments_per_deployments:ratio_increase{window}",
            f"""\
clamp_min(
  1 - sum by ({listed(*CHAIN)}) ({level(*CHAIN, "reason")}:dora_lead_time_unknown:increase{window})
    / (sum by ({listed(*CHAIN)}) ({successes}) > 0),
  0
)
""",
            "Coverage: successful deployments that nothing is unknown of. An unknown that is found out after its\n"
            "deployment has left the window would make it negative.",
        )
    )
    return rules


def groups() -> list[tuple[str, str, list[Rule]]]:
    """Return every group: its name, its interval and its rules, in the order they are evaluated."""
    of_windows = [(f"dora_{window}", window.interval, counts(window) + measures(window)) for window in MEASURED]
    activity = Rule(
        "repository:dora_events:sum",
        "sum by (repository) (dora_events_total)\n",
        "Of the process and not of the state; the alert on silent repositories looks at its changes.",
    )
    return [("dora_events", "1m", [activity]), (f"dora_{COUNTED}", COUNTED.interval, counts(COUNTED)), *of_windows]


HEADING = """\
# Recording rules for DORA's metrics. Written by make_rules.py: change that, and run it.
#
# Counters are read as the difference of the largest and the smallest value, which is a whole number and right from the
# first minutes on. `increase` extrapolates, which a young series feels; it is taken for series that were reset in
# between, and for buckets, where only proportions matter.
"""


def render() -> str:
    """Return the rule file."""
    lines = [HEADING, "groups:"]
    for name, interval, rules in groups():
        lines += ["", f"  - name: {name}", f"    interval: {interval}", "    rules:"]
        for rule in rules:
            lines += [f"      # {line}" for line in rule.comment.splitlines()]
            lines.append(f"      - record: {rule.record}")
            lines.append("        expr: |")
            lines.append(textwrap.indent(rule.expr.rstrip("\n"), " " * 10))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    WRITTEN.write_text(render(), encoding="utf-8")
