"""The story: a made-up organisation's past week, as the deliveries that GitHub and a deploy script would have sent.

Only `now` decides what is in it: the same moment gives the same bytes. Nobody's name is in it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from attrs import Factory, define, field, frozen

DAYS = 7
"""How long the story lasts; it ends before `now`."""


class Merging(StrEnum):
    """The button that a repository's pull requests are merged with."""

    SQUASH = "squash"
    MERGE = "merge"
    REBASE = "rebase"


@frozen
class Delivery:
    """One request that a sender makes."""

    at: datetime
    path: str
    body: bytes
    event: str | None = None
    """GitHub's `X-GitHub-Event`; None for a pushed event."""


@frozen
class Landed:
    """A merged pull request, or a commit pushed by hand."""

    sha: str
    at: datetime
    number: int | None = None


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@define
class _Repository:
    """A repository as GitHub sees it: its branch moves, and deliveries tell of it."""

    name: str
    id: int
    merging: Merging
    deliveries: list[Delivery]
    _commits: int = 0
    _numbers: int = 0
    _deployments: int = 0
    _head: str = field(init=False, default=Factory(lambda self: self._sha(), takes_self=True))

    def _sha(self) -> str:
        self._commits += 1
        return hashlib.sha1(f"{self.name} {self._commits}".encode(), usedforsecurity=False).hexdigest()

    def _send(self, event: str, at: datetime, body: dict[str, object]) -> None:
        body["repository"] = {
            "id": self.id,
            "name": self.name.partition("/")[2],
            "full_name": self.name,
            "private": True,
            "default_branch": "main",
        }
        self.deliveries.append(Delivery(at=at, path="/webhooks/github", body=_encode(body), event=event))

    def _push(self, at: datetime, commits: list[dict[str, object]]) -> str:
        before, self._head = self._head, str(commits[-1]["id"])
        self._send(
            "push",
            at,
            {
                "ref": "refs/heads/main",
                "before": before,
                "after": self._head,
                "created": False,
                "deleted": False,
                "forced": False,
                "commits": commits,
                "head_commit": commits[-1],
            },
        )
        return self._head

    def _commit(self, *, authored: datetime, committed: datetime, message: str) -> dict[str, object]:
        return {
            "id": self._sha(),
            "distinct": True,
            "message": message,
            "timestamp": _stamp(committed),
            "author": {"date": _stamp(authored)},
            "committer": {"date": _stamp(committed)},
        }

    def pull_request(  # noqa: PLR0913 - what a pull request says of itself
        self,
        title: str,
        *,
        merged: datetime,
        opened: timedelta,
        commits: int = 1,
        head: str = "",
        labels: tuple[str, ...] = (),
    ) -> Landed:
        """Open a pull request so long before its merge, write its commits in between, and merge it."""
        self._numbers += 1
        number, created = self._numbers, merged - opened
        authored = [created - timedelta(hours=1) + opened * i / commits for i in range(commits)]
        shown: dict[str, object] = {
            "number": number,
            "title": title,
            "state": "open",
            "merged": False,
            "created_at": _stamp(created),
            "closed_at": None,
            "merged_at": None,
            "merge_commit_sha": None,
            "commits": commits,
            "labels": [{"name": label} for label in labels],
            "head": {"ref": head or f"change-{number}"},
            "base": {"ref": "main", "sha": self._head},
        }
        self._send("pull_request", created, {"action": "opened", "number": number, "pull_request": shown})

        if self.merging is Merging.SQUASH:
            pushed = [self._commit(authored=merged, committed=merged, message=f"{title} (#{number})")]
        elif self.merging is Merging.REBASE:
            pushed = [self._commit(authored=at, committed=merged, message=title) for at in authored]
        else:
            pushed = [self._commit(authored=at, committed=at, message=title) for at in authored]
            message = f"Merge pull request #{number} from {self.name.partition('/')[0]}/change-{number}"
            pushed.append(self._commit(authored=merged, committed=merged, message=message))
        sha = str(pushed[-1]["id"])
        shown |= {
            "state": "closed",
            "merged": True,
            "closed_at": _stamp(merged),
            "merged_at": _stamp(merged),
            "merge_commit_sha": sha,
        }
        self._send("pull_request", merged, {"action": "closed", "number": number, "pull_request": shown})
        self._push(merged, pushed)
        return Landed(sha=sha, at=merged, number=number)

    def revert(self, landed: Landed, *, merged: datetime, opened: timedelta) -> Landed:
        """Press the revert button of a merged pull request, and merge what it makes."""
        return self.pull_request(
            f'Revert "#{landed.number}"', merged=merged, opened=opened, head=f"revert-{landed.number}-change"
        )

    def direct(self, message: str, *, at: datetime, authored: timedelta) -> Landed:
        """Push a commit past all pull requests, written so long before."""
        sha = self._push(at, [self._commit(authored=at - authored, committed=at, message=message)])
        return Landed(sha=sha, at=at)

    def deploy(
        self,
        landed: Landed,
        environment: str,
        *,
        at: datetime,
        states: tuple[str, ...] = ("in_progress", "success"),
        transient: bool = False,
    ) -> str:
        """Deploy a commit: the deployment at the given time, then a status every four minutes."""
        self._deployments += 1
        deployment_id = self.id * 1000 + self._deployments
        deployment: dict[str, object] = {
            "id": deployment_id,
            "sha": landed.sha,
            "ref": "main",
            "task": "deploy",
            "environment": environment,
            "original_environment": environment,
            "production_environment": environment == "production",
            "transient_environment": transient,
            "created_at": _stamp(at),
            "updated_at": _stamp(at),
        }
        self._send("deployment", at, {"action": "created", "deployment": deployment})
        for step, state in enumerate(states):
            moment = at + timedelta(minutes=4) * (step + 1)
            status: dict[str, object] = {
                "id": deployment_id * 10 + step,
                "state": state,
                "environment": environment,
                "created_at": _stamp(moment),
                "updated_at": _stamp(moment),
            }
            self._send(
                "deployment_status",
                moment,
                {"action": "created", "deployment_status": status, "deployment": deployment},
            )
        return str(deployment_id)

    def issue(self, title: str, *, opened: datetime, closed: datetime) -> None:
        """File an issue with the label `incident`, and close it."""
        self._numbers += 1
        issue: dict[str, object] = {
            "number": self._numbers,
            "title": title,
            "state": "open",
            "labels": [{"name": "incident"}],
            "created_at": _stamp(opened),
            "updated_at": _stamp(opened),
            "closed_at": None,
        }
        self._send("issues", opened, {"action": "opened", "issue": issue})
        issue |= {"state": "closed", "updated_at": _stamp(closed), "closed_at": _stamp(closed)}
        self._send("issues", closed, {"action": "closed", "issue": issue})

    def pushed(self, kind: str, at: datetime, **fields: object) -> None:
        """Tell the push API, as a deploy script or an incident tool does."""
        body = {"type": kind, "repository": self.name, "occurred_at": _stamp(at), **fields}
        self.deliveries.append(Delivery(at=at, path="/api/event", body=_encode(body)))


