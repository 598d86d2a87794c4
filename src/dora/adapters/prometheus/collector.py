"""The series as a prometheus-client collector, for who embeds them in a registry of their own.

The service's own `/metrics` does not go this way (see `dora.adapters.prometheus.exposition`), but says the same: a
property test holds the two byte for byte together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from attrs import frozen
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector as ClientCollector
from prometheus_client.samples import Exemplar

from dora.adapters.prometheus.families import FAMILIES, LE, Family, Kind, Level
from dora.adapters.prometheus.series import Series
from dora.adapters.prometheus.state import Count, Distribution, Key, Mark, Row, withheld
from dora.domain.instant import Duration, Instant, seconds


@frozen(eq=False)
class Collector(ClientCollector):
    """Yields every family: `CollectorRegistry().register(Collector(series))`.

    With a `hold`, counters and histograms younger than that by the `clock` are shown as 0.
    """

    series: Series
    hold: Duration = 0
    clock: Callable[[], Instant] = lambda: 0

    def describe(self) -> Iterator[Metric]:
        """Yield the families without their samples: what a registry checks names by."""
        return map(_empty, FAMILIES)

    def collect(self) -> Iterator[Metric]:
        """Yield the families of one consistent state."""
        state = self.series.state()
        if self.hold:
            horizon = self.clock() - self.hold
            state = {level: [(key, withheld(row, horizon)) for key, row in rows] for level, rows in state.items()}
        return (_filled(family, state[family.level]) for family in FAMILIES)


def _empty(family: Family) -> CounterMetricFamily | HistogramMetricFamily | GaugeMetricFamily:
    match family.kind:
        case Kind.COUNTER:
            return CounterMetricFamily(family.name, family.help, labels=family.labels, unit=family.unit)
        case Kind.HISTOGRAM:
            return HistogramMetricFamily(family.name, family.help, labels=family.labels, unit=family.unit)
        case Kind.GAUGE:
            return GaugeMetricFamily(family.name, family.help, labels=family.labels, unit=family.unit)


def _filled(family: Family, rows: list[tuple[Key, Row]]) -> Metric:
    metric = _empty(family)
    for key, row in rows:
        for value, place in family.places.items():
            labels = _labels(family, key, value)
            if isinstance(metric, CounterMetricFamily):
                _add_count(metric, labels, row.counts[place])
            elif isinstance(metric, HistogramMetricFamily):
                _add_distribution(metric, labels, row.distributions[place])
            elif (gauge := row.gauges[place]) is not None:
                metric.add_metric(list(labels.values()), seconds(gauge) if family.unit else gauge)
    return metric


def _labels(family: Family, key: Key, value: str) -> dict[str, str]:
    names = ("repository", "environment", "service") if family.level is Level.CHAIN else ("repository",)
    known = dict(zip(names, key, strict=True)) | {family.label: value}
    return {name: known[name] for name in family.labels}


def _add_count(metric: CounterMetricFamily, labels: dict[str, str], count: Count | None) -> None:
    if count is not None:
        exemplar = _exemplar(count.mark, 1.0) if count.mark else None
        metric.add_metric(list(labels.values()), count.value, created=seconds(count.created), exemplar=exemplar)


def _add_distribution(metric: HistogramMetricFamily, labels: dict[str, str], seen: Distribution | None) -> None:
    if seen is not None:
        exemplars = {one.bucket: _exemplar(one.mark, seconds(one.duration)) for one in seen.spotted}
        buckets = [
            (le, cumulated, exemplars[place]) if place in exemplars else (le, cumulated)
            for place, (le, cumulated) in enumerate(zip(LE, accumulate(seen.counts), strict=True))
        ]
        metric.add_metric(list(labels.values()), buckets, seconds(seen.total))
        # `HistogramMetricFamily.add_metric` takes no `created`.
        metric.add_sample(f"{metric.name}_created", labels, seconds(seen.created))


def _exemplar(mark: Mark, value: float) -> Exemplar:
    return Exemplar({"sha": mark.sha, "deployment_id": mark.deployment_id}, value)
