"""Judging a batch before any of it is applied."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import Factory, define

from dora.domain.core import Core, Limits
from dora.domain.facts import Fact
from dora.domain.outcome import Ignored, Outcome, Status
from dora.observer.inbox import Submission
from dora.ports import Entry, Invalid, Problem


@define
class Admission:
    """Judges a batch before any of it is applied: limits and idempotency keys hold among its members too."""

    core: Core
    limits: Limits
    limited: bool = False
    """Something of the batch is ignored because of a limit."""
    _repositories: set[str] = Factory(set)
    _environments: dict[str, set[tuple[str, str]]] = Factory(dict)
    _keys: dict[tuple[str, str], str] = Factory(dict)

    def admit(self, batch: Sequence[Submission]) -> list[Entry]:
        """Return what must be written; submissions that break a rule are answered already."""
        kept: list[Entry] = []
        for submission in batch:
            if submission.answered.done():  # the sender has gone: nothing was written for it, nothing is lost
                continue
            problems = self.key_problems(submission.entry)
            if problems:
                submission.answered.set_exception(Invalid(*problems))
                continue
            judged = submission.judged = tuple([self.judge(fact) for fact in submission.entry])
            if judged and not any(judged):  # all of it matters, as is usual
                kept.append(submission.entry)
                continue
            self.limited = self.limited or any(known is not None and known.reason == Ignored.LIMIT for known in judged)
            entry = tuple([fact for fact, known in zip(submission.entry, judged, strict=True) if known is None])
            if entry:
                kept.append(entry)
        return kept

    def key_problems(self, entry: Entry) -> list[Problem]:
        """Return a problem for each key that stands for other content; else take the keys as used."""
        used: dict[tuple[str, str], str] = {}
        problems = []
        for index, fact in enumerate(entry):
            key = getattr(fact, "key", None)
            if key is None:
                continue
            name = (key.client, key.key)
            digest = used.get(name) or self._keys.get(name) or self.core.key_digest(*name)
            if digest is not None and digest != key.digest:
                problems.append(Problem(f"/{index}/id", "this idempotency key was used with other content"))
            used.setdefault(name, key.digest)
        if not problems:
            self._keys.update(used)
        return problems

    def judge(self, fact: Fact) -> Outcome | None:
        """Return what becomes of a fact that changes nothing, counting what the batch itself will register."""
        judged = self.core.judge(fact, self.limits)
        if judged is not None and judged.reason != Ignored.LIMIT:
            return judged
        state = self.core.find(fact.repository)
        name = (fact.repository if state is None else state).name.lower()
        environment = getattr(fact, "environment", None)
        pair = None if environment is None else (environment.label, environment.service)
        if judged is not None:  # unless the batch itself has made room for it
            return None if pair is not None and pair in self._environments.get(name, ()) else judged
        if state is None and name not in self._repositories:
            if len(self.core.repositories) + len(self._repositories) >= self.limits.repositories:
                return Outcome(Status.IGNORED, Ignored.LIMIT)
            self._repositories.add(name)
        if environment is None or pair is None or (state is not None and state.find(environment) is not None):
            return None
        fresh = self._environments.setdefault(name, set())
        known = len(state.chains) if state is not None else 0
        if pair not in fresh and not environment.listed and known + len(fresh) >= self.limits.environments:
            return Outcome(Status.IGNORED, Ignored.LIMIT)
        fresh.add(pair)
        return None