def _encode(body: dict[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


@frozen
class _Calendar:
    """The story's clock: the start of its first day."""

    start: datetime

    def __call__(self, day: int, hour: float) -> datetime:
        return self.start + timedelta(days=day, hours=hour)


def week(now: datetime) -> tuple[Delivery, ...]:
    """Return the deliveries of the seven days before `now`, oldest first."""
    on = _Calendar(now.replace(second=0, microsecond=0) - timedelta(days=DAYS))
    deliveries: list[Delivery] = []
    _shop(_Repository("acme/shop", 710001, Merging.SQUASH, deliveries), on)
    _payments(_Repository("acme/payments", 710002, Merging.MERGE, deliveries), on)
    _search(_Repository("acme/search", 710003, Merging.REBASE, deliveries), on)
    _infrastructure(_Repository("acme/infrastructure", 710004, Merging.MERGE, deliveries), on)
    return tuple(sorted(deliveries, key=lambda delivery: delivery.at))


def _hours(hours: float) -> timedelta:
    return timedelta(hours=hours)


def _shop(shop: _Repository, on: _Calendar) -> None:
    """Every change goes out by itself, first to staging, forty minutes after its merge to production."""

    def ship(landed: Landed, *states: str) -> None:
        shop.deploy(landed, "staging", at=landed.at + timedelta(minutes=6))
        shop.deploy(landed, "production", at=landed.at + timedelta(minutes=40), states=states or ("success",))

    first = shop.pull_request("Basket keeps its order", merged=on(0, 2), opened=_hours(5), commits=3)
    shop.deploy(first, "preview-1", at=on(0, 2.02), transient=True)
    ship(first)
    ship(shop.pull_request("Faster product pages", merged=on(0, 8), opened=_hours(3)))
    ship(shop.pull_request("Gift cards, part one", merged=on(1, 3), opened=_hours(30), commits=6))
    # A migration fails in production; the repair goes out three hours later.
    ship(shop.pull_request("Gift cards, part two", merged=on(2, 1), opened=_hours(20), commits=4), "failure")
    ship(shop.pull_request("Migration in two steps", merged=on(2, 4), opened=_hours(1)))
    ship(shop.pull_request("Search box on every page", merged=on(3, 2), opened=_hours(6), commits=2))
    # A change that turns out badly in front of customers, and is taken back with GitHub's button.
    banner = shop.pull_request("Banner of the season", merged=on(4, 2), opened=_hours(9), commits=2)
    ship(banner)
    ship(shop.revert(banner, merged=on(4, 6), opened=_hours(0.5)))
    ship(shop.pull_request("Smaller pictures", merged=on(6, 2), opened=_hours(40), commits=3))


def _payments(payments: _Repository, on: _Calendar) -> None:
    """Several changes make a release; releases go wrong in three ways."""
    payments.pull_request("Currency table from the bank", merged=on(0, 1), opened=_hours(26), commits=4)
    good = payments.pull_request("Receipts by mail", merged=on(0, 6), opened=_hours(12), commits=2)
    payments.deploy(good, "staging", at=on(0, 6.5))
    payments.deploy(good, "production", at=on(0, 9))

    # A release that is rolled back within the hour, then repaired by a hotfix.
    payments.pull_request("New provider", merged=on(1, 2), opened=_hours(60), commits=9)
    bad = payments.pull_request("Retry on time-out", merged=on(1, 5), opened=_hours(4))
    payments.deploy(bad, "staging", at=on(1, 5.5))
    payments.deploy(bad, "production", at=on(2, 1))
    payments.deploy(good, "production", at=on(2, 1.75))
    repair = payments.pull_request("No double booking", merged=on(2, 5), opened=_hours(2), labels=("hotfix",))
    payments.deploy(repair, "staging", at=on(2, 5.2))
    payments.deploy(repair, "production", at=on(2, 5.5))

    # A release behind an incident that the on-call tool reports; it is over when the tool says so.
    release = payments.pull_request("Weekly statements", merged=on(4, 1), opened=_hours(50), commits=5)
    payments.deploy(release, "staging", at=on(4, 1.5))
    payments.deploy(release, "production", at=on(4, 3))
    payments.pushed("incident.opened", on(4, 4), incident_id="on-call-311")
    payments.pushed("incident.resolved", on(4, 5.5), incident_id="on-call-311")

    # A hotfix straight after a release: the release had failed.
    last = payments.pull_request("Cheaper exports", merged=on(5, 2), opened=_hours(16), commits=3)
    payments.deploy(last, "staging", at=on(5, 2.2))
    payments.deploy(last, "production", at=on(5, 4))
    hotfix = payments.pull_request(
        "Export in the right time zone", merged=on(5, 7), opened=_hours(1), head="hotfix/zone"
    )
    payments.deploy(hotfix, "production", at=on(5, 7.5))


def _search(search: _Repository, on: _Calendar) -> None:
    """No staging; commits pushed by hand beside pull requests; an incident filed as a GitHub issue."""
    search.pull_request("Index in the background", merged=on(0, 3), opened=_hours(70), commits=5)
    first = search.pull_request("Typing mistakes forgiven", merged=on(1, 4), opened=_hours(28), commits=3)
    search.deploy(first, "production", at=on(1, 6))
    search.direct("Raise the cache limit", at=on(3, 1), authored=_hours(2))
    second = search.pull_request("Synonyms", merged=on(3, 5), opened=_hours(44), commits=4)
    search.deploy(second, "production", at=on(3, 6))
    search.issue("Search answers slowly", opened=on(3, 9), closed=on(3, 13))
    third = search.pull_request("Index fits in memory again", merged=on(5, 3), opened=_hours(22), commits=2)
    search.deploy(third, "production", at=on(5, 4), states=("in_progress", "error"))
    search.deploy(third, "production", at=on(5, 5))


def _infrastructure(infrastructure: _Repository, on: _Calendar) -> None:
    """No GitHub deployments here: a script tells what it applied to which service, and the changes that it brought."""
    for number, (day, service) in enumerate(((0, "network"), (2, "dns"), (3, "network"), (6, "dns")), start=1):
        merged = on(day, 2)
        sha = hashlib.sha1(f"infrastructure {number}".encode(), usedforsecurity=False).hexdigest()
        committed = _stamp(merged - _hours(6 * number))
        infrastructure.pushed("change.merged", merged, sha=sha, committed_at=committed)
        infrastructure.pushed("deployment.started", on(day, 3), service=service, deployment_id=f"apply-{number}")
        infrastructure.pushed(
            "deployment.succeeded",
            on(day, 3.25),
            service=service,
            deployment_id=f"apply-{number}",
            sha=sha,
            changes=[{"id": sha, "merged_at": _stamp(merged), "committed_at": committed}],
        )
