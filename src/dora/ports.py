"""The four ports of the core: promises in prose, kept by every adapter and proven by one contract suite each.

Between rooms travel domain values. The errors that may cross a port are here too; no other may.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol, TypeAlias

from attrs import frozen

from dora.domain.facts import ChangesFound, Fact
from dora.domain.instant import Duration, Instant
from dora.domain.observations import Observation
from dora.domain.questions import ChangesSought


class DoraError(Exception):
    """The root of every error of this project."""


class Unavailable(DoraError):
    """Cannot be done now; doing the same again later may succeed, and is safe."""

    def __init__(self, text: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        """Seconds to wait, as the other side asked; None if it asked for nothing."""


class Refused(Unavailable):
    """The other side says no: a permission, a credential, a repository that it does not show.

    It is certain when it is still so a minute later. Until then it is `Unavailable` like any other.
    """

    def __init__(self, text: str, *, permission: str = "") -> None:
        super().__init__(text)
        self.permission = permission
        """What is missing, in the other side's words (`contents=read`); empty if it did not tell."""


class StateDamaged(DoraError):
    """The stored history cannot be read; the message names the place. A human must decide."""


class StateTaken(DoraError):
    """Another process owns the state, or went on without this one. This one must not write any more; a restart may."""


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
    - What is certain is an answer: a commit that is gone, too many of them. A refusal raises `Refused`; whoever asks
      takes it as an answer (`Unknown.GITHUB_REFUSED`) when it still stands a minute later.
    - Questions may be asked concurrently.
    """

    async def changes(self, question: ChangesSought) -> ChangesFound:
        """Return the answer.

        Raises:
            Refused: GitHub says no; certain if it says so again a minute later.
            Unavailable: no answer now; `retry_after` if GitHub said when.
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


@frozen
class Snapshot:
    """The whole state of the core and of the sink after the entry numbered `position`; opaque to a journal."""

    position: int
    """Number of the last entry that the state includes, as `Journal.position` told it."""
    version: int
    """Version of the state's own format, for its owner."""
    parts: Iterable[bytes]
    """The state as its owner wrote it: JSON texts without line breaks, in order, of any size.

    They can be gone through as often as wanted; a journal may unpack each only when it is asked for.
    """


class Journal(Protocol):
    """One log of entries, numbered from 1 without a gap, and the newest snapshot.

    The log is the truth: who uses it applies what the log holds, in the log's order, whoever appended it. Its life:
    `open`, `replay` to the end, then `append` as often as wanted, then `close`. One `append` at a time; `snapshot`,
    `claim` and `release` may run beside it.

    - `append` returns only when the entries will be replayed after any crash from now on. It returns the entries that
      stand in the log between what the caller knew and those given: of other processes that share the log, and
      of the caller's own earlier calls that raised `Unavailable` although their entries came through. The caller
      applies the returned ones, then the given ones. `append(())` only asks, appends nothing, and raises `Unavailable`
      if entries could not be written now: it is how others' entries are fetched and how healing is noticed.
      After `Unavailable` the caller asks so until nothing is returned, before it offers entries again.
    - If `append` raises `Unavailable`, none or all of the entries may be in the log, now or in a moment: a later
      `append` returns them if they are. Sending the same facts again is safe, the core makes it so.
    - An entry is atomic: it is replayed with all of its facts or not at all.
    - `replay` yields every entry behind the snapshot that `open` returned, in order, each once.
    - `snapshot` is atomic: a later `open` returns it whole, or the one before. Only then are entries deleted, and only
      such as it includes. A snapshot older than the newest is dropped without an error.
    - Damage is refused at `open` or in `replay`, loudly and with the place; nothing is silently emptied or skipped.
      An entry cut short by a crash was never acknowledged and is no damage.
    - After `StateTaken` or `StateDamaged` this process writes nothing more, ever: every later call raises it again.
    - `close` releases what is held and never raises for what was already broken; entries whose `append` returned are
      safe without it.
    """

    @property
    def pace(self) -> Duration:
        """The time that should lie between the starts of two appends of entries (group commit); 0: none.

        The journal waits for the rest of it by itself; who gathers entries meanwhile has them kept sooner.
        """
        ...

    @property
    def gathering(self) -> Duration:
        """How long an entry may wait for those that are just coming in, to be appended with them; 0: not at all.

        It is worth it where an append costs the same for many entries as for one. The caller waits, not the journal.
        """
        ...

    @property
    def poll(self) -> Duration | None:
        """How often to ask for the entries of others by `append(())`; None: there are no others."""
        ...

    @property
    def position(self) -> int:
        """Number of the last entry handed over: by `open` (the snapshot's), `replay` or `append` (given, returned)."""
        ...

    async def open(self) -> Snapshot | None:
        """Take the state over and return its newest snapshot, if there is one.

        Raises:
            Unavailable: the state cannot be reached or written now; calling again is safe.
            StateTaken: another process holds it.
            StateDamaged: it cannot be read.
        """
        ...

    def replay(self) -> AsyncIterator[Entry]:
        """Yield every entry behind the snapshot.

        Raises:
            Unavailable: the state cannot be read now; what is left out is returned by the first `append`.
            StateDamaged: the history cannot be read.
        """
        ...

    async def append(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Keep the entries, in order; return what stands in the log before them and was not handed over yet.

        Raises:
            Unavailable: cannot be written now.
            StateTaken: another process has taken the state over, or gone on too far without this one.
            StateDamaged: the log is shorter than, or other than, what was handed over.
        """
        ...

    async def snapshot(self, snapshot: Snapshot) -> None:
        """Keep the snapshot instead of earlier ones and delete entries that it includes.

        Raises:
            Unavailable: not kept; the earlier one stands.
            StateTaken: another process has taken the state over.
        """
        ...

    async def claim(self, name: str, *, lease: Duration) -> bool:
        """Return whether this process alone, of those that share the log, may do what the name stands for.

        The claim lasts until the lease has passed, and is renewed by claiming again. It saves work, it guards nothing:
        what is done twice must be harmless. Always true where nobody shares the log.

        Raises:
            Unavailable: nobody can tell now.
        """
        ...

    async def release(self, name: str) -> None:
        """Give a claim back early, if it is still held. Never raises: leases run out."""
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
