from __future__ import annotations

import hmac
import json
from typing import cast
from urllib.parse import quote_plus, urlencode

import pytest

from dora.adapters.github.webhooks import EVENTS, Delivery, Webhooks
from dora.domain.facts import (
    Commit,
    CommitsPushed,
    DeploymentFinished,
    Environment,
    EnvironmentSeen,
    IncidentOpened,
    IncidentResolved,
    PullRequestMerged,
    Repository,
    RepositorySeen,
    Result,
)
from dora.policy import Policy, environment_rules
from dora.ports import Malformed, Unauthenticated
from dora.wire import rfc3339
from tests.contract import make_deliveries as github

SECRET = b"It's a Secret to Everybody"
NOW = rfc3339("2026-01-05T11:00:05Z")
SHOP = Repository("acme/shop", 900100)
PRODUCTION = Environment("production", "production", listed=True)
SEEN = RepositorySeen(repository=SHOP, received_at=NOW)


def read(event: str, body: object, policy: Policy | None = None) -> Delivery:
    door = Webhooks((SECRET,), policy or Policy())
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return door.read(event=event, body=raw, form=False, received_at=NOW)


def malformed(event: str, body: object, policy: Policy | None = None) -> set[str]:
    with pytest.raises(Malformed) as caught:
        read(event, body, policy)
    return {problem.pointer for problem in caught.value.problems}


def changed(body: github.Json, path: str, value: object = ...) -> github.Json:
    """Return a copy of the body with the value at the path set, or the key gone."""
    copy = json.loads(json.dumps(body))
    *parents, last = path.split("/")
    inner = copy
    for parent in parents:
        inner = inner[int(parent) if parent.isdigit() else parent]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return cast("github.Json", copy)


# Who sent it


def test_a_delivery_signed_with_either_secret_is_accepted() -> None:
    door = Webhooks((b"new", b"old"), Policy())
    for secret in (b"new", b"old"):
        door.verify("sha256=" + hmac.new(secret, b"{}", "sha256").hexdigest(), b"{}")


@pytest.mark.parametrize("signature", [None, "", "sha256=", "sha256=" + "0" * 64, "sha1=" + "0" * 40, "sha256=é", "ÿ"])
def test_any_other_signature_is_refused(signature: str | None) -> None:
    with pytest.raises(Unauthenticated):
        Webhooks((SECRET,), Policy()).verify(signature, b"Hello, World!")


def test_github_s_own_vector_is_accepted() -> None:
    vector = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    Webhooks((SECRET,), Policy()).verify(vector, b"Hello, World!")


def test_the_door_keeps_its_secrets_to_itself() -> None:
    assert "Secret" not in repr(Webhooks((SECRET,), Policy()))


# How it is written


def form(body: bytes) -> Delivery:
    return Webhooks((SECRET,), Policy()).read(event="ping", body=body, form=True, received_at=NOW)


def test_a_form_holds_the_json_in_its_field_payload() -> None:
    body = github.text(github.ping())
    assert form(urlencode({"payload": body}).encode()) == read("ping", body.encode())
    assert form(f"other=x&payload={quote_plus(body)}&".encode()) == read("ping", body.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload",
        b"payload=",
        b"other={}",
        b"payload={}&payload={}",
        b"payload=%7",
        b"payload={}&x=%zz",
        b"payload=%FF",
    ],
)
def test_any_other_form_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        form(body)


def test_a_form_of_very_many_fields_is_malformed() -> None:
    with pytest.raises(Malformed, match="too many"):
        form(b"&" * 1_000_000)


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'"x"', b"1", b"{", b'{"a":1,"a":2}', b"[" * 100_000, b'{"x":"\\ud800"}']
)
def test_case_50_what_is_no_json_object_is_malformed_whatever_the_event(body: bytes) -> None:
    for event in ("deployment_status", "ping", "something_new"):
        with pytest.raises(Malformed):
            read(event, body)


# Deployments


def finished(result: Result, **more: object) -> DeploymentFinished:
    return DeploymentFinished(
        **{
            "repository": SHOP,
            "received_at": NOW,
            "environment": PRODUCTION,
            "deployment_id": "3900000001",
            "result": result,
            "at": rfc3339("2026-01-05T11:00:00Z"),
            "sha": github.SQUASHED,
            **more,
        }  # type: ignore[arg-type]  # the names are the fields'
    )


