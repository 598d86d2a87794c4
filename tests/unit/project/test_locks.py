"""The lock files: complete, hashed, and silent about where packages come from."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.txt"))
Pins: TypeAlias = dict[str, str]


def pins(lock: str) -> Pins:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def asked(table: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = {
        "service": project["project"]["dependencies"],
        "back end": project["build-system"]["requires"],
        "developers": project["dependency-groups"]["dev"],
        "extras": list(chain.from_iterable(project["project"].get("optional-dependencies", {}).values())),
    }
    return [Requirement(text) for text in lists[table]]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_no_place(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not re.findall(r"://|^\s*-(?!-hash)(?!c )|(?<=\s)/\w|\b[\w-]+\.(?:com|io|net|org)\b", text, re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_has_a_version_and_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert len(entries) == len(pins(lock))
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize(
    ("lock", "tables"),
    [
        ("requirements.txt", ["service"]),
        ("requirements-build.txt", ["back end"]),
        ("requirements-dev.txt", ["service", "back end", "developers", "extras"]),
    ],
)
def test_a_lock_holds_what_the_project_asks_for(lock: str, tables: list[str]) -> None:
    locked = pins(lock)
    for requirement in (requirement for table in tables for requirement in asked(table)):
        name = canonicalize_name(requirement.name)
        assert name in locked, f"{name} is not locked: make lock"
        assert requirement.specifier.contains(locked[name]), f"{name} is locked too old or too new: make lock"


def test_the_service_runs_with_the_versions_that_the_developers_test() -> None:
    developers = pins("requirements-dev.txt")
    for lock in LOCKS:
        assert pins(lock).items() <= developers.items()
