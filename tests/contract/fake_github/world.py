"""A GitHub, a clock, and the adapter that asks it: what the tests of look-ups start from."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field

from dora.adapters.github.addresses import Addresses
from dora.adapters.github.credentials import Credential, PersonalToken
from dora.adapters.github.limits import Budget
from dora.adapters.github.lookup import GitHubLookup
from dora.adapters.github.requests import Requests, connect
from dora.adapters.github.sessions import Session
from dora.domain.facts import Environment, Repository
from dora.domain.instant import MICROSECONDS, Instant
from dora.domain.questions import ChangesSought
from dora.policy import Policy
from tests.contract.fake_github.graph import Graph
from tests.contract.fake_github.server import FakeGitHub

SECOND = MICROSECONDS
HOUR = 3600 * SECOND
NOW = 1_700_000_000 * SECOND
TOKEN = "github_pat_of_nobody"


@define
class Clock:
    """A time that passes when it is told to."""

    now: Instant = NOW

    def __call__(self) -> Instant:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


@define
class Told:
    """What the adapter told of its requests."""

    requests: list[tuple[str, int | str, int | None, int | None, str]] = field(factory=list)

    def __call__(
        self, endpoint: str, status: int | str, remaining: int | None, limit: int | None, resource: str
    ) -> None:
        self.requests.append((endpoint, status, remaining, limit, resource))

    @property
    def endpoints(self) -> list[str]:
        return [request[0] for request in self.requests]


@define
class World:
    github: FakeGitHub
    clock: Clock
    requests: Requests
    told: Told

    def lookup(self, *, credential: Credential | None = None, policy: Policy | None = None) -> GitHubLookup:
        credential = credential or PersonalToken.of(TOKEN, budget=Budget(chance=lambda: 0.0))
        return GitHubLookup(Session(self.requests, credential), policy or Policy(lookups=True))


@asynccontextmanager
async def world(prefix: str = "") -> AsyncIterator[World]:
    """Serve a GitHub that knows `TOKEN`, and no repository yet."""
    clock = Clock()
    github = FakeGitHub(clock=clock, prefix=prefix)
    github.token(TOKEN)
    # Reading the authorities takes longer than most tests, and nothing here is encrypted.
    async with github.serve(), connect(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as client:
        told = Told()
        addresses = Addresses.of(github.url)
        yield World(github, clock, Requests(client=client, addresses=addresses, clock=clock, on_request=told), told)


def sha(number: int) -> str:
    """Return a commit id that tells the number at its beginning."""
    return f"{number:08x}".ljust(40, "0")


def line(
    graph: Graph, count: int, *, start: int = 1, branch: str = "main", at: Instant = NOW - 100 * HOUR
) -> list[str]:
    """Put commits on a branch, a second apart, authored a minute before; return them, oldest first."""
    shas = []
    for number in range(start, start + count):
        before = [graph.heads[branch]] if branch in graph.heads else []
        moment = at + number * SECOND
        shas.append(graph.commit(sha(number), *before, at=moment, authored_at=moment - 60 * SECOND, branch=branch))
    return shas


def asked(
    head: str,
    *,
    base: str | None = None,
    find_predecessor: bool = False,
    commits: tuple[str, ...] | None = None,
    pull_requests: tuple[int, ...] = (),
    repository: str = "acme/shop",
    deployment_id: str = "900",
    environment: str = "production",
    succeeded_at: Instant = NOW,
    max_commits: int = 1000,
) -> ChangesSought:
    """Return a question about a deployment of `head`."""
    return ChangesSought(
        repository=Repository(repository),
        environment=Environment(environment, environment),
        deployment_id=deployment_id,
        sha=head,
        succeeded_at=succeeded_at,
        max_commits=max_commits,
        base=base,
        find_predecessor=find_predecessor,
        commits=commits,
        pull_requests=pull_requests,
    )
