from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dora.domain.instant import MICROSECONDS
from dora.policy import Policy
from dora.settings import EVERYWHERE, VARIABLES, Bind, InvalidSettingsError, LogLevel, Settings

if TYPE_CHECKING:
    from pathlib import Path

SECRET = {"WEBHOOK_SECRET": "s3cret-value"}


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(InvalidSettingsError) as caught:
        Settings.from_environ(environ)
    return caught.value.problems


def test_a_secret_alone_is_enough_and_all_else_has_its_default() -> None:
    settings = Settings.from_environ(SECRET)
    assert settings.webhook_secrets == (b"s3cret-value",)
    assert settings.bind == Bind(EVERYWHERE, 8080)
    assert settings.state == "memory:"
    assert settings.policy == Policy()
    assert settings.max_repositories == 10_000
    assert settings.zero_hold == 0
    assert settings.reconcile == 0
    assert settings.metrics_token is None
    assert (settings.log_level, settings.log_format) == (LogLevel.INFO, None)
    assert settings.github_api_url == "https://api.github.com"
    assert settings.oidc_issuer == "https://token.actions.githubusercontent.com"
    assert settings.warnings == ()


def test_a_missing_secret_is_refused_and_so_is_an_empty_one() -> None:
    for environ in ({}, {"WEBHOOK_SECRET": ""}, {"WEBHOOK_SECRET": "", "WEBHOOK_SECRET_FILE": ""}):
        (problem,) = problems(environ)
        assert problem.startswith("WEBHOOK_SECRET: ")


def test_every_policy_setting_is_read() -> None:
    settings = Settings.from_environ(
        SECRET
        | {
            "DORA_ENVIRONMENTS": "production={service}-prod, staging",
            "DORA_REPOSITORIES": "acme/*, other/one",
            "DORA_BRANCHES": "main,release/*",
            "DORA_HOTFIX_LABELS": "urgent",
            "DORA_HOTFIX_BRANCHES": "fix/*",
            "DORA_INCIDENT_LABELS": "outage",
            "DORA_MAX_EVENT_AGE": "48h",
            "DORA_MAX_COMMITS": "10000",
            "DORA_MAX_REPOSITORIES": "7",
            "DORA_ZERO_HOLD": "90s",
        }
    )
    policy = settings.policy
    assert [rule.label for rule in policy.environments] == ["production", "staging"]
    assert policy.repositories == ("acme/*", "other/one")
    assert settings.named_repositories == ("other/one",)
    assert policy.branches == ("main", "release/*")
    assert policy.hotfix_labels == ("urgent",)
    assert policy.hotfix_branches == ("fix/*",)
    assert policy.incident_labels == ("outage",)
    assert policy.max_event_age == 48 * 3600 * MICROSECONDS
    assert policy.max_commits == 10_000
    assert settings.max_repositories == 7
    assert settings.zero_hold == 90 * MICROSECONDS


def test_both_secrets_are_accepted_the_current_one_first() -> None:
    settings = Settings.from_environ(SECRET | {"WEBHOOK_SECRET_PREVIOUS": "older"})
    assert settings.webhook_secrets == (b"s3cret-value", b"older")


def test_a_secret_keeps_the_bytes_that_it_has() -> None:
    assert Settings.from_environ({"WEBHOOK_SECRET": " a\udcff "}).webhook_secrets == (b" a\xff ",)


@pytest.mark.parametrize(
    "name",
    sorted(set(VARIABLES) - {"WEBHOOK_SECRET", "GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY", "DORA_RECONCILE"}),
)
def test_every_variable_can_be_given_as_a_file(name: str, tmp_path: Path) -> None:
    values = {"DORA_LOG_LEVEL": "debug", "DORA_LOG_FORMAT": "console", "DORA_BIND": "127.0.0.1:81", "PORT": "81"}
    urls = {"GITHUB_API_URL": "https://github.example/api/v3", "DORA_OIDC_ISSUER": "https://issuer.example"}
    names = {"DORA_REPOSITORIES": "acme/api", "DORA_API_TOKENS": "ci:token", "DORA_STATE": "file:///data"}
    value = (values | urls | names).get(name, "1m" if name in {"DORA_MAX_EVENT_AGE", "DORA_ZERO_HOLD"} else "7")
    file = tmp_path / "value"
    file.write_text(f"{value}\n")
    from_file = Settings.from_environ(SECRET | {f"{name}_FILE": str(file)})
    assert from_file == Settings.from_environ(SECRET | {name: value})
    assert from_file != Settings.from_environ(SECRET)


