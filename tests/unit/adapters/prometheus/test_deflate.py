from __future__ import annotations

import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from dora.adapters.prometheus.deflate import member, piece

texts = st.one_of(st.binary(max_size=50), st.integers(0, 40_000).map(lambda length: b"dora_" * length))


@settings(deadline=None)  # what a test takes depends on the machine's other work
@given(st.lists(st.lists(texts, max_size=5), max_size=5))
def test_pieces_make_one_member_that_any_client_can_read(runs: list[list[bytes]]) -> None:
    data = b"".join(member([piece(text) for text in run] for run in runs))
    # As httpx and others do: one decompressor, which stops at the end of the first member and checks its sum.
    client = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert client.decompress(data) == b"".join(text for run in runs for text in run)
    assert client.eof
    assert client.unused_data == b""


def test_a_run_is_handed_out_before_the_next_is_made() -> None:
    made = []

    def make(text: bytes) -> list[object]:
        made.append(text)
        return []

    steps = member([piece(text)] for text in (b"a", b"b") if not make(text))
    next(steps)
    assert made == [b"a"]
