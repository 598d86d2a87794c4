"""Where an event's fields stand in what was sent: our form may come wrapped, or be put together from parts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from dora.adapters.events import fields
from dora.adapters.events.shapes import Event, read_event
from dora.domain.instant import Instant
from dora.ports import Invalid, Problem


@frozen
class Place:
    """A place in what was sent, to tell a problem with."""

    pointer: str = ""
    """JSON pointer into the body, as far as one leads."""
    what: str = ""
    """What is meant if no pointer leads there: a header, or JSON inside a text."""
    inner: str = ""
    """JSON pointer inside of that."""

    def below(self, pointer: str) -> Place:
        """Return the place to which the pointer leads from here."""
        if self.what:
            return Place(self.pointer, self.what, self.inner + pointer)
        return Place(self.pointer + pointer)

    def problem(self, detail: str) -> Problem:
        """Return the problem that something is wrong here."""
        if not self.what:
            return Problem(self.pointer, detail)
        where = f"{self.what} at {self.inner}" if self.inner else self.what
        return Problem(self.pointer, f"{where} {detail}")


_NOWHERE: Final[Mapping[str, Place]] = MappingProxyType({})


@frozen(kw_only=True)
class Unwrapped:
    """One event in our form, with the way back to what was sent."""

    form: dict[str, object] | None
    """The fields of our form; None: there is nothing to read them from."""
    at: Place
    """Where the form stands: the place of each field that is not elsewhere."""
    elsewhere: Mapping[str, Place] = _NOWHERE
    """Fields that stand somewhere else."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the wrapping."""
    told: frozenset[str] = frozenset()
    """Fields of which `problems` says all there is to say."""
    ignored: str | None = None
    """Why the event is of no interest, whatever else it says."""

    def read(self, *, received_at: Instant) -> Event:
        """Return the event.

        Raises:
            Invalid: it breaks rules: all of them, with pointers into what was sent.
        """
        problems = list(self.problems)
        if self.form is not None:
            try:
                event = read_event(self.form, received_at=received_at)
            except Invalid as invalid:
                problems += (self.as_sent(problem) for problem in invalid.problems if not self._is_told(problem))
            else:
                if not problems:
                    return event
        raise Invalid(*problems)

    def as_sent(self, problem: Problem) -> Problem:
        """Return a problem of the form as one of what was sent."""
        name, slash, rest = problem.pointer[1:].partition("/")
        place = self.elsewhere.get(name)
        if place is None:
            return self.at.below(problem.pointer).problem(problem.detail)
        return place.below(slash + rest).problem(problem.detail)

    def _is_told(self, problem: Problem) -> bool:
        return problem.pointer[1:].partition("/")[0] in self.told


def plain(item: object, at: Place) -> Unwrapped:
    """Return an event that is sent as it is."""
    if isinstance(item, dict):
        return Unwrapped(form=item, at=at)
    return Unwrapped(form=None, at=at, problems=(at.problem(fields.NO_OBJECT),))
