"""A success whose changes are open: all that its measuring has to remember between two facts."""

from __future__ import annotations

from enum import StrEnum

from attrs import Factory, define

from dora.domain.changes import Needed
from dora.domain.facts import Environment, Repository
from dora.domain.instant import Instant
from dora.domain.observations import Exemplar
from dora.domain.questions import ChangesSought
from dora.domain.succession import Key, key


class Asked(StrEnum):
    """What GitHub was asked about a deployment."""

    PREDECESSOR = "predecessor"
    RANGE = "range"
    DETAILS = "details"


@define(kw_only=True)
class Measurement:
    """A success whose changes are not (all) observed yet."""

    deployment_id: str
    environment: Environment
    sha: str
    succeeded_at: Instant
    counted: bool
    lookups: bool
    max_commits: int
    base: str | None
    """The commit deployed before; None: this is the chain's first deployment, as far as is known."""
    base_at: Instant | None
    before: str | None
    """The predecessor: the one to blame."""
    fresh: bool
    """The commit never succeeded before under this environment name."""
    find_predecessor: bool
    only: frozenset[str] | None = None
    """The changes are among these: the chain had the others before the service knew it. None: any may be."""
    asked: Asked | None = None
    """What the question that is out is about."""
    question: ChangesSought | None = None
    answered: bool = False
    """GitHub told all it knows of the commits now known."""
    missing: frozenset[str] = frozenset()
    """Commits whose arrival in the ledger may change what is known."""
    observed: bool = False
    """Some change of it was observed."""
    undated: set[str] = Factory(set)
    """Changes observed of which the first commit was not known yet: a late push may tell."""
    settled: bool = False
    """Observed or counted as unknown already; until the chain's next success a late delivery may add to it."""
    known: bool = False
    """Its changes are known otherwise; open is only whether it goes back behind its base."""

    @property
    def place(self) -> Key:
        """Where the deployment stands among the chain's successes."""
        return key(self.succeeded_at, self.deployment_id)

    def exemplar(self) -> Exemplar:
        """Return what an observation of its changes names."""
        return Exemplar(deployment_id=self.deployment_id, sha=self.sha)

    def put(self, asked: Asked, needed: Needed | None, repository: Repository) -> ChangesSought:
        """Return a question about the deployment, which is out from now on."""
        self.asked = asked
        self.question = ChangesSought(
            repository=repository,
            environment=self.environment,
            deployment_id=self.deployment_id,
            sha=self.sha,
            succeeded_at=self.succeeded_at,
            max_commits=self.max_commits,
            base=self.base,
            find_predecessor=asked is Asked.PREDECESSOR,
            commits=needed.commits if needed else None,
            pull_requests=needed.pull_requests if needed else (),
        )
        return self.question

    def take_as_known(self) -> None:
        """Leave open only whether the deployment goes back."""
        self.known = True
        # Without a predecessor of this environment name GitHub is asked for one: it may be known to have gone back.
        may_go_back = self.fresh and (self.before is not None or self.find_predecessor)
        self.lookups = self.lookups and may_go_back
        self.settled = not self.lookups
