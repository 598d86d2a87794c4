"""Section 2: the routes, the order of the checks, the answers."""

from __future__ import annotations

import gzip
import json
import socket
import urllib.parse
from typing import Any

import httpx
import pytest

from tests.acceptance.client import SECRET, Repository, Service, at, serving, sha, sign, told


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Assert that the answer is an RFC 9457 problem, and return it."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body.get("status", status) == status
    assert body.get("title") or body.get("detail")
    return body


def test_the_order_is_405_415_413_401_400(service: Service) -> None:
    wrong = {"Content-Type": "text/plain", "X-Hub-Signature-256": "sha256=00"}
    big = b"x" * (25 * 1024 * 1024 + 1)
    answer = service.http.put("/webhooks/github", content=b"x", headers=wrong)
    problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    problem(service.http.post("/webhooks/github", content=big, headers=wrong), 415)
    problem(
        service.http.post("/webhooks/github", content=big, headers=wrong | {"Content-Type": "application/json"}), 413
    )
    problem(
        service.http.post("/webhooks/github", content=b"x", headers=wrong | {"Content-Type": "application/json"}), 401
    )
    problem(service.deliver_bytes(None, b"{}"), 400)
    problem(service.deliver_bytes(None, b"not json"), 400)
    problem(service.deliver_bytes("ping", b"not json"), 400)


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        "sha256=zz",
        "sha1=" + "0" * 40,
        "sha256=" + "0" * 64,
        "0" * 64,
        "sha256=\xe9",
        "sha256 =" + "0" * 64,
        sign(b"other"),
        sign(b"{}", "other"),
        sign(b"{}").removeprefix("sha256="),
        sign(b"{}").replace("sha256=", "sha512="),
        sign(b"{}") + "0",
        "SHA256" + sign(b"{}")[6:] + "x",
    ],
)
def test_no_malformed_or_wrong_signature_is_401(service: Service, signature: str | None) -> None:
    headers = {"Content-Type": "application/json", "X-GitHub-Event": "ping"}
    if signature is not None:
        headers["X-Hub-Signature-256"] = signature
    raw = {k.encode(): v.encode("latin-1") for k, v in headers.items()}
    body = problem(service.http.post("/webhooks/github", content=b"{}", headers=raw), 401)
    assert SECRET not in json.dumps(body)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/webhooks/github", "/api/event"])
def test_wrong_methods_are_405_with_allow(service: Service, method: str, path: str) -> None:
    answer = service.http.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    if method != "HEAD":
        problem(answer, 405)


@pytest.mark.parametrize("path", ["/metrics", "/internal/metrics", "/healthz", "/readyz", "/openapi.json", "/"])
def test_get_routes_answer_head_and_refuse_the_rest(service: Service, path: str) -> None:
    head = service.http.head(path)
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == service.http.get(path).headers["content-type"]
    answer = service.http.post(path, content=b"{}", headers={"Content-Type": "application/json"})
    problem(answer, 405)
    assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD"}


def test_unknown_paths_are_404_and_a_lost_webhook_is_told_the_right_path(service: Service) -> None:
    problem(service.http.get("/nothing"), 404)
    for path in ("/", "/webhook", "/webhooks/github/", "/payload"):
        answer = service.http.post(path, content=b"{}", headers={"X-GitHub-Event": "ping"})
        assert answer.status_code in {404, 405}, path
        assert "/webhooks/github" in answer.text, path
    assert "/webhooks/github" not in service.http.post("/nothing", content=b"{}").text


def test_the_body_may_be_a_form(repo: Repository) -> None:
    service = repo.service
    payload = json.dumps(repo.status(1, "A", 5) | {"note": "ü & = + %"})
    body = urllib.parse.urlencode({"payload": payload}).encode()
    form = "application/x-www-form-urlencoded"
    assert told(service.deliver_bytes("deployment_status", body, Content_Type=form)) == "accepted"
    assert told(service.deliver_bytes("deployment_status", body, Content_Type=form + "; charset=utf-8")) == "duplicate"
    assert told(service.deliver_bytes("deployment_status", b"other=1&" + body, Content_Type=form)) == "duplicate"
    for odd in (
        b"",
        b"payload",
        b"payload=",
        b"other=1",
        b"payload=%FF%FE",
        b"payload=%",
        b"payload=[]",
        body + b"&" + body,
    ):
        answer = service.deliver_bytes("deployment_status", odd, Content_Type=form)
        assert answer.status_code == 400, (odd[:20], answer.text)
    problem(service.deliver_bytes("deployment_status", body), 400)


