from __future__ import annotations

import pytest

from dora.adapters.http import About
from dora.adapters.http.page.listing import Listing, Wanted, listing
from dora.adapters.http.sightings import Sightings
from dora.domain.outcome import Outcome, Status
from tests.unit.adapters.http.fakes import FakeChain, FakeStanding, FakeStandings

ABOUT = About(version="1", state="memory", lookups=False)
EVERYTHING = Wanted()


def listed(wanted: Wanted, standings: FakeStandings, *, seen: dict[str, int] | None = None) -> Listing:
    sightings = Sightings(100)
    for repository, at in (seen or {}).items():
        sightings.see(repository, source="github", type_="push", outcome=Outcome(Status.COUNTED), at=at)
    return listing(wanted, sightings=sightings, standings=standings, about=ABOUT)


def deployed(**at: int) -> FakeStandings:
    return FakeStandings(
        {f"acme/{name}": FakeStanding(chains=(FakeChain(last_success=when),)) for name, when in at.items()}
    )


def names(found: Listing) -> list[str]:
    return [shown.repository for shown in found.shown]


def test_those_that_moved_last_come_first_by_event_or_by_deployment_and_the_rest_by_name() -> None:
    standings = deployed(b=10, a=30)
    standings.known |= {"acme/y": FakeStanding(), "acme/x": FakeStanding()}
    found = listed(EVERYTHING, standings, seen={"acme/b": 20, "acme/seen-only": 40})
    assert names(found) == ["acme/seen-only", "acme/a", "acme/b", "acme/x", "acme/y"]


def test_a_repository_is_listed_once_under_the_name_that_its_series_have() -> None:
    found = listed(EVERYTHING, deployed(api=10), seen={"ACME/Api": 20})
    (shown,) = found.shown
    assert shown.repository == "acme/api"
    assert shown.sighting is not None
    assert shown.standing is not None


def test_a_search_looks_for_the_text_anywhere_in_the_name_regardless_of_case() -> None:
    standings = deployed(api=1, web=2, webapi=3)
    assert names(listed(Wanted(search="API"), standings)) == ["acme/webapi", "acme/api"]
    found = listed(Wanted(search="*"), standings)
    assert (found.found, found.known, found.pages, found.shown) == (0, 3, 1, ())


def test_pages_hold_25_each_and_one_beyond_the_end_is_the_last() -> None:
    standings = deployed(**{f"r{number:02}": 100 - number for number in range(60)})
    first, last = listed(EVERYTHING, standings), listed(Wanted(page=9), standings)
    assert (len(first.shown), first.first, first.page, first.pages) == (25, 1, 1, 3)
    assert (names(last)[0], len(last.shown), last.first, last.page) == ("acme/r50", 10, 51, 3)


def test_of_very_many_environments_the_newest_are_shown_and_one_repository_alone_shows_more() -> None:
    chains = tuple(FakeChain(environment=f"e{number:03}", last_success=number) for number in range(600))
    standings = FakeStandings({"acme/api": FakeStanding(chains=chains)})
    (some,) = listed(EVERYTHING, standings).shown
    (many,) = listed(Wanted(repository="Acme/Api"), standings).shown
    assert (some.chains[0].environment, len(some.chains), some.left_out) == ("e599", 10, 590)
    assert (len(many.chains), many.left_out) == (500, 100)


def test_a_repository_that_is_not_known_is_none() -> None:
    assert listed(Wanted(repository="acme/other"), deployed(api=1)).shown == ()


@pytest.mark.parametrize("page", [None, "", "0", "-3", "x", "1e9", "\u0661", "9" * 5000])
def test_a_page_that_is_none_is_the_first(page: str | None) -> None:
    assert Wanted.of(search=None, page=page, repository="") == Wanted()


def test_a_search_of_any_length_is_cut() -> None:
    assert Wanted.of(search=f" {'x' * 5000}", page="3", repository=None) == Wanted(search="x" * 200, page=3)
