"""The events that came in, counted: the one family of the process's own that grows with the repositories.

prometheus-client makes a family in one go. With thousands of repositories nobody would be answered meanwhile for half a
second, so this one's lines are made here, byte for byte the client's, and some hundred at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from attrs import Factory, define

from dora.adapters.prometheus.families import go_float
from dora.adapters.prometheus.state import escaped
from dora.adapters.prometheus.text import number

Labels: TypeAlias = tuple[str, str, str, str]
"""Outcome, repository, source and type: the order in which the client writes them."""

NAME: Final = "dora_events"
HELP: Final = (
    "Genuine events of watched repositories, by what became of them: counted (a DORA number stepped or its look-up "
    "began), stored (kept for later), duplicate, ignored."
)

AT_ONCE: Final = 500
"""Series of which a step makes the lines: a millisecond's work."""


@define(eq=False)
class Events:
    """How often each kind of event came."""

    _clock: Callable[[], float] = time.time
    """Seconds since the epoch."""
    _counts: dict[Labels, int] = Factory(dict)
    _created: dict[Labels, float] = Factory(dict)

    def count(self, *, repository: str, source: str, type_: str, outcome: str) -> None:
        """Count an event."""
        labels = outcome, repository, source, type_
        if labels in self._counts:
            self._counts[labels] += 1
        else:
            self._counts[labels] = 1
            self._created[labels] = self._clock()

    def text(self, *, openmetrics: bool) -> Iterator[str]:
        """Return the family as it is now, in steps."""
        return self._text(tuple(self._counts.items()), openmetrics=openmetrics)

    def _text(self, counts: tuple[tuple[Labels, int], ...], *, openmetrics: bool) -> Iterator[str]:
        described = NAME if openmetrics else f"{NAME}_total"
        yield f"# HELP {described} {HELP}\n# TYPE {described} counter\n"
        for start in range(0, len(counts), AT_ONCE):
            lines: list[str] = []
            for labels, count in counts[start : start + AT_ONCE]:
                outcome, repository, source, type_ = map(escaped, labels)
                inner = f'{{outcome="{outcome}",repository="{repository}",source="{source}",type="{type_}"}}'
                lines.append(f"{NAME}_total{inner} {number(count)}\n")
                if openmetrics:
                    lines.append(f"{NAME}_created{inner} {go_float(self._created[labels])}\n")
            yield "".join(lines)
