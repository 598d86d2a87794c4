"""`GET /` from the outside: what is on the page, for whom, and what never is."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.domain.outcome import Outcome, Status
from tests.unit.adapters.http.fakes import (
    NOW,
    SIGNATURE,
    FakeChain,
    FakeDelivery,
    FakeReceiver,
    FakeStanding,
    FakeStandings,
    FakeWebhookDoor,
    World,
)

DELIVERY = {"content-type": "application/json", "x-hub-signature-256": SIGNATURE, "x-github-event": "push"}
HOUR = 3_600_000_000
VOID = {"meta", "link", "br", "input"}


class Outline(HTMLParser):
    """Reads a page, and notes what is not in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.feed(page)
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def words(page: str) -> str:
    """Return the page's text as a reader has it."""
    body = page.partition("</style>")[2]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", "", body)))


async def read(world: World, path: str = "/", **headers: str) -> str:
    response = await world.request("GET", path, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    Outline(response.text)
    return response.text


async def deliver(world: World) -> None:
    await world.request("POST", "/webhooks/github", headers=DELIVERY, content=b"{}")


async def test_while_nothing_has_arrived_the_steps_are_told_with_the_address_that_was_asked() -> None:
    page = await read(World(), host="dora.example.org", **{"x-forwarded-proto": "https"})
    said = words(page)
    assert "https://dora.example.org/webhooks/github" in said
    assert "curl https://dora.example.org/api/event" in said
    assert all(word in said for word in ("application/json", "WEBHOOK_SECRET", "Deployment statuses", "Pushes"))
    assert "GitHub cannot reach this address" not in said
    assert "<details>" not in page


async def test_repositories_that_are_but_named_in_the_settings_leave_the_steps_open() -> None:
    world = World(standings=FakeStandings({"acme/api": FakeStanding()}))
    page = await read(world)
    assert "acme/api" in page
    assert "Show the steps" not in page
    world.standings.known["acme/web"] = FakeStanding(chains=(FakeChain(),))
    assert "Show the steps" in await read(world)


async def test_an_address_that_github_cannot_reach_or_that_anybody_can_read_along_is_warned_of() -> None:
    assert "GitHub cannot reach this address" in words(await read(World(), host="localhost:8080"))
    assert "Without TLS" in words(await read(World(), host="dora.example.org"))


async def test_once_something_has_arrived_the_steps_are_folded_away() -> None:
    world = World()
    await deliver(world)
    assert "<details><summary>Show the steps" in await read(world)


async def test_each_repository_tells_its_last_event_its_deployments_and_what_is_missing() -> None:
    chains = (
        FakeChain(last_success=NOW - 2 * HOUR, successes=1_234, failures=2, lead_times=7, pending=1),
        FakeChain(environment="staging", service="web", last_success=None, successes=0, unknown={"not_found": 3}),
    )
    world = World(
        webhook_door=FakeWebhookDoor(delivery=FakeDelivery(event="push")),
        standings=FakeStandings({"acme/api": FakeStanding(merged=9, chains=chains)}),
    )
    await deliver(world)
    said = words(await read(world))
    assert "Last event: push by webhook, counted, just now (2023-11-14 22:13 UTC)." in said
    assert "production2 hours ago (2023-11-14 20:13 UTC)1,234 succeeded, 2 failed7, 1 pending" in said
    assert "staging / webnone00, 3 deployments unknown" in said
    assert "Measured: 1,236 deployments, 9 merged pull requests, 7 change lead times." in said
    assert "(not_found)" in said


async def test_an_ignored_event_is_told_with_its_reason_and_what_it_was_about() -> None:
    world = World(
        webhook_door=FakeWebhookDoor(delivery=FakeDelivery(ignored="environment", about="review-<7>")),
        receiver=FakeReceiver(outcomes=(Outcome(Status.STORED),)),
    )
    await deliver(world)
    page = await read(world)
    assert "ignored (environment)" in words(page)
    assert "review-&lt;7&gt;" in page
    assert "DORA_ENVIRONMENTS" in page


@pytest.mark.parametrize("state", ["file", "redis", "memory"])
async def test_after_a_restart_the_page_tells_what_the_state_knows_and_that_it_does_not_know_the_rest(
    state: str,
) -> None:
    standings = FakeStandings({"acme/api": FakeStanding(merged=2, chains=(FakeChain(),))})
    said = words(await read(World(state=state, standings=standings)))
    assert "No event since this process started." in said
    assert ("which events arrived before, it does not" in said) == (state != "memory")
    assert ("Another replica" in said) == (state == "redis")
    assert "2 merged pull requests" in said
    world = World(state=state, standings=standings)
    await deliver(world)
    assert ("Last event of this replica:" in words(await read(world))) == (state == "redis")
    assert "tick Pushes" not in said


async def test_details_want_the_metrics_token_and_the_rest_does_not() -> None:
    world = World(metrics_token="sesame", standings=FakeStandings({"acme/api": FakeStanding()}))
    await deliver(world)
    await world.request("POST", "/webhooks/github", content=b"{}", headers={"content-type": "application/json"})
    public = await read(world, "/?q=api&repository=acme/api")
    private = await read(world, authorization="Bearer sesame")
    assert "acme/api" not in public
    assert "Refused" not in public
    assert "DORA_METRICS_TOKEN" in public
    assert "/webhooks/github" in public
    assert "acme/api" in private
    assert "Refused: 1 request with no or a wrong signature" in words(private)


async def test_before_the_state_is_restored_no_figures_are_shown() -> None:
    world = World(standings=FakeStandings({"acme/api": FakeStanding()}))
    world.gate.restored = False
    page = await read(world)
    assert "acme/api" not in page
    assert "Starting" in page
    world.gate.restored, world.gate.draining = True, True
    assert "Ending" in await read(world)
    world.gate.draining, world.receiver.ready = False, False
    assert "Not ready" in await read(world)


async def test_troubles_of_the_service_are_told() -> None:
    world = World(
        webhook_door=FakeWebhookDoor(delivery=FakeDelivery(repository=None, ignored="repository")), lookups=True
    )
    await deliver(world)
    await deliver(world)
    world.questions.pending_questions, world.questions.age = 3, 7_300.0
    said = words(await read(world))
    assert "2 events of repositories that DORA_REPOSITORIES leaves out." in said
    assert "3 look-ups at GitHub without an answer yet, the oldest for 2 hours." in said


async def test_thousands_of_repositories_are_searched_and_paged_and_the_page_stays_small() -> None:
    chains = tuple(FakeChain(environment=f"e{number}", unknown={"no_token": 1}, pending=1) for number in range(50))
    known = {f"acme/service-{number:05}": FakeStanding(chains=chains) for number in range(10_000)}
    world = World(standings=FakeStandings(known))
    page = await read(world)
    assert "1 to 25 of 10,000" in words(page)
    assert page.count("<article") == 25
    assert len(page) < 300_000
    assert "Page 400 of 400" in words(await read(world, "/?page=400"))
    found = await read(world, "/?q=SERVICE-0001&page=1")
    assert "1 to 10 of 10 found" in words(found)
    assert 'value="SERVICE-0001"' in found
    assert "No repository has a name like that." in words(await read(world, "/?q=nothing"))
    assert 'href="/?q=service&amp;page=2"' in await read(world, "/?q=service")
    assert "Nothing is known of acme/none" in words(await read(world, "/?repository=acme/none"))
    assert (await read(world, "/?repository=acme/service-00007")).count("<tr ") == 51


async def test_the_page_may_do_nothing_but_look_as_it_does() -> None:
    response = await World().request("GET", "/")
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert "<script" not in response.text
    assert not re.search(r'(?:src|href)="(?!/|#|data:)', response.text)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(repository=NAMES, environment=NAMES, service=NAMES, about=NAMES, search=NAMES)
async def test_whatever_a_name_holds_it_is_text(
    repository: str, environment: str, service: str, about: str, search: str
) -> None:
    hostile = "<script>alert(1)</script>\"'&"
    name = f"a/{hostile}{repository}"
    chain = FakeChain(environment=hostile + environment, service=hostile + service, unknown={"not_found": 1})
    world = World(
        webhook_door=FakeWebhookDoor(delivery=FakeDelivery(repository=name, ignored="branch", about=hostile + about)),
        standings=FakeStandings({name: FakeStanding(chains=(chain,) * 11)}),
    )
    await deliver(world)
    response = await world.request("GET", "/")
    assert "script" not in Outline(response.text).tags
    assert response.text.count("<article") == 1
    response = await world.request("GET", f"/?{urlencode({'q': hostile + search})}")
    assert "script" not in Outline(response.text).tags
