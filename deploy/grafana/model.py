"""Grafana's JSON model (schema version 42): a dashboard, its grid, its queries and its variables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A JSON object. Grafana's model is open in too many places for closer types to say more."""

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA_VERSION = 42
COLUMNS = 24
"""Of Grafana's grid."""


@dataclass(frozen=True)
class Query:
    """A question to Prometheus."""

    expr: str
    legend: str = "__auto"
    instant: bool = False
    exemplars: bool = False

    def target(self, ref: str, *, table: bool) -> Json:
        """Return it as a panel's target."""
        return {
            "refId": ref,
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": self.expr,
            "legendFormat": self.legend,
            "instant": self.instant,
            "range": not self.instant,
            "exemplar": self.exemplars,
            "format": "table" if table else "time_series",
        }


def now(expr: str, legend: str = "__auto") -> Query:
    """Return a question about the present moment alone."""
    return Query(expr, legend, instant=True)


@dataclass(frozen=True)
class Row:
    """A heading, and the panels under it; they flow from left to right and wrap."""

    title: str
    panels: Sequence[Json]


def placed(content: Iterable[Row]) -> list[Json]:
    """Return the panels with their ids and places."""
    found: list[Json] = []
    top = 0
    for row in content:
        if row.title:
            found.append(
                {
                    "type": "row",
                    "id": len(found) + 1,
                    "title": row.title,
                    "collapsed": False,
                    "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
                    "panels": [],
                }
            )
            top += 1
        left = tallest = 0
        for panel in row.panels:
            place = panel["gridPos"]
            if left + place["w"] > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            found.append({"id": len(found) + 1, **panel, "gridPos": {**place, "x": left, "y": top}})
            left += place["w"]
            tallest = max(tallest, place["h"])
        top += tallest
    return found


def dashboard(  # noqa: PLR0913 - a dashboard is described by what it holds
    uid: str, title: str, says: str, variables: Sequence[Json], content: Iterable[Row], *, since: str
) -> Json:
    """Return the whole dashboard."""
    return {
        "uid": uid,
        "title": title,
        "description": says,
        "tags": ["dora"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "timezone": "browser",
        "time": {"from": since, "to": "now"},
        "timepicker": {"refresh_intervals": ["1m", "5m", "15m", "1h"]},
        "refresh": "1m",
        "templating": {"list": list(variables)},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "DORA",
                "tags": ["dora"],
                "icon": "external link",
                "tooltip": "The other dashboards",
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
                "targetBlank": False,
            }
        ],
        "panels": placed(content),
    }
