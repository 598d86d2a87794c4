"""Record what GitHub answers, or compare what it answers now with what is recorded.

    python -m tests.contract.recordings.record --make
        Make the recordings from the fake GitHub (how those that are here came about).
    python -m tests.contract.recordings.record --bindings FILE [--write] [SCENARIO...]
        Ask the live API, with GITHUB_TOKEN, and compare; with --write, record.

FILE is a JSON object that says for each scenario which repository was prepared for it as its recipe says:

    {"one-page": {"repository": "owner/name", "head": "…", "base": "…"}, …}

with, where they matter, "environment", "deployment_id", "succeeded_at" (RFC 3339), "commits", "pull_requests".
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import attrs
import httpx
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from dora.adapters.github.app import private_key
from dora.domain.facts import Environment, Repository
from dora.domain.questions import ChangesSought
from dora.wire import rfc3339
from tests.contract.fake_github.server import FakeGitHub
from tests.contract.fake_github.world import TOKEN, Clock
from tests.contract.recordings.exchanges import API, Exchange, Recorder, ask, differences, load, plain, scrubbed, store
from tests.contract.recordings.scenarios import SCENARIOS, Scenario


async def from_the_fake(scenario: Scenario) -> tuple[ChangesSought, list[Exchange], dict[str, object]]:
    """Return the question, what is said, and what comes of it, with the fake GitHub."""
    clock = Clock()
    github = FakeGitHub(clock=clock)
    github.token(TOKEN)
    app: tuple[str, RSAPrivateKey] | None = None
    if scenario.app:
        app = ("1234", generate_private_key(public_exponent=65537, key_size=2048))
        github.app_key = app[1].public_key()
    question = scenario.make(github)
    async with github.serve():
        recorder = Recorder(httpx.AsyncHTTPTransport(), github.url)
        outcome = await ask(
            recorder,
            question,
            api=github.url,
            clock=clock,
            times=scenario.times,
            token=TOKEN,
            app=app,
            direct=scenario.direct,
        )
    return question, [scrubbed(exchange) for exchange in recorder.exchanges], outcome


def recipe(scenario: Scenario, question: ChangesSought, *, source: str) -> dict[str, object]:
    """Return what to write down beside the answers."""
    return {
        "about": scenario.about,
        "source": source,
        "live": scenario.live or "GitHub cannot be made to answer this on demand.",
        "asked": scenario.times,
        "app": scenario.app,
        "question": plain(attrs.asdict(question)),
    }


async def make() -> None:
    """Make all recordings from the fake."""
    for scenario in SCENARIOS:
        question, exchanges, outcome = await from_the_fake(scenario)
        store(scenario.name, recipe(scenario, question, source="made"), exchanges, outcome)


def bound(binding: dict[str, Any]) -> ChangesSought:
    """Return the question that a scenario's binding describes."""
    environment = binding.get("environment", "production")
    return ChangesSought(
        repository=Repository(binding["repository"]),
        environment=Environment(environment, environment),
        deployment_id=str(binding.get("deployment_id", "0")),
        sha=binding["head"],
        succeeded_at=rfc3339(binding["succeeded_at"]) if "succeeded_at" in binding else time.time_ns() // 1000,
        max_commits=1000,
        base=binding.get("base"),
        find_predecessor="succeeded_at" in binding,
        commits=tuple(binding["commits"]) if "commits" in binding else None,
        pull_requests=tuple(binding.get("pull_requests", ())),
    )


async def from_github(scenario: Scenario, question: ChangesSought) -> tuple[list[Exchange], dict[str, object]]:
    """Return what GitHub says, and what comes of it."""
    app: tuple[str, RSAPrivateKey] | None = None
    if scenario.app:
        app = (os.environ["GITHUB_APP_ID"], private_key(os.environ["GITHUB_APP_PRIVATE_KEY"]))
    recorder = Recorder(httpx.AsyncHTTPTransport(), API)
    clock = Clock(now=time.time_ns() // 1000)
    token = os.environ.get("GITHUB_TOKEN", "none")
    outcome = await ask(
        recorder,
        question,
        api=API,
        clock=clock,
        times=scenario.times,
        token=token,
        app=app,
        direct=scenario.direct,
    )
    return [scrubbed(exchange) for exchange in recorder.exchanges], outcome


async def live(bindings: dict[str, Any], *, write: bool, only: list[str]) -> int:
    """Compare with, or record, the live API; return how many scenarios differ."""
    differing = 0
    for scenario in SCENARIOS:
        if scenario.name not in bindings or (only and scenario.name not in only):
            sys.stdout.write(f"{scenario.name}: left out (nothing is prepared for it)\n")
            continue
        question = bound(bindings[scenario.name])
        exchanges, outcome = await from_github(scenario, question)
        if write:
            store(scenario.name, recipe(scenario, question, source="recorded"), exchanges, outcome)
            sys.stdout.write(f"{scenario.name}: recorded\n")
            continue
        found = differences(load(scenario.name)[1], exchanges)
        differing += bool(found)
        sys.stdout.write(f"{scenario.name}: {'as recorded' if not found else 'differs'}\n")
        sys.stdout.writelines(f"  {problem}\n" for problem in found)
    return differing


def main() -> int:
    """Run the command; return its exit code."""
    arguments = argparse.ArgumentParser(prog="record", description="Record GitHub's answers, or compare them.")
    arguments.add_argument("--make", action="store_true", help="make them from the fake GitHub")
    arguments.add_argument("--bindings", type=Path, help="what was prepared at GitHub")
    arguments.add_argument("--write", action="store_true", help="record instead of comparing")
    arguments.add_argument("scenario", nargs="*", help="only these")
    given = arguments.parse_args()
    if given.make:
        asyncio.run(make())
        return 0
    if given.bindings is None:
        arguments.error("--bindings is needed: which repositories were prepared (see the README beside)")
    bindings = orjson.loads(given.bindings.read_bytes())
    return 1 if asyncio.run(live(bindings, write=given.write, only=given.scenario)) else 0


if __name__ == "__main__":
    sys.exit(main())
