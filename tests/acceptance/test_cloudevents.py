"""Section 5: CloudEvents around our form, and CDEvents."""

from __future__ import annotations

import itertools
import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.acceptance.client import TOKEN, Chain, Json, Repository, Service, at, serving, sha, sign, told
from tests.unit.adapters.events.samples import body, near_envelopes, near_events

STRUCTURED = "application/cloudevents+json; charset=utf-8"
BATCHED = "application/cloudevents-batch+json"
_numbers = itertools.count()


def success(repo: Repository, number: object = "1", minutes: float = 10, **fields: Json) -> dict[str, Any]:
    event = {"repository": repo.name, "occurred_at": at(minutes), "deployment_id": number, "sha": sha("A")}
    return event | fields


def attributes(type_: str = "com.example.deployment.succeeded", **more: Json) -> dict[str, Any]:
    return {"specversion": "1.0", "id": f"e-{next(_numbers)}", "source": "/ci", "type": type_} | more


def headers(**members: str) -> dict[str, str]:
    return {f"ce-{name}": value for name, value in members.items()}


def cdevent(repo: Repository, type_: str, minutes: float, *, dora: Json = None, **content: Json) -> dict[str, Any]:
    place = {"environment": {"id": "production"}, "artifactId": f"pkg:github/{repo.name}@{sha('A')}"}
    return {
        "context": {
            "specversion": "0.5.1",
            "id": f"c-{next(_numbers)}",
            "source": "/ci",
            "type": f"dev.cdevents.{type_}",
            "timestamp": at(minutes),
        },
        "subject": {"id": "web", "content": place | content},
    } | ({} if dora is None else {"customData": {"dora": dora}})


def around(event: dict[str, Any]) -> dict[str, Any]:
    context = event["context"]
    return attributes(context["type"], id=context["id"], source=context["source"], data=event)


