"""Teams that send what they do to the service until it is acknowledged, and what must come of it.

A team has a repository of its own and does one thing after the other; teams work at the same time. What a round adds
to the metrics is plain arithmetic, so the truth is counted here and never read from the service.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from attrs import Factory, define, field
from prometheus_client.openmetrics.parser import text_string_to_metric_families

SECRET = "made-up-secret"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
DAWN = datetime(2026, 3, 2, tzinfo=UTC)
EDGES = (
    *(300, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 259200, 432000, 604800),
    *(1209600, 1814400, 2592000, 5184000, 7776000, 15552000),
)
MINUTE = 60

Labels = frozenset[tuple[str, str]]
Name = tuple[str, Labels]
"""A sample's name and labels."""
Where = Callable[[], str]
"""Says where to send to next."""


def at(minute: float) -> str:
    """Return a time as senders write it."""
    return (DAWN + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


def sha(name: object) -> str:
    return hashlib.sha1(str(name).encode(), usedforsecurity=False).hexdigest()


def samples(text: str) -> dict[Name, float]:
    """Return every sample of an exposition; bounds of buckets in Python's way of writing them."""
    return {
        (sample.name, frozenset(_plain(sample.labels).items())): sample.value
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call] # the parser has no types
        for sample in family.samples
    }


def _plain(labels: Mapping[str, str]) -> dict[str, str]:
    return {**labels, "le": str(float(labels["le"]))} if "le" in labels else dict(labels)


def values(read: Mapping[Name, float]) -> dict[Name, float]:
    """Return the samples that are not 0, but for the times of birth."""
    return {name: value for name, value in read.items() if value and not name[0].endswith("_created")}


def births(read: Mapping[Name, float]) -> dict[Name, float]:
    """Return when the series were born."""
    return {name: value for name, value in read.items() if name[0].endswith("_created")}


@define
class Truth:
    """What the metrics must show: counts, and durations in seconds."""

    numbers: Counter[Name] = Factory(Counter)
    durations: dict[Name, list[int]] = Factory(dict)

    def step(self, family: str, **labels: str) -> None:
        self.numbers[family, frozenset(labels.items())] += 1

    def reach(self, family: str, value: int, **labels: str) -> None:
        """Note a time of which the latest is shown; a round may end before the one before it does."""
        name = family, frozenset(labels.items())
        self.numbers[name] = max(self.numbers[name], value)

    def observe(self, family: str, seconds: int, **labels: str) -> None:
        self.durations.setdefault((family, frozenset(labels.items())), []).append(seconds)

    def samples(self) -> dict[Name, float]:
        """Return every sample that is not 0."""
        shown: dict[Name, float] = dict(self.numbers)
        for (family, labels), seconds in self.durations.items():
            shown[f"{family}_count", labels] = len(seconds)
            shown[f"{family}_sum", labels] = sum(seconds)
            fallen = Counter(bisect_left(EDGES, one) for one in seconds)
            for place, edge in enumerate((*map(float, EDGES), float("inf"))):
                below = sum(count for bucket, count in fallen.items() if bucket <= place)
                shown[f"{family}_bucket", labels | {("le", str(edge))}] = below
        return {name: value for name, value in shown.items() if value}


@define
class Delivery:
    """Something to send, the same bytes each time."""

    path: str
    body: bytes
    headers: dict[str, str]

    @classmethod
    def of(cls, event: str, payload: Mapping[str, Any]) -> Delivery:
        """Return a webhook delivery."""
        return cls._signed("/webhooks/github", payload, {"X-GitHub-Event": event})

    @classmethod
    def pushed(cls, *events: Mapping[str, Any]) -> Delivery:
        """Return a batch of pushed events."""
        return cls._signed("/api/event", events, {})

    @classmethod
    def _signed(cls, path: str, content: object, headers: dict[str, str]) -> Delivery:
        body = json.dumps(content).encode()
        proof = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        return cls(path, body, {"Content-Type": "application/json", "X-Hub-Signature-256": proof, **headers})

    async def send(self, client: httpx.AsyncClient, url: str) -> bool:
        """Send once; return whether it was acknowledged."""
        try:
            answer = await client.post(url + self.path, content=self.body, headers=self.headers)
        except httpx.TransportError:
            return False  # killed, or not listening yet
        assert answer.is_success or answer.status_code == 503, (answer.status_code, answer.text)
        return answer.is_success


