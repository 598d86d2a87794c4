"""What the settings decide when a fact comes in: watched, tracked, labelled, too old.

A `Policy` is asked at the doors only; its answers are written into the facts. The core and a replay never see it, so
that a changed setting acts on later facts only.

Patterns are matched without backtracking, in time proportional to pattern times name: the operator writes the pattern,
but anybody with write access to a repository chooses the name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import lru_cache
from typing import Final

from attrs import field, frozen

from dora.domain.facts import Environment
from dora.domain.instant import Duration, Instant

PRODUCTION: Final = "production"
"""The label that means production: always admitted, and the one that GitHub issues are incidents of."""

_NAMES: Final = 4096
"""Names of environments of which is remembered what the rules say. Names are few, unless somebody makes them up."""

_SERVICE: Final = "{service}"
_WILDCARDS: Final = frozenset("*?[")


@frozen
class EnvironmentRule:
    """One rule of `DORA_ENVIRONMENTS`: environments whose name fits the template go by the label.

    A template is an environment name in which `*` stands for any run of characters and at most one `{service}` for one
    or more characters, as few as possible. Case does not matter.
    """

    label: str
    template: str
    _head: str = field(init=False, repr=False, eq=False)
    _tail: str | None = field(init=False, repr=False, eq=False)
    """What follows `{service}`; None if the template names no service."""

    def __attrs_post_init__(self) -> None:
        head, service, tail = _fold(self.template).partition(_SERVICE)
        object.__setattr__(self, "_head", head)
        object.__setattr__(self, "_tail", tail if service else None)

    @classmethod
    def parse(cls, text: str) -> EnvironmentRule:
        """Return the rule written as `label=template`, or as a bare name, which is its own label.

        Raises:
            ValueError: it is neither; the message quotes nothing of it.
        """
        label, equals, template = (part.strip() for part in text.partition("="))
        if not equals:
            template = label
        if not label or not template:
            raise ValueError("an environment rule needs a label and a template: label=template, or a bare name")
        if not label.isprintable():
            raise ValueError("a label of an environment rule holds a character that cannot be printed")
        if not equals and ("*" in template or "{" in template):
            raise ValueError("an environment rule with a wildcard needs a label: label=template")
        literal = template.replace(_SERVICE, "", 1).replace(_SERVICE.upper(), "", 1)
        if "{" in literal or "}" in literal:
            raise ValueError("a template of an environment rule may hold one {service} and no other braces")
        return cls(label=label, template=template)

    def match(self, name: str) -> str | None:
        """Return the service that the name tells, empty if the template asks for none; None if the name does not fit.

        Of several ways to fit, the one with the shortest service is taken; of equally short ones, the last.
        """
        folded = _fold(name)
        if self._tail is None:
            return "" if len(folded) in _ends(self._head, folded) else None
        starts = _ends(self._head, folded)
        # The template's rest, read backwards from the name's end, gives the places where the service may end.
        rest = _ends(self._tail[::-1], folded[::-1])
        shortest: tuple[int, int] | None = None
        position = len(rest) - 1
        for start in starts:
            # `rest` ascends, so `len - rest[position]` ascends as position falls: the first end after this start.
            while position >= 0 and len(name) - rest[position] <= start:
                position -= 1
            if position < 0:
                break
            end = len(name) - rest[position]
            if shortest is None or end - start <= shortest[1] - shortest[0]:
                shortest = (start, end)
        return None if shortest is None else name[shortest[0] : shortest[1]]


@frozen(kw_only=True)
class Policy:
    """What the settings decide at the door; the defaults are the settings' defaults."""

    environments: tuple[EnvironmentRule, ...] = ()
    """First match wins; none: every environment that is not transient, under its own name."""
    repositories: tuple[str, ...] = ("*",)
    """Globs over `owner/name`; case does not matter."""
    branches: tuple[str, ...] = ()
    """Globs of tracked branches; none: the repository's default branch."""
    hotfix_labels: tuple[str, ...] = ("hotfix",)
    hotfix_branches: tuple[str, ...] = ("hotfix/*", "hotfix-*")
    incident_labels: tuple[str, ...] = ("incident",)
    max_event_age: Duration = 0
    """Microseconds; facts older than this on arrival are not counted. 0: no limit."""
    max_commits: int = 1000
    """Most commits measured for one deployment."""
    lookups: bool = False
    """True if GitHub may be asked."""
    _named: Callable[[str], Environment | None] = field(init=False, repr=False, eq=False)
    """`_match`, which remembers: to try every template on every event would be dear."""
    _labels: dict[str, str] = field(init=False, repr=False, eq=False)
    _watched: Callable[[str], object] = field(init=False, repr=False, eq=False)
    _tracked: Callable[[str], object] = field(init=False, repr=False, eq=False)
    _fixing: Callable[[str], object] = field(init=False, repr=False, eq=False)
    """Whether a branch name, or a folded repository, fits one of the globs."""
    _hotfix_labels: frozenset[str] = field(init=False, repr=False, eq=False)
    _incident_labels: frozenset[str] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        # Folded once here, not on every event. Of labels that differ in case only, the first stands for the others.
        folded = {_fold(rule.label): rule.label for rule in reversed(self.environments)}
        object.__setattr__(self, "_labels", folded | {rule.label: rule.label for rule in self.environments})
        object.__setattr__(self, "_named", lru_cache(_NAMES)(self._match))
        object.__setattr__(self, "_watched", _matching(_fold(glob) for glob in self.repositories))
        object.__setattr__(self, "_tracked", _matching(self.branches))
        object.__setattr__(self, "_fixing", _matching(self.hotfix_branches))
        object.__setattr__(self, "_hotfix_labels", frozenset(map(_fold, self.hotfix_labels)))
        object.__setattr__(self, "_incident_labels", frozenset(map(_fold, self.incident_labels)))

    def watches(self, name: str) -> bool:
        """Return whether events of the repository `owner/name` matter."""
        return self._watched(_fold(name)) is not None

    def environment(self, name: str, *, transient: bool = False) -> Environment | None:
        """Return the environment that GitHub calls by this name, with its label; None if it is of no interest."""
        return None if transient and not self.environments else self._named(name)

    def _match(self, name: str) -> Environment | None:
        if not self.environments:
            return _unlisted(name)
        for rule in self.environments:
            service = rule.match(name)
            if service is not None:
                return Environment(name=name, label=rule.label, service=service, listed=True)
        return None

    def pushed_environment(self, name: str, service: str | None) -> Environment | None:
        """Return the environment that a push client calls by this name; None if it is of no interest.

        A name equal to a label of the settings is that label before any template is tried. A service that was sent
        wins over one that a template captures, even if it is empty.
        """
        if not self.environments:
            return _unlisted(name, service or "")
        label = self._labels.get(name) or self._labels.get(_fold(name))
        if label is not None:
            return Environment(name=name, label=label, service=service or "", listed=True)
        found = self.environment(name)
        if found is None or service is None:
            return found
        return Environment(name=name, label=found.label, service=service, listed=True)

    def tracks(self, branch: str, default_branch: str | None) -> bool:
        """Return whether merges into the branch are changes. An unknown default branch leaves every branch tracked."""
        if self.branches:
            return self._tracked(branch) is not None
        return default_branch is None or branch == default_branch

    def is_hotfix(self, labels: Iterable[str], head: str) -> bool:
        """Return whether a pull request with these labels, from the branch `head`, is a hotfix."""
        if any(_fold(label) in self._hotfix_labels for label in labels):
            return True
        return self._fixing(head) is not None

    def is_incident(self, labels: Iterable[str]) -> bool:
        """Return whether an issue with these labels is an incident."""
        return any(_fold(label) in self._incident_labels for label in labels)

    def too_old(self, at: Instant, *, now: Instant) -> bool:
        """Return whether a deployment or merge of that time is too old, received now, to be counted."""
        return 0 < self.max_event_age < now - at


