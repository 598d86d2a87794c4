"""The examples of the standard's own releases are read; what they lack is told where it belongs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.events import Batch, PushedEvents, parse_clients
from dora.domain.facts import (
    ChangeMerged,
    DeploymentFinished,
    Fact,
    IncidentOpened,
    IncidentResolved,
    Kind,
    Repository,
    Result,
)
from dora.policy import Policy
from dora.ports import Forbidden, Invalid, Problem
from tests.unit.adapters.events.samples import RECEIVED_AT, SHA, body, json_values

(CI,) = parse_clients("ci:token")
DOOR = PushedEvents((CI,), (), Policy())
AT = RECEIVED_AT - 3_600_000_000
PURL = f"pkg:github/acme/shop@{SHA}"


def cdevent(type_: str = "service.deployed.0.2.0", *, dora: object = None, **content: object) -> dict[str, Any]:
    """Return a CDEvent as a release up to 0.4 has it."""
    subject = type_.partition(".")[0]
    contents: dict[str, dict[str, Any]] = {
        "service": {"environment": {"id": "production"}, "artifactId": PURL},
        "incident": {"environment": {"id": "production"}, "artifactId": PURL, "description": "slow"},
        "change": {"repository": {"id": "acme/shop", "source": "https://git.example"}},
    }
    event: dict[str, Any] = {
        "context": {
            "version": "0.4.1",
            "id": "271069a8-fc18-44f1-b38f-9d70a1695819",
            "chainId": "4c8cb7dd-3448-41de-8768-eec704e2829b",
            "source": "/ci/1",
            "type": f"dev.cdevents.{type_}",
            "timestamp": "2026-06-01T11:00:00Z",
            "schemaUri": "https://schemas.example/custom",
        },
        "subject": {
            "id": "web",
            "source": "/ci/1",
            "type": subject,
            "content": {name: value for name, value in (contents[subject] | content).items() if value is not None},
        },
    }
    return event if dora is None else event | {"customData": {"dora": dora, "other": [1]}}


def fact(event: object) -> Fact:
    (pushed,) = DOOR.read(CI, body(event), idempotency_key=None, received_at=RECEIVED_AT).events
    assert pushed.ignored is None
    assert pushed.fact is not None
    return pushed.fact


def problems(event: object) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as raised:
        DOOR.read(CI, body(event), idempotency_key=None, received_at=RECEIVED_AT)
    return [(problem.pointer, problem.detail) for problem in raised.value.problems]


def pointers(event: object) -> list[str]:
    return [pointer for pointer, _ in problems(event)]


def changed(event: dict[str, Any], pointer: str, value: object) -> dict[str, Any]:
    """Return the event with another value at the place; None: without it."""
    name, _, rest = pointer.partition("/")
    inner = changed(event.get(name, {}), rest, value) if rest else value
    return {key: old for key, old in event.items() if key != name} | ({} if inner is None else {name: inner})


@pytest.mark.parametrize("version", ["0.1.1", "0.2.0", "0.3.0", "0.3.0-draft"])
@pytest.mark.parametrize("predicate", ["deployed", "upgraded"])
def test_a_service_deployed_is_a_deployment_that_succeeded(predicate: str, version: str) -> None:
    deployed = fact(cdevent(f"service.{predicate}.{version}"))
    assert isinstance(deployed, DeploymentFinished)
    assert deployed.repository == Repository("acme/shop")
    assert (deployed.environment.name, deployed.environment.service) == ("production", "web")
    assert (deployed.result, deployed.sha, deployed.at, deployed.kind) == (Result.SUCCESS, SHA, AT, None)
    assert deployed.deployment_id == "271069a8-fc18-44f1-b38f-9d70a1695819 /ci/1"


def test_the_form_of_0_5_is_read_too() -> None:
    event = cdevent("service.deployed.0.3.0")
    event["context"] |= {"specversion": "0.5.1", "links": [{"linkType": "END"}]}
    del event["context"]["version"], event["subject"]["type"], event["context"]["schemaUri"]
    assert fact(event) == fact(cdevent())


def test_a_service_rolled_back_is_a_rollback() -> None:
    rolled_back = fact(cdevent("service.rolledback.0.2.0"))
    assert isinstance(rolled_back, DeploymentFinished)
    assert (rolled_back.result, rolled_back.kind) == (Result.SUCCESS, Kind.ROLLBACK)


@pytest.mark.parametrize(
    ("predicate", "kind"),
    [("detected", IncidentOpened), ("reported", IncidentOpened), ("resolved", IncidentResolved)],
)
def test_an_incident_is_one_by_the_subjects_id(predicate: str, kind: type[IncidentOpened | IncidentResolved]) -> None:
    incident = fact(cdevent(f"incident.{predicate}.0.2.0", service={"id": "checkout", "source": "/cluster"}))
    assert isinstance(incident, kind)
    assert (incident.repository, incident.incident_id, incident.at) == (Repository("acme/shop"), "web", AT)
    assert incident.environment is not None
    assert (incident.environment.name, incident.environment.service) == ("production", "checkout")
    assert incident.deployment_id is None


def test_an_incident_of_no_service_is_the_environments() -> None:
    incident = fact(cdevent("incident.detected.0.1.0", dora={"deployment_id": "d7"}))
    assert isinstance(incident, IncidentOpened)
    assert incident.environment is not None
    assert (incident.environment.service, incident.deployment_id) == ("", "d7")


def test_a_change_merged_is_one() -> None:
    merged = fact(cdevent("change.merged.0.2.0", dora={"sha": SHA, "committed_at": "2026-06-01T10:00:00Z"}))
    assert isinstance(merged, ChangeMerged)
    assert (merged.repository, merged.sha, merged.merged_at) == (Repository("acme/shop"), SHA, AT)
    assert merged.committed_at == AT - 3_600_000_000


def test_what_is_said_in_our_words_wins() -> None:
    own = {
        "repository": "https://git.example/other/api.git",
        "sha": "f" * 40,
        "environment": "staging",
        "service": "",
        "deployment_id": 7,
        "occurred_at": "2026-06-01T10:00:00Z",
        "kind": "planned",
        "fixes": "6",
        "changes": [],
    }
    deployed = fact(cdevent("service.rolledback.0.2.0", dora=own))
    assert isinstance(deployed, DeploymentFinished)
    assert (deployed.repository.name, deployed.sha, deployed.at) == ("other/api", "f" * 40, AT - 3_600_000_000)
    assert (deployed.environment.name, deployed.environment.service) == ("staging", "")
    assert (deployed.deployment_id, deployed.kind, deployed.fixes, deployed.changes) == ("7", Kind.PLANNED, "6", ())


def test_a_retry_is_the_same_deployment_and_another_event_or_source_is_another() -> None:
    def named(**context: str) -> str:
        event = cdevent()
        event["context"] |= context
        deployed = fact(event)
        assert isinstance(deployed, DeploymentFinished)
        return deployed.deployment_id

    assert named() == named()
    assert len({named(), named(id="other"), named(source="/ci/2")}) == 3
    # A name that is too long for an id is one all the same.
    assert len(named(source="/" + "s" * 500)) == 64
    assert named(source="/" + "s" * 500) != named(source="/" + "s" * 501)


@pytest.mark.parametrize(
    ("type_", "place", "value", "expected"),
    [
        ("service.deployed.0.2.0", "subject/content/artifactId", None, ["repository", "sha"]),
        ("service.deployed.0.2.0", "subject/content/artifactId", "pkg:oci/web@sha256%3Aabc", ["repository", "sha"]),
        ("service.deployed.0.2.0", "subject/content/artifactId", "pkg:github/acme/shop@v1", ["sha"]),
        ("incident.detected.0.2.0", "subject/content/artifactId", None, ["repository"]),
        ("change.merged.0.2.0", "subject/content/repository", None, ["repository", "sha"]),
    ],
)
def test_what_the_standard_has_no_place_for_is_asked_for_in_the_custom_data(
    type_: str, place: str, value: object, expected: list[str]
) -> None:
    told = problems(changed(cdevent(type_), place, value))
    assert told == [(f"/customData/dora/{name}", "is required") for name in expected]


@pytest.mark.parametrize(
    ("place", "value", "detail"),
    [
        ("subject/id", None, "is required"),
        ("subject/id", 5, "must be a string"),
        ("subject/id", "a:b", "must be at most 64 characters of [A-Za-z0-9._/ -]"),
        ("subject/content/environment/id", None, "is required"),
        ("subject/content/environment/id", "", "must not be empty"),
        ("subject/content/artifactId", [], "must be a string"),
        ("subject/content/artifactId", "pkg:github/a%20b/c@abcdef0", "must be owner/name or a clone URL of it"),
        ("context/timestamp", None, "is required"),
        ("context/timestamp", "2026-06-01T11:00:00", "must be an RFC 3339 time with an offset"),
        ("context/timestamp", "2026-06-01T13:00:00Z", "lies more than 5 minutes ahead"),
        ("context/id", None, "must be a string that is not empty"),
        ("context/id", 7, "must be a string that is not empty"),
        ("context/source", "", "must be a string that is not empty"),
        ("customData/dora", [], "must be an object"),
        ("customData/dora/type", "deployment.failed", "is no field here: the context tells it"),
        ("customData/dora/surprise", 1, "is no field of the form"),
        ("customData/dora/incident_id", "i", "is no field of this type of event"),
        ("customData/dora/changes", [{"id": 1}, {}], None),
    ],
)
def test_what_is_wrong_is_told_once_and_where_it_stands(place: str, value: object, detail: str | None) -> None:
    told = problems(changed(cdevent(), place, value))
    assert told == [(f"/{place}", detail) if detail else (f"/{place}/1/id", "is required")]


def test_all_that_is_wrong_is_told_at_once() -> None:
    event: dict[str, Any] = {
        "context": {"type": "dev.cdevents.service.deployed.0.2.0"},
        "customData": {"dora": {"x": 1}},
    }
    assert sorted(pointers(event)) == [
        "/context/id",
        "/context/source",
        "/context/timestamp",
        "/customData/dora/repository",
        "/customData/dora/sha",
        "/customData/dora/x",
        "/subject/content/environment/id",
        "/subject/id",
    ]


def test_where_nothing_of_an_object_is_needed_another_value_is_no_matter() -> None:
    own = {"repository": "acme/shop", "sha": SHA, "service": "", "environment": "production", "deployment_id": "1"}
    event = cdevent(dora=own | {"occurred_at": "2026-06-01T11:00:00Z"}) | {"subject": "none"}
    assert isinstance(fact(event), DeploymentFinished)


@pytest.mark.parametrize("custom", ["text", [], 5, None, {"other": 1}])
def test_custom_data_of_another_kind_is_not_looked_at(custom: object) -> None:
    assert fact(cdevent() | {"customData": custom}) == fact(cdevent())


@pytest.mark.parametrize(
    "type_",
    [
        "pipelinerun.finished.0.2.0",
        "service.removed.0.2.0",
        "service.published.0.2.0",
        "environment.created.0.2.0",
        "service.deployed",
        "service.deployed.x",
        "",
    ],
)
def test_any_other_cdevent_is_of_no_interest(type_: str) -> None:
    event = {"context": {"type": f"dev.cdevents.{type_}"}}
    (pushed,) = DOOR.read(CI, body(event), idempotency_key=None, received_at=RECEIVED_AT).events
    assert (pushed.type, pushed.ignored, pushed.fact, pushed.repository) == ("other", "type", None, None)


def test_an_array_may_hold_both_forms() -> None:
    plain = {
        "type": "deployment.failed",
        "repository": "a/b",
        "occurred_at": "2026-06-01T11:00:00Z",
        "deployment_id": 1,
    }
    sent = [plain, cdevent(), cdevent("service.deployed.0.2.0", artifactId=None), plain | {"x": 1}]
    assert pointers(sent) == ["/2/customData/dora/repository", "/2/customData/dora/sha", "/3/x"]
    batch = DOOR.read(CI, body(sent[:2]), idempotency_key=None, received_at=RECEIVED_AT)
    assert [pushed.type for pushed in batch.events] == ["deployment.failed", "deployment.succeeded"]


def test_a_problem_of_a_key_is_told_where_the_key_stands() -> None:
    (pushed,) = DOOR.read(CI, body(cdevent(dora={"id": "k"})), idempotency_key=None, received_at=RECEIVED_AT).events
    assert pushed.as_sent(Problem("/id", "was used")) == Problem("/customData/dora/id", "was used")


def test_the_clients_rights_hold() -> None:
    (limited,) = parse_clients("ci:token:other/*")
    with pytest.raises(Forbidden):
        DOOR.read(limited, body(cdevent()), idempotency_key=None, received_at=RECEIVED_AT)


@given(
    st.sampled_from(["service.deployed.0.2.0", "incident.resolved.0.1.0", "change.merged.0.3.0", "x.y.0.1.0"]),
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    *("context", "context/id", "context/source", "context/type", "context/timestamp", "subject"),
                    *("subject/id", "subject/content", "subject/content/environment", "subject/content/artifactId"),
                    *("subject/content/service", "subject/content/repository", "subject/content/repository/id"),
                    *("customData", "customData/dora", "customData/dora/sha", "customData/dora/changes"),
                ]
            ),
            json_values,
        ),
        max_size=4,
    ),
)
def test_any_cdevent_is_read_or_refused_for_a_declared_reason(type_: str, changes: list[tuple[str, object]]) -> None:
    event: object = cdevent("change.merged.0.2.0") | {"customData": {"dora": {"sha": SHA}}}
    if type_ != "x.y.0.1.0":
        event = cdevent(type_, dora={"sha": SHA} if type_.startswith("change") else {})
    for place, value in changes:
        event = set_at(event, place.split("/"), value)
    answer: Batch | Invalid
    try:
        answer = DOOR.read(CI, body(event), idempotency_key=None, received_at=RECEIVED_AT)
    except Invalid as invalid:
        answer = invalid
    if isinstance(answer, Invalid):
        assert answer.problems
        assert len(set(answer.problems)) == len(answer.problems)
    else:
        assert len(answer.events) == 1


def set_at(value: object, steps: list[str], new: object) -> object:
    if not steps:
        return new
    inner = value if isinstance(value, dict) else {}
    return inner | {steps[0]: set_at(inner.get(steps[0]), steps[1:], new)}
