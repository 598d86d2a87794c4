"""Which repositories the page shows: all that are known, those that moved last first, searched, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from dora.adapters.http.page.advice import advise

if TYPE_CHECKING:
    from dora.adapters.http.needs import ChainStanding, Standing, Standings
    from dora.adapters.http.page.about import About
    from dora.adapters.http.page.advice import Advice
    from dora.adapters.http.sightings import Sighting, Sightings

_PER_PAGE: Final = 25
"""Repositories: enough to look over, few enough for a phone."""
_CHAINS: Final = 10
"""Environments of each of them; a repository's own page shows more."""
_CHAINS_ALONE: Final = 500
_LONGEST_SEARCH: Final = 200


@frozen(kw_only=True)
class Wanted:
    """What the reader asked for."""

    search: str = ""
    page: int = 1
    repository: str | None = None
    """One alone; None: all."""

    @classmethod
    def of(cls, *, search: str | None, page: str | None, repository: str | None) -> Wanted:
        """Return what the parameters of a request say; what makes no sense is left out."""
        digits = page or ""
        number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= len("100000") else 1
        return cls(search=(search or "").strip()[:_LONGEST_SEARCH], page=max(1, number), repository=repository or None)


@frozen(kw_only=True)
class Shown:
    """A repository, with all that the page says of it."""

    repository: str
    sighting: Sighting | None
    """None: nothing has arrived since this process started."""
    standing: Standing | None
    """None: nothing is measured of it."""
    chains: tuple[ChainStanding, ...]
    """Those of the latest deployments first; of very many not all."""
    left_out: int
    """How many environments are not shown."""
    advice: tuple[Advice, ...]


@frozen(kw_only=True)
class Listing:
    """One page of repositories."""

    quiet: bool
    """True if nothing has arrived yet, as far as is known: repositories may be named in the settings alone."""
    known: int
    """How many there are in all."""
    found: int
    """How many of them were asked for."""
    first: int
    """Place of the first that is shown among those found, from 1."""
    shown: tuple[Shown, ...]
    page: int
    pages: int
    wanted: Wanted


def listing(wanted: Wanted, *, sightings: Sightings, standings: Standings, about: About) -> Listing:
    """Return the repositories that were asked for."""
    latest = dict(standings.latest())
    quiet = not sightings.all() and not any(latest.values())
    # A repository is one, however its name is spelled at the doors.
    spelled = {name.lower(): name for name in latest}
    for sighting in sightings.all():
        name = spelled.setdefault(sighting.repository.lower(), sighting.repository)
        latest[name] = max(latest.get(name, 0), sighting.at)
    if wanted.repository is not None:
        alone = wanted.repository.lower()
        names = [spelled[alone]] if alone in spelled else []
    else:
        search = wanted.search.lower()
        names = sorted(name for lower, name in spelled.items() if search in lower)
        names.sort(key=latest.__getitem__, reverse=True)  # which keeps the order of equals
    pages = max(1, -(-len(names) // _PER_PAGE))
    page = min(wanted.page, pages)
    first = (page - 1) * _PER_PAGE
    most = _CHAINS if wanted.repository is None else _CHAINS_ALONE
    return Listing(
        quiet=quiet,
        known=len(latest),
        found=len(names),
        first=first + 1,
        shown=tuple(
            _shown(name, sightings.of(name), standings.of(name), about, most=most)
            for name in names[first : first + _PER_PAGE]
        ),
        page=page,
        pages=pages,
        wanted=wanted,
    )


def _shown(name: str, sighting: Sighting | None, standing: Standing | None, about: About, *, most: int) -> Shown:
    chains = () if standing is None else standing.chains
    newest = sorted(chains, key=lambda chain: (-(chain.last_success or 0), chain.environment, chain.service))
    return Shown(
        repository=name,
        sighting=sighting,
        standing=standing,
        chains=tuple(newest[:most]),
        left_out=max(0, len(newest) - most),
        advice=tuple(advise(sighting, standing, about)),
    )
