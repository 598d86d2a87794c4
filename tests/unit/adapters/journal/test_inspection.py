from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from dora.adapters.journal import Volume
from dora.adapters.journal.inspection import Finding, check, export, restore
from dora.ports import Entry, Snapshot, StateDamaged, StateTaken, Unavailable
from tests.contract.journals import entry, opened


async def filled(directory: Path, *, snapshot_at: int | None) -> str:
    volume = Volume(directory)
    await opened(volume)
    for number in range(1, 8):
        await volume.append([entry(number, facts=2)])
        if number == snapshot_at:
            await volume.snapshot(Snapshot(position=number, version=3, parts=(b'{"a":1}', b"[2]")))
    await volume.close()
    return f"file://{directory}"


async def contents(directory: Path) -> tuple[Snapshot | None, list[Entry]]:
    volume = Volume(directory, reader=True)
    found = await opened(volume)
    await volume.close()
    return found


async def test_a_check_tells_what_is_there(tmp_path: Path) -> None:
    url = await filled(tmp_path / "state", snapshot_at=5)
    assert await check(url) == Finding(snapshot=5, last=7, entries=2, facts=4)


async def test_a_check_refuses_what_is_damaged_in_use_or_not_there(tmp_path: Path) -> None:
    url = await filled(tmp_path / "state", snapshot_at=None)
    user = Volume(tmp_path / "state")
    await user.open()
    with pytest.raises(StateTaken):
        await check(url)
    await user.close()
    (tmp_path / "state" / "journal.sqlite3").write_bytes(b"")
    with pytest.raises(StateDamaged):
        await check(url)
    with pytest.raises(Unavailable):
        await check(f"file://{tmp_path}/nowhere")
    with pytest.raises(ValueError, match="keeps nothing"):
        await check("memory:")


@pytest.mark.parametrize("snapshot_at", [None, 5, 7])
async def test_an_export_is_read_back_as_the_same_state(tmp_path: Path, snapshot_at: int | None) -> None:
    url = await filled(tmp_path / "state", snapshot_at=snapshot_at)
    out = BytesIO()
    await export(url, out)
    await restore(f"file://{tmp_path}/copy", BytesIO(out.getvalue()))
    snapshot, entries = await contents(tmp_path / "state")
    copied_snapshot, copied_entries = await contents(tmp_path / "copy")
    assert copied_entries == entries
    assert (copied_snapshot and copied_snapshot.parts) == (snapshot and snapshot.parts)
    assert (copied_snapshot and copied_snapshot.version) == (snapshot and snapshot.version)
    again = BytesIO()
    await export(f"file://{tmp_path}/copy", again)
    assert again.getvalue().splitlines()[1:-1] == out.getvalue().splitlines()[1:-1]


async def test_a_state_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    url = await filled(tmp_path / "state", snapshot_at=5)
    out = BytesIO()
    await export(url, out)
    before = await contents(tmp_path / "state")
    with pytest.raises(ValueError, match="not empty"):
        await restore(url, BytesIO(out.getvalue()))
    assert await contents(tmp_path / "state") == before


async def test_an_export_that_was_cut_short_or_edited_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    url = await filled(tmp_path / "state", snapshot_at=5)
    out = BytesIO()
    await export(url, out)
    lines = out.getvalue().splitlines(keepends=True)
    broken = [
        lines[:-1],
        lines[:2],
        [],
        [lines[0], *lines[2:]],
        [*lines[:-2], lines[-1]],
        [lines[0].replace(b'"format":1', b'"format":2'), *lines[1:]],
        [*lines[:-1], lines[-1][:-5]],
        [*lines[:3], lines[3].replace(b"octo/api", b"octo/apj"), *lines[4:]],
        [b"not json\n"],
        [b"[]\n"],
    ]
    for content in broken:
        with pytest.raises(StateDamaged, match="export: "):
            await restore(f"file://{tmp_path}/copy", content)
        assert not (tmp_path / "copy").exists()