@pytest.mark.parametrize(
    "content_type", ["Application/JSON", "application/json; charset=utf-8", "application/json;charset=UTF-8"]
)
def test_json_content_types(service: Service, content_type: str) -> None:
    assert told(service.deliver_bytes("ping", b"{}", Content_Type=content_type)).startswith("ignored: ")


@pytest.mark.parametrize(
    "content_type", ["-", "", "text/json", "application/jsonx", "multipart/form-data; boundary=x", "application/*"]
)
def test_other_content_types_are_415(service: Service, content_type: str) -> None:
    problem(service.deliver_bytes("ping", b"{}", Content_Type=content_type), 415)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b"{",
        b"\xff",
        b"{}x",
        b'{"a":NaN}',
        b'{"a":1,"a":2}',
        b'{"a":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":Infinity}',
        b"{'a':1}",
    ],
)
def test_case_50_signed_but_not_a_json_object_is_400(service: Service, body: bytes) -> None:
    problem(service.deliver_bytes("deployment_status", body), 400)
    problem(service.deliver_bytes("ping", body), 400) if body != b"" else None


def test_depth_100_000_inside_an_object_of_interest_is_400(repo: Repository) -> None:
    good = json.dumps(repo.status(1, "A", 5))
    deep = (good[:-1] + ',"x":' + "[" * 100_000 + "]" * 100_000 + "}").encode()
    assert repo.service.deliver_bytes("deployment_status", deep).status_code in {200, 202, 400}
    assert repo.service.http.get("/healthz").status_code == 200


def test_ping_and_unknown_events_are_ignored_with_a_reason(service: Service) -> None:
    assert told(service.deliver_bytes("ping", b"{}")) == "ignored: ping"
    for event in ("brand_new", "star", "x" * 1000):
        assert told(service.deliver_bytes(event, b"{}")).startswith("ignored: ")
    repo = service.repository()
    for event, action in [
        ("deployment_status", "sung"),
        ("pull_request", "synchronize"),
        ("issues", "pinned"),
        ("deployment", "x"),
    ]:
        assert told(repo.deliver(event, {"action": action})).startswith("ignored: "), event


def test_an_absent_action_is_created(repo: Repository) -> None:
    payload = repo.status(1, "A", 5)
    del payload["action"]
    assert told(repo.service.deliver("deployment_status", payload)) == "accepted"


def test_missing_fields_are_all_named_at_once_by_path(repo: Repository) -> None:
    answer = repo.service.deliver("deployment_status", {"action": "created", "repository": {}})
    text = json.dumps(problem(answer, 400))
    for field in ("full_name", "deployment", "deployment_status"):
        assert field in text
    answer = repo.service.deliver(
        "deployment_status",
        {
            "action": "created",
            "repository": repo.described(),
            "deployment": {"sha": 7},
            "deployment_status": {"state": None, "created_at": "leak-me"},
        },
    )
    text = json.dumps(problem(answer, 400))
    for field in (
        "deployment/id",
        "deployment/sha",
        "deployment_status/state",
        "deployment_status/created_at",
        "environment",
    ):
        assert field in text.replace(".", "/"), (field, text)
    assert "leak-me" not in text


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("deployment.id", None),
        ("deployment.id", "1"),
        ("deployment.id", 1.5),
        ("deployment.id", True),
        ("deployment.sha", None),
        ("deployment.sha", 1),
        ("deployment.sha", ""),
        ("deployment_status.state", 1),
        ("deployment_status.created_at", "2026-03-02T00:00:00"),
        ("deployment_status.created_at", "yesterday"),
        ("deployment_status.created_at", 1),
        ("deployment_status.created_at", "2026-13-02T00:00:00Z"),
        ("repository.full_name", 1),
        ("repository", []),
        ("repository.full_name", ""),
        ("repository.full_name", "no-slash"),
        ("deployment", None),
        ("deployment_status", "x"),
        ("deployment.id", 10**400),
    ],
)
def test_case_50_a_needed_field_of_the_wrong_type_is_400(repo: Repository, path: str, value: object) -> None:
    payload: dict[str, Any] = repo.status(1, "A", 5)
    where = payload
    *parents, last = path.split(".")
    for name in parents:
        where = where[name]
    where[last] = value
    answer = repo.service.deliver("deployment_status", payload)
    assert answer.status_code == 400, answer.text
    assert repo.chain().success == 0


@pytest.mark.parametrize(
    "path",
    [
        "number",
        "pull_request.merged_at",
        "pull_request.merge_commit_sha",
        "pull_request.created_at",
        "pull_request.base.ref",
    ],
)
def test_a_merge_needs_its_fields(repo: Repository, path: str) -> None:
    payload: dict[str, Any] = repo.pull_request(1, "A", 10)
    if path == "number":
        del payload["pull_request"]["number"]
    where = payload
    *parents, last = path.split(".")
    for name in parents:
        where = where[name]
    del where[last]
    body = problem(repo.service.deliver("pull_request", payload), 400)
    assert last in json.dumps(body)


