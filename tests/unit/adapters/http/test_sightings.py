from __future__ import annotations

from dora.adapters.http.sightings import Passed, Sighting, Sightings
from dora.domain.outcome import Outcome, Status

COUNTED = Outcome(Status.COUNTED)
LEFT_OUT = Outcome(Status.IGNORED, "environment")


def test_a_repository_is_one_however_it_is_spelled_and_keeps_its_first_spelling() -> None:
    sightings = Sightings(10)
    assert sightings.see("Acme/Api", source="github", type_="push", outcome=COUNTED, at=1) == "Acme/Api"
    assert sightings.see("acme/API", source="api", type_="deployment.succeeded", outcome=COUNTED, at=2) == "Acme/Api"
    assert sightings.all() == (
        Sighting("Acme/Api", "api", "deployment.succeeded", COUNTED, 2, {"push": 1, "deployment.succeeded": 2}),
    )
    assert sightings.of("ACME/api") is sightings.all()[0]


def test_beyond_the_limit_only_those_known_are_noted() -> None:
    sightings = Sightings(1)
    sightings.see("acme/one", source="github", type_="push", outcome=COUNTED, at=1)
    assert sightings.see("acme/two", source="github", type_="push", outcome=COUNTED, at=2) is None
    assert sightings.see("acme/one", source="github", type_="push", outcome=COUNTED, at=3) == "acme/one"
    assert sightings.of("acme/two") is None


def test_ignored_events_are_counted_by_reason_with_what_the_latest_was_about() -> None:
    sightings = Sightings(10)
    for at, about in ((1, "review-1"), (2, "review-2")):
        sightings.see("acme/api", source="github", type_="deployment_status", outcome=LEFT_OUT, at=at, about=about)
    sightings.see("acme/api", source="github", type_="ping", outcome=Outcome(Status.IGNORED, "ping"), at=3)
    sighting = sightings.of("acme/api")
    assert sighting is not None
    assert sighting.passed == {"environment": Passed(2, 2, "review-2"), "ping": Passed(1, 3, None)}