def test_case_02_a_success_is_a_deployment_at_the_time_of_its_status() -> None:
    delivery = read("deployment_status", github.deployment_status("success"))
    assert delivery == Delivery(
        event="deployment_status", repository="acme/shop", facts=(finished(Result.SUCCESS),), ignored=None
    )


@pytest.mark.parametrize("state", ["failure", "error"])
def test_case_06_an_error_is_a_failure(state: str) -> None:
    assert read("deployment_status", github.deployment_status(state)).facts == (finished(Result.FAILURE),)


@pytest.mark.parametrize("state", ["pending", "queued", "in_progress", "waiting", "inactive", "something_new"])
def test_case_04_any_other_state_registers_the_environment(state: str) -> None:
    delivery = read("deployment_status", github.deployment_status(state))
    assert delivery.facts == (EnvironmentSeen(repository=SHOP, received_at=NOW, environment=PRODUCTION),)
    assert delivery.ignored == "state"


def test_a_deployment_registers_its_environment() -> None:
    delivery = read("deployment", github.deliveries()["deployment.created"])
    assert delivery.facts == (EnvironmentSeen(repository=SHOP, received_at=NOW, environment=PRODUCTION),)
    assert delivery.ignored == "event"


@pytest.mark.parametrize(
    ("event", "name"), [("deployment", "deployment.created"), ("deployment_status", "deployment_status.success")]
)
def test_an_absent_action_is_created_and_any_other_is_ignored(event: str, name: str) -> None:
    body = github.deliveries()[name]
    assert read(event, changed(body, "action")) == read(event, body)
    assert read(event, changed(body, "action", "edited")) == Delivery(
        event=event, repository="acme/shop", facts=(SEEN,), ignored="action"
    )


def test_case_08_preview_environments_are_ignored_unless_a_rule_names_them() -> None:
    body = github.deliveries()["deployment_status.preview"]
    ignored = read("deployment_status", body)
    assert (ignored.facts, ignored.ignored, ignored.about) == ((SEEN,), "environment", "preview/pr-7")
    policy = Policy(environments=environment_rules("preview=preview/*"))
    environment = Environment("preview/pr-7", "preview", listed=True)
    assert read("deployment_status", body, policy).facts == (finished(Result.SUCCESS, environment=environment),)


def test_case_08_a_deployment_to_an_unwatched_environment_registers_none() -> None:
    body = github.deliveries()["deployment.created"]
    delivery = read("deployment", changed(body, "deployment/transient_environment", value=True))
    assert (delivery.facts, delivery.ignored) == ((SEEN,), "environment")


def test_an_unwatched_environment_is_ignored_whatever_else_the_delivery_lacks() -> None:
    policy = Policy(environments=environment_rules("production"))
    body = changed(github.deployment_status("success", environment="qa"), "deployment/sha")
    delivery = read("deployment_status", body, policy)
    assert (delivery.facts, delivery.ignored) == ((SEEN,), "environment")


def test_the_environment_is_the_status_s_or_else_the_deployment_s() -> None:
    body = github.deployment_status("success")
    other = changed(body, "deployment_status/environment", "staging")
    assert read("deployment_status", other).facts == (
        finished(Result.SUCCESS, environment=Environment("staging", "staging")),
    )
    for absent in (..., None, ""):
        without = changed(body, "deployment_status/environment", absent)
        assert read("deployment_status", without).facts == (finished(Result.SUCCESS),)


def test_case_10_only_the_deployed_commit_counts_in_lower_case() -> None:
    body = changed(github.deployment_status("success", sha="ABCDEF" + "0" * 34), "deployment/ref", "v9")
    (fact,) = read("deployment_status", body).facts
    assert isinstance(fact, DeploymentFinished)
    assert fact.sha == "abcdef" + "0" * 34


def test_ids_may_be_larger_than_any_machine_word() -> None:
    body = github.deployment_status("success", number=2**70)
    assert read("deployment_status", body).facts == (finished(Result.SUCCESS, deployment_id=str(2**70)),)


def test_what_the_settings_decide_goes_with_the_fact() -> None:
    policy = Policy(lookups=True, max_commits=7)
    assert read("deployment_status", github.deployment_status("success"), policy).facts == (
        finished(Result.SUCCESS, lookups=True, max_commits=7),
    )


