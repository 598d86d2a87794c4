"""The state as a snapshot holds it: whatever happened, it is read back as it was, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import orjson
import pytest
from attrs import evolve, fields_dict
from hypothesis import given, settings
from hypothesis import strategies as st

from dora.adapters.prometheus import Series
from dora.domain.core import Core
from dora.domain.facts import Fact, IdempotencyKey
from dora.domain.outcome import Applied
from dora.observer.snapshots import Writing
from dora.ports import Snapshot, StateDamaged
from dora.state import VERSION, Codec
from tests.unit.domain.deliveries import history, history_with_lookups, history_with_losses
from tests.unit.domain.truth import History

LIVES = st.sampled_from((24, 60, 120, 240)).flatmap(lambda size: st.binary(min_size=size // 2, max_size=size))
POSTS = st.binary(min_size=64, max_size=256)
KINDS = st.sampled_from((history, history_with_losses, history_with_lookups))
SOMETIMES = settings(deadline=None)  # what a test takes depends on the machine's other work

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=3)


def keyed(facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts, those that can with an idempotency key."""
    return [
        evolve(fact, key=IdempotencyKey("ci", str(number), "content"))  # type: ignore[arg-type] # of those that have one
        if "key" in fields_dict(type(fact))
        else fact
        for number, fact in enumerate(facts)
    ]


def told(core: Core, series: Series, facts: Sequence[Fact]) -> list[Applied]:
    """Tell the core of facts, as the service does; return what it made of them."""
    made = []
    for fact in facts:
        applied = core.apply(fact)
        series.record(applied.observations, at=fact.received_at)
        made.append(applied)
    return made


def kept(core: Core, series: Series) -> Snapshot:
    """Return the snapshot that the service writes."""
    writing = Writing.begin(Codec(series), core, position=7)
    while True:
        snapshot = writing.advance()
        if snapshot is not None:
            return snapshot


def restored(snapshot: Snapshot) -> tuple[Core, Series]:
    core, series = Core(), Series()
    for _ in Codec(series).load(core, snapshot):
        pass
    return core, series


@SOMETIMES
@given(kind=KINDS, life=LIVES, post=POSTS, cut=st.floats(0, 1))
def test_after_a_restart_everything_is_known_and_goes_on_as_without_one(
    kind: Callable[[bytes, bytes], History], life: bytes, post: bytes, cut: float
) -> None:
    facts = keyed(kind(life, post).delivered)
    middle = int(cut * len(facts))
    core, series = Core(), Series()
    told(core, series, facts[:middle])
    snapshot = kept(core, series)
    assert not any(b"\n" in part for part in snapshot.parts)
    again, shown = restored(snapshot)
    assert again == core
    assert shown.dump() == series.dump()
    assert list(again.open_questions()) == list(core.open_questions())
    assert kept(again, shown) == snapshot
    assert told(again, shown, facts[middle:]) == told(core, series, facts[middle:])
    assert shown.dump() == series.dump()


@cache
def lived() -> Snapshot:
    core, series = Core(), Series()
    told(core, series, keyed(history(bytes(range(1, 256)), b"").delivered))
    return kept(core, series)


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where values stand in a JSON text, its own place first."""
    yield path
    if isinstance(value, dict):
        for key, member in value.items():
            yield from places(member, (*path, key))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from places(member, (*path, number))


def replaced(value: Any, path: tuple[str | int, ...], other: object) -> object:  # noqa: ANN401 - a JSON text may be anything
    if not path:
        return other
    value[path[0]] = replaced(value[path[0]], path[1:], other)
    return value


@SOMETIMES
@given(data=st.data())
def test_whatever_stands_in_a_part_it_is_read_or_refused_as_damage(data: st.DataObject) -> None:
    snapshot = lived()
    before = tuple(snapshot.parts)
    number = data.draw(st.integers(0, len(before) - 1))
    part = orjson.loads(before[number])
    path = data.draw(st.sampled_from(list(places(part))))
    strange = orjson.dumps(replaced(part, path, data.draw(VALUES)))
    parts = (*before[:number], strange, *before[number + 1 :])
    with suppress(StateDamaged):
        restored(evolve(snapshot, parts=parts))


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b"null", b"7", b'"text"', b"\xff", b"[[]]"])
def test_a_part_of_another_form_is_damage(number: int, text: bytes) -> None:
    snapshot = lived()
    parts = tuple(snapshot.parts)
    assert len(parts) == 4, "the index, a repository, its rows, its chains' rows"
    with pytest.raises(StateDamaged, match="snapshot"):
        restored(evolve(snapshot, parts=(*parts[:number], text, *parts[number + 1 :])))


@pytest.mark.parametrize("parts", range(3))
def test_parts_that_are_missing_are_damage(parts: int) -> None:
    with pytest.raises(StateDamaged, match="does not hold a state"):
        restored(evolve(lived(), parts=tuple(lived().parts)[:parts]))


def test_what_a_repository_says_over_and_over_is_one_object_in_memory() -> None:
    core, _ = restored(lived())
    texts = [text for state in core.repositories for chain in state.chains.values() for text in chain.shipped]
    assert texts
    ledger = core.repositories[0].ledger.commits
    assert {id(text) for text in texts if text in ledger} <= {id(sha) for sha in ledger}
    places = [place for state in core.repositories for chain in state.chains.values() for place in chain.successes]
    remembered = {place: place for chain in core.repositories[0].chains.values() for place in chain.remembered}
    assert places
    assert all(remembered[place] is place for place in places if place in remembered)


@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_another_version_is_refused_by_its_number(version: int) -> None:
    with pytest.raises(StateDamaged, match=f"of version {version}; this release reads {VERSION}"):
        restored(evolve(lived(), version=version))


def test_the_rows_are_written_as_they_were_when_writing_began() -> None:
    core, series = Core(), Series()
    facts = history(bytes(range(1, 256)), b"").delivered
    told(core, series, facts[:20])
    before = series.dump()
    parts = Codec(series).dump_sink()
    told(core, series, facts[20:])
    assert series.dump() != before
    again = Series()
    for part in parts:
        again.load(orjson.loads(part))
    assert again.dump() == before
