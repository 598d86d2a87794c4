"""The one table of the metric families at `/metrics`: names, types, help, labels, units, buckets.

Names and edges are public API: dashboards, rules and alerts are written against them, and a changed edge breaks every
quantile that reads across the change. Naming follows https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import Enum
from typing import Final

from attrs import evolve, field, frozen
from prometheus_client.utils import floatToGoString

from dora.domain.facts import Result, Unknown
from dora.domain.instant import MICROSECONDS, Duration
from dora.domain.observations import Cause, IncidentState


class Kind(Enum):
    """A family's type, in the exposition's word."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Level(Enum):
    """What a family's series describe. The value: the labels every one of them has, in the order of the exposition."""

    REPOSITORY = ("repository",)
    CHAIN = ("environment", "repository", "service")


@frozen(eq=False)
class Family:
    """A metric family. Its children of one repository or chain are one for each value of its own label."""

    name: str
    """As OpenMetrics names the family: a counter's samples add `_total`."""
    kind: Kind
    level: Level
    help: str
    label: str = ""
    """The family's own label beside those of its level; none if empty."""
    values: tuple[str, ...] = ("",)
    """The values that label can have, in the order of the exposition."""
    unit: str = ""
    start: int = 0
    """Where its children begin among those of the same level and kind (`dora.adapters.prometheus.state.Row`)."""
    places: dict[str, int] = field(init=False)
    """For each value of the own label, where that child is."""

    @places.default
    def _places(self) -> dict[str, int]:
        return {str(value): self.start + place for place, value in enumerate(self.values)}

    @property
    def children(self) -> slice:
        """Where its children are."""
        return slice(self.start, self.start + len(self.values))

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of all its labels but `le`, sorted, as the client renders them."""
        return tuple(sorted((*self.level.value, self.label) if self.label else self.level.value))


def go_float(value: float) -> str:
    """Return the number as the client writes it: as Go would, with exponents from a million on."""
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]  # the client leaves it untyped
    return text


EDGES: Final[tuple[Duration, ...]] = tuple(
    seconds * MICROSECONDS
    # 5, 15, 30 minutes; 1, 2, 4, 8, 12 hours; 1, 2, 3, 5, 7, 14, 21, 30, 60, 90, 180 days. DORA's own bands end at one
    # hour, day, week, month and six months, so those are edges: a level read off a median is exact there.
    # https://dora.dev/quickcheck/
    for seconds in (
        *(300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200),
        *(86_400, 172_800, 259_200, 432_000, 604_800, 1_209_600, 1_814_400),
        *(2_592_000, 5_184_000, 7_776_000, 15_552_000),
    )
)
"""Upper edges of the finite buckets of every histogram, in microseconds; an edge belongs to its bucket."""

LE: Final[tuple[str, ...]] = (*(go_float(edge / MICROSECONDS) for edge in EDGES), "+Inf")
"""The buckets' `le` values as Prometheus stores them: exponents from a million seconds on."""


def bucket(duration: Duration) -> int:
    """Return the index in `LE` of the bucket that the duration falls into."""
    return bisect_left(EDGES, duration)


def _placed(*families: Family) -> tuple[Family, ...]:
    """Give every family its place among those of its level and kind, in the order of the table."""
    taken: dict[tuple[Level, Kind], int] = {}
    placed = []
    for family in families:
        alike = family.level, family.kind
        start = taken.get(alike, 0)
        taken[alike] = start + len(family.values)
        placed.append(evolve(family, start=start))
    return tuple(placed)


FAMILIES: Final = _placed(
    Family(
        "dora_deployments",
        Kind.COUNTER,
        Level.CHAIN,
        "Deployments by result, once each. Successes feed DORA's deployment frequency and are the denominator of its "
        "change fail rate and deployment rework rate.",
        label="result",
        values=tuple(Result),
    ),
    Family(
        "dora_lead_time_seconds",
        Kind.HISTOGRAM,
        Level.CHAIN,
        "Time from landing on the tracked branch to the first successful deployment, one observation a change. "
        "Feeds DORA's change lead time.",
        unit="seconds",
    ),
    Family(
        "dora_commit_lead_time_seconds",
        Kind.HISTOGRAM,
        Level.CHAIN,
        "Time from the author date of a change's first commit to the first successful deployment, one observation a "
        "change. Feeds DORA's change lead time, measured from the first commit.",
        unit="seconds",
    ),
    Family(
        "dora_change_failures",
        Kind.COUNTER,
        Level.CHAIN,
        "Deployments that turned out to be failed changes, by the first evidence, at most once each. "
        "Numerator of DORA's change fail rate.",
        label="cause",
        values=tuple(Cause),
    ),
    Family(
        "dora_recovery_time_seconds",
        Kind.HISTOGRAM,
        Level.CHAIN,
        "Time from a failed change to its recovery, by cause, one observation a failure that ended. "
        "Feeds DORA's failed deployment recovery time.",
        label="cause",
        values=tuple(Cause),
        unit="seconds",
    ),
    Family(
        "dora_rework_deployments",
        Kind.COUNTER,
        Level.CHAIN,
        "Successful deployments that were a rollback, a revert or a hotfix, once each. "
        "Numerator of DORA's deployment rework rate.",
    ),
    Family(
        "dora_open_failures",
        Kind.GAUGE,
        Level.CHAIN,
        "Failed changes not recovered yet; failed deployments in a row are one. "
        "These are not in DORA's failed deployment recovery time until they end.",
    ),
    Family(
        "dora_lead_time_unknown",
        Kind.COUNTER,
        Level.CHAIN,
        "Successful deployments whose changes could not be (fully) measured, by reason, at most once each. "
        "What is missing from DORA's change lead time.",
        label="reason",
        values=tuple(Unknown),
    ),
    Family(
        "dora_pending_lookups",
        Kind.GAUGE,
        Level.CHAIN,
        "Successful deployments whose changes are still to be measured: they wait for GitHub or for a missing "
        "delivery. What DORA's change lead time will still gain.",
    ),
    Family(
        "dora_last_deployment_timestamp_seconds",
        Kind.GAUGE,
        Level.CHAIN,
        "Unix time of the latest successful deployment. Shows how DORA's deployment frequency stands now.",
        unit="seconds",
    ),
    Family(
        "dora_changes_merged",
        Kind.COUNTER,
        Level.REPOSITORY,
        "Pull requests merged into a tracked branch, once each. "
        "The work that DORA's deployment frequency and change lead time then show going out.",
    ),
    Family(
        "dora_time_to_merge_seconds",
        Kind.HISTOGRAM,
        Level.REPOSITORY,
        "Time from opening a pull request to merging it into a tracked branch. "
        "The part before DORA's change lead time as measured from landing.",
        unit="seconds",
    ),
    Family(
        "dora_incidents",
        Kind.COUNTER,
        Level.CHAIN,
        "Incidents opened and resolved, whether a deployment caused them or not. Context for DORA's change fail rate "
        "and failed deployment recovery time, which count only those that a change caused.",
        label="state",
        values=tuple(IncidentState),
    ),
)
"""Every family, in the order of the exposition."""

(
    DEPLOYMENTS,
    LEAD_TIME,
    COMMIT_LEAD_TIME,
    CHANGE_FAILURES,
    RECOVERY_TIME,
    REWORK,
    OPEN_FAILURES,
    LEAD_TIME_UNKNOWN,
    PENDING_LOOKUPS,
    LAST_DEPLOYMENT,
    CHANGES_MERGED,
    TIME_TO_MERGE,
    INCIDENTS,
) = FAMILIES