def test_a_deployment_that_is_too_old_is_kept_and_not_counted() -> None:
    delivery = read("deployment_status", github.deployment_status("success"), Policy(max_event_age=4_999_999))
    assert delivery.facts == (finished(Result.SUCCESS, counted=False),)
    assert delivery.ignored == "too_old"
    assert (
        read("deployment_status", github.deployment_status("success"), Policy(max_event_age=5_000_000)).ignored is None
    )


NEEDED = {
    "deployment_status": (
        "deployment_status.success",
        [
            "repository/full_name",
            "deployment/id",
            "deployment/sha",
            "deployment_status/state",
            "deployment_status/created_at",
        ],
    ),
    "pull_request": (
        "pull_request.squashed",
        [
            "repository/full_name",
            "pull_request/number",
            "pull_request/merged_at",
            "pull_request/merge_commit_sha",
            "pull_request/created_at",
            "pull_request/base/ref",
        ],
    ),
    "push": (
        "push.squashed",
        ["repository/full_name", "ref", "before", "after", "commits/0/id", "commits/0/timestamp"],
    ),
    "issues": (
        "issues.closed",
        ["repository/full_name", "issue/number", "issue/created_at", "issue/closed_at"],
    ),
}


@pytest.mark.parametrize(("event", "path"), [(event, path) for event, (_, paths) in NEEDED.items() for path in paths])
@pytest.mark.parametrize("value", [..., None, True, 1.5, "", [], {}, "x" * 2000, -1])
def test_case_50_a_needed_field_that_is_missing_null_or_of_another_type_is_named(
    event: str, path: str, value: object
) -> None:
    body = changed(github.deliveries()[NEEDED[event][0]], path, value)
    if path.endswith("state") and isinstance(value, str):
        assert read(event, body).ignored == "state"  # a word that GitHub may add
    elif path == "ref" and value == "x" * 2000:
        assert read(event, body).ignored == "ref"
    elif path.endswith("base/ref") and isinstance(value, str):
        assert read(event, body).ignored == "branch"
    else:
        assert malformed(event, body) == {f"/{path}"}


@pytest.mark.parametrize("event", NEEDED)
def test_case_50_all_missing_fields_are_named_at_once(event: str) -> None:
    name, paths = NEEDED[event]
    body = github.deliveries()[name]
    # What decides the interest stays.
    gone = [path for path in paths if path not in ("deployment_status/state", "pull_request/base/ref")]
    for path in gone:
        body = changed(body, path)
    assert malformed(event, body) == {f"/{path}" for path in gone}


@pytest.mark.parametrize("value", ["yesterday", "2026-01-05", "2026-01-05T11:00:00", "2026-01-05T11:00:00+25:00"])
def test_case_50_a_time_without_an_offset_is_named(value: str) -> None:
    body = changed(github.deployment_status("success"), "deployment_status/created_at", value)
    assert malformed("deployment_status", body) == {"/deployment_status/created_at"}


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ("e" * 256, "/deployment_status/environment"),
        (7, "/deployment_status/environment"),
        (None, "/deployment/environment"),
    ],
)
def test_case_50_an_environment_must_be_a_name_that_github_can_give(value: object, pointer: str) -> None:
    body = changed(github.deployment_status("success"), "deployment_status/environment", value)
    assert malformed("deployment_status", changed(body, "deployment/environment")) == {pointer}


def test_an_environment_of_255_characters_is_one() -> None:
    assert read("deployment_status", github.deployment_status("success", environment="é" * 255)).ignored is None


# Pull requests


def merged(number: int, **more: object) -> PullRequestMerged:
    return PullRequestMerged(
        **{
            "repository": SHOP,
            "received_at": NOW,
            "number": number,
            "created_at": rfc3339("2026-01-04T09:00:00Z"),
            "merged_at": rfc3339("2026-01-05T10:00:00Z"),
            "merge_commit": github.SQUASHED,
            "commits": 3,
            **more,
        }  # type: ignore[arg-type]  # the names are the fields'
    )


def test_case_18_a_merged_pull_request_landed_when_it_was_merged() -> None:
    delivery = read("pull_request", github.pull_request(7))
    assert (delivery.facts, delivery.ignored) == ((merged(7),), None)


def test_a_pull_request_that_was_closed_without_a_merge_is_ignored() -> None:
    body = github.deliveries()["pull_request.abandoned"]
    assert read("pull_request", body) == Delivery(
        event="pull_request", repository="acme/shop", facts=(SEEN,), ignored="action"
    )
    assert read("pull_request", changed(body, "pull_request/merged")).ignored == "action"


