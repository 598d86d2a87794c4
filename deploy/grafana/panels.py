"""What the dashboards are made of: queries, panels, rows, variables, in Grafana's JSON model (schema version 42)."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A JSON object. Grafana's model is open in too many places for closer types to say more."""

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA_VERSION = 42
COLUMNS = 24
"""Of Grafana's grid."""

CHAIN = "repository_environment_service"
CHAINS = 'repository=~"$repository", environment=~"$environment", service=~"$service"'
"""The selector of what the variables choose."""

NEUTRAL, GOOD, FAIR, POOR, BAD = "blue", "green", "yellow", "orange", "red"
NOTHING = "no data"
"""What a figure says that nothing was observed for. Never 0."""


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
class Band:
    """A range of values with a word for it."""

    text: str
    least: float | None = None
    most: float | None = None
    color: str = NEUTRAL


def mapped(bands: Iterable[Band]) -> list[Json]:
    """Return the bands as value mappings. Both ends belong to a range; the first that fits is taken."""
    return [
        {
            "type": "range",
            "options": {
                "from": band.least,
                "to": band.most,
                "result": {"text": band.text, "color": band.color, "index": index},
            },
        }
        for index, band in enumerate(bands)
    ]


def steps(*steps: tuple[float | None, str]) -> Json:
    """Return thresholds: from each value on, its colour."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


PLAIN = steps((None, NEUTRAL))
SMALL: Json = {"titleSize": 13, "valueSize": 17}
LARGE: Json = {"valueSize": 32}
"""Pixels, of figures below each other and of a single one."""


@dataclass(frozen=True)
class Look:
    """How one query's values are shown, where they are not shown as their panel's others."""

    unit: str | None = None
    decimals: int | None = None
    mappings: Sequence[Band] = ()
    thresholds: Json | None = None
    no_value: str | None = None
    extra: Json = field(default_factory=dict)

    def properties(self) -> list[Json]:
        """Return the properties of an override."""
        found: list[Json] = []
        if self.unit is not None:
            found.append({"id": "unit", "value": self.unit})
        if self.decimals is not None:
            found.append({"id": "decimals", "value": self.decimals})
        if self.mappings:
            found.append({"id": "mappings", "value": mapped(self.mappings)})
        if self.thresholds is not None:
            found.append({"id": "thresholds", "value": self.thresholds})
        if self.no_value is not None:
            found.append({"id": "noValue", "value": self.no_value})
        found.extend({"id": name, "value": value} for name, value in self.extra.items())
        return found


def _panel(  # noqa: PLR0913 - a panel is described by what it shows
    kind: str, title: str, says: str, queries: Sequence[Query], *, width: int, height: int, table: bool = False
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": says,
        "datasource": DATASOURCE,
        # The place is filled in by `placed`.
        "gridPos": {"x": 0, "y": 0, "w": width, "h": height},
        "targets": [
            query.target(ref, table=table) for ref, query in zip(string.ascii_uppercase, queries, strict=False)
        ],
        "transformations": [],
    }


def figures(  # noqa: PLR0913 - a panel is described by what it shows
    title: str,
    says: str,
    queries: Sequence[Query],
    *,
    unit: str,
    width: int = 4,
    height: int = 4,
    decimals: int | None = None,
    thresholds: Json = PLAIN,
    looks: Sequence[Look | None] = (),
    no_value: str = NOTHING,
) -> Json:
    """Return a panel of one or more figures, one for each query, under each other."""
    panel = _panel("stat", title, says, queries, width=width, height=height)
    defaults: Json = {
        "unit": unit,
        "noValue": no_value,
        "thresholds": thresholds,
        "mappings": [],
        "color": {"mode": "thresholds"},
    }
    if decimals is not None:
        defaults["decimals"] = decimals
    panel["fieldConfig"] = {
        "defaults": defaults,
        "overrides": [
            {"matcher": {"id": "byFrameRefID", "options": ref}, "properties": look.properties()}
            for ref, look in zip(string.ascii_uppercase, looks, strict=False)
            if look is not None
        ],
    }
    panel["options"] = {
        "graphMode": "none",
        "colorMode": "value",
        "justifyMode": "auto",
        "textMode": "value_and_name" if len(queries) > 1 else "value",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        # Left to itself Grafana shrinks everything until the longest text fits.
        "text": SMALL if len(queries) > 1 else LARGE,
    }
    return panel


def lines(  # noqa: PLR0913 - a panel is described by what it shows
    title: str,
    says: str,
    queries: Sequence[Query],
    *,
    unit: str,
    width: int = 12,
    height: int = 8,
    decimals: int | None = None,
    stacked: bool = False,
    dots: bool = False,
) -> Json:
    """Return a panel of values over time."""
    panel = _panel("timeseries", title, says, queries, width=width, height=height)
    defaults: Json = {
        "unit": unit,
        "noValue": NOTHING,
        "min": 0,
        "thresholds": PLAIN,
        "mappings": [],
        "color": {"mode": "palette-classic"},
        "custom": {
            "drawStyle": "points" if dots else "line",
            "lineInterpolation": "stepAfter",
            "lineWidth": 2,
            "fillOpacity": 30 if stacked else 0,
            "gradientMode": "none",
            "pointSize": 6,
            "showPoints": "always" if dots else "auto",
            # A gap is a gap: nothing was known then.
            "spanNulls": False,
            "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
            "axisPlacement": "auto",
            "axisLabel": "",
            "axisColorMode": "text",
            "scaleDistribution": {"type": "linear"},
            "hideFrom": {"legend": False, "tooltip": False, "viz": False},
            "thresholdsStyle": {"mode": "off"},
        },
    }
    if decimals is not None:
        defaults["decimals"] = decimals
    if unit == "short":
        # A chart of nothing but zeros would otherwise reach up to a hundred.
        defaults["custom"]["axisSoftMax"] = 1
    panel["fieldConfig"] = {"defaults": defaults, "overrides": []}
    panel["options"] = {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel


@dataclass(frozen=True)
class Column:
    """A column of a table: a query, and how its values look."""

    heading: str
    expr: str
    look: Look
    width: int | None = None


def rows(  # noqa: PLR0913 - a panel is described by what it shows
    title: str,
    says: str,
    columns: Sequence[Column],
    *,
    labels: Sequence[tuple[str, str]],
    width: int = COLUMNS,
    height: int = 10,
    label_looks: Json | None = None,
    empty: str = "-",
) -> Json:
    """Return a table: a row for each combination of the labels, a column for each query.

    `labels` are those of the queries' results, with their headings; `label_looks` the properties of overrides for them,
    by heading. `empty` is what a table without rows says, and a cell without a value: nothing was observed for it.
    """
    panel = _panel(
        "table", title, says, [now(column.expr) for column in columns], width=width, height=height, table=True
    )
    refs = string.ascii_uppercase[: len(columns)]
    # With one query Grafana calls its column Value.
    values = [f"Value #{ref}" for ref in refs] if len(columns) > 1 else ["Value"]
    names = [*(name for name, _ in labels), *values]
    panel["transformations"] = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "indexByName": {name: index for index, name in enumerate(names)},
                "renameByName": {
                    **dict(labels),
                    **{value: column.heading for value, column in zip(values, columns, strict=True)},
                },
            },
        },
    ]
    overrides: list[Json] = []
    for column in columns:
        properties = column.look.properties()
        if column.width is not None:
            properties.append({"id": "custom.width", "value": column.width})
        if column.look.thresholds is not None:
            properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
        overrides.append({"matcher": {"id": "byName", "options": column.heading}, "properties": properties})
    overrides.extend(
        {"matcher": {"id": "byName", "options": heading}, "properties": properties}
        for heading, properties in (label_looks or {}).items()
    )
    panel["fieldConfig"] = {
        "defaults": {
            "unit": "none",
            "noValue": empty,
            "thresholds": PLAIN,
            "mappings": [],
            "color": {"mode": "thresholds"},
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False, "inspect": False},
        },
        "overrides": overrides,
    }
    panel["options"] = {
        "frameIndex": 0,
        "showHeader": True,
        "cellHeight": "sm",
        "sortBy": [],
    }
    return panel


def named(expr: str) -> str:
    """Return the query with a dash for a service that has no name: a table needs a value in every row."""
    return f'label_replace({expr}, "service", "-", "service", "")'


def link(heading: str, title: str, url: str) -> Json:
    """Return the look of a column of labels that lead somewhere."""
    return {heading: [{"id": "links", "value": [{"title": title, "url": url, "targetBlank": False}]}]}


def datasource() -> Json:
    """Return the variable that chooses the Prometheus."""
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "current": {"text": "Prometheus", "value": "prometheus"},
        "options": [],
    }


def labels_of(name: str, label: str, query: str, *, many: bool, first: str | None = None) -> Json:
    """Return a variable whose values are those of a label.

    Args:
        name: Of the variable.
        label: What a person reads.
        query: Grafana's `label_values(...)`.
        many: Whether several can be chosen, and all are by default. All is `.*`, which a missing label matches too.
        first: The value that is chosen at first, if there is such a one.
    """
    current = {"text": ["All"], "value": ["$__all"]} if many else {"text": first or "", "value": first or ""}
    variable: Json = {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        "current": current,
        "options": [],
        "regex": "",
    }
    if many:
        variable["allValue"] = ".*"
    return variable


def window() -> Json:
    """Return the variable of the window that is looked back on; its values are those that rules are recorded for."""
    values = ("7d", "30d", "90d")
    return {
        "type": "custom",
        "name": "window",
        "label": "Window",
        "query": ",".join(values),
        "multi": False,
        "includeAll": False,
        "current": {"text": "30d", "value": "30d", "selected": True},
        "options": [{"text": value, "value": value, "selected": value == "30d"} for value in values],
    }


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
