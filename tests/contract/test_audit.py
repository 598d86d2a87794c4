"""What `dora check` finds at GitHub, told by a GitHub that is set up right, and by one for each way to be wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.github.addresses import Addresses
from dora.adapters.github.app import App
from dora.adapters.github.audit import Audit
from dora.adapters.github.credentials import Credential, PersonalToken
from dora.adapters.github.hooks import Config, leads_here, shown
from dora.findings import Finding, Level
from tests.contract.fake_github.graph import Graph
from tests.contract.fake_github.hooks import EVENTS, URL, Hook, Sent
from tests.contract.fake_github.server import ALL, FakeGitHub, Fault, Installed
from tests.contract.fake_github.world import HOUR, NOW, SECOND, TOKEN, World, line, world

SEEING = ALL | {"repository_hooks=read", "organization_hooks=read"}
DAY = 24 * HOUR


@pytest.fixture
async def place() -> AsyncIterator[World]:
    async with world() as served:
        served.github.token(TOKEN, permissions=SEEING)
        graph = served.github.repository()
        line(graph, 2)
        served.github.hooks["acme/shop"] = [Hook(deliveries=[Sent("1", NOW - HOUR)])]
        yield served


def graph(place: World) -> Graph:
    return place.github.graphs["acme/shop"]


async def audited(
    place: World, *, credential: Credential | None = None, repositories: Sequence[str] = ("acme/shop",)
) -> list[Finding]:
    return await Audit(requests=place.requests, credential=credential or PersonalToken.of(TOKEN)).run(repositories)


def faults(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level is not Level.OK]


async def only(place: World, *, credential: Credential | None = None) -> Finding:
    """Return the one finding that is not good. It says what to do."""
    (found,) = faults(await audited(place, credential=credential))
    assert found.remedy
    return found


async def test_where_everything_is_right_everything_is_ok(place: World) -> None:
    findings = await audited(place)
    assert faults(findings) == []
    assert {finding.area for finding in findings} == {"github", "clock", "webhooks"}
    said = " ".join(finding.found for finding in findings)
    assert all(word in said for word in ("Contents", "Pull requests", "Deployments", "active", "arrived"))


async def test_nothing_at_github_is_changed_and_no_secret_is_shown(place: World) -> None:
    findings = await audited(place)
    assert {request.method for request in place.github.seen if request.path != "/graphql"} == {"GET"}
    assert TOKEN not in repr(findings)


# Whether GitHub is there, its clock, the token.


async def test_a_github_that_is_not_there_is_an_error_and_nothing_more_is_asked(place: World) -> None:
    place.requests.addresses = Addresses.of("http://127.0.0.1:1")
    found = await only(place)
    assert (found.level, found.area) == (Level.ERROR, "github")
    assert "not reached" in found.found
    assert place.github.seen == []


async def test_without_a_token_only_whether_github_is_there_is_looked_at(place: World) -> None:
    findings = await Audit(requests=place.requests, credential=None).run(["acme/shop"])
    assert [finding.area for finding in findings] == ["github", "clock"]
    assert len(place.github.seen) == 1
    assert "authorization" not in place.github.seen[0].headers


@pytest.mark.parametrize(
    ("ahead", "level"),
    [(0, None), (29, None), (-29, None), (40, Level.WARNING), (-40, Level.WARNING), (400, Level.ERROR)],
)
async def test_a_clock_that_goes_wrong_is_told(place: World, ahead: int, level: Level | None) -> None:
    place.github.clock = lambda: NOW
    place.requests.clock = lambda: NOW + ahead * SECOND
    # The token's limits are judged by the same clock; what is said of the rest is not of interest here.
    clock = [finding for finding in await audited(place) if finding.area == "clock"]
    assert [finding.level for finding in clock] == [level or Level.OK]
    if level is not None:
        assert f"{abs(ahead) - 1}" in clock[0].found or f"{abs(ahead)}" in clock[0].found
        assert ("ahead" in clock[0].found) == (ahead > 0)


async def test_a_token_that_github_does_not_take_ends_the_look(place: World) -> None:
    found = await only(place, credential=PersonalToken.of("revoked"))
    assert (found.level, found.subject) == (Level.ERROR, "GITHUB_TOKEN")
    assert "401" in found.found


async def test_a_token_that_expires_may_write_or_is_used_up_is_worth_a_warning(place: World) -> None:
    headers = {
        "github-authentication-token-expiration": "2023-11-20 12:00:00 UTC",
        "x-oauth-scopes": "repo, read:org",
    }
    place.github.faults.append(Fault(headers=headers, when="GET /repos/acme/shop?"))
    place.github.clock = place.requests.clock
    place.github.grants[TOKEN].used["core"] = 4_600
    place.github.grants[TOKEN].reset = NOW + HOUR
    found = faults(await audited(place))
    told = {finding.level for finding in found if finding.subject == "GITHUB_TOKEN"}
    assert told == {Level.WARNING}
    said = " ".join(finding.found for finding in found)
    assert "expires" in said
    assert "scopes repo" in said
    assert "requests are left" in said


# Repositories and permissions.


async def test_a_repository_that_is_not_shown_is_an_error(place: World) -> None:
    (found,) = faults(await audited(place, repositories=["acme/other"]))
    assert (found.level, found.subject) == (Level.ERROR, "acme/other")


async def test_a_repository_that_was_renamed_is_told_by_its_new_name(place: World) -> None:
    place.github.rename("acme/shop", "acme/store")
    place.github.hooks["acme/store"] = place.github.hooks["acme/shop"]
    found = await only(place)
    assert "acme/store now" in found.found


@pytest.mark.parametrize("permission", ["contents=read", "pull_requests=read", "deployments=read"])
async def test_a_permission_that_is_missing_is_named(place: World, permission: str) -> None:
    place.github.token(TOKEN, permissions=SEEING - {permission})
    found = next(finding for finding in faults(await audited(place)) if finding.area == "github")
    assert (found.level, found.subject) == (Level.ERROR, "acme/shop")
    assert permission in found.remedy


async def test_of_a_repository_without_commits_it_is_not_known_what_may_be_read(place: World) -> None:
    graph(place).commits.clear()
    found = await only(place)
    assert found.level is Level.UNKNOWN
    assert "no commit yet" in found.found


async def test_a_limit_leaves_unknown_what_it_cut_off(place: World) -> None:
    place.github.faults.append(Fault(status=429, headers={"Retry-After": "120"}, when="GET /repos/acme/shop?"))
    found = await only(place)
    assert found.level is Level.UNKNOWN
    assert "120 seconds" in found.remedy


# Webhooks.


async def test_webhooks_that_may_not_be_seen_are_unknown(place: World) -> None:
    place.github.token(TOKEN, permissions=ALL)
    found = await only(place)
    assert (found.level, found.area) == (Level.UNKNOWN, "webhooks")
    assert "admin:repo_hook" in found.remedy


async def test_without_any_webhook_that_leads_here_nothing_arrives(place: World) -> None:
    place.github.hooks["acme/shop"] = [
        Hook(url="https://ci.example.org/hook"),
        Hook(id=2, url="https://x.example/webhooks"),
    ]
    found = await only(place)
    assert (found.level, found.subject) == (Level.ERROR, "acme/shop")
    assert "/webhooks/github" in found.found


async def test_a_webhook_of_the_organisation_does_for_its_repositories_and_is_judged_once(place: World) -> None:
    line(place.github.repository("acme/api", id=2), 2)
    hook = place.github.hooks.pop("acme/shop")[0]
    hook.secret = False
    place.github.hooks["acme"] = [hook]
    findings = await audited(place, repositories=["acme/shop", "acme/api"])
    (found,) = faults(findings)
    assert found.subject.startswith("organisation acme: ")
    assert sum("GET /orgs/acme/hooks" in path for path in place.github.paths()) == 2  # itself, and its deliveries
    assert [finding.subject for finding in findings if "are sent" in finding.found] == ["acme/shop", "acme/api"]


@pytest.mark.parametrize(
    ("wrong", "level", "word"),
    [
        ({"active": False}, Level.ERROR, "not active"),
        ({"secret": False}, Level.ERROR, "no secret"),
        ({"url": URL + "/"}, Level.ERROR, "slash"),
        ({"content_type": "form"}, Level.WARNING, "form"),
        ({"insecure_ssl": "1"}, Level.WARNING, "certificate"),
        ({"insecure_ssl": 1}, Level.WARNING, "certificate"),
        ({"url": "http://dora.example.org/webhooks/github"}, Level.WARNING, "no https"),
    ],
)
async def test_each_setting_of_a_webhook_is_judged(
    place: World, wrong: dict[str, object], level: Level, word: str
) -> None:
    for name, value in wrong.items():
        setattr(place.github.hooks["acme/shop"][0], name, value)
    found = next(finding for finding in faults(await audited(place)) if finding.subject.startswith("acme/shop: "))
    assert found.level is level
    assert word in found.found
    assert "At GitHub, edit the webhook" in found.remedy


@pytest.mark.parametrize("event", EVENTS)
async def test_an_event_that_is_not_sent_is_to_be_ticked(place: World, event: str) -> None:
    place.github.hooks["acme/shop"][0].events = tuple(one for one in EVENTS if one != event)
    found = await only(place)
    assert found.level is (Level.WARNING if event in {"deployment", "issues"} else Level.ERROR)
    assert f" {event} " in found.found
    assert "tick" in found.remedy


async def test_events_may_come_by_several_webhooks_or_all_by_one(place: World) -> None:
    first = place.github.hooks["acme/shop"][0]
    first.events = ("push", "pull_request")
    second = Hook(id=2, events=("deployment_status", "deployment", "issues"), deliveries=[Sent("2", NOW - HOUR)])
    place.github.hooks["acme/shop"].append(second)
    assert faults(await audited(place)) == []
    second.active = False
    assert {f.level for f in faults(await audited(place))} == {Level.ERROR, Level.WARNING}
    first.events, place.github.hooks["acme/shop"] = ("*",), [first]
    assert faults(await audited(place)) == []


async def test_the_hundred_and_first_webhook_is_found(place: World) -> None:
    other = [Hook(id=number, url="https://ci.example.org/") for number in range(2, 102)]
    place.github.hooks["acme/shop"] = [*other, *place.github.hooks["acme/shop"]]
    assert faults(await audited(place)) == []


@pytest.mark.parametrize(
    ("code", "word"),
    [(401, "secret"), (404, "path"), (503, "log"), (302, "redirection"), (0, "internet"), (500, "log")],
)
async def test_a_delivery_that_failed_last_is_an_error_with_its_remedy(place: World, code: int, word: str) -> None:
    place.github.hooks["acme/shop"][0].deliveries.insert(0, Sent("9", NOW, code, "some\x1b[31m words"))
    found = await only(place)
    assert found.level is Level.ERROR
    assert "the latest among them" in found.found
    assert "\x1b" not in found.found
    assert word in found.remedy
    assert "redeliver" in found.remedy


async def test_failed_deliveries_of_before_are_a_warning_until_they_are_made_good(place: World) -> None:
    deliveries = place.github.hooks["acme/shop"][0].deliveries
    deliveries += [Sent("0", NOW - 2 * HOUR, 503), Sent("0", NOW - 3 * HOUR, 503), Sent("old", NOW - 4 * DAY, 500)]
    found = await only(place)
    assert (found.level, found.found) == (
        Level.WARNING,
        "1 delivery of the past three days failed and were not made good (503 OK).",
    )
    deliveries.insert(0, Sent("0", NOW, 200))
    assert faults(await audited(place)) == []


async def test_a_webhook_that_has_delivered_nothing_of_late_tells_nothing(place: World) -> None:
    place.github.hooks["acme/shop"][0].deliveries = [Sent("1", NOW - 5 * DAY)]
    assert (await only(place)).level is Level.UNKNOWN


async def test_where_deliveries_are_not_shown_the_last_answer_tells(place: World) -> None:
    hook = place.github.hooks["acme/shop"][0]
    place.github.faults.append(Fault(status=404, body=b"{}", when="deliveries", times=-1))
    assert faults(await audited(place)) == []
    hook.last_code = 502
    found = await only(place)
    assert (found.level, "502" in found.found) == (Level.ERROR, True)


async def test_an_enterprise_server_is_looked_at_alike() -> None:
    async with world("/api/v3") as served:
        served.github.token(TOKEN, permissions=SEEING)
        line(served.github.repository(), 2)
        served.github.hooks["acme"] = [Hook(deliveries=[Sent("1", NOW - HOUR)])]
        assert faults(await audited(served)) == []


@pytest.mark.parametrize("body", [b"null", b"{}", b"[null]", b'[{"id": 1, "config": null}]', b"[", b'[{"id": 1}]'])
async def test_whatever_is_answered_instead_of_webhooks_it_is_unknown(place: World, body: bytes) -> None:
    place.github.faults.append(Fault(body=body, when="/repos/acme/shop/hooks?"))
    assert (await only(place)).level is Level.UNKNOWN


async def test_a_redirection_to_another_host_is_not_followed(place: World) -> None:
    elsewhere = {"Location": "http://elsewhere.example.org/"}
    place.github.faults.append(Fault(status=302, headers=elsewhere, when="/repos/acme/shop/hooks?"))
    found = await only(place)
    assert (found.level, "another host" in found.found) == (Level.UNKNOWN, True)


async def test_an_answer_that_is_not_whole_is_no_finding_about_webhooks(place: World) -> None:
    place.github.faults.append(Fault(body=b'[{"id": "x"}]', when="/hooks?"))
    assert (await only(place)).level is Level.UNKNOWN


# GitHub Apps.


def app(place: World, github: FakeGitHub) -> App:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    github.app_key = key.public_key()
    github.installations.append(Installed(7, "acme"))
    github.hooks.clear()
    github.app_hook.deliveries = [Sent("1", NOW - HOUR)]
    return App(requests=place.requests, app_id=str(github.app_id), key=key)


async def test_an_app_that_is_set_up_right_is_ok(place: World) -> None:
    findings = await audited(place, credential=app(place, place.github))
    assert faults(findings) == []
    assert any(finding.subject.startswith("the GitHub App: ") for finding in findings)


async def test_an_app_without_a_permission_an_event_or_a_webhook_is_told(place: World) -> None:
    credential = app(place, place.github)
    place.github.app_permissions = ALL - {"deployments=read"}
    place.github.app_hook.events = tuple(one for one in EVENTS if one != "push")
    levels = {
        finding.found.partition(":")[0]: finding.level
        for finding in faults(await audited(place, credential=credential))
    }
    assert levels == {
        "The App has no permission to read Deployments.": Level.ERROR,
        "The event push is not sent": Level.ERROR,
    }
    place.github.app_hook.url = "https://elsewhere.example.org/"
    # An App sees no webhooks of repositories unless it may: whether there are others is not known.
    assert Level.UNKNOWN in {
        f.level for f in faults(await audited(place, credential=credential)) if f.area == "webhooks"
    }


async def test_an_app_that_is_not_installed_is_told(place: World) -> None:
    credential = app(place, place.github)
    place.github.installations.clear()
    found = await only(place, credential=credential)
    assert (found.level, "not installed" in found.found) == (Level.ERROR, True)


async def test_an_apps_key_that_github_does_not_know_is_told(place: World) -> None:
    credential = app(place, place.github)
    place.github.app_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    found = await only(place, credential=credential)
    assert "401" in found.found


# Addresses.


def test_an_address_is_shown_without_user_password_and_query() -> None:
    assert shown("https://user:pass@dora.example.org:8443/webhooks/github?token=1#x") == (
        "https://dora.example.org:8443/webhooks/github"
    )


@given(st.text())
def test_whatever_the_address_it_is_judged_and_shown(url: str) -> None:
    leads_here(Config(url=url))
    assert "@" not in urlsplit(shown(f"https://user:secret@{url}")).netloc
