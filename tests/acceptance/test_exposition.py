"""Section 3: families, labels, creation times, negotiation."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.acceptance.client import OPENMETRICS, Repository, Scrape, Service, at, commit, epoch, serving, sha, told

CHAIN = {"repository", "environment", "service"}
FAMILIES = {
    "dora_deployments": ("counter", CHAIN | {"result"}),
    "dora_lead_time_seconds": ("histogram", CHAIN),
    "dora_commit_lead_time_seconds": ("histogram", CHAIN),
    "dora_change_failures": ("counter", CHAIN | {"cause"}),
    "dora_recovery_time_seconds": ("histogram", CHAIN | {"cause"}),
    "dora_rework_deployments": ("counter", CHAIN),
    "dora_open_failures": ("gauge", CHAIN),
    "dora_lead_time_unknown": ("counter", CHAIN | {"reason"}),
    "dora_pending_lookups": ("gauge", CHAIN),
    "dora_last_deployment_timestamp_seconds": ("gauge", CHAIN),
    "dora_changes_merged": ("counter", {"repository"}),
    "dora_time_to_merge_seconds": ("histogram", {"repository"}),
    "dora_incidents": ("counter", CHAIN | {"state"}),
}
BUCKETS = [
    300,
    900,
    1800,
    3600,
    7200,
    14400,
    28800,
    43200,
    86400,
    172800,
    259200,
    432000,
    604800,
    1209600,
    1814400,
    2592000,
    5184000,
    7776000,
    15552000,
]
TEXT = "text/plain; version=0.0.4"


def test_the_families_their_types_and_their_labels(repo: Repository) -> None:
    repo.push("base", [commit("A", committed=1)])
    repo.merge(1, "B", 2)
    repo.deploy(1, "A", 10)
    repo.deploy(2, "A", 11, state="failure")
    scrape = repo.service.scrape()
    assert scrape.types == {name: kind for name, (kind, _) in FAMILIES.items()}
    for sample in scrape.samples.values():
        family = re.sub(r"_(total|created|bucket|sum|count)$", "", sample.name)
        assert set(sample.labels) - {"le"} == FAMILIES[family][1], sample.name


def test_buckets(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    for family in ("dora_lead_time_seconds", "dora_commit_lead_time_seconds", "dora_time_to_merge_seconds"):
        found = [
            float(s.labels["le"])
            for s in repo.service.scrape(only=repo.name).select(f"{family}_bucket", repository=repo.name)
        ]
        assert found == [*map(float, BUCKETS), float("inf")]


def test_registration_of_a_repository_at_its_first_event_of_any_kind(service: Service) -> None:
    for event, payload in (
        ("ping", {"zen": "x", "hook": {}}),
        ("push", {"ref": "refs/tags/x"}),
        ("star", {}),
        ("installation_repositories", {"action": "added", "repositories_added": []}),
        ("issues", {"action": "pinned"}),
        ("pull_request", {"action": "opened"}),
    ):
        repo = service.repository()
        answer = repo.deliver(event, payload)
        assert answer.status_code in {200, 400}, (event, answer.text)
        assert repo.value("dora_changes_merged_total") == 0, event
        assert repo.value("dora_time_to_merge_seconds_count") == 0, event
        assert len({s.name for s in service.scrape(only=repo.name).of_repository(repo.name)}) == 6, event


def test_an_installation_registers_its_repositories(service: Service) -> None:
    first, second, third = (service.repository() for _ in range(3))
    described = [
        {"id": r.number, "full_name": r.name, "name": r.name.split("/")[1], "private": True} for r in (first, second)
    ]
    answer = service.deliver(
        "installation", {"action": "created", "installation": {"id": 1}, "repositories": described}
    )
    assert told(answer).startswith("ignored: ")
    answer = service.deliver(
        "installation_repositories",
        {
            "action": "added",
            "installation": {"id": 1},
            "repositories_removed": [],
            "repositories_added": [{"id": third.number, "full_name": third.name, "private": True}],
        },
    )
    assert told(answer).startswith("ignored: ")
    for repo in (first, second, third):
        assert repo.value("dora_changes_merged_total") == 0


def test_registration_of_a_chain_at_a_deployment_or_any_status(service: Service) -> None:
    def registered(repo: Repository) -> None:
        scrape = service.scrape(only=repo.name)
        where = {"repository": repo.name, "environment": "production", "service": ""}
        for name, more in (
            ("dora_deployments_total", {"result": "success"}),
            ("dora_deployments_total", {"result": "failure"}),
            ("dora_lead_time_seconds_count", {}),
            ("dora_commit_lead_time_seconds_count", {}),
            ("dora_rework_deployments_total", {}),
            ("dora_open_failures", {}),
            ("dora_pending_lookups", {}),
            *(
                ("dora_change_failures_total", {"cause": c})
                for c in ("deployment_failed", "rollback", "revert", "hotfix", "incident", "reported")
            ),
            *(
                ("dora_lead_time_unknown_total", {"reason": r})
                for r in (
                    "first_deployment",
                    "history_rewritten",
                    "too_many_commits",
                    "not_found",
                    "no_token",
                    "github_refused",
                )
            ),
            *(("dora_incidents_total", {"state": s}) for s in ("opened", "resolved")),
        ):
            assert scrape.value(name, **where, **more) == 0, (name, more)
        assert scrape.value("dora_last_deployment_timestamp_seconds", **where) is None
        assert not scrape.select("dora_recovery_time_seconds_count", **where)

    for state in ("pending", "queued", "inactive"):
        repo = service.repository()
        repo.deploy(1, "A", 1, state=state)
        registered(repo)
    repo = service.repository()
    answer = repo.deliver(
        "deployment",
        {
            "action": "created",
            "deployment": {"id": 1, "sha": sha("A"), "environment": "production", "created_at": at(1)},
        },
    )
    assert told(answer).startswith("ignored: ")
    registered(repo)
    repo = service.repository()
    repo.event("deployment.started", 1, deployment_id="1")
    registered(repo)


def test_created_is_the_receipt_time_and_stays(repo: Repository) -> None:
    before = time.time()
    repo.deploy(1, "A", 10, state="pending")
    after = time.time()
    first = repo.service.scrape(only=repo.name)
    created = [s.value for s in first.of_repository(repo.name) if s.name.endswith("_created")]
    assert created
    assert all(before - 0.01 <= value <= after + 0.01 for value in created)
    time.sleep(0.05)  # so that a later time would differ
    repo.deploy(1, "A", 10)
    second = repo.service.scrape(only=repo.name)
    for key, sample in first.samples.items():
        if sample.name.endswith("_created"):
            assert second.samples[key].value == sample.value
    assert repo.value("dora_deployments_created", environment="production", service="", result="success") in created


def test_every_counter_and_histogram_has_created_in_openmetrics_and_none_in_text(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    scrape = repo.service.scrape(only=repo.name)
    for sample in scrape.of_repository(repo.name):
        if sample.name.endswith(("_total", "_count")):
            name = re.sub("_(total|count)$", "_created", sample.name)
            assert scrape.value(name, **sample.labels) is not None
    assert "_created" not in repo.service.http.get("/metrics").text


def test_help_type_and_unit_lines(service: Service) -> None:
    text = service.http.get("/metrics", headers={"Accept": OPENMETRICS}).text
    assert text.endswith("# EOF\n")
    for name, (kind, _) in FAMILIES.items():
        assert f"# TYPE {name} {kind}\n" in text
        line = next(line for line in text.splitlines() if line.startswith(f"# HELP {name} "))
        assert "DORA" in line
        assert (f"# UNIT {name} seconds\n" in text) == name.endswith("_seconds")
    plain = service.http.get("/metrics").text
    assert "# EOF" not in plain
    assert "# UNIT" not in plain
    for name, (kind, _) in FAMILIES.items():
        written = f"{name}_total" if kind == "counter" else name
        assert f"# TYPE {written} {kind}\n" in plain


def test_exemplars_sit_on_deployments_failures_and_buckets(repo: Repository) -> None:
    repo.push("base", [commit("A", committed=1)])
    repo.deploy(1, "A", 10)
    repo.deploy(2, "A", 12, state="failure")
    scrape = repo.service.scrape(only=repo.name)
    for name, labels, number in (
        ("dora_deployments_total", {"result": "success"}, "1"),
        ("dora_deployments_total", {"result": "failure"}, "2"),
        ("dora_change_failures_total", {"cause": "deployment_failed"}, "2"),
        ("dora_lead_time_seconds_bucket", {"le": "900.0"}, "1"),
    ):
        (sample,) = scrape.select(name, repository=repo.name, **labels)
        assert sample.exemplar is not None, name
        assert sample.exemplar.labels == {"sha": sha("A"), "deployment_id": number}
    assert "sha=" not in repo.service.http.get("/metrics").text


def test_case_55_long_exemplars_are_cut(repo: Repository) -> None:
    repo.event("deployment.succeeded", 10, deployment_id="d" * 128, sha="a" * 64, changes=[])
    repo.event("deployment.succeeded", 11, deployment_id="ü" * 128, sha="b" * 64, changes=[])
    (sample,) = repo.service.scrape(only=repo.name).select(
        "dora_deployments_total", repository=repo.name, result="success"
    )
    assert sample.exemplar is not None
    assert sum(len(k) + len(v) for k, v in sample.exemplar.labels.items()) <= 128
    assert repo.chain().success == 2


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        (None, False),
        ("*/*", False),
        ("text/plain", False),
        ("application/json", False),
        ("nonsense", False),
        ("", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=1.0.0", True),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", True),
        ("application/openmetrics-text;q=0.5,text/plain", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0,*/*", False),
        ("text/plain;q=0.2, application/openmetrics-text; q=0.3", True),
        ("application/openmetrics-text; version=2.0.0", False),
        ("application/openmetrics-text; version=0.0.1; q=0.9, */*;q=0.1", None),
        ("APPLICATION/OpenMetrics-Text; Version=1.0.0", True),
        ('application/openmetrics-text; version="1.0.0"', True),
        (
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
                "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
            ),
            True,
        ),
        (
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
                "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
            ),
            False,
        ),
        ("application/openmetrics-text;version=2.0.0;q=0.9,text/plain;q=0.1", False),
        ("application/openmetrics-text;q=abc", None),
        (",,,;;;===", False),
        ("application/*", None),
        ("text/*;q=0.1,application/openmetrics-text;q=0.05", False),
    ],
)
def test_negotiation(service: Service, accept: str | None, *, openmetrics: bool | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    request = service.http.build_request("GET", "/metrics", headers=headers)
    if accept is None:
        del request.headers["accept"]
    answer = service.http.send(request)
    assert answer.status_code == 200
    kind = answer.headers["content-type"]
    is_openmetrics = kind.startswith("application/openmetrics-text; version=1.0.0")
    assert is_openmetrics or kind.startswith(TEXT)
    assert "charset=utf-8" in kind
    if openmetrics is not None:
        assert is_openmetrics is openmetrics


@pytest.mark.parametrize(
    ("encoding", "zipped"),
    [
        (None, False),
        ("gzip", True),
        ("gzip;q=0", False),
        ("identity", False),
        ("deflate, gzip;q=0.5", True),
        ("*", None),
        ("GZIP", True),
        ("br", False),
        ("gzip;q=0.0, *", None),
    ],
)
def test_gzip_if_asked(service: Service, encoding: str | None, *, zipped: bool | None) -> None:
    peer = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    peer.putrequest("GET", "/metrics", skip_accept_encoding=True)
    if encoding is not None:
        peer.putheader("Accept-Encoding", encoding)
    peer.endheaders()
    answer = peer.getresponse()
    raw = answer.read()
    peer.close()
    if zipped is not None:
        assert (answer.headers.get("content-encoding") == "gzip") is zipped
    if answer.headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    assert raw.startswith(b"# HELP")


def test_case_52_the_same_state_gives_the_same_bytes(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    for accept in (OPENMETRICS, "text/plain"):
        assert len({repo.service.http.get("/metrics", headers={"Accept": accept}).content for _ in range(3)}) == 1


@pytest.mark.parametrize(
    "name",
    [
        'quo"te',
        "back\\slash",
        "new\nline",
        "tab\t",
        "ünï 環境 🚀",
        "\\n",
        '\\"',
        "x" * 255,
        'a{b="c"} 1',
        "# EOF",
        "\u2028",
        "\x00",
        "é\u0301",
    ],
)
def test_case_53_any_environment_name_is_parsed_back_equal(repo: Repository, name: str) -> None:
    assert repo.deploy(1, "A", 10, environment=name) == "accepted"
    assert repo.service.scrape(only=repo.name).chain(repo.name, name).success == 1
    plain = [
        li
        for li in repo.service.http.get("/metrics").text.split("\n")
        if f'repository="{repo.name}"' in li and li.startswith("dora_deployments_total")
    ]
    samples = [
        s for f in parse_text("# TYPE dora_deployments_total counter\n" + "\n".join(plain) + "\n") for s in f.samples
    ]
    assert {s.labels["environment"] for s in samples} == {name}


def test_last_deployment_is_the_latest_success_by_its_own_time(repo: Repository) -> None:
    repo.deploy(2, "A", 20)
    repo.deploy(1, "A", 10)
    assert repo.value("dora_last_deployment_timestamp_seconds", environment="production", service="") == epoch(20)


def test_zero_hold_shows_a_newborn_at_0_first() -> None:
    with serving(DORA_ZERO_HOLD="1h") as service:
        repo = service.repository()
        repo.merge(1, "A", 1)
        repo.deploy(1, "A", 10)
        repo.deploy(2, "A", 12, state="failure")
        for accept in (OPENMETRICS, "text/plain"):
            text = service.http.get("/metrics", headers={"Accept": accept}).text
            values = {
                li.split(" # ")[0].rsplit(" ", 1)[1]
                for li in text.splitlines()
                if li.startswith(
                    (
                        "dora_deployments_total",
                        "dora_lead_time_seconds_sum",
                        "dora_changes_merged_total",
                        "dora_lead_time_seconds_bucket",
                    )
                )
            }
            assert values == {"0.0"}, values
        held = service.scrape()
        assert held.value("dora_open_failures", repository=repo.name, environment="production", service="") == 1


def test_zero_hold_shows_what_was_held_when_it_is_over_and_holds_no_further_step() -> None:
    with serving(DORA_ZERO_HOLD="1s") as service:
        repo = service.repository()
        repo.merge(1, "A", 1)
        repo.deploy(1, "A", 10)
        repo.deploy(2, "A", 12, state="failure")
        deadline = time.monotonic() + 60
        while repo.chain().success == 0 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert repo.chain().success == 1
        assert repo.chain().lead == (1, 540)
        repo.deploy(3, "A", 14)
        assert repo.chain().success == 2


def test_two_scrapes_are_parsed_by_both_parsers(repo: Repository) -> None:
    repo.deploy(1, "A", 10)
    Scrape.of(repo.service.http.get("/metrics", headers={"Accept": OPENMETRICS}).text)
    assert list(parse_text(repo.service.http.get("/metrics").text))
    assert list(parse_text(repo.service.http.get("/internal/metrics").text))


def test_no_label_holds_a_sha_or_a_person(repo: Repository) -> None:
    repo.push("base", [commit("A", committed=1)])
    repo.deploy(1, "A", 10)
    labels = json.dumps([s.labels for s in repo.service.scrape(only=repo.name).samples.values()])
    assert sha("A") not in labels
    assert "ann" not in labels.lower()