def environment_rules(text: str) -> tuple[EnvironmentRule, ...]:
    """Return the rules of a `DORA_ENVIRONMENTS` text.

    Raises:
        ValueError: a rule is malformed, or there is none; the message quotes nothing of it.
    """
    return tuple(EnvironmentRule.parse(part) for part in listed(text))


def repository_globs(text: str) -> tuple[str, ...]:
    """Return the globs of a `DORA_REPOSITORIES` text.

    Raises:
        ValueError: a glob without a wildcard is no `owner/name`, or there is none; the message quotes nothing of it.
    """
    globs = listed(text)
    for glob in globs:
        owner, slash, name = glob.partition("/")
        if not is_pattern(glob) and not (owner and slash and name and "/" not in name):
            raise ValueError("a repository without a wildcard must be written owner/name")
    return globs


def listed(text: str) -> tuple[str, ...]:
    """Return the items of a comma-separated text, without the space around them; empty items do not count.

    Raises:
        ValueError: there is none.
    """
    items = tuple(item for item in (part.strip() for part in text.split(",")) if item)
    if not items:
        raise ValueError("the list names nothing")
    return items


def is_pattern(glob: str) -> bool:
    """Return whether the glob holds a wildcard; one that does not is a name."""
    return not _WILDCARDS.isdisjoint(glob)


def _matching(globs: Iterable[str]) -> Callable[[str], object]:
    """Return what matches a text against all globs at once: `fnmatch`'s own patterns, compiled once."""
    # Without globs nothing matches: an empty alternative would match the empty text.
    return re.compile("|".join(map(translate, globs)) or r"(?!)").match


def _unlisted(name: str, service: str = "") -> Environment:
    return Environment(name=name, label=name, service=service, listed=name == PRODUCTION)


def _fold(text: str) -> str:
    """Return the text in lower case, as long as before, so that places in one are places in the other."""
    if text.isascii():
        return text.lower()
    return "".join(lower if len(lower := character.lower()) == 1 else character for character in text)


def _ends(pattern: str, text: str) -> list[int]:
    """Return every n, ascending, such that the pattern fits exactly the first n characters of the text."""
    ends = [0]
    for piece in pattern:
        if piece == "*":
            ends = list(range(ends[0], len(text) + 1))
        else:
            ends = [end + 1 for end in ends if end < len(text) and text[end] == piece]
        if not ends:
            break
    return ends
