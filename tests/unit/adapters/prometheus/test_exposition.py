from __future__ import annotations

import gc
import gzip
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple
from weakref import WeakSet

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest as client_text
from prometheus_client.openmetrics.exposition import generate_latest as client_openmetrics

from dora.adapters.prometheus import Collector, Exposition, Format, Series
from dora.adapters.prometheus.blocks import Block
from dora.domain.facts import Result
from dora.domain.observations import (
    Cause,
    Chain,
    ChainRegistered,
    ChangeFailed,
    DeploymentCounted,
    Exemplar,
    LastDeployment,
    LeadTimeObserved,
    RepositoryRegistered,
)
from tests.unit.adapters.prometheus.observed import (
    CHAIN,
    EXEMPLAR,
    HOUR,
    LABELS,
    NOON,
    OPENMETRICS,
    TEXT,
    Recording,
    at,
    families,
    histories,
    read,
    samples,
    words,
)

MINUTE = HOUR // 60
AT_A_TIME = 64
"""Blocks looked at, or let go of, in one step of an answer."""


class Registry(CollectorRegistry):
    """What the client renders: the collector's families, in their order.

    The text format has no `_created` samples. The client turns each family's into a gauge family of its own
    (`dora_deployments_created`); they are left out here, as its own switch PROMETHEUS_DISABLE_CREATED_SERIES does.
    """

    def __init__(self, collector: Collector, *, created: bool) -> None:
        super().__init__()
        self._collector = collector
        self._created = created

    def collect(self) -> Iterator[Metric]:
        for metric in self._collector.collect():
            if not self._created:
                metric.samples = [sample for sample in metric.samples if sample.name != f"{metric.name}_created"]
            yield metric


def rendered_by_the_client(collector: Collector, format_: Format) -> bytes:
    if format_.openmetrics:
        body: bytes = client_openmetrics(Registry(collector, created=True))  # type: ignore[no-untyped-call]  # as it is
        return body
    return client_text(Registry(collector, created=False))


def recorded(history: list[Recording]) -> Series:
    series = Series()
    for observations, birth in history:
        series.record(observations, at=birth)
    return series


def shop(repositories: int) -> Series:
    series = Series()
    for number in range(repositories):
        chain = Chain(f"acme/{number}", "production", "")
        series.record([RepositoryRegistered(chain.repository), ChainRegistered(chain)], at=NOON)
    return series


@settings(deadline=None, max_examples=60)  # each renders everything many times
@given(histories(), st.integers(0, 200 * HOUR))
def test_both_formats_are_the_clients_own_byte_for_byte_whatever_is_kept_and_held(
    history: list[Recording], hold: int
) -> None:
    series = Series()
    exposition = Exposition(series, hold)
    now = NOON
    collector = Collector(series, hold, lambda: now)
    for observations, birth in [*history, ([], NOON)]:
        series.record(observations, at=birth)
        now += 10 * HOUR
        for format_ in (OPENMETRICS, TEXT):
            expected = rendered_by_the_client(collector, format_)
            assert read(exposition, format_, now=now) == expected
            assert gzip.decompress(read(exposition, format_, compressed=True, now=now)) == expected


@settings(deadline=None)  # what a test takes depends on the machine's other work
@given(histories())
def test_the_text_format_can_be_read_and_has_no_created_samples(history: list[Recording]) -> None:
    text = read(Exposition(recorded(history)), TEXT).decode()
    names = {sample.name for family in families(text, openmetrics=False) for sample in family.samples}
    assert not {name for name in names if name.endswith("_created")}


@settings(deadline=None)  # what a test takes depends on the machine's other work
@given(histories())
def test_case_52_the_same_state_gives_the_same_bytes_however_it_came_about(history: list[Recording]) -> None:
    series = recorded(history)
    often = Exposition(series)
    restored = Series()
    restored.load(series.dump())
    for format_ in (OPENMETRICS, TEXT):
        for compressed in (False, True):
            first = read(often, format_, compressed=compressed)
            assert first == read(often, format_, compressed=compressed)
            assert first == read(Exposition(series), format_, compressed=compressed)
            assert first == read(Exposition(restored), format_, compressed=compressed)


