"""What every reader of a delivery uses: what it returns, and how it looks before it checks."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from attrs import define

from dora.adapters.github import payloads
from dora.domain.facts import Fact, Repository
from dora.ports import Malformed, Problem
from dora.wire import structure

T = TypeVar("T")


class Reason(StrEnum):
    """Why a genuine delivery is of no interest."""

    PING = "ping"
    EVENT = "event"
    ACTION = "action"
    STATE = "state"
    ENVIRONMENT = "environment"
    REPOSITORY = "repository"
    REF = "ref"
    """A tag, a deleted branch, or a branch of a merge queue."""
    COMMITS = "commits"
    """A push that brought none."""
    BRANCH = "branch"
    LABEL = "label"
    TOO_OLD = "too_old"


@define
class Reading:
    """What a delivery says: facts, and why it counts nothing (None if the facts alone decide)."""

    facts: tuple[Fact, ...] = ()
    ignored: Reason | None = None
    about: str | None = None
    """The environment or branch that it is ignored for."""


def part(raw: dict[str, object], key: str) -> dict[str, object]:
    """Return the object that is a member of another, or an empty one if there is none."""
    member = raw.get(key)
    return member if isinstance(member, dict) else {}


def fits(raw: object, shape: type[T]) -> T | None:
    """Return the JSON value as an instance of the shape, or None if it does not fit."""
    try:
        return structure(raw, shape)
    except Malformed:
        return None


def repository(sent: payloads.Repository) -> Repository:
    """Return the repository that a delivery names."""
    return Repository(name=sent.full_name, id=sent.id)


def faults(raw: object, shape: type[object]) -> tuple[Problem, ...]:
    """Return everything about the delivery that does not fit the shape."""
    try:
        structure(raw, shape)
    except Malformed as malformed:
        return malformed.problems
    return ()


def default_branch(raw: dict[str, object]) -> str | None:
    """Return the repository's default branch, if the delivery tells it."""
    branch = part(raw, "repository").get("default_branch")
    return branch if isinstance(branch, str) and branch else None


def label_names(labels: Iterable[payloads.Label | None] | None) -> list[str]:
    """Return the names of the labels that can be read."""
    return [label.name for label in labels or () if label]