@define
class Team:
    """One sender, with one repository."""

    number: int
    client: httpx.AsyncClient
    where: Where
    dice: random.Random
    truth: Truth = Factory(Truth)
    rounds: int = 0
    acknowledged: int = 0
    """Deliveries, redeliveries included."""
    lost: int = 0
    """Attempts that got no 2xx."""
    told: list[Delivery] = Factory(list)
    name: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.name = f"acme/team-{self.number}"

    async def work(self, stop: asyncio.Event, *, most: int = 1_000_000) -> None:
        """Do rounds until told to stop; what was begun is finished."""
        while not stop.is_set() and self.rounds < most:
            await self.do()

    async def do(self) -> None:
        """Merge a pull request and deploy it, some things more than once."""
        for delivery in self.next_round():
            await self.tell(delivery)
            self.told.append(delivery)
            if self.dice.random() < 0.1:  # a redelivery of something old or new, which is a duplicate
                await self.tell(self.dice.choice(self.told))

    async def tell(self, delivery: Delivery) -> None:
        """Send until it is acknowledged."""
        while not await delivery.send(self.client, self.where()):
            self.lost += 1
            await asyncio.sleep(0.02)
        self.acknowledged += 1

    def next_round(self) -> Sequence[Delivery]:
        """Return what happens in the next round, and count it."""
        self.rounds += 1
        number = self.rounds
        begun = 600 * number
        open_for, wait = 7 * (number % 50) + 1, 11 * (number % 40) + 1
        merged = begun + open_for
        deployed = merged + wait
        commit, before = sha((self.name, number)), sha((self.name, number - 1))
        deliveries = [
            Delivery.of(
                "pull_request",
                {
                    "action": "closed",
                    "number": number,
                    "pull_request": {
                        "number": number,
                        "merged": True,
                        "created_at": at(begun),
                        "merged_at": at(merged),
                        "merge_commit_sha": commit,
                        "commits": 1,
                        "base": {"ref": "main"},
                        "head": {"ref": "topic", "sha": sha("head")},
                        "labels": [],
                    },
                    **self._described(),
                },
            ),
            Delivery.of(
                "push",
                {
                    "ref": "refs/heads/main",
                    "before": before,
                    "after": commit,
                    "commits": [
                        {
                            "id": commit,
                            "timestamp": at(merged),
                            "message": "Work",
                            "author": {"date": at(begun)},
                            "committer": {"date": at(merged)},
                        }
                    ],
                    **self._described(),
                },
            ),
        ]
        self.truth.step("dora_changes_merged_total", repository=self.name)
        self.truth.observe("dora_time_to_merge_seconds", open_for * MINUTE, repository=self.name)
        chain = {"repository": self.name, "environment": "production", "service": ""}
        if number % 3 == 0:
            failed = deployed - 1
            deliveries.append(self._status(10 * number, commit, failed, "failure"))
            self.truth.step("dora_deployments_total", result="failure", **chain)
            self.truth.step("dora_change_failures_total", cause="deployment_failed", **chain)
            self.truth.observe("dora_recovery_time_seconds", MINUTE, cause="deployment_failed", **chain)
        deliveries.append(self._status(10 * number + 1, commit, deployed, "success"))
        self.truth.step("dora_deployments_total", result="success", **chain)
        self.truth.observe("dora_lead_time_seconds", wait * MINUTE, **chain)
        self.truth.observe("dora_commit_lead_time_seconds", (open_for + wait) * MINUTE, **chain)
        self.truth.reach("dora_last_deployment_timestamp_seconds", _epoch(deployed), **chain)
        if number % 2 == 0:
            deliveries.append(self._pushed(number, deployed))
        return deliveries

    def _status(self, number: int, commit: str, minute: int, state: str) -> Delivery:
        return Delivery.of(
            "deployment_status",
            {
                "action": "created",
                "deployment": {"id": number, "sha": commit, "environment": "production"},
                "deployment_status": {"state": state, "environment": "production", "created_at": at(minute)},
                **self._described(),
            },
        )

    def _pushed(self, number: int, minute: int) -> Delivery:
        """Return a batch: a deployment with its change, with an idempotency key, and an incident of it."""
        common = {"repository": self.name, "environment": "pushed", "service": "api"}
        chain = {"repository": self.name, "environment": "pushed", "service": "api"}
        lead = (number % 30) * MINUTE
        self.truth.step("dora_deployments_total", result="success", **chain)
        self.truth.observe("dora_lead_time_seconds", lead, **chain)
        self.truth.reach("dora_last_deployment_timestamp_seconds", _epoch(minute), **chain)
        self.truth.step("dora_incidents_total", state="opened", **chain)
        self.truth.step("dora_incidents_total", state="resolved", **chain)
        self.truth.step("dora_change_failures_total", cause="incident", **chain)
        self.truth.observe("dora_recovery_time_seconds", 2 * MINUTE, cause="incident", **chain)
        return Delivery.pushed(
            common
            | {
                "type": "deployment.succeeded",
                "occurred_at": at(minute),
                "deployment_id": f"release-{number}",
                "sha": sha(number),
                "id": f"{self.name}/{number}",
                "changes": [{"id": f"change-{number}", "merged_at": at(minute - lead // MINUTE)}],
            },
            common
            | {
                "type": "incident.opened",
                "occurred_at": at(minute + 1),
                "incident_id": f"incident-{number}",
                "deployment_id": f"release-{number}",
            },
            common | {"type": "incident.resolved", "occurred_at": at(minute + 3), "incident_id": f"incident-{number}"},
        )

    def _described(self) -> dict[str, Any]:
        return {"repository": {"id": 1000 + self.number, "full_name": self.name, "default_branch": "main"}}


def _epoch(minute: int) -> int:
    return int((DAWN + timedelta(minutes=minute)).timestamp())