def test_where_merged_is_absent_merged_at_tells() -> None:
    assert read("pull_request", changed(github.pull_request(7), "pull_request/merged")).facts == (merged(7),)


@pytest.mark.parametrize("action", ["opened", "synchronize", "labeled", "something_new", None, 7])
def test_case_49_any_other_action_is_ignored(action: object) -> None:
    delivery = read("pull_request", changed(github.pull_request(7), "action", action))
    assert (delivery.facts, delivery.ignored) == ((SEEN,), "action")


def test_case_23_a_merge_into_an_untracked_branch_is_no_change() -> None:
    body = changed(github.pull_request(7), "pull_request/base/ref", "next")
    delivery = read("pull_request", body)
    assert (delivery.ignored, delivery.about) == ("branch", "next")
    assert read("pull_request", body, Policy(branches=("ne*",))).facts == (merged(7),)
    assert read("pull_request", changed(body, "repository/default_branch")).facts == (merged(7),)


def test_a_hotfix_is_told_by_label_or_branch() -> None:
    body = github.deliveries()["pull_request.hotfix"]
    assert read("pull_request", body).facts == (merged(8, hotfix=True, commits=1),)
    assert read("pull_request", changed(body, "pull_request/labels", [])).facts == (merged(8, hotfix=True, commits=1),)
    assert read("pull_request", changed(body, "pull_request/head/ref", "x")).facts == (
        merged(8, hotfix=True, commits=1),
    )


@pytest.mark.parametrize(
    ("head", "reverts"),
    [
        ("revert-7-faster-checkout", 7),
        ("revert-12-revert-7-faster-checkout", None),
        ("my-revert-7-x", None),
        ("revert-x-7", None),
        ("revert-0-x", None),
        ("revert-" + "9" * 400 + "-x", None),
    ],
)
def test_case_38_github_s_revert_button_is_told_by_its_branch(head: str, reverts: int | None) -> None:
    assert read("pull_request", github.pull_request(9, head=head)).facts == (merged(9, reverts=reverts),)


def test_a_merge_that_is_too_old_is_kept_and_not_counted() -> None:
    delivery = read("pull_request", github.pull_request(7), Policy(max_event_age=1))
    assert (delivery.facts, delivery.ignored) == ((merged(7, counted=False),), "too_old")


@pytest.mark.parametrize("value", [None, "x", [], {}, [None, 7, {"name": 7}]])
@pytest.mark.parametrize("path", ["labels", "head", "merged_by", "user", "milestone"])
def test_an_optional_field_of_another_type_is_as_good_as_absent(path: str, value: object) -> None:
    assert read("pull_request", changed(github.pull_request(7), f"pull_request/{path}", value)).facts == (merged(7),)


@pytest.mark.parametrize("value", [..., None, "3", True, -1, 2**63])
def test_how_many_commits_a_pull_request_has_may_be_unknown(value: object) -> None:
    body = changed(github.pull_request(7), "pull_request/commits", value)
    assert read("pull_request", body).facts == (merged(7, commits=None),)


# Pushes


def pushed(*commits: Commit, **more: object) -> CommitsPushed:
    return CommitsPushed(
        **{
            "repository": SHOP,
            "received_at": NOW,
            "branch": "main",
            "tracked": True,
            "before": github.BASE,
            "after": commits[-1].sha,
            "commits": commits,
            **more,
        }  # type: ignore[arg-type]  # the names are the fields'
    )


SQUASHED = Commit(github.SQUASHED, rfc3339("2026-01-05T10:00:00Z"), rfc3339("2026-01-05T10:00:00Z"))
BRANCH = Commit(github.BRANCH_COMMIT, rfc3339("2026-01-03T15:00:00Z"), rfc3339("2026-01-03T14:30:00Z"))
MERGE = Commit(
    github.MERGE_COMMIT, rfc3339("2026-01-05T10:00:00Z"), rfc3339("2026-01-05T10:00:00Z"), merge_subject=True
)


def push_of(name: str) -> Delivery:
    return read("push", github.deliveries()[f"push.{name}"])


def test_a_push_lists_the_commits_that_the_branch_gained() -> None:
    assert push_of("squashed").facts == (pushed(SQUASHED),)


