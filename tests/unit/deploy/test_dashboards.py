"""The dashboards, without a Grafana: what its loader would not say and a person would stumble over."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from deploy.grafana.build import FOLDER, dashboards, text
from deploy.grafana.model import COLUMNS
from deploy.prometheus import make_rules
from tests.unit.deploy.grafanas_model import problems

BUILT = dashboards()
VARIABLE = re.compile(r"\$\{?([A-Za-z_]+)")
GRAFANAS_OWN = {"__rate_interval", "__value", "__all"}
RECORDED = {rule.record for _, _, rules in make_rules.groups() for rule in rules}

Json = dict[str, Any]


def panels(name: str) -> list[Json]:
    return [panel for panel in BUILT[name]["panels"] if panel["type"] != "row"]


def variables(name: str) -> list[Json]:
    listed: list[Json] = BUILT[name]["templating"]["list"]
    return listed


def labels(expr: str) -> set[str]:
    """Return the labels that a query's results can have."""
    if grouped := re.match(r"(?:histogram_quantile\([\d.]+, )?(?:sum|min|max) by \(([a-z, ]+)\)", expr):
        return set(grouped[1].split(", ")) - {"le"}
    level = re.search(r"([a-z_]+):dora_", expr)
    return set() if level is None else set(level[1].split("_"))


def test_the_committed_dashboards_are_what_the_script_makes() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert committed == {name: text(dashboard) for name, dashboard in BUILT.items()}


def test_dashboards_have_names_of_their_own() -> None:
    assert len({dashboard["uid"] for dashboard in BUILT.values()}) == len(BUILT)
    assert len({dashboard["title"] for dashboard in BUILT.values()}) == len(BUILT)


@pytest.mark.parametrize("name", BUILT)
def test_panels_have_ids_and_titles_of_their_own(name: str) -> None:
    every = BUILT[name]["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    assert len({panel["title"] for panel in panels(name)}) == len(panels(name))


@pytest.mark.parametrize("name", BUILT)
def test_panels_lie_within_the_grid_and_on_no_other(name: str) -> None:
    def cells(panel: Json) -> set[tuple[int, int]]:
        place = panel["gridPos"]
        return {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}

    every = BUILT[name]["panels"]
    for panel in every:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= COLUMNS, panel["title"]
    for one, other in combinations(every, 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])


@pytest.mark.parametrize("name", BUILT)
def test_panels_say_what_they_show_in_which_unit_and_from_where(name: str) -> None:
    for panel in panels(name):
        assert panel["description"].endswith((".", "?")), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


@pytest.mark.parametrize("name", BUILT)
def test_nothing_observed_is_a_word_and_no_number(name: str) -> None:
    for panel in panels(name):
        assert not re.search(r"\d", panel["fieldConfig"]["defaults"]["noValue"]), panel["title"]
        for target in panel["targets"]:
            # What would turn no data into 0.
            assert "vector(" not in target["expr"], panel["title"]
            assert " bool " not in target["expr"], panel["title"]


@pytest.mark.parametrize("name", BUILT)
def test_a_quantile_has_its_count_beside_it(name: str) -> None:
    for panel in panels(name):
        asked = [target["expr"] for target in panel["targets"]]
        if panel["type"] == "timeseries":
            continue
        for family in re.findall(r":(dora_\w+_seconds)(?:_bucket)?:(?:p\d\d_)?increase", "\n".join(asked)):
            assert any(f":{family}_count:increase" in expr and "quantile" not in expr for expr in asked), panel["title"]


@pytest.mark.parametrize("name", BUILT)
def test_variables_are_defined_used_and_only_those(name: str) -> None:
    defined = [variable["name"] for variable in variables(name)]
    used = set(VARIABLE.findall(json.dumps(BUILT[name])))
    assert used - GRAFANAS_OWN == set(defined)
    for place, variable in enumerate(variables(name)):
        asked = set(VARIABLE.findall(str(variable["query"])))
        # A variable may depend on those before it alone.
        assert asked <= set(defined[:place]), variable["name"]


@pytest.mark.parametrize("name", BUILT)
def test_recorded_rules_exist_for_every_window(name: str) -> None:
    windows = next(v["query"].split(",") for v in variables(name) if v["name"] == "window")
    for panel in panels(name):
        for target in panel["targets"]:
            for rule in re.findall(r"[a-z_]+:dora_\w+:\w+(?:\$window)?", target["expr"]):
                for window in windows:
                    assert rule.replace("$window", window) in RECORDED, panel["title"]


@pytest.mark.parametrize("name", BUILT)
def test_legends_name_labels_that_the_query_keeps(name: str) -> None:
    for panel in panels(name):
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert label in labels(target["expr"]), (panel["title"], target["expr"])


@pytest.mark.parametrize("name", BUILT)
def test_queries_over_the_shown_time_follow_its_resolution(name: str) -> None:
    for panel in panels(name):
        for target in panel["targets"]:
            assert "$__interval" not in target["expr"], panel["title"]
            if "rate(" in target["expr"]:
                assert "$__rate_interval" in target["expr"], panel["title"]


@pytest.mark.parametrize("name", BUILT)
def test_grafanas_own_model_understands_every_key_and_value(name: str) -> None:
    assert problems(json.loads(text(BUILT[name]))) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("graphToolTip", 1),
        ("graphTooltip", 7),
        ("refresh", 60),
        ("panels/0/titel", "x"),
        ("panels/0/gridPos/x", "0"),
        ("panels/0/fieldConfig/defaults/unit", 3),
        ("panels/0/fieldConfig/defaults/color/mode", "pallete"),
        ("panels/0/fieldConfig/defaults/thresholds/steps/0/colour", "red"),
        ("panels/0/transformations", [{"id": "merge", "option": {}}]),
        ("panels/0/options/colorMode", "values"),
        ("panels/0/options/colorModes", "value"),
        ("panels/0/targets/0/instant", "yes"),
        ("panels/0/targets/0/exprs", "up"),
        ("templating/list/0/refresh", "often"),
    ],
)
def test_a_misspelt_key_and_a_value_of_another_kind_are_found(path: str, value: object) -> None:
    dashboard = json.loads(text(BUILT["dora-overview.json"]))
    *outer, last = path.split("/")
    place = dashboard
    for name in outer:
        place = place[int(name)] if name.isdecimal() else place[name]
    place[last] = value
    assert problems(dashboard) != []


@pytest.mark.parametrize("entry", [{"id": "custom.lineStyl", "value": {}}, {"id": "custom.lineWidth", "value": "thin"}])
def test_a_misspelt_override_is_found(entry: Json) -> None:
    dashboard = json.loads(text(BUILT["dora-repository.json"]))
    chart = next(panel for panel in dashboard["panels"] if panel["type"] == "timeseries")
    chart["fieldConfig"]["overrides"][0]["properties"].append(entry)
    assert problems(dashboard) != []
