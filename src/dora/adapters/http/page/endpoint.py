"""Answers `GET /`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from dora.adapters.http.answers import whole
from dora.adapters.http.page.listing import Wanted, listing
from dora.adapters.http.page.reached import Reached
from dora.adapters.http.page.rendering import document, locked, repositories
from dora.adapters.http.page.service import conditions, stage, troubles
from dora.adapters.http.page.steps import steps
from dora.adapters.http.page.style import HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from dora.adapters.http.gate import Gate
    from dora.adapters.http.guard import Guard
    from dora.adapters.http.needs import Internals, Questions, Standings
    from dora.adapters.http.page.about import About
    from dora.adapters.http.sightings import Sightings
    from dora.domain.instant import Instant

_RESTORING: Final = "<p>The state is being restored.</p>"


@frozen(kw_only=True)
class PageEndpoint:
    """The page: for everybody how the service does, for who may read the metrics what is known of the repositories."""

    about: About
    guard: Guard
    gate: Gate
    sightings: Sightings
    standings: Standings
    questions: Questions
    internals: Internals
    now: Callable[[], Instant]

    async def page(self, request: Request) -> ASGIApp:
        """Answer one request."""
        now = self.now()
        reached = Reached.by(request.scope)
        lines = [stage(self.gate), *conditions(self.about)]
        begin = False
        if not self.guard.admits(request.scope):
            shown = locked(reached)
        else:
            lines += troubles(self.internals.rejections(), self.sightings.unwatched, self.questions)
            if not self.gate.restored:
                shown = _RESTORING  # replayed figures still climb
            else:
                asked = request.query_params
                wanted = Wanted.of(search=asked.get("q"), page=asked.get("page"), repository=asked.get("repository"))
                found = listing(wanted, sightings=self.sightings, standings=self.standings, about=self.about)
                begin = found.quiet
                shown = repositories(found, self.about, now=now)
        html = document(
            self.about,
            lines=lines,
            repositories=shown,
            steps=steps(reached, self.about, now=now),
            begin=begin,
            now=now,
        )
        # A name that is no text for UTF-8 cannot come through the doors; if one did, the page is still to be shown.
        return whole(200, html.encode(errors="replace"), content_type=b"text/html; charset=utf-8", headers=HEADERS)