def test_case_20_and_22_a_merge_is_recognised_and_indistinct_commits_count() -> None:
    assert push_of("merged").facts == (pushed(BRANCH, MERGE),)


def test_case_24_a_number_in_a_commits_message_proves_nothing() -> None:
    body = github.deliveries()["push.squashed"]
    numbered = changed(body, "commits/0/message", "Fix the till (#12), closes #34")
    assert read("push", numbered).facts == read("push", changed(body, "commits/0/message", "Fix the till")).facts


def test_an_old_sender_tells_no_author_date() -> None:
    assert push_of("old_sender").facts == (pushed(Commit(github.SQUASHED, rfc3339("2026-01-05T16:00:00Z"))),)


def test_case_26_a_forced_push_says_so() -> None:
    assert push_of("forced").facts == (pushed(BRANCH, forced=True),)


def test_a_push_that_made_the_branch_has_no_before() -> None:
    assert push_of("new_branch").facts == (pushed(BRANCH, branch="faster-checkout", tracked=False, before=None),)


@pytest.mark.parametrize(
    ("message", "merge"),
    [
        ("Merge branch 'main' into next", True),
        ("Merge remote-tracking branch 'origin/main'", True),
        ("Merge tag 'v1'", True),
        ("Merge commit 'abc'", True),
        ("Merge pull request #7 from acme/x\n\nbody", True),
        ("Merge pull request 7", False),
        ("merge branch 'x'", False),
        ("Fix\n\nMerge branch 'x'", False),
        ("Merge", False),
        (None, False),
        (7, False),
    ],
)
def test_case_31b_a_merge_by_hand_is_told_by_git_s_own_subject(message: object, merge: bool) -> None:  # noqa: FBT001 - a column of the table
    body = changed(github.deliveries()["push.squashed"], "commits/0/message", message)
    (fact,) = read("push", body).facts
    assert isinstance(fact, CommitsPushed)
    assert fact.commits[0].merge_subject is merge


@pytest.mark.parametrize("name", ["tag", "branch_deleted"])
def test_case_32_tags_and_deletions_are_no_change(name: str) -> None:
    delivery = push_of(name)
    assert (delivery.facts, delivery.ignored) == ((SEEN,), "ref")


def test_case_32_branches_of_a_merge_queue_are_no_change() -> None:
    body = changed(github.deliveries()["push.squashed"], "ref", "refs/heads/gh-readonly-queue/main/pr-7-abc")
    assert read("push", body).ignored == "ref"


def test_case_32_a_deletion_is_told_by_either_sign() -> None:
    body = github.deliveries()["push.squashed"]
    assert read("push", changed(body, "deleted", value=True)).ignored == "ref"
    assert read("push", changed(body, "after", github.NOBODY)).ignored == "ref"


def test_case_32_a_push_without_commits_or_head_is_no_change() -> None:
    body = changed(changed(github.deliveries()["push.squashed"], "commits", []), "head_commit", None)
    assert read("push", body).ignored == "commits"


def test_a_list_of_commits_that_may_have_been_cut_proves_nothing() -> None:
    body = github.deliveries()["push.squashed"]
    (commit,) = cast("list[github.Json]", body["commits"])
    many = [commit | {"id": f"{number:040x}"} for number in range(2048)]
    for count, forced in ((2047, False), (2048, True)):
        (fact,) = read("push", changed(body, "commits", many[:count])).facts
        assert isinstance(fact, CommitsPushed)
        assert (len(fact.commits), fact.forced) == (count, forced)


@pytest.mark.parametrize(
    "author", [None, 7, {}, {"date": None}, {"date": "yesterday"}, {"date": "2026-01-05T10:00:00"}]
)
def test_an_author_date_that_cannot_be_read_is_unknown(author: object) -> None:
    body = changed(github.deliveries()["push.squashed"], "commits/0/author", author)
    assert read("push", body).facts == (pushed(Commit(github.SQUASHED, rfc3339("2026-01-05T10:00:00Z"))),)


# Incidents


def opened(at: str) -> IncidentOpened:
    return IncidentOpened(repository=SHOP, received_at=NOW, incident_id="#41", at=rfc3339(at))


def resolved(at: str) -> IncidentResolved:
    return IncidentResolved(repository=SHOP, received_at=NOW, incident_id="#41", at=rfc3339(at))


