"""The variables that stand above every dashboard: data source, the chain's labels, window."""

from __future__ import annotations

from deploy.grafana.model import DATASOURCE, Json

CHAINS = 'repository=~"$repository", environment=~"$environment", service=~"$service"'
"""The selector of what the variables choose."""


def variables(*labels: str, one: str = "", first: str = "") -> list[Json]:
    """Return the variables of a dashboard.

    Args:
        labels: The chain's, in their order. Each offers what there is of those chosen before it.
        one: The label of which one value is chosen; of the others several can be, and all are at first.
        first: The value of `one` that is chosen at first, if there is such a one.
    """
    chosen = [
        _label(label, ", ".join(f'{other}=~"${other}"' for other in labels[:place]), many=label != one, first=first)
        for place, label in enumerate(labels)
    ]
    return [_datasource(), *chosen, _window()]


def _datasource() -> Json:
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


def _label(name: str, selector: str, *, many: bool, first: str) -> Json:
    series = f"dora_deployments_total{{{selector}}}" if selector else "dora_deployments_total"
    query = f"label_values({series}, {name})"
    variable: Json = {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "datasource": DATASOURCE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        "current": {"text": ["All"], "value": ["$__all"]} if many else {"text": first, "value": first},
        "options": [],
        "regex": "",
    }
    if many:
        # What a missing label matches too.
        variable["allValue"] = ".*"
    return variable


def _window() -> Json:
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
