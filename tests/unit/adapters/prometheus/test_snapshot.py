from __future__ import annotations

import copy
import json
from typing import Any

import orjson
import pytest
from attrs import evolve
from hypothesis import given, settings

from dora.adapters.prometheus import Exposition, Series
from dora.domain.facts import Result
from dora.domain.observations import ChainRegistered, DeploymentCounted, LeadTimeObserved, RepositoryRegistered
from dora.ports import StateDamaged
from tests.unit.adapters.prometheus.observed import CHAIN, EXEMPLAR, HOUR, NOON, Recording, histories, read


def lived() -> Series:
    series = Series()
    series.record([RepositoryRegistered(CHAIN.repository), ChainRegistered(CHAIN)], at=NOON)
    series.record(
        [DeploymentCounted(CHAIN, Result.SUCCESS, EXEMPLAR), LeadTimeObserved(CHAIN, HOUR, EXEMPLAR)],
        at=NOON + HOUR,
    )
    return series


@settings(deadline=None)  # what a test takes depends on the machine's other work
@given(histories())
def test_case_54_after_a_restart_values_births_and_exemplars_are_the_same(history: list[Recording]) -> None:
    series = Series()
    for observations, birth in history:
        series.record(observations, at=birth)
    restored = Series()
    restored.load(json.loads(json.dumps(series.dump())))
    assert restored.dump() == series.dump()
    for now in (NOON, NOON + 50 * HOUR):
        held, again = Exposition(series, 20 * HOUR), Exposition(restored, 20 * HOUR)
        assert read(held, now=now) == read(again, now=now)


def test_a_restored_series_goes_on_counting() -> None:
    series = lived()
    restored = Series()
    restored.load(series.dump())
    for one in (series, restored):
        one.record([DeploymentCounted(CHAIN, Result.SUCCESS, EXEMPLAR)], at=NOON + 2 * HOUR)
    assert read(Exposition(restored)) == read(Exposition(series))


@pytest.mark.parametrize("chains", [0, 1, 24, 25, 26, 100])
def test_slices_together_are_the_whole_of_one_moment(chains: int) -> None:
    series = Series()
    for number in range(chains):
        series.record([ChainRegistered(evolve(CHAIN, service=str(number)))], at=NOON + number)
    before = series.dump()
    slices = series.slices()
    series.record([RepositoryRegistered(CHAIN.repository), ChainRegistered(CHAIN)], at=NOON)
    restored = Series()
    for one in slices:
        restored.load(json.loads(json.dumps(one)))
    assert restored.dump() == before


def test_a_view_that_watches_an_empty_series_sees_what_is_loaded() -> None:
    restored = Series()
    exposition = Exposition(restored)
    read(exposition)
    restored.load(lived().dump())
    assert read(exposition) == read(Exposition(lived()))


def test_sums_beyond_64_bits_survive_readers_that_have_no_more() -> None:
    series = Series()
    for _ in range(20):
        series.record([LeadTimeObserved(CHAIN, 10**18, EXEMPLAR)], at=NOON)
    restored = Series()
    restored.load(orjson.loads(orjson.dumps(series.dump())))
    assert restored.dump() == series.dump()


def test_children_are_found_by_name_and_those_not_named_are_not_registered() -> None:
    snapshot: Any = copy.deepcopy(lived().dump())
    chain = snapshot["levels"]["chain"]
    names, row = chain["counters"], chain["rows"][0]
    names.reverse()
    row[1].reverse()
    row[1].pop(names.index(["dora_rework_deployments", ""]))
    names.remove(["dora_rework_deployments", ""])
    restored = Series()
    restored.load(snapshot)
    kept = [
        line
        for line in read(Exposition(lived())).splitlines(keepends=True)
        if not line.startswith((b"dora_rework_deployments_total", b"dora_rework_deployments_created"))
    ]
    assert read(Exposition(restored)) == b"".join(kept)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("edges", 0), 299),
        (("levels", "chain", "counters", 0, 0), "dora_unheard_of"),
        (("levels", "chain", "rows", 0, 0), ["acme/shop"]),
        (("levels", "chain", "rows", 0, 1, 0), [1.5, NOON]),
        (("levels", "chain", "rows", 0, 1, 0), [True, NOON]),
        (("levels", "chain", "rows", 0, 1, 0), [1, NOON, "c0ffee"]),
        (("levels", "chain", "rows", 0, 1), []),
        (("levels", "chain", "rows", 0, 2, 0), [NOON, 5, [0] * 20, []]),
        (("levels", "chain", "rows", 0, 2, 0), [NOON, "5", [0] * 19, []]),
        (("levels", "chain", "rows"), None),
        (("levels", "repository", "rows", 0), {}),
        (("levels",), {}),
    ],
)
def test_another_form_is_refused_and_leaves_the_series_empty(path: tuple[str | int, ...], value: object) -> None:
    snapshot: Any = copy.deepcopy(lived().dump())
    target = snapshot
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    series = Series()
    with pytest.raises(StateDamaged):
        series.load(snapshot)
    assert series.dump() == Series().dump()


@pytest.mark.parametrize("other", [None, [], "text", 1, {}])
def test_what_is_no_snapshot_at_all_is_refused(other: object) -> None:
    with pytest.raises(StateDamaged):
        Series().load(other)
