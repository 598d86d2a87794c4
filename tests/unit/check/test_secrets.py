from __future__ import annotations

import secrets as random

from dora.check.secrets import secrets
from dora.findings import Level
from dora.settings import Settings

GOOD = random.token_hex(32)
OTHER = random.token_hex(32)


def told(environ: dict[str, str]) -> list[tuple[str, Level]]:
    findings = list(secrets(Settings.from_environ({"WEBHOOK_SECRET": GOOD} | environ)))
    assert not [finding for finding in findings if finding.level is not Level.OK and not finding.remedy]
    assert all(value not in repr(findings) for value in (GOOD, OTHER))
    return [(finding.subject, finding.level) for finding in findings]


def test_one_good_secret_is_all_there_has_to_be() -> None:
    assert told({}) == [("WEBHOOK_SECRET", Level.OK)]


def test_a_previous_secret_is_judged_too_and_is_to_go() -> None:
    previous = "WEBHOOK_SECRET_PREVIOUS"
    assert told({previous: OTHER})[1:] == [(previous, Level.OK), (previous, Level.WARNING)]
    assert told({previous: "secret"})[1:] == [(previous, Level.ERROR), (previous, Level.WARNING)]
    same = list(secrets(Settings.from_environ({"WEBHOOK_SECRET": GOOD, previous: GOOD})))
    assert same[-1].found == "It is the same as WEBHOOK_SECRET."


def test_each_clients_token_is_judged_under_its_name() -> None:
    found = told({"DORA_API_TOKENS": f"ci:{OTHER}:acme/*,\n short:abc\n"})[1:]
    assert found == [("DORA_API_TOKENS, client ci", Level.OK), ("DORA_API_TOKENS, client short", Level.ERROR)]


def test_a_client_with_the_webhook_secret_for_a_token_is_warned_of() -> None:
    found = told({"DORA_API_TOKENS": f"ci:{GOOD}"})[1:]
    assert found == [("DORA_API_TOKENS, client ci", Level.OK), ("DORA_API_TOKENS, client ci", Level.WARNING)]


def test_the_metrics_token_is_judged() -> None:
    assert told({"DORA_METRICS_TOKEN": "sesame"})[1:] == [("DORA_METRICS_TOKEN", Level.ERROR)]
