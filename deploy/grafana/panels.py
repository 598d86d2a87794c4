"""The kinds of panels: figures, lines over time, tables."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.grafana.looks import NOTHING, PLAIN, Look
from deploy.grafana.model import COLUMNS, DATASOURCE, Json, Query, now

SMALL: Json = {"titleSize": 13, "valueSize": 17}
LARGE: Json = {"valueSize": 32}
"""Pixels, of figures below each other and of a single one."""


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


def _overrides(looks: Sequence[Look | None]) -> list[Json]:
    """Return the overrides of queries, one for each look, in their order."""
    return [
        {"matcher": {"id": "byFrameRefID", "options": ref}, "properties": look.properties()}
        for ref, look in zip(string.ascii_uppercase, looks, strict=False)
        if look is not None
    ]


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
    panel["fieldConfig"] = {"defaults": defaults, "overrides": _overrides(looks)}
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
    looks: Sequence[Look | None] = (),
    colors: Sequence[Json] = (),
    no_value: str = NOTHING,
) -> Json:
    """Return a panel of values over time.

    A series has the colour that its name has in every panel, unless `colors`, overrides, give it one.
    """
    panel = _panel("timeseries", title, says, queries, width=width, height=height)
    defaults: Json = {
        "unit": unit,
        "noValue": no_value,
        "min": 0,
        "thresholds": PLAIN,
        "mappings": [],
        "color": {"mode": "palette-classic-by-name"},
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
    panel["fieldConfig"] = {"defaults": defaults, "overrides": [*_overrides(looks), *colors]}
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
