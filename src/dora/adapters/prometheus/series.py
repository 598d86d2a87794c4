"""The metric sink: every DORA series of the process, with its birth time and its latest exemplars."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final, assert_never

from attrs import define, field

from dora.adapters.prometheus import snapshot
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
    TIME_TO_MERGE,
    Family,
    Level,
    bucket,
)
from dora.adapters.prometheus.rows import Rows
from dora.adapters.prometheus.state import (
    NOTHING,
    Count,
    Distribution,
    Key,
    Mark,
    Row,
    Spotted,
    mark,
    unregistered,
)
from dora.domain.instant import Duration, Instant
from dora.domain.observations import (
    Chain,
    ChainRegistered,
    ChangeCounted,
    ChangeFailed,
    CommitLeadTimeObserved,
    DeploymentCounted,
    Exemplar,
    GaugesMoved,
    IncidentCounted,
    IncidentsRegistered,
    LastDeployment,
    LeadTimeObserved,
    LeadTimeUnknown,
    Observation,
    OpenFailures,
    PendingLookups,
    Recovered,
    RecoveryRegistered,
    RepositoryRegistered,
    ReworkCounted,
    TimeToMergeObserved,
)

_OF_A_REPOSITORY: Final = (RepositoryRegistered, ChangeCounted, TimeToMergeObserved)
"""The observations that are not of a chain."""


@define(eq=False)
class Series:
    """Holds every DORA series; a `dora.ports.MetricSink`.

    A series is born at the receipt time `at` of the call that registered it; registering it again changes nothing, and
    an observation for a series that does not exist registers it. Readers (the exposition, the collector) may be in
    another thread: a call of `record` is published at once.
    """

    _repositories: Rows = field(factory=lambda: Rows(Level.REPOSITORY), init=False)
    _chains: Rows = field(factory=lambda: Rows(Level.CHAIN), init=False)
    _publishing: Lock = field(factory=Lock, init=False, repr=False)

    def record(self, observations: Iterable[Observation], *, at: Instant) -> None:
        """Record what one fact led to."""
        drafts: dict[str | Chain, _Draft] = {}
        for observation in observations:
            subject = observation.repository if isinstance(observation, _OF_A_REPOSITORY) else observation.chain
            draft = drafts.get(subject)
            if draft is None:
                draft = drafts[subject] = self._draft(subject, at)
            draft.take(observation)
        if drafts:
            with self._publishing:
                for draft in drafts.values():
                    draft.rows.put(draft.key, draft.row())

    def _draft(self, subject: str | Chain, at: Instant) -> _Draft:
        key: Key
        if isinstance(subject, str):
            rows, key = self._repositories, (subject,)
        else:
            rows, key = self._chains, (subject.repository, subject.environment, subject.service)
        return _Draft(rows, key, rows.by_key.get(key) or unregistered(rows.level, key), at)

    @contextmanager
    def reading(self) -> Iterator[dict[Level, Rows]]:
        """Give the rows while nothing is published: take references and leave; rows never change afterwards."""
        with self._publishing:
            yield {Level.REPOSITORY: self._repositories, Level.CHAIN: self._chains}

    def born(self, subject: str | Chain) -> Instant | None:
        """Return when a repository, or a chain, was registered; None if it is not."""
        if isinstance(subject, str):
            row, place = self._repositories.by_key.get((subject,)), CHANGES_MERGED.start
        else:
            key = (subject.repository, subject.environment, subject.service)
            row, place = self._chains.by_key.get(key), DEPLOYMENTS.start
        count = None if row is None else row.counts[place]
        return None if count is None else count.created

    def state(self) -> dict[Level, list[tuple[Key, Row]]]:
        """Return all rows in the order of the exposition: one consistent state, which never changes afterwards."""
        with self.reading() as levels:
            return {level: [(key, rows.by_key[key]) for key in rows.keys] for level, rows in levels.items()}

    def dump(self) -> snapshot.Snapshot:
        """Return all there is as plain JSON-able data, exactly; the same state gives the same data."""
        return snapshot.dump(self.state())

    def slices(self) -> Iterator[snapshot.Snapshot]:
        """Return what `dump` returns in slices, each made when it is asked for: all of them are of this moment."""
        return snapshot.slices(self.state())

    def load(self, snapshot_: object) -> None:
        """Restore what `dump` returned, or one of the slices, into a `Series` without these rows.

        Raises:
            dora.ports.StateDamaged: it is something else, or a newer version's.
        """
        restored = snapshot.load(snapshot_)
        with self.reading() as levels:
            for level, rows in restored.items():
                for key, row in rows:
                    levels[level].put(key, row)


class _Draft:
    """A row while one call of `record` changes it."""

    __slots__ = (
        "_at",
        "_born",
        "_counts",
        "_digest",
        "_distributions",
        "_empty",
        "_exemplar",
        "_gauges",
        "_labels",
        "_mark",
        "_zero",
        "key",
        "rows",
    )

    def __init__(self, rows: Rows, key: Key, row: Row, at: Instant) -> None:
        self.rows = rows
        self.key = key
        # Shared by all that this call registers: a fresh chain is 17 counters and 8 histograms' places.
        self._zero: Count | None = None
        self._empty: Distribution | None = None
        self._at = at
        self._exemplar: Exemplar | None = None
        self._mark = Mark("", "")
        self._digest = row.digest
        self._labels = row.labels
        self._born = row.born
        self._counts = list(row.counts)
        self._distributions = list(row.distributions)
        self._gauges = list(row.gauges)

    def row(self) -> Row:
        counts, distributions = tuple(self._counts), tuple(self._distributions)
        return Row(self._digest, self._labels, self._born, counts, distributions, tuple(self._gauges))

    def take(self, observation: Observation) -> None:  # noqa: C901, PLR0912 - one line a kind of observation
        """Apply one observation. The most frequent kinds come first."""
        match observation:
            case LeadTimeObserved():
                self._observe(LEAD_TIME, observation.duration, observation.exemplar)
            case CommitLeadTimeObserved():
                self._observe(COMMIT_LEAD_TIME, observation.duration, observation.exemplar)
            case DeploymentCounted():
                self._step(DEPLOYMENTS, observation.result, observation.exemplar)
            case LastDeployment():
                self._gauges[LAST_DEPLOYMENT.start] = observation.at
            case OpenFailures():
                self._gauges[OPEN_FAILURES.start] = observation.count
            case PendingLookups():
                self._gauges[PENDING_LOOKUPS.start] = observation.count
            case ChangeCounted():
                self._step(CHANGES_MERGED)
            case TimeToMergeObserved():
                self._observe(TIME_TO_MERGE, observation.duration)
            case ChangeFailed():
                self._step(CHANGE_FAILURES, observation.cause, observation.exemplar)
                self._register_histogram(RECOVERY_TIME, observation.cause)
            case RecoveryRegistered():
                self._register_histogram(RECOVERY_TIME, observation.cause)
            case Recovered():
                self._observe(RECOVERY_TIME, observation.duration, observation.exemplar, observation.cause)
            case ReworkCounted():
                # Without its exemplar: those sit on deployments, failures and buckets alone.
                self._step(REWORK)
            case LeadTimeUnknown():
                self._step(LEAD_TIME_UNKNOWN, observation.reason)
            case IncidentCounted():
                self._register(INCIDENTS)
                self._step(INCIDENTS, observation.state)
            case RepositoryRegistered():
                self._register(CHANGES_MERGED)
                self._register_histogram(TIME_TO_MERGE)
            case ChainRegistered():
                self._register_chain()
            case IncidentsRegistered():
                self._register(INCIDENTS)
            case GaugesMoved():
                self._gauges = [None] * len(self._gauges)
            case _:
                assert_never(observation)

    def _register_chain(self) -> None:
        for family in (DEPLOYMENTS, CHANGE_FAILURES, REWORK, LEAD_TIME_UNKNOWN, INCIDENTS):
            self._register(family)
        for family in (LEAD_TIME, COMMIT_LEAD_TIME):
            self._register_histogram(family)
        for family in (OPEN_FAILURES, PENDING_LOOKUPS):
            if self._gauges[family.start] is None:
                self._gauges[family.start] = 0

    def _register(self, family: Family) -> None:
        for place in family.places.values():
            self._count(place)

    def _register_histogram(self, family: Family, value: str = "") -> None:
        self._distribution(family.places[value])

    def _step(self, family: Family, value: str = "", exemplar: Exemplar | None = None) -> None:
        place = family.places[value]
        count = self._count(place)
        self._counts[place] = Count(count.value + 1, count.created, self._marked(exemplar) if exemplar else None)

    def _observe(self, family: Family, duration: Duration, exemplar: Exemplar | None = None, value: str = "") -> None:
        place = family.places[value]
        counted, total, created, spotted = self._distribution(place)
        fallen = bucket(duration)
        counts = list(counted)
        counts[fallen] += 1
        if exemplar:
            spotted = _spot(spotted, Spotted(fallen, duration, self._marked(exemplar)))
        self._distributions[place] = Distribution(tuple(counts), total + duration, created, spotted)

    def _marked(self, exemplar: Exemplar) -> Mark:
        """Return the exemplar, cut; what one deployment brought shares one."""
        if exemplar is not self._exemplar:
            self._exemplar, self._mark = exemplar, mark(exemplar)
        return self._mark

    def _count(self, place: int) -> Count:
        """Return the counter, born now if it did not exist."""
        count = self._counts[place]
        if count is None:
            self._zero = self._zero or Count(0, self._at)
            count = self._counts[place] = self._zero
            self._born = max(self._born, count.created)
        return count

    def _distribution(self, place: int) -> Distribution:
        """Return the histogram, born now if it did not exist."""
        seen = self._distributions[place]
        if seen is None:
            self._empty = self._empty or Distribution(NOTHING, 0, self._at)
            seen = self._distributions[place] = self._empty
            self._born = max(self._born, seen.created)
        return seen


def _spot(spotted: tuple[Spotted, ...], latest: Spotted) -> tuple[Spotted, ...]:
    """Put the latest exemplar in its bucket's place."""
    place = bisect_left(spotted, (latest.bucket,))  # the shorter tuple sorts first
    behind = place + 1 if place < len(spotted) and spotted[place].bucket == latest.bucket else place
    return (*spotted[:place], latest, *spotted[behind:])
