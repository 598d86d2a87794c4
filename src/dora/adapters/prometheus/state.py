"""What the series hold: immutable values, so that a reader who has a reference has a consistent state.

Everything is a whole number; sums are exact microseconds, so the order of observations never shows.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias
from zlib import crc32

from dora.adapters.prometheus.families import FAMILIES, LE, Kind, Level
from dora.domain.instant import Duration, Instant
from dora.domain.observations import Exemplar

_EXEMPLAR_ROOM = 128 - len("sha") - len("deployment_id")
"""Code points left for an exemplar's values: names and values together may have 128.

https://prometheus.io/docs/specs/om/open_metrics_spec/#exemplars
"""
_SHA_ROOM = 64

Key: TypeAlias = tuple[str, ...]
"""Which repository, `(repository,)`, or chain, `(repository, environment, service)`; rows are sorted by it."""


class Mark(NamedTuple):
    """An exemplar's labels, cut to what OpenMetrics allows."""

    sha: str
    deployment_id: str


class Count(NamedTuple):
    """A counter."""

    value: int
    created: Instant
    mark: Mark | None = None
    """The latest exemplar."""


class Spotted(NamedTuple):
    """The latest exemplar of a histogram's bucket."""

    bucket: int
    """Index in `dora.adapters.prometheus.families.LE`."""
    duration: Duration
    mark: Mark


class Distribution(NamedTuple):
    """A histogram."""

    counts: tuple[int, ...]
    """How many observations fell into each bucket of `dora.adapters.prometheus.families.LE` itself (not cumulated)."""
    total: Duration
    created: Instant
    spotted: tuple[Spotted, ...] = ()
    """By ascending bucket, at most one each."""


class Row(NamedTuple):
    """The series of one repository or chain. A child that is not registered is None.

    Children of one kind stand side by side; `Family.children` says which are a family's.
    """

    digest: int
    """A number of 16 bits that depends on the key alone, in every process the same."""
    labels: tuple[str, ...]
    """Escaped label values, in the order of `Level`."""
    born: Instant
    """The latest `created` among the counters and histograms."""
    counts: tuple[Count | None, ...]
    distributions: tuple[Distribution | None, ...]
    gauges: tuple[int | None, ...]
    """Counts, or an `Instant` where the family's unit is seconds."""


NOTHING = (0,) * len(LE)
"""The buckets of a histogram without observations."""

_SIZES = {
    (level, kind): sum(len(family.values) for family in FAMILIES if (family.level, family.kind) == (level, kind))
    for level in Level
    for kind in Kind
}


def unregistered(level: Level, key: Key) -> Row:
    """Return the row of a repository or chain that has no series yet."""
    values = key
    if level is Level.CHAIN:
        repository, environment, service = key
        values = environment, repository, service
    return Row(
        digest=crc32("\n".join(key).encode()) & 0xFFFF,
        labels=tuple(map(escaped, values)),
        born=0,
        counts=(None,) * _SIZES[level, Kind.COUNTER],
        distributions=(None,) * _SIZES[level, Kind.HISTOGRAM],
        gauges=(None,) * _SIZES[level, Kind.GAUGE],
    )


def escaped(text: str) -> str:
    """Return a label value as both formats write it between quotes."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def mark(exemplar: Exemplar) -> Mark:
    """Return the exemplar, cut: a SHA at 64 characters (SHA-256), the deployment's id at what is then left."""
    sha = exemplar.sha[:_SHA_ROOM]
    return Mark(sha, exemplar.deployment_id[: _EXEMPLAR_ROOM - len(sha)])


def withheld(row: Row, horizon: Instant) -> Row:
    """Return the row as it is shown while counters and histograms created after the horizon are held at 0."""
    return row._replace(
        counts=tuple(
            Count(0, count.created) if count is not None and count.created > horizon else count for count in row.counts
        ),
        distributions=tuple(
            Distribution(NOTHING, 0, seen.created) if seen is not None and seen.created > horizon else seen
            for seen in row.distributions
        ),
    )
