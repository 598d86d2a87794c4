"""The committed rules are what their script makes, and each rule and alert has its test and its words."""

from __future__ import annotations

import re
from typing import Any

import yaml

from deploy.prometheus import make_rules
from dora.adapters.prometheus.families import FAMILIES, Kind, Level
from tests.unit.deploy.settings_of import ROOT

ALERTS: list[dict[str, Any]] = [
    alert
    for group in yaml.safe_load((ROOT / "deploy/prometheus/rules/alerts.yml").read_text())["groups"]
    for alert in group["rules"]
]
TOLD = {path.name: path.read_text() for path in (ROOT / "tests/rules").glob("*.yml")}

LONGEST_INTERVAL = 4
"""Minutes. A recorded value goes stale after five."""


def test_the_committed_rules_are_what_the_script_makes() -> None:
    assert make_rules.WRITTEN.read_text(encoding="utf-8") == make_rules.render()


def test_names_say_which_labels_are_kept() -> None:
    for _, _, rules in make_rules.groups():
        for rule in rules:
            level, _, operation = rule.record.split(":")
            kept = re.match(r"(?:clamp_min\(\s*1 - )?sum by \(([a-z, ]+)\)", rule.expr)
            # The others take the labels of a recorded rule as they are, a quantile without `le`.
            source = re.search(r"([a-z_]+):[a-z_]+:", rule.expr)
            labels = kept[1].split(", ") if kept else source[1].split("_") if source else []
            if operation.startswith("p"):
                labels.remove("le")
            assert level == "_".join(labels), rule.record


def test_no_name_is_recorded_twice() -> None:
    names = [rule.record for _, _, rules in make_rules.groups() for rule in rules]
    assert len(names) == len(set(names))


def test_results_never_go_stale_between_two_evaluations() -> None:
    for _, interval, _ in make_rules.groups():
        assert int(interval.removesuffix("m")) <= LONGEST_INTERVAL


def test_rules_read_only_families_that_exist() -> None:
    suffixes = {Kind.COUNTER: ("_total",), Kind.HISTOGRAM: ("_bucket", "_count"), Kind.GAUGE: ("",)}
    known = {family.name + suffix for family in FAMILIES for suffix in suffixes[family.kind]} | {"dora_events_total"}
    for _, _, rules in make_rules.groups():
        for rule in rules:
            # What has no colon beside it is a family's own series.
            read = set(re.findall(r"(?<![\w:])dora_\w+(?![\w:])", rule.expr))
            assert read <= known, rule.record


def test_every_counter_and_histogram_of_a_chain_is_recorded() -> None:
    recorded = {rule.record.split(":")[1] for _, _, rules in make_rules.groups() for rule in rules}
    for family in FAMILIES:
        if family.level is Level.CHAIN and family.kind is not Kind.GAUGE:
            name = f"{family.name}_count" if family.kind is Kind.HISTOGRAM else family.name
            assert name in recorded


def test_promtool_is_asked_about_every_rule() -> None:
    told = "".join(TOLD.values())
    assert [rule.record for _, _, rules in make_rules.groups() for rule in rules if rule.record not in told] == []


def test_promtool_is_asked_about_every_alert() -> None:
    asked = set(re.findall(r"Dora\w+", "".join(TOLD.values())))
    assert {alert["alert"] for alert in ALERTS} == asked


def test_an_alert_says_how_bad_it_is_what_is_wrong_and_what_to_do() -> None:
    for alert in ALERTS:
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}, alert["alert"]
        assert alert["annotations"].keys() == {"summary", "description"}, alert["alert"]
        assert all(text.endswith(".") for text in alert["annotations"].values()), alert["alert"]


def test_the_document_lists_the_alerts() -> None:
    listed = re.findall(r"^\| `(Dora\w+)` \|", (ROOT / "docs/dashboards.md").read_text(), re.MULTILINE)
    assert listed == [alert["alert"] for alert in ALERTS]