def test_an_issue_with_the_label_is_an_incident_from_its_opening_to_its_closing() -> None:
    assert read("issues", github.issue("opened")).facts == (opened("2026-01-05T11:30:00Z"),)
    closing = github.issue("closed", closed_at="2026-01-05T13:00:00Z")
    assert read("issues", closing).facts == (resolved("2026-01-05T13:00:00Z"),)


def test_case_41_a_label_set_later_counts_then() -> None:
    body = github.issue("labeled", set_label="Incident")
    assert read("issues", body).facts == (opened("2026-01-05T12:00:00Z"),)


def test_case_41_another_label_on_an_incident_is_nothing_new() -> None:
    body = github.issue("labeled", labels=("incident", "bug"), set_label="bug")
    delivery = read("issues", body)
    assert (delivery.facts, delivery.ignored) == ((SEEN,), "label")


def test_case_41_a_label_on_a_closed_issue_opens_and_resolves() -> None:
    body = github.issue("labeled", set_label="incident", closed_at="2026-01-05T11:45:00Z")
    facts = (opened("2026-01-05T12:00:00Z"), resolved("2026-01-05T11:45:00Z"))
    assert read("issues", body).facts == facts
    assert read("issues", changed(body, "issue/state")).facts == facts


@pytest.mark.parametrize("action", ["reopened", "unlabeled", "edited", "deleted", "transferred", "something_new"])
def test_case_41_other_actions_take_nothing_back(action: str) -> None:
    assert read("issues", github.issue(action)).ignored == "action"


def test_an_issue_without_the_label_is_none() -> None:
    for body in (github.issue("opened", labels=()), changed(github.issue("opened"), "issue/labels")):
        assert read("issues", body).ignored == "label"


def test_a_pull_request_is_no_incident() -> None:
    body = changed(github.issue("opened"), "issue/pull_request", {"url": "x"})
    assert read("issues", body).ignored == "event"


# Repositories


def test_a_ping_registers_the_repository() -> None:
    assert read("ping", github.ping()) == Delivery(event="ping", repository="acme/shop", facts=(SEEN,), ignored="ping")


def test_a_ping_of_an_organisation_registers_nothing() -> None:
    assert read("ping", {"zen": "x"}) == Delivery(event="ping", repository=None, facts=(), ignored="ping")


@pytest.mark.parametrize(
    ("name", "registered"),
    [
        ("installation.created", ["acme/shop", "acme/till"]),
        ("installation_repositories.added", ["acme/till"]),
    ],
)
def test_an_installation_registers_its_watched_repositories(name: str, registered: list[str]) -> None:
    event, body = name.partition(".")[0], github.deliveries()[name]
    facts = read(event, body).facts
    assert [fact.repository.name for fact in facts] == registered
    assert all(isinstance(fact, RepositorySeen) for fact in facts)
    only_till = read(event, body, Policy(repositories=("acme/till",)))
    assert [fact.repository.name for fact in only_till.facts] == ["acme/till"]
    assert only_till.ignored == "event"


def test_case_48_a_renamed_repository_keeps_its_id() -> None:
    delivery = read("repository", github.renamed())
    assert delivery.facts == (RepositorySeen(repository=Repository("acme/store", 900100), received_at=NOW),)


def test_identity_is_by_name_where_the_id_is_absent_or_none() -> None:
    for value in (..., None, "x", True, -1, 2**63):
        body = changed(github.ping(), "repository/id", value)
        assert read("ping", body).facts == (RepositorySeen(repository=Repository("acme/shop"), received_at=NOW),)


@pytest.mark.parametrize("event", ["deployment_status", "deployment", "pull_request", "push", "issues"])
def test_an_unwatched_repository_is_ignored_whatever_it_sends(event: str) -> None:
    body = {"repository": {"full_name": "other/thing"}}
    assert read(event, body, Policy(repositories=("acme/*",))) == Delivery(
        event=event, repository=None, facts=(), ignored="repository"
    )


def test_case_49_an_unknown_event_registers_the_repository() -> None:
    delivery = read("something_new", github.ping())
    assert delivery == Delivery(event="other", repository="acme/shop", facts=(SEEN,), ignored="event")


def test_the_events_of_interest_are_on_the_list() -> None:
    assert set(NEEDED) | {"deployment", "ping", "installation", "installation_repositories", "repository"} <= EVENTS