@pytest.mark.parametrize(
    ("content", "value"), [(b"a\n", b"a"), (b"a\r\n", b"a"), (b"a\n\n", b"a\n"), (b" a ", b" a "), (b"\xff", b"\xff")]
)
def test_one_newline_at_the_end_of_a_file_is_no_part_of_the_value(content: bytes, value: bytes, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert Settings.from_environ({"WEBHOOK_SECRET_FILE": str(file)}).webhook_secrets == (value,)


def test_a_variable_and_its_file_together_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("other")
    (problem,) = problems(SECRET | {"WEBHOOK_SECRET_FILE": str(file)})
    assert problem.startswith("WEBHOOK_SECRET: ")
    assert "WEBHOOK_SECRET_FILE" in problem


def test_an_empty_variable_beside_a_file_is_unset(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("other")
    settings = Settings.from_environ({"WEBHOOK_SECRET": "", "WEBHOOK_SECRET_FILE": str(file)})
    assert settings.webhook_secrets == (b"other",)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\r\n", b"x" * (1 << 20) + b"x"])
def test_a_file_that_gives_no_value_is_refused_once_and_without_its_path(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "very-private"
    if content is not None:
        file.write_bytes(content)
    (problem,) = problems({"WEBHOOK_SECRET_FILE": str(file)})
    assert problem.startswith("WEBHOOK_SECRET_FILE: ")
    assert "very-private" not in problem


def test_a_path_that_is_none_is_a_problem_like_any_other() -> None:
    (problem,) = problems({"WEBHOOK_SECRET_FILE": "a\0b"})
    assert problem == "WEBHOOK_SECRET_FILE: the file cannot be read"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DORA_BIND", "nonsense-value"),
        ("DORA_BIND", "::1:80"),
        ("DORA_BIND", "localhost:65536"),
        ("PORT", "nonsense-value"),
        ("PORT", "-1"),
        ("DORA_MAX_COMMITS", "0"),
        ("DORA_MAX_COMMITS", "10001"),
        ("DORA_MAX_COMMITS", "1e3"),
        ("DORA_MAX_COMMITS", "٣"),
        ("DORA_MAX_REPOSITORIES", "0"),
        ("DORA_MAX_REPOSITORIES", "9" * 5000),
        ("DORA_MAX_EVENT_AGE", "nonsense-value"),
        ("DORA_MAX_EVENT_AGE", "10"),
        ("DORA_ZERO_HOLD", "-1s"),
        ("DORA_LOG_LEVEL", "nonsense-value"),
        ("DORA_LOG_FORMAT", "nonsense-value"),
        ("GITHUB_API_URL", "nonsense-value"),
        ("GITHUB_API_URL", "ftp://nonsense-value"),
        ("GITHUB_API_URL", "https://user:nonsense-value@github.example"),
        ("GITHUB_API_URL", "https://[nonsense-value"),
        ("GITHUB_API_URL", "https://nonsense-value\u2100"),
        ("DORA_OIDC_AUDIENCE", "nonsense value"),
        ("DORA_OIDC_ISSUER", "nonsense-value"),
        ("DORA_OIDC_ISSUER", "http://nonsense-value"),
        ("DORA_OIDC_ISSUER", "http://127.0.0.1.nonsense-value"),
        ("DORA_OIDC_ISSUER", "https://nonsense-value/?x"),
        ("DORA_METRICS_TOKEN", "nonsense value"),
        ("DORA_ENVIRONMENTS", "=nonsense-value"),
        ("DORA_REPOSITORIES", "nonsense-value"),
        ("DORA_BRANCHES", ","),
    ],
)
def test_a_value_that_cannot_be_used_is_named_by_its_variable_and_never_shown(name: str, value: str) -> None:
    found = [problem for problem in problems(SECRET | {name: value}) if problem.startswith(f"{name}: ")]
    assert found
    for problem in found:
        assert value not in problem or len(value) == 1
        assert "\n" not in problem


def test_an_issuer_keeps_its_slash_and_needs_tls_unless_it_is_on_this_machine() -> None:
    for url in ("https://issuer.example/", "http://localhost:1", "http://127.0.0.9:8000/x", "http://[::1]:8000"):
        assert Settings.from_environ(SECRET | {"DORA_OIDC_ISSUER": url}).oidc_issuer == url


def test_without_an_audience_no_workflow_is_known() -> None:
    assert Settings.from_environ(SECRET).oidc_audience is None
    assert Settings.from_environ(SECRET | {"DORA_OIDC_AUDIENCE": "dora"}).oidc_audience == "dora"


def test_all_problems_are_told_together() -> None:
    found = problems({"DORA_BIND": "x", "DORA_MAX_COMMITS": "y", "DORA_LOG_LEVEL": "z"})
    assert [problem.partition(":")[0] for problem in found] == [
        "WEBHOOK_SECRET",
        "DORA_BIND",
        "DORA_MAX_COMMITS",
        "DORA_LOG_LEVEL",
    ]


def test_what_another_room_judges_is_a_problem_among_the_others() -> None:
    def check(text: str) -> object:
        raise ValueError(f"entry 1 of {len(text)} characters is wrong")

    with pytest.raises(InvalidSettingsError) as caught:
        Settings.from_environ({"DORA_API_TOKENS": "abc"}, checks={"DORA_API_TOKENS": check})
    assert len(caught.value.problems) == 2
    assert "DORA_API_TOKENS: entry 1 of 3 characters is wrong" in caught.value.problems


@pytest.mark.parametrize(
    "credentials", [{"GITHUB_TOKEN": "x"}, {"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY": "key"}]
)
def test_what_was_missed_is_looked_up_at_an_interval_of_a_minute_or_more(credentials: dict[str, str]) -> None:
    def interval(text: str) -> int:
        return Settings.from_environ(SECRET | credentials | {"DORA_RECONCILE": text}).reconcile

    assert [interval(text) for text in ("off", "OFF", "1m", "1h30m")] == [0, 0, 60_000_000, 5_400_000_000]
    for text in ("0", "59s", "on", "1"):
        (problem,) = problems(SECRET | credentials | {"DORA_RECONCILE": text})
        assert problem.startswith("DORA_RECONCILE: ")


def test_looking_up_what_was_missed_needs_somebody_to_ask_as() -> None:
    (problem,) = problems(SECRET | {"DORA_RECONCILE": "1h"})
    assert problem.startswith("DORA_RECONCILE: needs GITHUB_TOKEN")
    assert Settings.from_environ(SECRET | {"DORA_RECONCILE": "off"}).reconcile == 0


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:9000", Bind("127.0.0.1", 9000)),
        ("[::]:8080", Bind("::", 8080)),
        (":80", Bind(EVERYWHERE, 80)),
        ("localhost:0", Bind("localhost", 0)),
    ],
)
def test_the_listen_address_is_a_host_and_a_port(text: str, bind: Bind) -> None:
    assert Settings.from_environ(SECRET | {"DORA_BIND": text}).bind == bind