def errors(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, (answer.status_code, answer.text)
    return [error["pointer"] for error in answer.json()["errors"]]


def test_the_three_modes_count_one_fact_once(repo: Repository) -> None:
    structured = repo.service.push(attributes(data=success(repo)), Content_Type=STRUCTURED)
    assert (structured.status_code, structured.json()) == (201, {"status": "counted"})
    binary = repo.service.push(success(repo), **headers(**attributes()))
    assert (binary.status_code, binary.json()) == (200, {"status": "duplicate"})
    batched = repo.service.push([attributes(data=success(repo, n)) for n in (1, 2)], Content_Type=BATCHED)
    assert (batched.status_code, batched.json()) == (200, {"results": [{"status": "duplicate"}, {"status": "counted"}]})
    assert told(repo.service.push({"type": "deployment.succeeded"} | success(repo, 2))) == "duplicate"
    assert repo.chain().success == 2


def test_the_envelopes_time_stands_in_for_a_missing_one(repo: Repository) -> None:
    data = success(repo, changes=[{"id": "1", "merged_at": at(4)}])
    del data["occurred_at"]
    assert told(repo.service.push(attributes(data=data, time=at(10)), Content_Type=STRUCTURED)) == "counted"
    assert repo.chain() == Chain(success=1, lead=(1, 360))
    assert told(repo.service.push(data, **headers(**attributes(time=at(20))))) == "duplicate"


def test_a_key_is_the_forms_own_and_its_misuse_is_told_inside(repo: Repository) -> None:
    assert told(repo.service.push(attributes(data=success(repo, id="k")), Content_Type=STRUCTURED)) == "counted"
    assert told(repo.service.push(success(repo, id="k"), **headers(**attributes()))) == "duplicate"
    assert told(repo.service.push({"type": "deployment.succeeded"} | success(repo), Idempotency_Key="k")) == "duplicate"
    other = success(repo, 2, id="k")
    assert errors(repo.service.push(attributes(data=other), Content_Type=STRUCTURED)) == ["/data/id"]
    assert errors(
        repo.service.push([attributes(data=success(repo, 9)), attributes(data=other)], Content_Type=BATCHED)
    ) == ["/1/data/id"]
    assert errors(repo.service.push(other, **headers(**attributes()))) == ["/id"]
    assert repo.chain().success == 1


def test_cdevents_are_deployments_incidents_and_merges(repo: Repository) -> None:
    def send(type_: str, minutes: float, **more: Json) -> str:
        return told(repo.service.push(around(cdevent(repo, type_, minutes, **more)), Content_Type=STRUCTURED))

    merged = {"repository": {"id": repo.name}}
    assert send("change.merged.0.2.0", 5, dora={"sha": sha("A"), "committed_at": at(1)}, **merged) == "counted"
    assert send("service.deployed.0.2.0", 10) == "counted"
    assert send("change.merged.0.3.0", 15, dora={"sha": sha("B")}, **merged) == "counted"
    assert send("service.upgraded.0.3.0", 20, artifactId=f"pkg:github/{repo.name}@{sha('B')}") == "counted"
    assert send("incident.detected.0.1.0", 22, service={"id": "web"}) == "counted"
    assert send("incident.reported.0.1.0", 23, service={"id": "web"}, ticketURI="https://x.example/1") == "duplicate"
    assert send("service.rolledback.0.1.1", 30) == "counted"
    assert send("incident.resolved.0.1.0", 40, service={"id": "web"}) == "counted"
    assert repo.value("dora_changes_merged_total") == 2
    assert repo.chain(service="web") == Chain(
        success=3,
        lead=(2, 600),
        commit_lead=(1, 540),
        failures={"incident": 1},
        recovery={"incident": (1, 480)},
        rework=1,
    )


def test_a_cdevent_sent_again_counts_once_in_any_mode(repo: Repository) -> None:
    event = cdevent(repo, "service.deployed.0.2.0", 10)
    assert told(repo.service.push(around(event), Content_Type=STRUCTURED)) == "counted"
    assert told(repo.service.push(event)) == "duplicate"
    envelope = {name: value for name, value in around(event).items() if name != "data"}
    answer = repo.service.push(event, **headers(**envelope), Content_Type="application/cdevents+json")
    assert told(answer) == "duplicate"
    assert told(repo.service.push(cdevent(repo, "service.deployed.0.2.0", 10))) == "counted"
    assert repo.chain(service="web").success == 2


def test_a_batch_of_everything_is_taken_whole(repo: Repository) -> None:
    answer = repo.service.push(
        [
            around(cdevent(repo, "service.upgraded.0.2.0", 20)),
            attributes("deployment.failed", data={"repository": repo.name, "deployment_id": "f"}, time=at(10)),
            around(cdevent(repo, "pipelinerun.finished.0.2.0", 5)),
        ],
        Content_Type=BATCHED,
    )
    assert answer.status_code == 200
    assert answer.json()["results"] == [
        {"status": "counted"},
        {"status": "counted"},
        {"status": "ignored", "reason": "type"},
    ]
    assert repo.chain(service="web").success == 1
    assert repo.chain().failure == 1


def test_one_refused_item_refuses_the_whole_batch(repo: Repository) -> None:
    sent = [
        attributes(data=success(repo)),
        attributes("com.example.other", data={}),
        attributes(data=success(repo, 2, surprise=1)),
        around(cdevent(repo, "service.deployed.0.2.0", 20, artifactId="pkg:oci/web")),
        {"specversion": "0.3"} | attributes(data=success(repo, 3)),
        "text",
        {"data": success(repo)},
    ]
    assert errors(repo.service.push(sent, Content_Type=BATCHED)) == [
        *("/1/type", "/2/data/surprise"),
        *("/3/data/customData/dora/repository", "/3/data/customData/dora/sha"),
        *("/5", "/6/specversion", "/6/id", "/6/source", "/6/type"),
    ]
    assert not repo.service.scrape().of_repository(repo.name)


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/cloudevents", "application/cloudevents+xml", "application/cloudevents-batch+xml", "text/plain"),
        *("application/cloudevents+json; charset=latin-1", "application/cdevents+json", ""),
    ],
)
def test_another_format_is_a_415(repo: Repository, content_type: str) -> None:
    assert repo.service.push(attributes(data=success(repo)), Content_Type=content_type).status_code == 415


