"""States that releases have written are read by this one, and show what they showed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from dora.adapters.journal import Volume
from dora.adapters.prometheus import Series
from dora.domain.core import Core
from dora.state import VERSION, Codec
from tests.system.golden import METRICS, SENT, SENT_LATER, STATE, exported, shown
from tests.system.replicas import Replica

pytestmark = pytest.mark.system

DATA = Path(__file__).parents[1] / "data"


def restore(export: Path, url: str) -> None:
    command = [sys.executable, "-m", "dora", "state", "import", "--state", url]
    with export.open("rb") as lines:
        subprocess.run(command, stdin=lines, check=True, env=os.environ)


@pytest.mark.parametrize("name", [f"state-{version}" for version in range(1, VERSION + 1)])
async def test_a_state_of_a_release_shows_what_it_showed_then(name: str, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/state"
    restore(DATA / name / "state.jsonl", url)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        replica = Replica({"DORA_STATE": url}, tmp_path, client)
        await replica.start()
        await replica.ready()
        try:
            assert await replica.text() == (DATA / name / "metrics.txt").read_text()
            if name == STATE.parent.name:  # what was sent then is known still: identities and keys are there
                # The first says a name and not when it was so: now it would undo the renaming.
                for delivery in (*SENT[1:], *SENT_LATER):
                    answer = await client.post(
                        replica.url + delivery.path, content=delivery.body, headers=delivery.headers
                    )
                    results = answer.json().get("results", [answer.json()])
                    assert {one["status"] for one in results} <= {"duplicate", "ignored"}, (delivery, results)
                assert await replica.text() == METRICS.read_text()
        finally:
            assert await replica.stop() == 0


async def test_questions_and_keys_of_a_release_are_still_open_and_known(tmp_path: Path) -> None:
    restore(STATE, f"file://{tmp_path}/state")
    volume, core = Volume(tmp_path / "state"), Core()
    snapshot = await volume.open()
    assert snapshot is not None
    for _ in Codec(Series()).load(core, snapshot):
        pass
    assert [question.deployment_id for question in core.open_questions()] == ["201"]
    assert core.key_digest("webhook", "key-1") is not None
    assert [entry async for entry in volume.replay()], "entries behind the snapshot"
    await volume.close()


async def test_the_recipe_still_makes_a_state_that_shows_the_same(tmp_path: Path) -> None:
    assert await shown(await exported(), tmp_path) == METRICS.read_text()
