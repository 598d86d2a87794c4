from __future__ import annotations

from io import StringIO

from rich.console import Console

from dora.demo.report import table, totals

EXPOSITION = """\
dora_changes_merged_total{repository="a/b"} 4.0
dora_deployments_total{repository="a/b",environment="production",service="",result="success"} 3.0
dora_deployments_total{repository="a/b",environment="production",service="",result="failure"} 1.0
dora_lead_time_seconds_bucket{repository="a/b",environment="production",service="",le="300.0"} 2.0
dora_lead_time_seconds_bucket{repository="a/b",environment="production",service="",le="+Inf"} 2.0
dora_lead_time_seconds_count{repository="a/b",environment="production",service=""} 2.0
dora_lead_time_seconds_sum{repository="a/b",environment="production",service=""} 10800.0
dora_commit_lead_time_seconds_count{repository="a/b",environment="production",service=""} 0.0
dora_commit_lead_time_seconds_sum{repository="a/b",environment="production",service=""} 0.0
dora_change_failures_total{repository="a/b",environment="production",service="",cause="rollback"} 1.0
dora_change_failures_total{repository="a/b",environment="production",service="",cause="revert"} 0.0
dora_recovery_time_seconds_count{repository="a/b",environment="production",service="",cause="rollback"} 1.0
dora_recovery_time_seconds_sum{repository="a/b",environment="production",service="",cause="rollback"} 120.0
dora_open_failures{repository="a/b",environment="production",service=""} 0.0
"""


def drawn(exposition: str) -> str:
    text = StringIO()
    Console(file=text, width=160).print(table(exposition))
    return text.getvalue()


def test_a_chain_is_one_row_with_its_means_and_causes() -> None:
    (line,) = (line for line in drawn(EXPOSITION).splitlines() if "production" in line)
    assert " ".join(line.split()) == "production 3 1 2 1.5 h - 1 rollback 2.0 min 0 0"


def test_rows_stand_under_their_repository() -> None:
    names = [
        line.split()[0] for line in drawn(EXPOSITION + EXPOSITION.replace("a/b", "a/c")).splitlines() if line.split()
    ]
    assert [name for name in names if name in {"a/b", "a/c", "production"}] == [
        "a/b",
        "production",
        "a/c",
        "production",
    ]


def test_buckets_and_repositories_without_environment_are_no_rows() -> None:
    assert list(totals(EXPOSITION)) == [("a/b", "production", "")]


def test_an_empty_exposition_is_an_empty_table() -> None:
    assert "repository" in drawn("")
