"""What the series say about one repository, in words: how the page for people gets at them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from attrs import frozen

from dora.adapters.prometheus.families import (
    CHANGE_FAILURES,
    CHANGES_MERGED,
    COMMIT_LEAD_TIME,
    DEPLOYMENTS,
    INCIDENTS,
    LAST_DEPLOYMENT,
    LEAD_TIME,
    LEAD_TIME_UNKNOWN,
    OPEN_FAILURES,
    PENDING_LOOKUPS,
    RECOVERY_TIME,
    REWORK,
    Family,
    Kind,
    Level,
)
from dora.adapters.prometheus.series import Series
from dora.adapters.prometheus.state import Key, Row
from dora.domain.facts import Result
from dora.domain.instant import Instant
from dora.domain.observations import IncidentState


@frozen(kw_only=True)
class ChainStanding:
    """One chain: its numbers of today, without their times."""

    environment: str
    service: str
    last_success: Instant | None
    successes: int
    failures: int
    lead_times: int
    commit_lead_times: int
    unknown: Mapping[str, int]
    pending: int
    change_failures: int
    open_failures: int
    recoveries: int
    rework: int
    incidents: int


@frozen(kw_only=True)
class Standing:
    """One repository."""

    merged: int
    chains: tuple[ChainStanding, ...]
    moved: bool
    """All its gauges went to another name."""


@frozen(eq=False)
class Standings:
    """Reads the series by repository. Each call sees one consistent state."""

    series: Series

    def latest(self) -> dict[str, Instant]:
        """Return every repository, with the time of its latest successful deployment, 0 before the first."""
        with self.series.reading() as levels:
            # References alone, as fast as can be: of ten thousand repositories there are tens of thousands.
            repositories = list(levels[Level.REPOSITORY].by_key)
            chains = list(levels[Level.CHAIN].by_key.items())
        latest = dict.fromkeys((repository for (repository,) in repositories), 0)
        place = LAST_DEPLOYMENT.start
        for key, row in chains:
            at = row.gauges[place]
            if at is not None and at > latest.get(key[0], 0):
                latest[key[0]] = at
        return latest

    def of(self, repository: str) -> Standing | None:
        """Return how a repository stands; None if it has no series."""
        with self.series.reading() as levels:
            chains = levels[Level.CHAIN]
            own: list[tuple[Key, Row]] = []
            for place in range(bisect_left(chains.keys, (repository,)), len(chains.keys)):
                key = chains.keys[place]
                if key[0] != repository:
                    break
                own.append((key, chains.by_key[key]))
            row = levels[Level.REPOSITORY].by_key.get((repository,))
        if row is None and not own:
            return None
        return Standing(
            merged=0 if row is None else _counted(row, CHANGES_MERGED),
            chains=tuple(_chain(key, of_chain) for key, of_chain in own),
            moved=bool(own) and all(gauge is None for _, of_chain in own for gauge in of_chain.gauges),
        )


def _chain(key: Key, row: Row) -> ChainStanding:
    unknown = {reason: _counted(row, LEAD_TIME_UNKNOWN, reason) for reason in LEAD_TIME_UNKNOWN.places}
    return ChainStanding(
        environment=key[1],
        service=key[2],
        last_success=row.gauges[LAST_DEPLOYMENT.start],
        successes=_counted(row, DEPLOYMENTS, Result.SUCCESS),
        failures=_counted(row, DEPLOYMENTS, Result.FAILURE),
        lead_times=_counted(row, LEAD_TIME),
        commit_lead_times=_counted(row, COMMIT_LEAD_TIME),
        unknown={reason: count for reason, count in unknown.items() if count},
        pending=row.gauges[PENDING_LOOKUPS.start] or 0,
        change_failures=_counted(row, CHANGE_FAILURES),
        open_failures=row.gauges[OPEN_FAILURES.start] or 0,
        recoveries=_counted(row, RECOVERY_TIME),
        rework=_counted(row, REWORK),
        incidents=_counted(row, INCIDENTS, IncidentState.OPENED),
    )


def _counted(row: Row, family: Family, value: str | None = None) -> int:
    """Return what a counter counted or a histogram observed: of one value of its own label, or of all."""
    places = family.places.values() if value is None else (family.places[value],)
    if family.kind is Kind.HISTOGRAM:
        return sum(sum(seen.counts) for place in places if (seen := row.distributions[place]) is not None)
    return sum(count.value for place in places if (count := row.counts[place]) is not None)