@pytest.mark.parametrize("path", ["ref", "before", "after"])
def test_a_push_needs_its_fields(repo: Repository, path: str) -> None:
    payload = {
        "ref": "refs/heads/main",
        "before": sha(1),
        "after": sha(2),
        "commits": [{"id": sha(2), "timestamp": at(1)}],
    }
    del payload[path]
    assert path in json.dumps(problem(repo.deliver("push", payload), 400))


@pytest.mark.parametrize(
    "broken",
    [{"id": sha(2)}, {"timestamp": at(1)}, {"id": 1, "timestamp": at(1)}, {"id": sha(2), "timestamp": "x"}, None, []],
)
def test_a_pushed_commit_needs_id_and_timestamp(repo: Repository, broken: object) -> None:
    payload = {"ref": "refs/heads/main", "before": sha(1), "after": sha(2), "commits": [broken]}
    assert "commits" in json.dumps(problem(repo.deliver("push", payload), 400))


@pytest.mark.parametrize("path", ["number", "created_at", "closed_at"])
def test_an_issue_needs_its_fields(repo: Repository, path: str) -> None:
    issue = {"number": 1, "created_at": at(1), "closed_at": at(2), "state": "closed", "labels": [{"name": "incident"}]}
    del issue[path]
    assert path in json.dumps(problem(repo.deliver("issues", {"action": "closed", "issue": issue}), 400))


def test_all_else_may_be_null(repo: Repository) -> None:
    payload = repo.status(1, "A", 5)
    payload["deployment"] |= {
        "ref": None,
        "created_at": None,
        "transient_environment": None,
        "production_environment": None,
        "task": None,
    }
    payload["deployment_status"] |= {"updated_at": None, "id": None}
    payload["repository"] |= {"default_branch": None, "private": None}
    payload |= {"installation": None, "sender": None, "workflow_run": None, "organization": None}
    assert told(repo.service.deliver("deployment_status", payload)) == "accepted"
    merge = repo.pull_request(1, "A", 5)
    merge["pull_request"] |= {"labels": None, "head": None, "commits": None, "user": None, "body": None}
    assert told(repo.service.deliver("pull_request", merge)) == "accepted"
    merge = repo.pull_request(2, "B", 6)
    merge["pull_request"] |= {"head": {"ref": None, "repo": None}, "labels": [{"name": None}]}
    assert told(repo.service.deliver("pull_request", merge)) == "accepted"
    push = {
        "ref": "refs/heads/main",
        "before": sha("A"),
        "after": sha("B"),
        "head_commit": None,
        "pusher": None,
        "forced": None,
        "created": None,
        "commits": [
            {"id": sha("B"), "timestamp": at(6), "author": None, "committer": None, "message": None, "distinct": None}
        ],
    }
    assert told(repo.deliver("push", push)) == "accepted"


def test_one_environment_suffices_and_the_status_wins(repo: Repository) -> None:
    payload = repo.status(1, "A", 5)
    del payload["deployment_status"]["environment"]
    assert told(repo.service.deliver("deployment_status", payload)) == "accepted"
    payload = repo.status(2, "A", 5)
    payload["deployment_status"]["environment"] = "staging"
    assert told(repo.service.deliver("deployment_status", payload)) == "accepted"
    assert repo.chain("production").success == 1
    assert repo.chain("staging").success == 1
    payload = repo.status(3, "A", 6)
    payload["deployment_status"]["environment"] = ""
    assert told(repo.service.deliver("deployment_status", payload)) == "accepted"
    assert repo.chain("production").success == 2


def test_a_closed_unmerged_pull_request_is_ignored(repo: Repository) -> None:
    payload = repo.pull_request(1, "A", 5)
    payload["pull_request"] |= {"merged": False, "merged_at": None, "merge_commit_sha": None}
    assert told(repo.service.deliver("pull_request", payload)).startswith("ignored: ")


def test_events_total_tells_what_became_of_each(repo: Repository) -> None:
    def told_internal(type_: str, outcome: str, source: str = "github") -> float:
        return repo.service.internal(
            "dora_events_total", repository=repo.name, source=source, type=type_, outcome=outcome
        )

    repo.deploy(1, "A", 5)
    repo.deploy(1, "A", 5)
    repo.deploy(2, "A", 5, state="pending")
    repo.push("elsewhere", [{"id": sha("B"), "timestamp": at(1)}])
    repo.merge(1, "B", 2)
    repo.deliver("brand_new", {})
    repo.event("deployment.started", 3, deployment_id="9")
    assert told_internal("deployment_status", "counted") == 1
    assert told_internal("deployment_status", "duplicate") == 1
    assert told_internal("deployment_status", "ignored") == 1
    assert told_internal("push", "stored") == 1
    assert told_internal("pull_request", "counted") == 1
    assert told_internal("other", "ignored") == 1
    assert sum(told_internal("deployment.started", o, "api") for o in ("counted", "stored", "ignored")) == 1


