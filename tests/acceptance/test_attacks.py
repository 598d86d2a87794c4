"""What a hostile or broken sender can do: never a 5xx, never a wrong count, never a hung service."""

from __future__ import annotations

import json
import random
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.acceptance.client import (
    OPENMETRICS,
    Chain,
    Repository,
    Scrape,
    Service,
    at,
    commit,
    serving,
    sha,
    sign,
    told,
)


def mutated(value: Any, odd: random.Random) -> Any:  # noqa: ANN401  any JSON
    """Return the JSON with one place made strange."""
    strange = [
        None,
        "",
        "x",
        0,
        -1,
        1.5,
        10**30,
        True,
        [],
        {},
        [None],
        {"a": 1},
        "\ud7ff",
        "0" * 5000,
        "2026-01-01T00:00:00Z",
        "9999-12-31T23:59:60Z",
        1e308,
    ]
    if isinstance(value, dict) and value and odd.random() < 0.85:
        key = odd.choice(list(value))
        return value | {key: mutated(value[key], odd)}
    if isinstance(value, list) and value and odd.random() < 0.85:
        index = odd.randrange(len(value))
        return [*value[:index], mutated(value[index], odd), *value[index + 1 :]]
    return odd.choice(strange)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_deliveries_never_5xx(repo: Repository, seed: int) -> None:
    odd = random.Random(seed)  # noqa: S311  no secret
    push = {
        "repository": repo.described(),
        "ref": "refs/heads/main",
        "before": sha("A"),
        "after": sha("B"),
        "forced": False,
        "created": False,
        "deleted": False,
        "commits": [commit("B", committed=1)],
        "head_commit": commit("B", committed=1),
    }
    issue = {
        "action": "opened",
        "repository": repo.described(),
        "issue": {
            "number": 1,
            "created_at": at(1),
            "closed_at": None,
            "updated_at": at(1),
            "state": "open",
            "labels": [{"name": "incident"}],
        },
    }
    for _ in range(150):
        event, payload = odd.choice(
            [
                ("deployment_status", repo.status(odd.randrange(5), "A", 5)),
                ("pull_request", repo.pull_request(odd.randrange(5), "A", 5)),
                ("push", push),
                ("issues", issue),
            ]
        )
        broken = mutated(payload, odd)
        answer = repo.service.deliver(event, broken)
        assert answer.status_code in {200, 202, 400}, (event, broken, answer.text)
    Scrape.of(repo.service.http.get("/metrics", headers={"Accept": OPENMETRICS}).text)


@pytest.mark.parametrize("seed", range(2))
def test_mutated_events_never_5xx(repo: Repository, seed: int) -> None:
    odd = random.Random(seed)  # noqa: S311  no secret
    event = {
        "type": "deployment.succeeded",
        "repository": repo.name,
        "occurred_at": at(5),
        "deployment_id": "1",
        "sha": sha("A"),
        "environment": "production",
        "service": "x",
        "id": "k",
        "kind": "planned",
        "fixes": "2",
        "changes": [{"id": "1", "merged_at": at(1), "committed_at": at(1)}],
    }
    for number in range(150):
        broken = mutated([event | {"id": f"k{number}"}, event | {"id": f"l{number}", "deployment_id": number}], odd)
        answer = repo.service.push(broken)
        assert answer.status_code in {200, 201, 422}, (broken, answer.text)


def test_arbitrary_bytes_are_400_at_both_doors(service: Service) -> None:
    odd = random.Random(1)  # noqa: S311  no secret
    for _ in range(100):
        body = odd.randbytes(odd.randrange(1, 200))
        assert service.deliver_bytes("deployment_status", body).status_code == 400
        assert service.push_bytes(body).status_code in {400, 422}


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1" * 400, "1E+2", "-0", "1e2", "9223372036854775808", "18446744073709551616", "1.0"]
)
def test_huge_and_odd_numbers_as_ids(repo: Repository, number: str) -> None:
    body = json.dumps(repo.status(987_654, "A", 5)).replace('"id": 987654,', f'"id": {number},').encode()
    answer = repo.service.deliver_bytes("deployment_status", body)
    assert answer.status_code in {200, 202, 400}, answer.text
    event = json.dumps(
        {
            "type": "deployment.succeeded",
            "repository": repo.name,
            "occurred_at": at(5),
            "deployment_id": 987_654,
            "sha": sha("A"),
        }
    )
    answer = repo.service.push_bytes(event.replace("987654", number).encode())
    assert answer.status_code in {200, 201, 400, 422}, answer.text


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "1969-12-31T23:59:59+14:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2016-12-31T23:59:60Z",
        "2026-03-02t00:00:00z",
        "2026-03-02T00:00:00.123456789123Z",
        "2026-03-02 00:00:00Z",
        "2026-03-02T24:00:00Z",
        "2026-02-30T00:00:00Z",
    ],
)
def test_times_at_the_edges(repo: Repository, moment: str) -> None:
    payload = repo.status(1, "A", 5)
    payload["deployment_status"]["created_at"] = moment
    assert repo.service.deliver("deployment_status", payload).status_code in {200, 202, 400}
    Scrape.of(repo.service.http.get("/metrics", headers={"Accept": OPENMETRICS}).text)


