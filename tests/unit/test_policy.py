from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.domain.facts import Environment
from dora.policy import EnvironmentRule, Policy, environment_rules, listed, repository_globs


def match(template: str, name: str) -> str | None:
    return EnvironmentRule(label="x", template=template).match(name)


@pytest.mark.parametrize(
    ("template", "name", "service"),
    [
        ("production", "Production", ""),
        ("production", "production ", None),
        ("prod*", "PROD", ""),
        ("prod*", "prod/eu", ""),
        ("prod*", "preprod", None),
        ("*", "", ""),
        ("*prod", "eu-prod", ""),
        ("{service}-prod", "Shop-prod", "Shop"),
        ("{service}-prod", "-prod", None),
        ("{service}-prod", "a-prod-prod", "a-prod"),
        ("prod-{service}-*", "prod-shop-eu-1", "shop"),
        ("*/{service}", "a/b/shop", "shop"),
        ("{service}*", "shop", "s"),
        ("{SERVICE}-prod", "shop-prod", "shop"),
        ("{service}-ПРОД", "магазин-прод", "магазин"),
        ("{service}", "İstanbul", "İstanbul"),
        ("a.c", "abc", None),
        ("pr?d", "prod", None),
    ],
)
def test_a_template_fits_or_not(template: str, name: str, service: str | None) -> None:
    assert match(template, name) == service


@given(st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_a_template_without_a_service_fits_what_its_pattern_says(template: str, name: str) -> None:
    expected = re.fullmatch(template.replace("*", ".*"), name) is not None
    assert (match(template, name) is not None) is expected


@given(st.text("ab*", max_size=4), st.text("ab*", max_size=4), st.text("ab", max_size=8))
def test_a_service_is_the_shortest_that_fits(head: str, tail: str, name: str) -> None:
    fitting = [
        name[start:end]
        for start in range(len(name))
        for end in range(start + 1, len(name) + 1)
        if re.fullmatch(head.replace("*", ".*"), name[:start]) and re.fullmatch(tail.replace("*", ".*"), name[end:])
    ]
    service = match(f"{head}{{service}}{tail}", name)
    if service is None:
        assert not fitting
    else:
        assert service in fitting
        assert len(service) == min(map(len, fitting))


def test_a_hostile_name_costs_no_more_than_template_times_name() -> None:
    # With backtracking this would not end within a lifetime; pytest would never report it.
    assert match("*a" * 60 + "{service}" + "*b" * 60, "a" * 255) is None


def test_the_first_rule_that_fits_wins() -> None:
    policy = Policy(environments=environment_rules("production={service}-prod, production=prod*, staging"))
    assert policy.environment("shop-prod") == Environment("shop-prod", "production", "shop", listed=True)
    assert policy.environment("Prod/eu") == Environment("Prod/eu", "production", "", listed=True)
    assert policy.environment("STAGING") == Environment("STAGING", "staging", "", listed=True)
    assert policy.environment("preview") is None


def test_case_08_a_transient_environment_matters_only_if_a_rule_names_it() -> None:
    assert Policy().environment("preview", transient=True) is None
    assert Policy().environment("preview") == Environment("preview", "preview")
    assert Policy().environment("production") == Environment("production", "production", listed=True)
    named = Policy(environments=environment_rules("previews=preview*"))
    assert named.environment("preview-7", transient=True) == Environment("preview-7", "previews", listed=True)


def test_what_is_remembered_of_a_name_does_not_depend_on_who_asked_first() -> None:
    policy = Policy()
    for _ in range(2):
        assert policy.environment("preview", transient=True) is None
        assert policy.environment("preview") == Environment("preview", "preview")
        assert policy.pushed_environment("preview", "till") == Environment("preview", "preview", "till")


def test_a_pushed_environment_may_be_a_label() -> None:
    policy = Policy(environments=environment_rules("production={service}-prod,staging=stage*"))
    assert policy.pushed_environment("production", None) == Environment("production", "production", "", listed=True)
    assert policy.pushed_environment("production", "shop") == Environment(
        "production", "production", "shop", listed=True
    )
    assert policy.pushed_environment("shop-prod", None) == Environment("shop-prod", "production", "shop", listed=True)
    assert policy.pushed_environment("shop-prod", "till") == Environment("shop-prod", "production", "till", listed=True)
    assert policy.pushed_environment("qa", "shop") is None
    assert Policy().pushed_environment("qa", "shop") == Environment("qa", "qa", "shop")


def test_a_label_is_tried_before_the_templates() -> None:
    policy = Policy(environments=environment_rules("other=production,production=prod-eu"))
    assert policy.pushed_environment("production", None) == Environment("production", "production", listed=True)
    assert policy.environment("production") == Environment("production", "other", listed=True)


@pytest.mark.parametrize(
    ("globs", "watched"),
    [
        ("*", True),
        ("acme/*", True),
        ("ACME/shop", True),
        ("*/sh?p,other/*", True),
        ("other/*", False),
        ("acme/sho", False),
    ],
)
def test_repositories_are_watched_by_globs_whatever_the_case(globs: str, watched: bool) -> None:  # noqa: FBT001 - a column of the table
    assert Policy(repositories=repository_globs(globs)).watches("Acme/Shop") is watched


def test_the_default_branch_is_tracked_unless_branches_are_named() -> None:
    assert Policy().tracks("main", "main")
    assert not Policy().tracks("next", "main")
    assert Policy().tracks("next", None)
    named = Policy(branches=("release/*", "main"))
    assert named.tracks("release/1/x", "trunk")
    assert named.tracks("main", "trunk")
    assert not named.tracks("trunk", "trunk")
    assert not named.tracks("Main", None)


def test_a_hotfix_is_told_by_label_or_branch() -> None:
    assert Policy().is_hotfix(["bug", "HotFix"], "fix")
    assert Policy().is_hotfix([], "hotfix/tax")
    assert Policy().is_hotfix([], "hotfix-tax")
    assert not Policy().is_hotfix(["hotfixes"], "my-hotfix")


def test_an_incident_is_told_by_label() -> None:
    assert Policy().is_incident(["bug", "Incident"])
    assert not Policy().is_incident(["bug"])
    assert Policy(incident_labels=("sev1", "sev2")).is_incident(["sev2"])


def test_nothing_is_too_old_without_a_limit() -> None:
    assert not Policy().too_old(0, now=10**18)
    assert Policy(max_event_age=10).too_old(0, now=11)
    assert not Policy(max_event_age=10).too_old(0, now=10)
    assert not Policy(max_event_age=10).too_old(100, now=0)


@pytest.mark.parametrize(
    "text",
    ["", " , ", "=x", "secret=", "sec*ret", "{service}", "secret={service}{service}", "secret={svc}", "sec\tret=x"],
)
def test_a_malformed_rule_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"rule|list") as caught:
        environment_rules(text)
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "secret", "secret/", "/secret", "secret/a/b"])
def test_a_repository_without_a_wildcard_is_owner_and_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"owner/name|list") as caught:
        repository_globs(text)
    assert "secret" not in str(caught.value)


def test_spaces_and_empty_items_of_a_list_do_not_count() -> None:
    assert listed(" a , ,b,") == ("a", "b")
