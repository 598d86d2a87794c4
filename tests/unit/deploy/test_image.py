"""The Dockerfile, read; .ci/docker builds and runs it."""

from __future__ import annotations

import json
import re
import tomllib

from tests.unit.deploy.settings_of import ROOT

DOCKERFILE = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
BUILDING, RUNNING = re.split(r"^FROM .+\n", DOCKERFILE, flags=re.MULTILINE)[1:]


def instructions(name: str, stage: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", stage, re.MULTILINE)


def test_both_stages_have_the_same_slim_base() -> None:
    assert {base.split()[0] for base in instructions("FROM", DOCKERFILE)} == {"python:3.13-slim"}


def test_it_runs_as_a_number_and_ends_at_sigterm() -> None:
    assert instructions("USER", RUNNING) == ["10001:10001"]
    assert instructions("STOPSIGNAL", RUNNING) == ["SIGTERM"]


def test_neither_the_start_nor_the_health_check_needs_a_shell() -> None:
    assert json.loads(instructions("ENTRYPOINT", RUNNING)[0]) == ["dora", "serve"]
    _, _, command = instructions("HEALTHCHECK", RUNNING)[0].partition(" CMD ")
    assert json.loads(command)[0] == "python"


def test_everything_that_is_installed_is_locked() -> None:
    installed = re.findall(r"pip (?:--python \S+ )?install [^&;]*", BUILDING)
    assert len(installed) == 4
    assert all("--require-hashes" in command or "--no-index" in command for command in installed)
    assert "pip install" not in RUNNING


def test_every_extra_can_be_chosen() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert "requirements-$extra.txt" in BUILDING
    assert all((ROOT / f"requirements-{extra}.txt").exists() for extra in extras)


def test_it_says_what_it_is() -> None:
    (labels,) = instructions("LABEL", RUNNING)
    assert set(re.findall(r"org\.opencontainers\.image\.(\w+)=", labels)) == {
        "title",
        "description",
        "licenses",
        "version",
        "revision",
    }


def test_the_builder_is_sent_what_it_copies_and_nothing_else() -> None:
    everything, *admitted = (
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith(("#", "**/"))
    )
    copied = {source for line in instructions("COPY", BUILDING) for source in line.split()[:-1]}
    assert everything == "*"
    assert {line.removeprefix("!") for line in admitted} == copied
    assert all(list(ROOT.glob(source)) for source in copied)