def test_a_second_secret_is_accepted_while_rotating() -> None:
    with serving(WEBHOOK_SECRET_PREVIOUS="older") as service:
        body = b"{}"
        for secret, status in ((SECRET, 200), ("older", 200), ("oldest", 401), ("", 401)):
            assert service.deliver_bytes("ping", body, X_Hub_Signature_256=sign(body, secret)).status_code == status


def test_openapi_describes_all_routes(service: Service) -> None:
    paths = service.http.get("/openapi.json").json()["paths"]
    assert set(paths) >= {
        "/webhooks/github",
        "/api/event",
        "/metrics",
        "/internal/metrics",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/",
    }


def test_the_page_shows_what_each_repository_sent_last_and_escapes_it(service: Service) -> None:
    repo = service.repository('acme/<script>"&')
    repo.deploy(1, "A", 5)
    page = service.http.get("/").text
    assert "<script>" not in page
    if "&lt;script&gt;" in page:
        assert "deployment_status" in page


def test_a_compressed_request_is_refused_not_misread(service: Service) -> None:
    body = gzip.compress(b"{}")
    answer = service.deliver_bytes("ping", body, Content_Encoding="gzip")
    assert answer.status_code in {400, 415}


def test_case_51_a_body_larger_than_it_says_or_smaller_never_counts(repo: Repository) -> None:
    body = json.dumps(repo.status(1, "A", 5)).encode()
    head = (
        "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "X-GitHub-Event: deployment_status\r\n"
        f"X-Hub-Signature-256: {sign(body)}\r\nContent-Length: "
    )
    for length in (len(body) - 1, len(body) + 5):
        with socket.create_connection(("127.0.0.1", repo.service.port), timeout=30) as peer:
            peer.sendall(f"{head}{length}\r\n\r\n".encode() + body)
            peer.shutdown(socket.SHUT_WR)
            said = peer.recv(65536)
        assert b" 202 " not in said
        assert b" 500 " not in said
    assert repo.chain().success == 0
    assert repo.service.http.get("/healthz").status_code == 200


def test_413_comes_while_reading_a_body_without_length(service: Service) -> None:
    def endless() -> Any:  # noqa: ANN401  a generator
        for _ in range(26 * 1024):
            yield b"x" * 1024

    try:
        answer = service.http.post("/webhooks/github", content=endless(), headers={"Content-Type": "application/json"})
    except httpx.TransportError:
        return
    problem(answer, 413)


def test_a_body_of_exactly_25_mib_is_read(service: Service) -> None:
    body = b'{"x":"' + b"x" * (25 * 1024 * 1024 - 8) + b'"}'
    assert len(body) == 25 * 1024 * 1024
    assert told(service.deliver_bytes("ping", body)) == "ignored: ping"
    problem(service.deliver_bytes("ping", body + b" "), 413)


def test_metrics_and_details_want_the_token_if_there_is_one() -> None:
    with serving(DORA_METRICS_TOKEN="scrape-token") as service:
        service.repository("acme/hidden").deploy(1, "A", 5)
        for path in ("/metrics", "/internal/metrics"):
            for headers in (
                {},
                {"Authorization": "Bearer wrong"},
                {"Authorization": "scrape-token"},
                {"Authorization": "Basic scrape-token"},
            ):
                answer = service.http.get(path, headers=headers)
                problem(answer, 401)
                assert answer.headers["www-authenticate"].startswith("Bearer")
            assert service.http.get(path, headers={"Authorization": "Bearer scrape-token"}).status_code == 200
            assert service.http.get(path, headers={"Authorization": "bearer scrape-token"}).status_code == 200
        page = service.http.get("/")
        assert page.status_code in {200, 401}
        assert "acme/hidden" not in page.text
        assert "acme/hidden" in service.http.get("/", headers={"Authorization": "Bearer scrape-token"}).text
        for path in ("/healthz", "/readyz"):
            assert service.http.get(path).status_code == 200


def test_100_parallel_identical_deliveries_count_once(repo: Repository) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  used once

    with ThreadPoolExecutor(25) as pool:
        said = list(pool.map(lambda _: repo.deploy(1, "A", 5), range(100)))
    assert sorted(said) == ["accepted"] + ["duplicate"] * 99
    assert repo.chain().success == 1
