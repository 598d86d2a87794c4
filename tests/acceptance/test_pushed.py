"""Section 5: pushed events."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.acceptance.client import TOKEN, Chain, Json, Repository, Service, at, serving, sha, sign, told


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    return body


def pointers(answer: httpx.Response) -> set[str]:
    errors = problem(answer, 422)["errors"]
    for error in errors:
        assert set(error) == {"detail", "pointer"}
        assert error["detail"]
    return {error["pointer"].removeprefix("#") for error in errors}


def success(repo: Repository, number: object = "1", minutes: float = 10, **fields: Json) -> dict[str, Any]:
    return {
        "type": "deployment.succeeded",
        "repository": repo.name,
        "occurred_at": at(minutes),
        "deployment_id": number,
        "sha": sha("A"),
    } | fields


def test_the_order_is_405_401_415_413_400_422_403(service: Service) -> None:
    big = b"x" * (1024 * 1024 + 1)
    wrong = {"Content-Type": "text/plain", "Authorization": "Bearer wrong"}
    assert service.http.put("/api/event", content=big, headers=wrong).status_code == 405
    answer = service.http.post("/api/event", content=big, headers=wrong)
    problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    problem(service.push_bytes(big, Content_Type="text/plain"), 415)
    problem(service.push_bytes(big), 413)
    problem(service.push_bytes(b"{"), 400)
    problem(service.push_bytes(b"{}"), 422)
    with serving(DORA_API_TOKENS=f"ci:{TOKEN}:other/*") as limited:
        problem(limited.push({"repository": "acme/x"}), 422)
        problem(limited.push(success(limited.repository())), 403)
        assert limited.push(success(limited.repository("other/x"))).status_code == 201
        assert limited.push(success(limited.repository("OTHER/y"))).status_code == 201
        problem(limited.push([success(limited.repository("other/z")), success(limited.repository("acme/z"))]), 403)
        assert not limited.scrape().of_repository("other/z")
        assert not limited.scrape().of_repository("acme/z")


@pytest.mark.parametrize(
    "authorization",
    ["-", "", "Bearer", "Bearer x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"],
)
def test_who_is_unknown_gets_401(service: Service, authorization: str) -> None:
    answer = service.push({}, Authorization=authorization)
    problem(answer, 401)
    assert "www-authenticate" in answer.headers


def test_the_webhook_secret_signs_too_and_writes_all_repositories() -> None:
    with serving(DORA_API_TOKENS="") as service:
        repo = service.repository()
        body = json.dumps(success(repo)).encode()
        assert service.push_bytes(body, Authorization="-", X_Hub_Signature_256=sign(body)).status_code == 201
        problem(service.push_bytes(body, Authorization="-", X_Hub_Signature_256=sign(body + b"x")), 401)
        problem(service.push_bytes(body), 401)


def test_201_is_new_and_200_a_duplicate_of_the_natural_identity(repo: Repository) -> None:
    answer = repo.service.push(success(repo))
    assert (answer.status_code, answer.json()) == (201, {"status": "counted"})
    answer = repo.service.push(success(repo, minutes=20))
    assert (answer.status_code, answer.json()) == (200, {"status": "duplicate"})
    answer = repo.service.push(success(repo, number=1))
    assert answer.json() == {"status": "duplicate"}


@pytest.mark.parametrize(
    ("type_", "needed"),
    [
        ("deployment.started", {"/deployment_id"}),
        ("deployment.succeeded", {"/deployment_id", "/sha"}),
        ("deployment.failed", {"/deployment_id"}),
        ("deployment.marked_failed", {"/deployment_id"}),
        ("deployment.recovered", {"/deployment_id"}),
        ("incident.opened", {"/incident_id"}),
        ("incident.resolved", {"/incident_id"}),
        ("change.merged", {"/sha"}),
    ],
)
def test_each_type_needs_its_fields(service: Service, type_: str, needed: set[str]) -> None:
    assert pointers(service.push({"type": type_})) == needed | {"/repository", "/occurred_at"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "deployment.exploded"),
        ("type", None),
        ("type", 1),
        ("repository", "acme"),
        ("repository", "a/b/c"),
        ("repository", ""),
        ("repository", 1),
        ("repository", None),
        ("repository", "https://host/acme"),
        ("occurred_at", "2026-03-02T00:00:00"),
        ("occurred_at", 1),
        ("occurred_at", "now"),
        ("occurred_at", None),
        ("occurred_at", "2026-03-02"),
        ("environment", "x" * 65),
        ("environment", "ü"),
        ("environment", "a\n"),
        ("environment", 1),
        ("service", "x" * 65),
        ("service", "a:b"),
        ("service", "a\tb"),
        ("deployment_id", ""),
        ("deployment_id", "x" * 129),
        ("deployment_id", 1.5),
        ("deployment_id", True),
        ("deployment_id", None),
        ("deployment_id", []),
        ("sha", "abcdef"),
        ("sha", "a" * 65),
        ("sha", "g" * 40),
        ("sha", None),
        ("sha", 1234567),
        ("kind", "odd"),
        ("kind", 1),
        ("changes", {}),
        ("changes", [{"id": "x"}] * 501),
        ("fixes", []),
        ("fixes", ""),
        ("surprise", 1),
        ("incident_id", "i"),
        ("committed_at", at(1)),
    ],
)
def test_anything_else_is_422_with_a_pointer(repo: Repository, field: str, value: object) -> None:
    assert pointers(repo.service.push(success(repo) | {field: value})) == {f"/{field}"}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({}, "/changes/1/id"),
        ({"id": 1.5}, "/changes/1/id"),
        ({"id": "x", "merged_at": "x"}, "/changes/1/merged_at"),
        ({"id": "x", "committed_at": "x"}, "/changes/1/committed_at"),
        ({"id": "x", "odd": 1}, "/changes/1/odd"),
        (1, "/changes/1"),
    ],
)
def test_changes_are_checked_with_pointers(repo: Repository, change: object, pointer: str) -> None:
    assert pointers(repo.service.push(success(repo, changes=[{"id": "fine"}, change]))) == {pointer}


def test_a_pointer_escapes_and_never_shows_a_value(repo: Repository) -> None:
    answer = repo.service.push(success(repo) | {"a/b~c": 1, "sha": "leak-me"})
    assert pointers(answer) == {"/a~1b~0c", "/sha"}
    assert "leak-me" not in answer.text


def test_more_than_5_minutes_ahead_is_422(repo: Repository) -> None:
    now = datetime.now(tz=UTC)
    ahead = success(repo, occurred_at=(now + timedelta(minutes=6)).isoformat())
    assert pointers(repo.service.push(ahead)) == {"/occurred_at"}
    assert repo.service.push(success(repo, occurred_at=(now + timedelta(minutes=4)).isoformat())).status_code == 201


@pytest.mark.parametrize(
    "spelling",
    [
        "{}",
        "https://github.com/{}",
        "https://github.com/{}.git",
        "https://github.com/{}/",
        "git@github.com:{}.git",
        "git@github.com:{}",
        "ssh://git@github.com/{}.git",
        "git://github.com/{}.git",
        "https://user:pw@github.com/{}.git",
        "http://ghe.example:8080/{}.git",
        "ssh://git@github.com:22/{}.git",
    ],
)
def test_a_clone_url_is_its_repository(service: Service, spelling: str) -> None:
    repo = service.repository()
    assert told(service.push(success(repo) | {"repository": spelling.format(repo.name)})) == "counted"
    assert repo.chain().success == 1


def test_names_match_case_insensitively(service: Service) -> None:
    repo = service.repository("Acme/MixedCase")
    assert told(service.push(success(repo))) == "counted"
    assert told(service.push(success(repo) | {"repository": "acme/mixedcase"})) == "duplicate"
    github = service.repository("ACME/MIXEDCASE")
    assert github.deploy(1, "A", 10) == "duplicate"


def test_defaults_are_production_and_no_service(repo: Repository) -> None:
    repo.service.push(success(repo))
    assert repo.chain() == Chain(success=1, unknown={"first_deployment": 1})
    repo.service.push(success(repo, environment="st-1_./ x", service="a b"))
    assert repo.chain("st-1_./ x", "a b").success == 1


def test_null_optional_fields_are_absent_or_422_never_5xx(repo: Repository) -> None:
    for field in ("environment", "service", "id", "changes", "kind", "fixes"):
        assert repo.service.push(success(repo) | {field: None}).status_code in {200, 201, 422}


def test_changes_are_taken_as_they_are(repo: Repository) -> None:
    repo.squash(1, "base", "A", 5)
    assert (
        told(
            repo.service.push(
                success(
                    repo,
                    changes=[
                        {"id": "1", "merged_at": at(1), "committed_at": at(0)},
                        {"id": "2", "merged_at": at(2)},
                        {"id": "3", "committed_at": at(4)},
                        {"id": "4"},
                    ],
                )
            )
        )
        == "counted"
    )
    assert repo.chain() == Chain(success=1, lead=(2, (9 + 8) * 60), commit_lead=(2, (10 + 6) * 60))
    repo.service.push(
        success(
            repo,
            number=2,
            minutes=20,
            sha=sha("B"),
            changes=[{"id": "1", "merged_at": at(1)}, {"id": "5", "merged_at": at(15)}],
        )
    )
    assert repo.chain().lead == (3, (9 + 8 + 5) * 60)
    repo.service.push(success(repo, number=3, minutes=30, sha=sha("C"), changes=[]))
    assert repo.chain().lead == (3, (9 + 8 + 5) * 60)
    assert repo.chain().unknown == {}


def test_the_same_change_twice_in_one_list_is_one(repo: Repository) -> None:
    answer = repo.service.push(
        success(repo, changes=[{"id": "1", "merged_at": at(1)}, {"id": "1", "merged_at": at(1)}])
    )
    assert answer.status_code in {201, 422}
    assert repo.chain().lead[0] <= 1


def test_case_30_an_abbreviated_sha_is_resolved_against_known_commits(repo: Repository) -> None:
    repo.squash(1, "base", "A", 5)
    repo.service.push(success(repo, sha=sha("A")[:7]))
    assert repo.chain().lead == (1, 300)
    repo.service.push(success(repo, number=2, minutes=20, sha="fffffff"))
    assert repo.chain().unknown == {"not_found": 1}
    assert repo.chain().pending == 0


def test_case_30_a_rollback_may_be_sent_with_an_abbreviated_sha(repo: Repository) -> None:
    repo.squash(1, "base", "A", 5)
    repo.squash(2, "A", "B", 15)
    repo.service.push([success(repo, minutes=10, sha=sha("A")), success(repo, number=2, minutes=20, sha=sha("B"))])
    repo.service.push(success(repo, number=3, minutes=30, sha=sha("A")[:7]))
    assert repo.chain() == Chain(
        success=3, lead=(2, 600), failures={"rollback": 1}, recovery={"rollback": (1, 600)}, rework=1
    )


def test_case_30_upper_case_hex_is_the_same_sha(repo: Repository) -> None:
    repo.squash(1, "base", "A", 5)
    assert repo.service.push(success(repo, sha=sha("A").upper())).status_code == 201
    assert repo.chain().lead == (1, 300)


def test_a_batch_is_atomic_ordered_and_applied_by_time(repo: Repository) -> None:
    batch = [
        success(repo, number=3, minutes=30),
        {"type": "deployment.failed", "repository": repo.name, "occurred_at": at(20), "deployment_id": "2"},
        success(repo, number=3, minutes=30),
        {"type": "change.merged", "repository": repo.name, "occurred_at": at(10), "sha": sha("A")},
    ]
    answer = repo.service.push(batch)
    assert answer.status_code in {200, 201}
    assert [r["status"] for r in answer.json()["results"]] == ["counted", "counted", "duplicate", "counted"]
    chain = repo.chain()
    assert chain == Chain(
        success=1,
        failure=1,
        lead=(1, 1200),
        failures={"deployment_failed": 1},
        recovery={"deployment_failed": (1, 600)},
    )
    answer = repo.service.push(batch)
    assert answer.status_code == 200
    assert {r["status"] for r in answer.json()["results"]} == {"duplicate"}


def test_one_refused_item_refuses_all(repo: Repository) -> None:
    answer = repo.service.push([success(repo, number=1), success(repo, number=2, sha="x"), {"type": "incident.opened"}])
    assert pointers(answer) == {"/1/sha", "/2/repository", "/2/occurred_at", "/2/incident_id"}
    assert not repo.service.scrape().of_repository(repo.name)


def test_a_batch_has_1_to_100_items(repo: Repository) -> None:
    assert repo.service.push([]).status_code == 422
    assert repo.service.push([success(repo, number=n) for n in range(101)]).status_code in {413, 422}
    assert repo.chain().success == 0
    assert repo.service.push([success(repo, number=n, changes=[]) for n in range(100)]).status_code in {200, 201}
    assert repo.chain().success == 100


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"type":NaN}', b'{"a":1,"a":1}', b'"\\ud800"', b"[" * 100_000, b'{"a":' * 100_000]
)
def test_400_is_not_json(service: Service, body: bytes) -> None:
    problem(service.push_bytes(body), 400)


@pytest.mark.parametrize("body", [b"null", b"1", b'"x"', b"[1]", b"[[]]", b"{}", b"[null]"])
def test_json_of_another_shape_is_422(service: Service, body: bytes) -> None:
    assert service.push_bytes(body).status_code == 422


def test_an_idempotency_key_in_the_body_or_the_header(service: Service) -> None:
    repo = service.repository()
    assert told(service.push(success(repo, id="k1"))) == "counted"
    assert told(service.push(success(repo, id="k1"))) == "duplicate"
    answer = service.push(success(repo, number="2", id="k1"))
    problem(answer, 422)
    assert told(service.push(success(repo, id="k1"), Idempotency_Key="other")) == "duplicate"
    assert told(service.push(success(repo, number="3"), Idempotency_Key="h1")) == "counted"
    assert told(service.push(success(repo, number="3"), Idempotency_Key="h1")) == "duplicate"
    problem(service.push(success(repo, number="4"), Idempotency_Key="h1"), 422)
    assert repo.chain().success == 2


def test_the_header_of_an_array_is_key_slash_number(service: Service) -> None:
    repo = service.repository()
    assert service.push([success(repo, "1"), success(repo, "2")], Idempotency_Key="B").status_code in {200, 201}
    problem(service.push(success(repo, "9"), Idempotency_Key="B/0"), 422)
    problem(service.push(success(repo, "9", id="B/1")), 422)
    assert told(service.push(success(repo, "1", id="B/0"))) == "duplicate"
    assert told(service.push(success(repo, "9"), Idempotency_Key="B/2")) == "counted"
    problem(service.push([success(repo, "1"), success(repo, "7")], Idempotency_Key="B"), 422)
    assert repo.chain().success == 3


def test_a_key_is_unique_per_client() -> None:
    with serving(DORA_API_TOKENS=f"ci:{TOKEN}\ncd:second") as service:
        repo = service.repository()
        assert told(service.push(success(repo, "1", id="k"))) == "counted"
        assert told(service.push(success(repo, "2", id="k"), Authorization="Bearer second")) == "counted"


def test_the_same_key_and_content_is_a_duplicate_for_a_fact_without_effect_too(repo: Repository) -> None:
    started = {"type": "deployment.started", "repository": repo.name, "occurred_at": at(1), "deployment_id": "1"}
    first = repo.service.push(started | {"id": "s"})
    assert first.status_code == 201
    assert first.json()["status"] in {"stored", "ignored", "counted"}
    second = repo.service.push(started | {"id": "s"})
    assert (second.status_code, second.json()) == (200, {"status": "duplicate"})


def test_deployment_started_twice_is_a_duplicate(repo: Repository) -> None:
    assert repo.event("deployment.started", 1, deployment_id="1").status_code == 201
    assert repo.event("deployment.started", 1, deployment_id="1").status_code in {200, 201}


def test_unsupported_forms_are_refused_plainly(service: Service) -> None:
    for content_type in ("application/xml", "application/cloudevents+xml", "application/x-www-form-urlencoded"):
        problem(service.push_bytes(b"{}", Content_Type=content_type), 415)


def test_started_and_failed_need_no_sha(repo: Repository) -> None:
    assert told(repo.event("deployment.failed", 10, deployment_id="1")) == "counted"
    assert repo.chain() == Chain(failure=1, failures={"deployment_failed": 1}, open=1)
    assert told(repo.event("deployment.failed", 10, deployment_id="1")) == "duplicate"


def test_nothing_pushed_needs_a_github_event(repo: Repository) -> None:
    repo.event("change.merged", 1, sha=sha("A"))
    repo.event("deployment.succeeded", 2, deployment_id="a", sha=sha("A"))
    repo.event("incident.opened", 3, incident_id="i")
    repo.event("incident.resolved", 4, incident_id="i")
    assert repo.chain() == Chain(success=1, lead=(1, 60), failures={"incident": 1}, recovery={"incident": (1, 60)})
    assert repo.value("dora_changes_merged_total") == 1


def test_change_merged_then_the_pull_request_is_counted_once(repo: Repository) -> None:
    repo.event("change.merged", 1, sha=sha("A"))
    assert repo.value("dora_changes_merged_total") == 1
    repo.merge(1, "A", 1)
    assert repo.value("dora_changes_merged_total") == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_change_merged_in_any_order_before_the_deployment(repo: Repository, order: tuple[int, ...]) -> None:
    for index in order:
        repo.event("change.merged", 10 * (index + 1), sha=sha("ABC"[index]))
    repo.pushed("1", "C", 40)
    assert repo.chain().lead == (3, (30 + 20 + 10) * 60)


def test_a_deployment_of_a_change_of_the_middle_contains_those_before(repo: Repository) -> None:
    for index in range(3):
        repo.event("change.merged", 10 * (index + 1), sha=sha("ABC"[index]))
    repo.pushed("1", "B", 40)
    repo.pushed("2", "A", 50)
    chain = repo.chain()
    assert chain.lead == (2, (30 + 20) * 60)
    assert chain.failures == {"rollback": 1}