def test_a_bind_is_written_as_it_is_read() -> None:
    for text in ("127.0.0.1:9000", "[::]:8080"):
        assert str(Settings.from_environ(SECRET | {"DORA_BIND": text}).bind) == text


def test_the_port_alone_replaces_the_port_unless_the_address_is_given() -> None:
    assert Settings.from_environ(SECRET | {"PORT": "9000"}).bind == Bind(EVERYWHERE, 9000)
    assert Settings.from_environ(SECRET | {"PORT": "9000", "DORA_BIND": "[::]:1"}).bind == Bind("::", 1)


def test_unknown_variables_of_ours_are_warned_about_with_the_closest_name_and_never_refused() -> None:
    settings = Settings.from_environ(
        SECRET
        | {
            "DORA_REPOSITORY": "private-value",
            "DORA_SERVICE_HOST": "private-value",
            "DORA_STATE_FILES": "private-value",
            "OTHER": "private-value",
        }
    )
    assert settings.warnings == (
        "DORA_REPOSITORY is not a setting; did you mean DORA_REPOSITORIES?",
        "DORA_SERVICE_HOST is not a setting",
        "DORA_STATE_FILES is not a setting; did you mean DORA_STATE_FILE?",
    )


def test_no_secret_is_in_the_representation() -> None:
    settings = Settings.from_environ(
        {
            "WEBHOOK_SECRET": "private-1",
            "WEBHOOK_SECRET_PREVIOUS": "private-2",
            "DORA_API_TOKENS": "ci:private-3",
            "DORA_METRICS_TOKEN": "private-4",
        }
    )
    assert "private" not in repr(settings)