def test_the_order_of_checks_is_the_same_for_envelopes(service: Service) -> None:
    big = b"x" * (1024 * 1024 + 1)
    post = service.push_bytes
    assert service.http.put("/api/event", content=big, headers={"Content-Type": STRUCTURED}).status_code == 405
    assert post(big, Content_Type="application/cloudevents+xml", Authorization="Bearer x").status_code == 401
    assert post(big, Content_Type="application/cloudevents+xml").status_code == 415
    for more in ({"Content_Type": STRUCTURED}, {"Content_Type": BATCHED}, headers(**attributes())):
        assert post(big, **more).status_code == 413
        assert post(b"{", **more).status_code == 400
        assert post(b"[" * 100_000, **more).status_code == 400
        assert post(b"[]", **more).status_code == 422
    with serving(DORA_API_TOKENS=f"ci:{TOKEN}:other/*") as limited:
        repo = limited.repository()
        assert limited.push(attributes(data={}), Content_Type=STRUCTURED).status_code == 422
        assert limited.push(attributes(data=success(repo)), Content_Type=STRUCTURED).status_code == 403
        assert (
            limited.push(around(cdevent(repo, "service.deployed.0.2.0", 9)), Content_Type=STRUCTURED).status_code == 403
        )


@pytest.mark.parametrize(
    "value", ["%", "%zz", "%00", "%0d%0aX: y", '"', '"\\', "%C0%A0", "%F0%9F%98%80.deployment.succeeded", "\xe9", "a b"]
)
def test_any_header_is_answered(repo: Repository, value: str) -> None:
    content = json.dumps(success(repo)).encode()
    for name in ("ce-specversion", "ce-type", "ce-id", "ce-time"):
        sent: dict[str, Any] = headers(**attributes()) | {name: value}
        raw = [(key.encode(), text.encode("latin-1")) for key, text in sent.items()]
        given_headers = [(b"authorization", f"Bearer {TOKEN}".encode()), (b"content-type", b"application/json"), *raw]
        answer = repo.service.http.post("/api/event", content=content, headers=given_headers)
        assert answer.status_code in {200, 201, 400, 422}, answer.text


_bodies = st.one_of(
    st.binary(max_size=200),
    near_events().map(body),
    near_envelopes.map(body),
    st.lists(near_envelopes | near_events(), max_size=3).map(body),
)
_types = st.sampled_from(
    [
        "application/json",
        STRUCTURED,
        BATCHED,
        "application/cdevents+json",
        "application/cloudevents+xml",
        "text/plain",
        "",
    ]
)
# What a client may put into a header at all: no line ends, no spaces around.
_values = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60).map(str.strip)
_headers = st.dictionaries(
    st.sampled_from(["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-x", "Idempotency-Key"]),
    _values | st.sampled_from(["1.0", "com.example.deployment.succeeded", "dev.cdevents.service.deployed.0.2.0"]),
)


@given(_bodies, _types, _headers, st.sampled_from(["token", "signature"]))
@settings(deadline=None, max_examples=300)
def test_any_bytes_and_headers_get_a_declared_answer(
    service: Service, content: bytes, content_type: str, found: dict[str, str], proof: str
) -> None:
    proofs = {"token": ("Authorization", f"Bearer {TOKEN}"), "signature": ("X-Hub-Signature-256", sign(content))}
    sent = [("Content-Type", content_type), proofs[proof], *found.items()]
    answer = service.http.post(
        "/api/event",
        content=content,
        headers=[(name.encode(), value.encode("latin-1")) for name, value in sent],
    )
    assert answer.status_code in {200, 201, 400, 415, 422}
    if answer.status_code == 422:
        assert answer.json()["errors"]


def test_no_value_and_no_token_is_shown(repo: Repository) -> None:
    answer = repo.service.push(attributes("leak-me", data={"leak": "leak-me"}, id=5), Content_Type=STRUCTURED)
    assert answer.status_code == 422
    assert "leak-me" not in answer.text
    assert "leak-me" not in repo.service.log()
    assert TOKEN not in repo.service.log()