def test_a_slow_client_does_not_hold_others_and_is_cut_off(service: Service) -> None:
    peers = [socket.create_connection(("127.0.0.1", service.port), timeout=90) for _ in range(50)]
    try:
        for peer in peers:
            peer.sendall(
                b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\n"
                b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
            )
        assert service.repository().deploy(1, "A", 5) == "accepted"
        assert select.select(peers, [], [], 0)[0] == [], "it was answered while they still held theirs up"
        peers[0].settimeout(75)
        said = peers[0].recv(4096)
        assert said == b"" or said.split(b" ")[1] in {b"400", b"408", b"413", b"503"}
    finally:
        for peer in peers:
            peer.close()


def test_hostile_headers(service: Service) -> None:
    for accept in (
        "a" * 8000,
        ",".join(["text/plain;q=0.1"] * 500),
        "application/openmetrics-text;q=\x01".replace("\x01", "1e9"),
        ";" * 4000,
        '"' * 101,
    ):
        answer = service.http.get("/metrics", headers={"Accept": accept, "Accept-Encoding": accept})
        assert answer.status_code in {200, 400, 431}
    for number in (
        b"Content-Length: -1",
        b"Content-Length: 1e3",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    ):
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as peer:
            peer.sendall(
                b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                + number
                + b"\r\n\r\n{}"
            )
            peer.shutdown(socket.SHUT_WR)
            said = peer.recv(4096)
            assert b" 500 " not in said
            assert b" 202 " not in said
    assert service.http.get("/healthz").status_code == 200


def test_100_parallel_identical_events_and_deliveries_count_once(service: Service) -> None:
    repo = service.repository()

    def send(number: int) -> str:
        return repo.deploy(1, "A", 5) if number % 2 else repo.pushed("1", "A", 5)

    with ThreadPoolExecutor(20) as pool:
        said = list(pool.map(send, range(100)))
    assert said.count("duplicate") == 99
    assert repo.chain() == Chain(success=1, unknown={"first_deployment": 1})


def test_many_repositories_are_bounded_and_scrapable() -> None:
    with serving(DORA_MAX_REPOSITORIES="2000") as service:
        reasons: set[str | None] = set()
        for start in range(0, 2200, 100):
            batch = [
                {"type": "change.merged", "repository": f"acme/many-{n}", "occurred_at": at(1), "sha": sha(n)}
                for n in range(start, start + 100)
            ]
            answer = service.push(batch)
            assert answer.status_code in {200, 201}
            reasons = {result.get("reason") for result in answer.json()["results"]}
        assert reasons == {"limit"}
        text = service.http.get("/metrics").text
        assert text.count("dora_changes_merged_total{") == 2000
        assert service.log().count('"warning"') < 20


def test_a_flood_of_unwatched_or_forged_names_makes_no_series(service: Service) -> None:
    def attack(number: int) -> None:
        body = json.dumps({"repository": {"full_name": f"evil/{number}", "id": number}}).encode()
        assert service.deliver_bytes("deployment_status", body, X_Hub_Signature_256=sign(b"x")).status_code == 401
        service.http.get(f"/random/{number}")
        service.http.request(f"M{number}", "/metrics")

    attack(0)
    service.http.get("/internal/metrics")  # what routes and methods have is there once each has been asked for
    before = len(service.http.get("/internal/metrics").text.splitlines())
    for number in range(1, 200):
        attack(number)
    after = service.http.get("/internal/metrics").text
    assert len(after.splitlines()) == before
    assert "evil" not in after
    assert "/random/7" not in after
    assert "M77" not in after


def test_full_names_with_strange_characters(service: Service) -> None:
    for name in (
        'acme/"',
        "acme/a\nb",
        "acme/\\",
        "acme/ü",
        "acme/" + "x" * 300,
        "a/b/c",
        "/",
        "a/",
        "/b",
        " / ",
        "acme/x\x00",
        "acme/..",
        "acme/.",
    ):
        repo = service.repository(name)
        answer = service.deliver("deployment_status", repo.status(1, "A", 5))
        assert answer.status_code in {200, 202, 400}, name
    Scrape.of(service.http.get("/metrics", headers={"Accept": OPENMETRICS}).text)
    assert service.http.get("/").status_code == 200


def test_fields_far_too_long(repo: Repository) -> None:
    for environment in ("x" * 255, "x" * 100_000):
        answer = repo.service.deliver("deployment_status", repo.status(1, "A", 5, environment=environment))
        assert answer.status_code in {200, 202, 400}
    payload = repo.status(2, "A", 5)
    payload["deployment"]["sha"] = "a" * 100_000
    answer = repo.service.deliver("deployment_status", payload)
    assert answer.status_code in {200, 202, 400}
    assert len(repo.service.http.get("/metrics", headers={"Accept": OPENMETRICS}).content) < 30_000_000


def test_a_push_of_20_000_commits(repo: Repository) -> None:
    commits = [{"id": sha(n), "timestamp": at(1)} for n in range(20_000)]
    before = repo.service.processor_seconds()
    answer = repo.deliver(
        "push", {"ref": "refs/heads/main", "before": sha("base"), "after": commits[-1]["id"], "commits": commits}
    )
    assert told(answer) == "accepted"
    assert repo.service.processor_seconds() - before < 10
