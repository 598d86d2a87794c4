from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.journal.envelope import pack, unpack
from dora.ports import Snapshot

PARTS = st.lists(st.binary(max_size=60).filter(lambda part: b"\n" not in part), max_size=6)


@given(parts=PARTS, repeated=st.integers(1, 2_000))
def test_parts_of_any_size_come_back_as_they_went_in_as_often_as_wanted(parts: list[bytes], repeated: int) -> None:
    snapshot = Snapshot(position=7, version=3, parts=tuple(part * repeated for part in parts))
    unpacked, extra = unpack(pack(snapshot, {"more": [1]}), place="here")
    assert extra == {"more": [1]}
    for _ in range(2):
        assert tuple(unpacked.parts) == snapshot.parts
    assert unpacked == snapshot
    assert hash(unpacked) == hash(snapshot)
    assert unpacked != Snapshot(position=7, version=3, parts=(*snapshot.parts, b""))
