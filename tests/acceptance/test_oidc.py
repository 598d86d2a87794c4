"""Section 5: workflows that prove themselves by tokens of their issuer, which is a server of this machine here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.acceptance.client import TOKEN, Repository, Service, at, serving, sha, told
from tests.contract.servers import free_port
from tests.fakes.issuer import AUDIENCE, FakeIssuer, jwk


def success(repository: str, number: str = "1", **fields: object) -> dict[str, Any]:
    return {
        "type": "deployment.succeeded",
        "repository": repository,
        "occurred_at": at(10),
        "deployment_id": number,
        "sha": sha("A"),
    } | fields


@contextmanager
def trusting(issuer: FakeIssuer, **settings: str) -> Iterator[Service]:
    with serving(DORA_OIDC_AUDIENCE=AUDIENCE, DORA_OIDC_ISSUER=issuer.url, **settings) as service:
        yield service


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    fake = FakeIssuer()
    with fake.serving():
        yield fake


@pytest.fixture(scope="module")
def service(issuer: FakeIssuer) -> Iterator[Service]:
    with trusting(issuer) as running:
        yield running


def push(repo: Repository, token: str, event: object = None, **headers: str) -> httpx.Response:
    sent = success(repo.name) if event is None else event
    return repo.service.push(sent, Authorization=f"Bearer {token}", **headers)


def test_a_workflow_writes_its_own_repository_and_no_other(issuer: FakeIssuer, service: Service) -> None:
    repo, other = service.repository(), service.repository()
    token = issuer.token(repository=repo.name.upper())
    assert (first := push(repo, token)).status_code == 201, first.text
    assert push(repo, token).json() == {"status": "duplicate"}
    for event in (
        success(other.name),
        [success(repo.name, "2"), success(other.name)],
        success(f"https://github.com/{other.name}.git"),
    ):
        answer = push(repo, token, event)
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
    assert push(repo, token, {}).status_code == 422
    assert repo.chain().success == 1
    assert not service.scrape().of_repository(other.name)


def test_a_workflow_may_send_any_form(issuer: FakeIssuer, service: Service) -> None:
    repo = service.repository()
    token = issuer.token(repository=repo.name)
    envelope = {"specversion": "1.0", "id": "1", "source": "/ci", "type": "x.deployment.succeeded"}
    answer = push(repo, token, envelope | {"data": success(repo.name)}, Content_Type="application/cloudevents+json")
    assert told(answer) == "counted"
    answer = push(repo, token, success("other/x"), **{f"ce-{name}": value for name, value in envelope.items()})
    assert answer.status_code == 403


def test_api_tokens_and_the_signature_go_on_beside_it(service: Service) -> None:
    repo = service.repository()
    assert told(repo.service.push(success(repo.name))) == "counted"
    assert service.push({}, Authorization=f"Bearer {TOKEN}x").status_code == 401


def test_an_idempotency_key_is_the_repositorys_own(issuer: FakeIssuer, service: Service) -> None:
    repo, other = service.repository(), service.repository()
    token = issuer.token(repository=repo.name)
    assert told(push(repo, token, success(repo.name, id="k"))) == "counted"
    assert told(push(repo, issuer.token(repository=repo.name.upper()), success(repo.name, id="k"))) == "duplicate"
    assert push(repo, token, success(repo.name, "2", id="k")).status_code == 422
    assert told(push(other, issuer.token(repository=other.name), success(other.name, "2", id="k"))) == "counted"
    assert told(repo.service.push(success(repo.name, "3", id="k"))) == "counted"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://github.com/acme"},
        {"aud": ["a", "b"]},
        {"iss": "https://token.actions.githubusercontent.com"},
        {"exp": int(time.time()) - 3600},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"repository": None},
        {"repository": "*/*"},
        {"exp": None},
    ],
)
def test_a_token_that_is_wrong_is_a_401_before_anything_else_counts(
    issuer: FakeIssuer, service: Service, changes: dict[str, Any]
) -> None:
    repo = service.repository()
    answer = push(repo, issuer.token(**({"repository": repo.name} | changes)), Content_Type="text/plain")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["detail"]


def test_a_token_of_a_stranger_is_a_401(issuer: FakeIssuer, service: Service) -> None:
    repo = service.repository()
    for token in (
        issuer.token("stranger", repository=repo.name),
        issuer.token("stranger", header={"kid": "one"}, repository=repo.name),
        issuer.token(repository=repo.name)[:-6] + "AAAAAA",
        issuer.token(repository=repo.name) + ".x",
        "a.b.c",
        "eyJhbGciOiJub25lIn0.e30.",
    ):
        assert push(repo, token).status_code == 401


def test_a_token_too_large_for_a_header_is_refused_and_nothing_else_suffers(
    issuer: FakeIssuer, service: Service
) -> None:
    repo = service.repository()
    for length in (10_000, 100_000):
        try:
            status = push(repo, issuer.token(repository=repo.name, more="x" * length)).status_code
        except httpx.TransportError:
            continue
        assert 400 <= status < 500 or (length == 10_000 and status == 201)
    assert told(push(repo, issuer.token(repository=repo.name), success(repo.name, "9"))) == "counted"


def test_no_token_is_in_the_log(issuer: FakeIssuer) -> None:
    with trusting(issuer, DORA_LOG_LEVEL="debug") as service:
        repo = service.repository()
        good, bad = issuer.token(repository=repo.name), issuer.token(aud="other")
        assert push(repo, good).status_code == 201
        assert push(repo, bad).status_code == 401
        log = service.log()
        assert log
        assert not any(part in log for token in (good, bad) for part in token.split("."))


def test_an_issuer_out_of_reach_is_a_503_for_who_needs_it_and_nothing_to_anybody_else() -> None:
    issuer = FakeIssuer(url=f"http://127.0.0.1:{free_port()}")
    with trusting(issuer) as service:
        repo = service.repository()
        answer = push(repo, issuer.token(repository=repo.name))
        assert answer.status_code == 503
        assert 1 <= int(answer.headers["retry-after"]) <= 10
        assert push(repo, issuer.token(aud="other")).status_code == 401
        assert told(service.push(success(repo.name))) == "counted"
        assert service.http.get("/readyz").status_code == 200
        assert "the OIDC issuer's keys cannot be read" in service.log()


def test_an_issuer_that_hangs_holds_up_nobody_else() -> None:
    issuer = FakeIssuer()
    asked, going_on = threading.Event(), threading.Event()

    class Hanging(FakeIssuer):
        def answer(self, path: str) -> tuple[int, bytes]:
            asked.set()
            going_on.wait(30)
            return FakeIssuer.answer(self, path)

    issuer = Hanging()
    with issuer.serving(), trusting(issuer) as service:
        repo = service.repository()
        token = issuer.token(repository=repo.name)
        answers: list[int] = []
        with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as client:
            headers = {"Authorization": f"Bearer {token}"}
            waiting = threading.Thread(
                target=lambda: answers.append(
                    client.post("/api/event", json=success(repo.name, "2"), headers=headers).status_code
                )
            )
            waiting.start()
            assert asked.wait(30)
            assert told(service.push(success(repo.name))) == "counted"
            assert repo.chain().success == 1
            assert not answers
            going_on.set()
            waiting.join()
        assert answers == [201]


def test_a_new_key_is_learnt_without_a_restart_and_strangers_cannot_make_the_service_ask_for_ever() -> None:
    issuer = FakeIssuer(keys=[jwk("one")])
    with issuer.serving(), trusting(issuer) as service:
        repo = service.repository()
        assert push(repo, issuer.token("one", repository=repo.name)).status_code == 201
        for _ in range(20):
            assert push(repo, issuer.token("two", repository=repo.name)).status_code == 401
        assert len(issuer.asked) == 2


def test_that_an_issuer_is_everybodys_is_said_unless_repositories_are_named(issuer: FakeIssuer) -> None:
    warning = "name yours in DORA_REPOSITORIES"
    with trusting(issuer) as service:
        assert warning in service.log()
    with trusting(issuer, DORA_REPOSITORIES="acme/*") as service:
        assert warning not in service.log()
        repo = service.repository("mallory/shop")
        answer = push(repo, issuer.token(repository=repo.name))
        assert (answer.status_code, answer.json()) == (201, {"status": "ignored", "reason": "repository"})
        assert not service.scrape().of_repository(repo.name)
    with serving() as service:
        assert warning not in service.log()


def test_without_an_audience_no_token_of_a_workflow_is_known(issuer: FakeIssuer) -> None:
    with serving(DORA_OIDC_ISSUER=issuer.url) as service:
        repo = service.repository()
        before = len(issuer.asked)
        assert push(repo, issuer.token(repository=repo.name)).status_code == 401
        assert len(issuer.asked) == before