def test_case_52_the_order_of_registration_does_not_show() -> None:
    one, other = Series(), Series()
    numbers = range(200)
    for series, order in ((one, numbers), (other, reversed(numbers))):
        exposition = Exposition(series)
        for number in order:
            series.record([ChainRegistered(Chain(f"acme/{number}", "production", ""))], at=NOON)
            if number % 50 == 0:
                read(exposition, compressed=True)
        series.record([LastDeployment(Chain("acme/7", "production", ""), NOON)], at=NOON)
        read(exposition)
    assert read(Exposition(one)) == read(Exposition(other))
    assert read(Exposition(one), compressed=True) == read(Exposition(other), compressed=True)


@settings(deadline=None)  # what a test takes depends on the machine's other work
@given(words, words, words)
def test_case_53_any_label_value_is_read_back_equal(repository: str, environment: str, service: str) -> None:
    chain = Chain(repository, environment, service)
    series = Series()
    series.record([ChainRegistered(chain), RepositoryRegistered(repository)], at=NOON)
    labels = {"repository": repository, "environment": environment, "service": service}
    for format_ in (OPENMETRICS, TEXT):
        for family in families(read(Exposition(series), format_).decode(), openmetrics=format_.openmetrics):
            for sample in family.samples:
                for name, value in labels.items():
                    assert sample.labels.get(name, value) == value
                assert "repository" in sample.labels


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb", 'repository="', 'x\\",le="', "repository=", "%s%d{}", "Ø→🚀"])
def test_case_53_quotes_backslashes_and_newlines_are_read_back_equal(value: str) -> None:
    series = Series()
    series.record([LeadTimeObserved(Chain(value, value, value), HOUR, EXEMPLAR)], at=NOON)
    labels = dict.fromkeys(("repository", "environment", "service"), value)
    assert samples(Exposition(series))[at("dora_lead_time_seconds_bucket", labels, le="3600.0")] == 1


def test_case_54_lost_state_begins_at_0_with_a_new_creation_time() -> None:
    series = Series()
    series.record([ChainRegistered(CHAIN)], at=NOON + HOUR)
    seen = samples(Exposition(series))
    assert seen[at("dora_deployments_total", result="success")] == 0
    assert seen[at("dora_deployments_created", result="success")] == (NOON + HOUR) / 1e6


def test_case_55_long_exemplars_are_cut() -> None:
    series = Series()
    exemplar = Exemplar(deployment_id="d" * 200, sha="a" * 100)
    series.record(
        [DeploymentCounted(CHAIN, Result.SUCCESS, exemplar), LeadTimeObserved(CHAIN, HOUR, exemplar)],
        at=NOON,
    )
    found = [
        sample.exemplar
        for family in families(read(Exposition(series)).decode(), openmetrics=True)
        for sample in family.samples
        if sample.exemplar
    ]
    assert [(one.labels, one.value) for one in found] == [
        ({"sha": "a" * 64, "deployment_id": "d" * 48}, 1.0),
        ({"sha": "a" * 64, "deployment_id": "d" * 48}, 3600.0),
    ]


def test_case_55_a_short_sha_leaves_room_for_the_deployment() -> None:
    series = Series()
    series.record([DeploymentCounted(CHAIN, Result.FAILURE, Exemplar(deployment_id="ü" * 200, sha="a" * 40))], at=NOON)
    (exemplar,) = [
        sample.exemplar
        for family in families(read(Exposition(series)).decode(), openmetrics=True)
        for sample in family.samples
        if sample.exemplar
    ]
    assert exemplar.labels == {"sha": "a" * 40, "deployment_id": "ü" * 72}


def test_the_latest_exemplar_of_each_bucket_is_shown() -> None:
    series = Series()
    for number, duration in enumerate((HOUR, 2 * HOUR, HOUR - 1)):
        series.record([LeadTimeObserved(CHAIN, duration, Exemplar(str(number), "c0ffee"))], at=NOON)
    lines = read(Exposition(series)).decode().splitlines()
    shown = [line for line in lines if "#" in line[1:]]
    assert [line.partition(" # ")[2] for line in shown] == [
        '{deployment_id="2",sha="c0ffee"} 3599.999999',
        '{deployment_id="1",sha="c0ffee"} 7200.0',
    ]


def test_the_text_format_has_no_exemplars() -> None:
    series = Series()
    series.record([ChangeFailed(CHAIN, Cause.REVERT, EXEMPLAR)], at=NOON)
    assert b"c0ffee" in read(Exposition(series), OPENMETRICS)
    assert b"c0ffee" not in read(Exposition(series), TEXT)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("growing", [False, True])
