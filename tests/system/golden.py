"""The state that this release leaves behind, small and of every sort: `python -m tests.system.golden [--write]`.

It is made again from what senders sent at fixed times, and compared with `tests/data/state-1`; `--write` replaces that:
do so only as long as no release has written states of this version: every later release must read it.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import evolve

from dora import composition
from dora.adapters.events import PushedEvents
from dora.adapters.github.webhooks import Webhooks
from dora.adapters.journal import Volume, inspection
from dora.adapters.prometheus import Series
from dora.domain.core import Core
from dora.domain.facts import Fact
from dora.domain.instant import MICROSECONDS, Instant
from dora.observer.snapshots import Writing
from dora.ports import Entry
from dora.state import VERSION, Codec
from tests.system.teams import DAWN, SECRET, Delivery, at, sha

DATA = Path(__file__).parents[1] / f"data/state-{VERSION}"
STATE, METRICS = DATA / "state.jsonl", DATA / "metrics.txt"

SHOP = {"repository": {"id": 11, "full_name": "acme/Shop", "default_branch": "main"}}
STORE = {"repository": {"id": 11, "full_name": "acme/store", "default_branch": "main"}}
API = {"repository": {"id": 12, "full_name": "acme/api", "default_branch": "main"}}


def merged(
    number: int, minute: int, *, head: str = "topic", where: Mapping[str, Any] = SHOP, **more: object
) -> Delivery:
    pull_request = {
        "number": number,
        "merged": True,
        "created_at": at(minute - 90),
        "merged_at": at(minute),
        "merge_commit_sha": sha(number),
        "commits": 1,
        "base": {"ref": "main"},
        "head": {"ref": head, "sha": sha("head")},
        "labels": [],
    }
    return Delivery.of(
        "pull_request", {"action": "closed", "number": number, "pull_request": pull_request | more, **where}
    )


def pushed(before: object, after: object, minute: int, *, where: Mapping[str, Any] = SHOP) -> Delivery:
    commit = {
        "id": sha(after),
        "timestamp": at(minute),
        "message": "Work",
        "author": {"date": at(minute - 60)},
        "committer": {"date": at(minute)},
    }
    moved = {"ref": "refs/heads/main", "before": sha(before), "after": sha(after), "commits": [commit]}
    return Delivery.of("push", {**moved, **where})


def deployed(
    number: int,
    commit: object,
    minute: int,
    state: str = "success",
    *,
    environment: str = "production",
    where: Mapping[str, Any] = SHOP,
) -> Delivery:
    told = {
        "action": "created",
        "deployment": {"id": number, "sha": sha(commit), "environment": environment},
        "deployment_status": {"state": state, "environment": environment, "created_at": at(minute)},
    }
    return Delivery.of("deployment_status", {**told, **where})


def issue(number: int, action: str, minute: int, *, closed: int | None = None) -> Delivery:
    told = {
        "number": number,
        "created_at": at(minute),
        "updated_at": at(minute),
        "closed_at": None if closed is None else at(closed),
        "labels": [{"name": "incident"}],
    }
    return Delivery.of("issues", {"action": action, "issue": told, **SHOP})


def event(type_: str, minute: int, **more: object) -> dict[str, object]:
    return {"type": type_, "repository": "acme/legacy", "occurred_at": at(minute), "service": "billing", **more}


SENT = (
    Delivery.of("ping", {"zen": "Simple", **SHOP}),
    merged(1, 100),
    pushed(0, 1, 100),
    deployed(101, 1, 130),
    deployed(102, 1, 135, environment="staging"),
    merged(2, 200),
    pushed(1, 2, 200),
    deployed(103, 2, 220, "failure"),
    deployed(103, 2, 230),
    merged(3, 300, head="revert-2-topic"),
    pushed(2, 3, 300),
    deployed(104, 3, 320),
    merged(4, 400, labels=[{"name": "hotfix"}]),
    pushed(3, 4, 400),
    deployed(105, 4, 410),
    deployed(106, 3, 450),
    issue(1, "opened", 500),
    issue(1, "closed", 500, closed=560),
    issue(2, "opened", 600),
    deployed(107, "a push that never came", 700),
    deployed(108, 4, 710, "error", environment="staging"),
    Delivery.pushed(
        event("change.merged", 90, sha=sha("legacy"), committed_at=at(60)),
        event("deployment.started", 95, deployment_id="L1"),
        event("deployment.succeeded", 100, deployment_id="L1", sha=sha("legacy"), id="key-1"),
        event("deployment.marked_failed", 140, deployment_id="L1"),
        event("deployment.recovered", 150, deployment_id="L9"),
        event("incident.opened", 160, incident_id="I1", deployment_id="L7"),
        event(
            "deployment.succeeded",
            170,
            deployment_id="L2",
            sha=sha("legacy 2"),
            id="key-2",
            fixes="L1",
            changes=[{"id": "c1", "merged_at": at(120), "committed_at": at(110)}, {"id": "c2"}],
        ),
    ),
    deployed(201, "api 1", 720, where=API),  # with a token: a question that stays open
    deployed(202, "api 2", 740, where=API),
)
"""What the snapshot includes."""

SENT_LATER = (
    deployed(109, 5, 800, where=STORE),  # renamed, and its push comes later
    merged(5, 790, where=STORE),
    merged(6, 795, where=STORE),
    issue(3, "opened", 810),
    Delivery.pushed(event("deployment.failed", 200, deployment_id="L3", id="key-3")),
    deployed(110, 6, 900, "pending", environment="preview", where=STORE),
)
"""What stands behind the snapshot."""


class Recipe:
    """Makes the state."""

    def __init__(self, directory: Path) -> None:
        settings = composition.read_settings({"WEBHOOK_SECRET": SECRET})
        secrets = settings.webhook_secrets
        self._doors = {
            lookups: Webhooks(secrets, evolve(settings.policy, lookups=lookups)) for lookups in (False, True)
        }
        self._events = PushedEvents(clients=(), secrets=secrets, policy=settings.policy)
        self._core, self._series = Core(), Series()
        self._volume = Volume(directory)
        self._minute = 1000

    async def make(self) -> None:
        """Keep everything, with a snapshot in between."""
        await self._volume.open()
        for delivery in SENT:
            await self._keep(delivery)
        writing = Writing.begin(Codec(self._series), self._core, position=self._volume.position)
        snapshot = None
        while snapshot is None:
            snapshot = writing.advance()
        await self._volume.snapshot(snapshot)
        for delivery in SENT_LATER:
            await self._keep(delivery)
        await self._volume.close()

    async def _keep(self, delivery: Delivery) -> None:
        self._minute += 1
        received_at = int((DAWN + timedelta(minutes=self._minute)).timestamp()) * MICROSECONDS
        # A batch's facts are judged before any is applied, as the service does it.
        entry = tuple(fact for fact in self._facts(delivery, received_at) if self._core.judge(fact) is None)
        if entry:
            await self._append(entry)

    def _facts(self, delivery: Delivery, received_at: Instant) -> list[Fact]:
        signature = delivery.headers["X-Hub-Signature-256"]
        name = delivery.headers.get("X-GitHub-Event")
        if name is None:
            client = self._events.signed(signature, delivery.body)
            batch = self._events.read(client, delivery.body, idempotency_key=None, received_at=received_at)
            told = sorted(batch.events, key=lambda one: one.at)
            return [one.fact for one in told if one.fact is not None]
        door = self._doors[b"acme/api" in delivery.body]
        return list(door.read(event=name, body=delivery.body, form=False, received_at=received_at).facts)

    async def _append(self, entry: Entry) -> None:
        await self._volume.append([entry])
        for fact in entry:
            self._series.record(self._core.apply(fact).observations, at=fact.received_at)


async def exported() -> bytes:
    """Return the state as `dora state export` writes it."""
    with tempfile.TemporaryDirectory() as folder:
        await Recipe(Path(folder) / "state").make()
        out = io.BytesIO()
        await inspection.export(f"file://{folder}/state", out)
    return out.getvalue()


async def shown(state: bytes, folder: Path) -> str:
    """Return what the service shows that is given an export."""
    import httpx  # noqa: PLC0415 - only the recipe needs a client of its own

    from tests.system.replicas import Replica  # noqa: PLC0415 - the same

    url = f"file://{folder}/state"
    await inspection.restore(url, io.BytesIO(state))
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        replica = Replica({"DORA_STATE": url}, folder, client)
        await replica.start()
        await replica.ready()
        text = await replica.text()
        await replica.stop()
    return text


async def main(*, write: bool) -> int:
    """Make the state again, and compare or replace what is there; return the exit code."""
    state = await exported()
    with tempfile.TemporaryDirectory() as folder:
        metrics = await shown(state, Path(folder))
    if write:
        DATA.mkdir(parents=True, exist_ok=True)
        STATE.write_bytes(state)
        METRICS.write_text(metrics)
        return 0
    same = STATE.read_bytes() == state and METRICS.read_text() == metrics
    print("the same" if same else "differs")  # noqa: T201 - it is a command
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(write="--write" in sys.argv)))
