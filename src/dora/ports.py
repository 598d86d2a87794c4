"""The four ports of the core: promises in prose, kept by every adapter and proven by one contract suite each.

Between rooms travel domain values. The errors that may cross a port are here too; no other may.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol, TypeAlias

from attrs import frozen

from dora.domain.facts import ChangesFound, Fact
from dora.domain.instant import Instant
from dora.domain.observations import Observation
from dora.domain.questions import ChangesSought


class DoraError(Exception):
    """The root of every error of this project."""


class Unavailable(DoraError):
    """Cannot be done now; doing the same again later may succeed, and is safe."""


class StateDamaged(DoraError):
    """The stored history cannot be read; the message names the place. A human must decide."""


class StateTaken(DoraError):
    """Another process owns the state. This one must not write any more."""


class Unauthenticated(DoraError):
    """The sender did not prove who it is. The text says why and quotes nothing that was sent."""


class Forbidden(DoraError):
    """The sender is known and may not do this."""


@frozen
class Problem:
    """One thing wrong with what was sent."""

    pointer: str
    """Where: a JSON pointer (RFC 6901) into the body, `""` for the whole."""
    detail: str
    """What, without the value."""


class Malformed(DoraError):
    """The bytes cannot be read as what they should be; all problems at once."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{problem.pointer or 'body'}: {problem.detail}" for problem in problems))
        self.problems = problems


class Invalid(Malformed):
    """The bytes are JSON, and the event they describe breaks a rule."""


Entry: TypeAlias = tuple[Fact, ...]
"""Facts that came in together and are kept or lost together."""


class CommitLookup(Protocol):
    """Answers what the core cannot know from the facts it has seen.

    - An answer is about the question's deployment and is complete: either `unknown` is None and everything asked for is
      there, or `unknown` says why not and the rest is whatever is certain all the same.
    - A failure that may pass (no answer, a limit, half an answer) raises `Unavailable`, after whatever patience the
      adapter has; it is never an answer. Asking again is safe.
    - A refusal that waiting does not change is an answer (`Unknown.GITHUB_REFUSED`, `Unknown.NOT_FOUND`).
    - Questions may be asked concurrently.
    """

    async def changes(self, question: ChangesSought) -> ChangesFound:
        """Return the answer.

        Raises:
            Unavailable: no answer now.
        """
        ...


class MetricSink(Protocol):
    """Records observations.

    - `record` is called once per applied fact, in the order of application, from one thread, and does not fail: by the
      time an observation is made, the fact is in the journal.
    - A reader of the sink sees all observations of one call or none.
    - `at` is when the fact was received: the birth time of whatever series it registers.
    """

    def record(self, observations: Iterable[Observation], *, at: Instant) -> None:
        """Record what one fact led to."""
        ...


class Journal(Protocol):
    """Keeps entries in one order, for ever or as long as it says.

    - `append` returns only when every entry given will be replayed after any crash from now on. If it raises
      `Unavailable`, none or any prefix of the entries may turn up in a later replay: sending them again must be safe,
      and the core makes it so.
    - An entry is atomic: replay yields all of its facts or none.
    - `replay` yields what was appended, in order, once, before the first `append`.
    - After `StateTaken` nothing more is written, ever.
    - `close` releases what is held; entries whose `append` returned are safe without it.
    """

    def replay(self) -> AsyncIterator[Entry]:
        """Yield every entry kept.

        Raises:
            StateDamaged: the history cannot be read.
            Unavailable: the state cannot be reached.
        """
        ...

    async def append(self, entries: Sequence[Entry]) -> None:
        """Keep the entries, in order.

        Raises:
            Unavailable: cannot be written now.
            StateTaken: another process writes this state.
        """
        ...

    async def close(self) -> None:
        """Release what is held."""
        ...


class EventSource(Protocol):
    """Something that brings facts by itself (a receiver brings them when called, and needs no port).

    `run` hands entries to `receive` until it is cancelled. `receive` returns when the facts are kept and counted, and
    raises `Unavailable` if they could not be: then the source offers them again.
    """

    async def run(self) -> None:
        """Bring facts until cancelled."""
        ...