def test_an_answer_shows_the_state_it_was_asked_in_whatever_is_recorded_while_it_is_read(
    *, compressed: bool, growing: bool
) -> None:
    series = shop(400)
    exposition = Exposition(series)
    before = read(Exposition(series), compressed=compressed)
    parts, expected, others = [], [], []
    for step, part in enumerate(exposition.body(OPENMETRICS, compressed=compressed, now=NOON)):
        parts.append(part)
        for number in (step, 399 - step):
            chain = Chain(f"acme/{number}", "production", "")
            series.record([DeploymentCounted(chain, Result.SUCCESS, EXEMPLAR)], at=NOON)
        if growing:
            series.record([ChainRegistered(Chain(f"new/{step}", "production", ""))], at=NOON)
        if step in {3, 6}:
            expected.append(read(Exposition(series), compressed=compressed))
            others.append(exposition.body(OPENMETRICS, compressed=compressed, now=NOON))
    assert len(parts) > 10
    assert b"".join(parts) == before
    assert [b"".join(other) for other in others] == expected
    assert read(exposition, compressed=compressed) == read(Exposition(series), compressed=compressed)


def test_an_answer_that_nobody_reads_to_the_end_leaves_no_trace() -> None:
    series = shop(100)
    exposition = Exposition(series)
    for compressed in (False, True):
        body = exposition.body(OPENMETRICS, compressed=compressed, now=NOON)
        next(body)
        del body
        assert read(exposition, compressed=compressed) == read(Exposition(series), compressed=compressed)


def test_what_nobody_asks_for_any_more_is_forgotten_and_made_anew_when_asked_for() -> None:
    series = shop(3)
    exposition = Exposition(series)
    begun = exposition.body(OPENMETRICS, compressed=False, now=NOON)
    expected = read(exposition, now=NOON)
    read(exposition, compressed=True, now=NOON + HOUR)
    assert "_View" not in repr(exposition)
    series.record([ChainRegistered(CHAIN)], at=NOON)
    assert b"".join(begun) == expected
    assert read(exposition, now=NOON + 2 * HOUR) == read(Exposition(series))


def blocks() -> WeakSet[Block[bytes]]:
    """All of the process: what an exposition holds of lines is in blocks."""
    gc.collect()
    return WeakSet(one for one in gc.get_objects() if isinstance(one, Block))


def test_of_the_plain_formats_the_one_asked_for_last_is_kept_and_the_other_made_anew() -> None:
    exposition = Exposition(shop(20))
    others = len(blocks())
    first = [read(exposition, TEXT)]
    of_one_format = len(blocks()) - others
    first.append(read(exposition, OPENMETRICS))
    assert len(blocks()) - others == of_one_format > 0
    assert [read(exposition, format_) for format_ in (TEXT, OPENMETRICS)] == first


@pytest.mark.parametrize("later", [0, HOUR])
def test_what_is_kept_no_longer_is_let_go_of_some_at_a_time(later: int) -> None:
    exposition = Exposition(shop(600))
    others = len(blocks())
    read(exposition, TEXT)
    kept = blocks()
    there = [len(kept)]
    answer = exposition.body(OPENMETRICS, compressed=bool(later), now=NOON + later)
    there += [len(kept), *(len(kept) for _ in answer)]
    assert there[0] == there[1], "to begin an answer lets go of nothing"
    assert max(one - other for one, other in pairwise(there)) <= AT_A_TIME
    assert there[0] - others > 2 * AT_A_TIME
    assert there[-1] == others


def test_an_answer_under_way_in_a_format_not_kept_any_longer_lets_go_of_it_some_at_a_time() -> None:
    series = shop(600)
    exposition = Exposition(series)
    expected = read(Exposition(series), TEXT)
    others = len(blocks())
    answer = exposition.body(TEXT, compressed=False, now=NOON)
    parts = list(islice(answer, 12))
    held = blocks()
    read(exposition, OPENMETRICS)
    there = [len(held)]
    for part in answer:
        parts.append(part)
        there.append(len(held))
    assert b"".join(parts) == expected
    assert there[0] - others > 2 * AT_A_TIME
    assert there[-1] - others <= AT_A_TIME
    assert max(one - other for one, other in pairwise(there)) < (there[0] - there[-1]) / 2


happenings = st.tuples(st.sampled_from(["ask", "read", "deploy", "grow"]), st.integers(0, 999))


class Asked(NamedTuple):
    """An answer under way: what it should be, and what came of it so far."""

    body: Iterator[bytes]
    expected: bytes
    parts: list[bytes]


