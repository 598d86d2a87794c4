"""The whole service beside a fake GitHub, over real HTTP, in a time that passes when nobody has anything to do."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from selectors import SelectorKey
from typing import TypeVar, TypeVarTuple

import httpx
import orjson
from attrs import define

from dora.composition import compose, read_settings
from dora.domain.instant import MICROSECONDS, Instant
from dora.observer import Observer
from tests.contract.fake_github import rest
from tests.contract.fake_github.graph import Graph
from tests.contract.fake_github.server import FakeGitHub
from tests.fakes.time import VirtualLoop

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

SECRET = "It's a secret"
TOKEN = "github_pat_of_nobody"
DAWN: Instant = 1_772_400_000 * MICROSECONDS
HOUR = 3600 * MICROSECONDS
STEP = 0.02
"""Seconds that a loopback connection may need to deliver, before time is taken for idle."""


def at(hours: float) -> Instant:
    return DAWN + round(hours * HOUR)


def text(hours: float) -> str:
    return rest.stamp(at(hours))


def sha(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


class LoopbackLoop(VirtualLoop):
    """Lets virtual time pass only when a moment of real time has brought nothing, and no thread is at work."""

    def __init__(self) -> None:
        super().__init__()
        self._at_work = 0
        idle = self._clock.select

        def select(timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
            if timeout is None or timeout > 0:
                ready = super(type(self._clock), self._clock).select(STEP)
                # A thread is waited for in real time, however slow the disk is: its end wakes the selector.
                while self._at_work and not ready:
                    ready = super(type(self._clock), self._clock).select(STEP)
                if ready:
                    return ready
            return idle(timeout)

        self._clock.select = select  # type: ignore[method-assign] # the selector is this loop's own

    def run_in_executor(self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """Have a thread do something, and let no time pass meanwhile."""
        self._at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._done)
        return future

    def _done(self, _: asyncio.Future[_T]) -> None:
        self._at_work -= 1


@define
class Beside:
    """A service's GitHub, and a client of the service."""

    github: FakeGitHub
    client: httpx.AsyncClient
    observer: Observer | None = None
    """The service's own, if it is in this process."""
    called: str = "acme/shop"
    """The repository's name in deliveries."""
    slowest: float = 0.0
    """The longest that a delivery took to be answered."""

    @property
    def graph(self) -> Graph:
        """The repository."""
        graph = self.github.find("acme/shop")
        assert graph is not None
        return graph

    async def deliver(self, event: str, value: Mapping[str, object]) -> httpx.Response:
        body = orjson.dumps(value)
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "x-github-event": event,
            "x-hub-signature-256": f"sha256={signature}",
        }
        began = asyncio.get_running_loop().time()
        answer = await self.client.post("/webhooks/github", content=body, headers=headers)
        self.slowest = max(self.slowest, asyncio.get_running_loop().time() - began)
        return answer

    async def deploys(self, number: int, name: str, hours: float, state: str = "success") -> None:
        """Let a deployment end, at GitHub and by delivery."""
        graph = self.graph
        if number not in graph.deployments:
            graph.deployment(number, sha(name), at=at(hours))
        graph.status(number, state, at=at(hours))
        answer = await self.deliver(
            "deployment_status",
            {
                "action": "created",
                "repository": {"id": graph.id, "full_name": self.called, "default_branch": "main"},
                "deployment": {"id": number, "sha": sha(name), "environment": "production"},
                "deployment_status": {"state": state, "created_at": text(hours), "environment": "production"},
            },
        )
        assert answer.status_code == 202, answer.text

    async def pushes(self, before: str, *commits: tuple[str, float]) -> None:
        """Deliver a push to the default branch of commits with their times, as author and committer date."""
        graph = self.graph
        await self.deliver(
            "push",
            {
                "ref": "refs/heads/main",
                "before": sha(before),
                "after": sha(commits[-1][0]),
                "forced": False,
                "repository": {"id": graph.id, "full_name": self.called, "default_branch": "main"},
                "commits": [
                    {
                        "id": sha(name),
                        "timestamp": text(hours),
                        "message": "Change something",
                        "author": {"date": text(hours)},
                        "committer": {"date": text(hours)},
                    }
                    for name, hours in commits
                ],
            },
        )

    async def merges(self, number: int) -> None:
        """Deliver a pull request that GitHub knows as merged."""
        graph = self.graph
        pull_request = graph.pull_requests[number]
        assert pull_request.merged_at is not None
        await self.deliver(
            "pull_request",
            {
                "action": "closed",
                "number": number,
                "repository": {"id": graph.id, "full_name": self.called, "default_branch": "main"},
                "pull_request": {
                    "number": number,
                    "merged": True,
                    "created_at": rest.stamp(pull_request.created_at),
                    "merged_at": rest.stamp(pull_request.merged_at),
                    "merge_commit_sha": pull_request.merge_commit,
                    "commits": len(pull_request.own),
                    "base": {"ref": pull_request.base},
                    "head": {"ref": pull_request.head},
                    "labels": [],
                },
            },
        )

    async def samples(self, path: str = "/metrics") -> dict[str, float]:
        """Return what the path shows, by sample name and labels."""
        lines = ((await self.client.get(path)).text).splitlines()
        parted = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in parted}

    async def chain(self, family: str, **labels: str) -> float | None:
        """Return a sample of the chain `production`; None if there is none."""
        whole = {"environment": "production", "repository": self.called, "service": "", **labels}
        inner = ",".join(f'{name}="{value}"' for name, value in sorted(whole.items()))
        return (await self.samples()).get(f"{family}{{{inner}}}")

    async def measured(self, *, within: float) -> float:
        """Wait until no look-up is pending; return how many seconds that took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert self.observer is not None
        while self.observer.pending_questions:
            assert loop.time() - began < within, "the look-ups were not made good in time"
            await asyncio.sleep(10)
        assert await self.chain("dora_pending_lookups") == 0
        return loop.time() - began


def history(graph: Graph) -> None:
    """Put in what nobody delivered: a direct commit, a squashed, and a merged pull request, another direct commit."""
    graph.commit(sha("a"), at=at(-9), branch="main")
    graph.deployment(1, sha("a"), at=at(-8))
    graph.status(1, "success", at=at(-8))
    graph.commit(sha("b"), sha("a"), at=at(1), branch="main")
    graph.commit(sha("x1"), sha("b"), at=at(0.5))
    graph.commit(sha("x2"), sha("x1"), at=at(0.7))
    graph.pull_request(7, sha("x1"), sha("x2"), created_at=at(1))
    graph.commit(sha("s"), sha("b"), at=at(2), branch="main")
    graph.merged(7, sha("s"), at=at(2))
    graph.commit(sha("y"), sha("s"), at=at(2.5))
    graph.pull_request(8, sha("y"), created_at=at(2))
    graph.commit(sha("m"), sha("s"), sha("y"), at=at(3), branch="main")
    graph.merged(8, sha("m"), sha("y"), at=at(3))
    graph.commit(sha("d"), sha("m"), at=at(6), branch="main")


async def assert_all_is_measured_once(beside: Beside) -> None:
    """The lead times of `history`, deployed at 4, 5 and 7."""
    hours = 3600
    assert await beside.chain("dora_lead_time_seconds_count") == 4
    assert await beside.chain("dora_lead_time_seconds_sum") == (3 + 2 + 2 + 1) * hours
    assert await beside.chain("dora_commit_lead_time_seconds_count") == 4
    assert await beside.chain("dora_commit_lead_time_seconds_sum") == (3 + 3.5 + 2.5 + 1) * hours
    samples = await beside.samples()
    assert samples[f'dora_changes_merged_total{{repository="{beside.graph.name}"}}'] == 2
    assert not any(value for name, value in samples.items() if name.startswith("dora_lead_time_unknown_total"))


@asynccontextmanager
async def beside(*, begins: float = 10, **environ: str) -> AsyncIterator[Beside]:
    """Run the service, from that hour on, beside a GitHub that knows the repository's history."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    def clock() -> Instant:
        return at(begins) + round((loop.time() - began) * MICROSECONDS)

    github = FakeGitHub(clock=clock)
    github.token(TOKEN)
    history(github.repository())
    async with github.serve():
        settings = {
            "WEBHOOK_SECRET": SECRET,
            "DORA_BIND": "127.0.0.1:0",
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": github.url,
            "DORA_API_TOKENS": "ci:client-token",
        }
        service = compose(read_settings(settings | environ), clock=clock)
        stop = asyncio.Event()
        listening: asyncio.Future[int] = loop.create_future()
        life = asyncio.create_task(service.run(stop, listening=listening.set_result))
        try:
            port = await listening
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}",
                trust_env=False,
                timeout=60,
                # A kept connection may wait in the kernel for an acknowledgement, which looks like idleness here.
                limits=httpx.Limits(max_keepalive_connections=0),
            ) as client:
                # A pause, however short, gives a journal's thread a moment of real time; turns without one run out.
                while not service.app.gate.ready:  # noqa: ASYNC110 - the gate has no event for it
                    await asyncio.sleep(0.001)
                yield Beside(github, client, service.observer)
        finally:
            stop.set()
            await life
