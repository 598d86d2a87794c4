"""The door for GitHub's webhooks: who sent it, and what it says.

Sources: GitHub's pages "Webhook events and payloads" and "Validating webhook deliveries".
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from attrs import field, frozen

from dora.adapters.github import payloads
from dora.adapters.github.reading import Reading, Reason, fits, part, repository
from dora.adapters.github.translation import READERS
from dora.domain.facts import Fact, Repository, RepositorySeen
from dora.domain.instant import Instant
from dora.policy import Policy
from dora.ports import Malformed, Problem, Unauthenticated
from dora.wire import parse, signed, structure

EVENTS: Final = frozenset(
    """
    branch_protection_configuration branch_protection_rule check_run check_suite code_scanning_alert commit_comment
    create custom_property custom_property_values delete dependabot_alert deploy_key deployment
    deployment_protection_rule deployment_review deployment_status discussion discussion_comment fork
    github_app_authorization gollum installation installation_repositories installation_target issue_comment
    issue_dependencies issues label marketplace_purchase member membership merge_group meta milestone org_block
    organization package page_build personal_access_token_request ping project project_card project_column projects_v2
    projects_v2_item projects_v2_status_update public pull_request pull_request_review pull_request_review_comment
    pull_request_review_thread push registry_package release repository repository_advisory repository_dispatch
    repository_import repository_ruleset repository_vulnerability_alert secret_scanning_alert
    secret_scanning_alert_location secret_scanning_scan security_advisory security_and_analysis sponsorship star status
    sub_issues team team_add watch workflow_dispatch workflow_job workflow_run
    """.split(),  # noqa: SIM905 - a word a line would take as many lines as the rest of this file
)
"""GitHub's events. The name comes from a header, which the signature does not cover: labels need a fixed list."""

OTHER: Final = "other"
"""Any event that is not on the list."""

_MOST_FORM_FIELDS: Final = 100
"""GitHub sends one."""

_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@frozen(kw_only=True)
class Delivery:
    """What a delivery says."""

    event: str
    """One of `EVENTS`, or `OTHER`."""
    repository: str | None
    """The repository's full name, if it is told and watched."""
    facts: tuple[Fact, ...]
    """What happened; of an ignored delivery, what it still registers."""
    ignored: str | None
    """Why it counts nothing, a `Reason`; None: what becomes of the last fact in the core is the answer."""
    about: str | None = None
    """The environment or branch that it is ignored for, as GitHub calls it."""


@frozen
class Webhooks:
    """Reads GitHub's deliveries. It keeps nothing between them and never reads the clock."""

    _secrets: tuple[bytes, ...] = field(repr=False)
    _policy: Policy

    def verify(self, signature: str | None, body: bytes) -> None:
        """Accept the raw body if its signature, the header `X-Hub-Signature-256`, was made with one of the secrets.

        Raises:
            Unauthenticated: it was not.
        """
        if not signed(body, signature, self._secrets):
            raise Unauthenticated("the signature is missing, malformed or wrong")

    def read(self, *, event: str, body: bytes, form: bool, received_at: Instant) -> Delivery:
        """Return what a verified delivery says.

        Args:
            event: The header `X-GitHub-Event`.
            body: The raw body.
            form: Whether the body is `application/x-www-form-urlencoded` with the JSON in the field `payload`.
            received_at: When it came in.

        Raises:
            Malformed: the body is no JSON object, or an event of interest lacks a field that it needs.
        """
        raw = parse(_payload(body) if form else body)
        if not isinstance(raw, dict):
            raise Malformed(Problem("", "must be an object"))
        name = _name(raw)
        watched = name is not None and self._policy.watches(name)
        reader = READERS.get(event)
        if reader is None:
            reading = _registering(event, raw, self._policy, received_at)
        elif name and not watched:
            reading = Reading(ignored=Reason.REPOSITORY)
        else:
            reading = reader(raw, self._policy, received_at)
        facts = reading.facts
        if not facts and watched:
            facts = (_seen(repository(structure(raw["repository"], payloads.Repository)), received_at),)
        return Delivery(
            event=event if event in EVENTS else OTHER,
            repository=name if watched else None,
            facts=facts,
            ignored=reading.ignored,
            about=reading.about,
        )


def _name(raw: dict[str, object]) -> str | None:
    """Return the full name of the repository that a delivery is of, if it can be read."""
    name = part(raw, "repository").get("full_name")
    try:
        return payloads.full_name(name) if isinstance(name, str) else None
    except ValueError:
        return None


def _registering(event: str, raw: dict[str, object], policy: Policy, received_at: Instant) -> Reading:
    """Return what an event of no interest tells all the same: the repositories of an installation."""
    reason = Reason.PING if event == "ping" else Reason.EVENT
    if event not in ("installation", "installation_repositories"):
        return Reading(ignored=reason)
    installation = fits(raw, payloads.Installation) or payloads.Installation()
    listed = (*(installation.repositories or ()), *(installation.repositories_added or ()))
    watched = (repository(one) for one in listed if one is not None and policy.watches(one.full_name))
    return Reading(tuple(_seen(one, received_at) for one in watched), ignored=reason)


def _seen(named: Repository, received_at: Instant) -> RepositorySeen:
    return RepositorySeen(repository=named, received_at=received_at)


def _payload(body: bytes) -> bytes:
    """Return the value of the one field `payload` of an encoded form (WHATWG URL, section 5.1), decoded strictly."""
    fields = body.split(b"&", _MOST_FORM_FIELDS)
    if len(fields) > _MOST_FORM_FIELDS:
        raise Malformed(Problem("", "is a form of too many fields"))
    if _BROKEN_ESCAPE.search(body):
        raise Malformed(Problem("", "holds a broken percent escape"))
    pairs = [sent.replace(b"+", b" ").partition(b"=") for sent in fields]
    values = [value for name, _, value in pairs if unquote_to_bytes(name) == b"payload"]
    if len(values) != 1:
        raise Malformed(Problem("", "must be a form with one field named payload"))
    return unquote_to_bytes(values[0])