@pytest.mark.parametrize("compressed", [False, True])
@settings(deadline=None, max_examples=8)  # each renders hundreds of rows many times
@given(happened=st.lists(happenings, max_size=30))
def test_answers_under_way_at_the_same_time_each_show_the_state_they_were_asked_in(
    *, compressed: bool, happened: list[tuple[str, int]]
) -> None:
    series = shop(300)
    exposition = Exposition(series, hold=MINUTE)
    asked: list[Asked] = []
    now = NOON + MINUTE
    for what, number in [("ask", 0), *happened, ("ask", 1)]:
        now += 1
        match what:
            case "ask":
                format_ = (OPENMETRICS, TEXT)[number % 2]
                expected = read(Exposition(series, hold=MINUTE), format_, compressed=compressed, now=now)
                asked.append(Asked(exposition.body(format_, compressed=compressed, now=now), expected, []))
            case "read":
                one = asked[number % len(asked)]
                one.parts.extend(islice(one.body, 2))
            case "deploy":
                chain = Chain(f"acme/{number % 300}", "production", "")
                series.record([DeploymentCounted(chain, Result.SUCCESS, EXEMPLAR)], at=now)
            case "grow":
                series.record([ChainRegistered(Chain(f"acme/{number}", "staging", ""))], at=now)
    for one in asked:
        assert b"".join([*one.parts, *one.body]) == one.expected


def test_a_newborn_series_is_held_at_0_until_its_hold_ends() -> None:
    series = Series()
    exposition = Exposition(series, hold=5 * MINUTE)
    series.record([ChainRegistered(CHAIN)], at=NOON - HOUR)
    series.record(
        [
            DeploymentCounted(CHAIN, Result.SUCCESS, EXEMPLAR),
            ChangeFailed(CHAIN, Cause.REVERT, EXEMPLAR),
            LastDeployment(CHAIN, NOON),
            LeadTimeObserved(Chain("acme/new", "production", ""), HOUR, EXEMPLAR),
        ],
        at=NOON,
    )
    new = LABELS | {"repository": "acme/new"}
    young = samples(exposition, now=NOON + 5 * MINUTE - 1)
    assert young[at("dora_deployments_total", result="success")] == 1, "its series is an hour old"
    assert young[at("dora_last_deployment_timestamp_seconds")] == NOON / 1e6, "gauges are not held"
    assert young[at("dora_lead_time_seconds_count", new)] == 0
    assert young[at("dora_lead_time_seconds_created", new)] == NOON / 1e6
    assert b'repository="acme/new",service=""} 0.0 #' not in read(exposition, now=NOON + 5 * MINUTE - 1)
    grown = samples(exposition, now=NOON + 5 * MINUTE)
    assert grown[at("dora_lead_time_seconds_count", new)] == 1
    assert grown[at("dora_lead_time_seconds_sum", new)] == 3600


def test_a_clock_set_back_takes_nothing_back() -> None:
    series = Series()
    exposition = Exposition(series, hold=5 * MINUTE)
    series.record([DeploymentCounted(CHAIN, Result.SUCCESS, EXEMPLAR)], at=NOON)
    for now in (NOON + 5 * MINUTE, NOON):
        assert samples(exposition, now=now)[at("dora_deployments_total", result="success")] == 1


def test_without_any_series_the_families_are_there_all_the_same() -> None:
    text = read(Exposition(Series())).decode()
    assert len(families(text, openmetrics=True)) == 13
    assert "# TYPE dora_lead_time_seconds histogram\n# UNIT dora_lead_time_seconds seconds\n" in text


def test_the_collector_registers_with_a_registry_and_its_names_are_taken() -> None:
    series = shop(1)
    registry = CollectorRegistry()
    registry.register(Collector(series))
    assert registry.get_sample_value("dora_changes_merged_total", {"repository": "acme/0"}) == 0
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(Collector(series))


def test_an_answer_names_its_format_and_encoding() -> None:
    exposition = Exposition(shop(1))
    plain = exposition.answer(accept=None, accept_encoding=None, now=NOON)
    assert (plain.content_type, plain.content_encoding) == ("text/plain; version=0.0.4; charset=utf-8", None)
    assert b"".join(plain.body) == read(exposition, TEXT)
    zipped = exposition.answer(accept="application/openmetrics-text", accept_encoding="gzip", now=NOON)
    assert zipped.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert zipped.content_encoding == "gzip"
    assert gzip.decompress(b"".join(zipped.body)) == read(exposition, OPENMETRICS)
