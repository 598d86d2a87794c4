"""What /metrics says, as a small table."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families
from rich.box import SIMPLE_HEAD
from rich.table import Table

Chain: TypeAlias = tuple[str, str, str]
"""Repository, environment, service."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def totals(exposition: str) -> dict[Chain, dict[str, float]]:
    """Read the text format and add up each chain's samples by name, and by `name result` or `name cause`."""
    found: dict[Chain, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            labels = sample.labels
            if "environment" not in labels or "le" in labels:
                continue
            row = found[labels["repository"], labels["environment"], labels["service"]]
            row[sample.name] += sample.value
            if detail := labels.get("result") or labels.get("cause"):
                row[f"{sample.name} {detail}"] += sample.value
    return found


def table(exposition: str) -> Table:
    """Return the table to print: under each repository, a line for each environment and service."""
    drawn = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title="What /metrics says",
        title_justify="left",
        caption="Times are means. A dash: nothing was measured, which is not the same as zero.",
        caption_justify="left",
    )
    drawn.add_column("repository", no_wrap=True)
    for heading in ("deployed", "failed", "changes", "lead time", "from first commit"):
        drawn.add_column(heading, justify="right")
    drawn.add_column("change failures", min_width=len("1 deployment_failed,"))
    for heading in ("recovery", "rework", "open"):
        drawn.add_column(heading, justify="right")
    shown = None
    for (repository, environment, service), row in sorted(totals(exposition).items()):
        if repository != shown:
            drawn.add_row(repository)
            shown = repository
        drawn.add_row(
            f"  {environment} {service}".rstrip(),
            f"{row['dora_deployments_total success']:.0f}",
            f"{row['dora_deployments_total failure']:.0f}",
            f"{row['dora_lead_time_seconds_count']:.0f}",
            _mean(row, "dora_lead_time_seconds"),
            _mean(row, "dora_commit_lead_time_seconds"),
            _causes(row) or "none",
            _mean(row, "dora_recovery_time_seconds"),
            f"{row['dora_rework_deployments_total']:.0f}",
            f"{row['dora_open_failures']:.0f}",
        )
    return drawn


def _causes(row: dict[str, float]) -> str:
    counted = "dora_change_failures_total "
    return ", ".join(
        f"{value:.0f} {name.removeprefix(counted)}"
        for name, value in sorted(row.items())
        if name.startswith(counted) and value
    )


def _mean(row: dict[str, float], histogram: str) -> str:
    if not row[f"{histogram}_count"]:
        return "-"
    mean = row[f"{histogram}_sum"] / row[f"{histogram}_count"]
    for size, unit in _UNITS:
        if mean >= size:
            return f"{mean / size:.1f} {unit}"
    return "0 s"
