from __future__ import annotations

from dora.adapters.prometheus.families import EDGES, FAMILIES, LE, Kind, bucket
from dora.domain.instant import MICROSECONDS


def test_the_edges_are_those_that_dashboards_are_written_against() -> None:
    assert [edge // MICROSECONDS for edge in EDGES] == [
        *(300, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 259200, 432000, 604800),
        *(1209600, 1814400, 2592000, 5184000, 7776000, 15552000),
    ]


def test_le_is_written_as_prometheus_stores_it() -> None:
    assert LE[3:4] + LE[8:9] + LE[12:] == (
        *("3600.0", "86400.0", "604800.0"),
        *("1.2096e+06", "1.8144e+06", "2.592e+06", "5.184e+06", "7.776e+06", "1.5552e+07", "+Inf"),
    )


def test_an_edge_belongs_to_the_bucket_it_closes() -> None:
    assert LE[bucket(3600 * MICROSECONDS)] == "3600.0"
    assert LE[bucket(3600 * MICROSECONDS + 1)] == "7200.0"
    assert LE[bucket(0)] == "300.0"
    assert LE[bucket(EDGES[-1] + 1)] == "+Inf"


def test_every_help_text_names_the_dora_metric_and_needs_no_escaping() -> None:
    for family in FAMILIES:
        assert "DORA's " in family.help
        assert not set('"\\\n') & set(family.help)


def test_a_unit_is_the_end_of_the_name_and_every_seconds_family_has_it() -> None:
    for family in FAMILIES:
        assert family.unit == ("seconds" if family.name.endswith("_seconds") else "")


def test_no_two_children_of_a_row_share_a_place() -> None:
    places = [(family.level, family.kind, place) for family in FAMILIES for place in family.places.values()]
    assert len(places) == len(set(places))
    assert {kind for _, kind, _ in places} == set(Kind)
