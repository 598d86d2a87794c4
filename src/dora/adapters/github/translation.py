"""From GitHub's deliveries to facts: one function an event of interest.

Interest is decided first, on whatever can be read of the delivery: an event that counts nothing is ignored whatever
else it holds. Only then are the fields checked that the fact needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeGuard

from attrs import frozen

from dora.adapters.github import payloads
from dora.adapters.github.reading import (
    Reading,
    Reason,
    default_branch,
    faults,
    fits,
    label_names,
    part,
    repository,
)
from dora.adapters.github.reverts import reverted
from dora.domain.facts import (
    Commit,
    CommitsPushed,
    DeploymentFinished,
    Environment,
    EnvironmentSeen,
    Fact,
    IncidentOpened,
    IncidentResolved,
    PullRequestMerged,
    RepositorySeen,
    Result,
)
from dora.domain.instant import Instant
from dora.policy import Policy
from dora.ports import Malformed, Problem
from dora.wire import structure

LONGEST_PUSH: Final = 2048
"""Commits that a push lists at most; a list of that length may have been cut (GitHub's page on the event `push`)."""

RESULTS: Final = MappingProxyType(
    {"success": Result.SUCCESS, "failure": Result.FAILURE, "error": Result.FAILURE},
)

_MERGE_SUBJECTS: Final = (
    "Merge branch ",
    "Merge remote-tracking branch ",
    "Merge tag ",
    "Merge commit ",
    "Merge pull request #",
)
"""Git's and GitHub's own words. None holds a line break, so the start of the message is the start of its subject."""

_BRANCHES: Final = "refs/heads/"
_MERGE_QUEUE: Final = "refs/heads/gh-readonly-queue/"


def _deployment(raw: dict[str, object], policy: Policy, received_at: Instant) -> Reading:
    """`deployment`: it counts nothing, and tells of the environment early.

    Old deliveries have no `action`; there is but one.
    """
    if raw.get("action") not in (None, "created"):
        return Reading(ignored=Reason.ACTION)
    deployment = part(raw, "deployment")
    name = deployment.get("environment")
    environment = _environment(name, deployment, policy)
    if environment is None and is_environment(name):
        return Reading(ignored=Reason.ENVIRONMENT, about=name)
    return Reading(_seen(raw, environment, received_at), ignored=Reason.EVENT)


def _deployment_status(raw: dict[str, object], policy: Policy, received_at: Instant) -> Reading:
    """`deployment_status`: a deployment succeeded or failed, or its environment is heard of."""
    if raw.get("action") not in (None, "created"):
        return Reading(ignored=Reason.ACTION)
    status, deployment = part(raw, "deployment_status"), part(raw, "deployment")
    name = status.get("environment") or deployment.get("environment")
    environment = _environment(name, deployment, policy)
    if environment is None and is_environment(name):
        return Reading(ignored=Reason.ENVIRONMENT, about=name)
    state = status.get("state")
    if isinstance(state, str) and state not in RESULTS:
        return Reading(_seen(raw, environment, received_at), ignored=Reason.STATE)
    if environment is None:
        owner = "deployment_status" if status.get("environment") else "deployment"
        wanted = Problem(f"/{owner}/environment", "must be a name of 1 to 255 characters")
        raise Malformed(*faults(raw, payloads.DeploymentStatusDelivery), wanted)
    delivery = structure(raw, payloads.DeploymentStatusDelivery)
    at = delivery.deployment_status.created_at
    too_old = policy.too_old(at, now=received_at)
    finished = DeploymentFinished(
        repository=repository(delivery.repository),
        received_at=received_at,
        environment=environment,
        deployment_id=str(delivery.deployment.id),
        result=RESULTS[delivery.deployment_status.state],
        at=at,
        sha=delivery.deployment.sha,
        counted=not too_old,
        lookups=policy.lookups,
        max_commits=policy.max_commits,
    )
    return Reading((finished,), ignored=Reason.TOO_OLD if too_old else None)


def _pull_request(raw: dict[str, object], policy: Policy, received_at: Instant) -> Reading:
    """`pull_request`: merged into a tracked branch, or of no interest.

    `merge_commit_sha` is read of merged pull requests only: before, it names a test merge.
    """
    pull = part(raw, "pull_request")
    if raw.get("action") != "closed" or _not_merged(pull):
        return Reading(ignored=Reason.ACTION)
    base = part(pull, "base").get("ref")
    if isinstance(base, str) and not policy.tracks(base, default_branch(raw)):
        return Reading(ignored=Reason.BRANCH, about=base)
    delivery = structure(raw, payloads.PullRequestDelivery)
    sent = delivery.pull_request
    head = sent.head.ref if sent.head else ""
    too_old = policy.too_old(sent.merged_at, now=received_at)
    merged = PullRequestMerged(
        repository=repository(delivery.repository),
        received_at=received_at,
        number=sent.number,
        created_at=sent.created_at,
        merged_at=sent.merged_at,
        merge_commit=sent.merge_commit_sha,
        commits=sent.commits,
        hotfix=policy.is_hotfix(label_names(sent.labels), head),
        reverts=reverted(head),
        counted=not too_old,
    )
    return Reading((merged,), ignored=Reason.TOO_OLD if too_old else None)


def _push(raw: dict[str, object], policy: Policy, received_at: Instant) -> Reading:
    """`push`: a branch gained commits."""
    ref, after, listed = raw.get("ref"), raw.get("after"), raw.get("commits")
    if isinstance(ref, str) and ref and (not ref.startswith(_BRANCHES) or ref.startswith(_MERGE_QUEUE)):
        return Reading(ignored=Reason.REF)
    if raw.get("deleted") is True or (isinstance(after, str) and _is_null(after)):
        return Reading(ignored=Reason.REF)
    if listed == []:
        # A new name for an old commit, or a branch moved back by force: neither proves what the tip contains.
        return Reading(ignored=Reason.COMMITS)
    delivery = structure(raw, payloads.PushDelivery)
    branch = delivery.ref.removeprefix(_BRANCHES)
    # A list of the greatest length may lack older commits, and then does not tell what lies between the two ends:
    # it proves as little as a forced push. So does a `forced` of a type that GitHub does not send.
    forced = raw.get("forced") not in (None, False) or len(delivery.commits) >= LONGEST_PUSH
    pushed = CommitsPushed(
        repository=repository(delivery.repository),
        received_at=received_at,
        branch=branch,
        tracked=policy.tracks(branch, default_branch(raw)),
        before=None if _is_null(delivery.before) else delivery.before,
        after=delivery.after,
        forced=forced,
        commits=tuple(
            Commit(
                sha=commit.id,
                committed_at=commit.timestamp,
                authored_at=commit.author.date if commit.author else None,
                merge_subject=(commit.message or "").startswith(_MERGE_SUBJECTS),
            )
            for commit in delivery.commits
        ),
    )
    return Reading((pushed,))


def _issues(raw: dict[str, object], policy: Policy, received_at: Instant) -> Reading:
    """`issues`: an issue with an incident label was opened or closed, or an issue got such a label."""
    told, action = part(raw, "issue"), raw.get("action")
    if told.get("pull_request") is not None:
        return Reading(ignored=Reason.EVENT)
    labels = fits(told, _Labelled) or _Labelled()
    names = label_names(labels.labels)
    if action == "labeled":
        # Which label was set stands beside the issue; a delivery without it leaves those that the issue has.
        label = fits(raw.get("label"), payloads.Label)
        names = [label.name] if label else names
    elif action not in ("opened", "closed"):
        return Reading(ignored=Reason.ACTION)
    if not policy.is_incident(names):
        return _closed_without_label(raw, received_at) if action == "closed" else Reading(ignored=Reason.LABEL)
    closed_at, state = told.get("closed_at"), told.get("state")
    is_closed = action == "closed" or (action == "labeled" and (state == "closed" if state else closed_at is not None))
    if is_closed and closed_at is None:
        missing = Problem("/issue/closed_at", "is required")
        raise Malformed(*faults(raw, payloads.IssuesDelivery), missing)
    delivery = structure(raw, payloads.IssuesDelivery)
    issue, named = delivery.issue, repository(delivery.repository)
    incident_id = f"#{issue.number}"
    facts: list[Fact] = []
    if action != "closed":
        # A label set later counts then: before, nobody called it an incident.
        at = issue.created_at if action == "opened" or issue.updated_at is None else issue.updated_at
        facts.append(
            IncidentOpened(repository=named, received_at=received_at, incident_id=incident_id, at=at),
        )
    if is_closed and issue.closed_at is not None:
        facts.append(
            IncidentResolved(repository=named, received_at=received_at, incident_id=incident_id, at=issue.closed_at),
        )
    return Reading(tuple(facts))


def _closed_without_label(raw: dict[str, object], received_at: Instant) -> Reading:
    """Read the end of an issue that may have been an incident: taking its label off takes nothing back."""
    try:
        delivery = structure(raw, payloads.IssuesDelivery)
    except Malformed:
        return Reading(ignored=Reason.LABEL)  # an issue like any other: what it looks like is no concern of ours
    if delivery.issue.closed_at is None:
        return Reading(ignored=Reason.LABEL)
    named = repository(delivery.repository)
    resolved = IncidentResolved(
        repository=named,
        received_at=received_at,
        incident_id=f"#{delivery.issue.number}",
        at=delivery.issue.closed_at,
        labelled=False,
    )
    return Reading((RepositorySeen(repository=named, received_at=received_at), resolved))


READERS: Final[Mapping[str, Callable[[dict[str, object], Policy, Instant], Reading]]] = MappingProxyType(
    {
        "deployment": _deployment,
        "deployment_status": _deployment_status,
        "pull_request": _pull_request,
        "push": _push,
        "issues": _issues,
    },
)
"""The events of interest; any other names repositories at most."""


@frozen
class _Labelled:
    labels: payloads.Labels = None


def is_environment(name: object) -> TypeGuard[str]:
    """Return whether this can be an environment's name."""
    return isinstance(name, str) and 0 < len(name) <= payloads.LONGEST_ENVIRONMENT


def _environment(name: object, deployment: dict[str, object], policy: Policy) -> Environment | None:
    if not is_environment(name):
        return None
    return policy.environment(name, transient=deployment.get("transient_environment") is True)


def _seen(raw: dict[str, object], environment: Environment | None, received_at: Instant) -> tuple[Fact, ...]:
    """Return that the environment was heard of, if both it and the repository can be read."""
    named = fits(raw.get("repository"), payloads.Repository)
    if named is None or environment is None:
        return ()
    return (EnvironmentSeen(repository=repository(named), received_at=received_at, environment=environment),)


def _not_merged(sent: dict[str, object]) -> bool:
    """Return whether a closed pull request says that it was not merged; old deliveries leave `merged` out."""
    merged = sent.get("merged")
    if isinstance(merged, bool):
        return not merged
    return "merged_at" in sent and sent["merged_at"] is None


def _is_null(sha: str) -> bool:
    """Return whether Git's name for no commit stands here: zeros alone."""
    return bool(sha) and not sha.strip("0")
