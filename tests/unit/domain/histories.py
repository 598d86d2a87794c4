"""Random histories of one repository, with Git's own semantics: what happened, and what GitHub would have sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from attrs import Factory, define, frozen

from dora.domain.facts import (
    CommitsPushed,
    DeploymentFinished,
    DeploymentMarkedFailed,
    DeploymentRecovered,
    DeploymentStarted,
    Environment,
    EnvironmentSeen,
    Fact,
    IncidentOpened,
    IncidentResolved,
    Kind,
    PullRequestMerged,
    Repository,
    RepositorySeen,
    Result,
    SentChange,
)
from dora.domain.instant import MICROSECONDS, Instant
from tests.unit.domain.choices import Choices
from tests.unit.domain.graph import Commits, Graph, Merged, Node, pushed
from tests.unit.domain.truth import REPOSITORY

START: Instant = 1_790_000_000 * MICROSECONDS
HOUR = 3600 * MICROSECONDS
REPO = Repository(REPOSITORY, 42)

PRODUCTION = Environment("production", "production", "", listed=True)
STAGING = Environment("staging", "staging")
US = Environment("prod-us", "production", "", listed=True)
EU = Environment("prod-eu", "production", "", listed=True)
API = Environment("api-prod", "production", "api", listed=True)
WEB = Environment("web-prod", "production", "web", listed=True)
TOOLS = Environment("tools", "tools")
"""Its deployments come with their changes."""

PLENTY = 1000
"""A limit of commits that no history reaches."""

Role: TypeAlias = Literal["success", "status", "incident", "push", "merge", "noise"]


@frozen
class Event:
    """Something that happened, with what is needed to deliver it in an order that changes no number."""

    fact: Fact
    role: Role
    chain: tuple[str, str] | None = None
    deployment: str | None = None
    """The deployment that it is about."""
    node: Node | None = None
    """The deployed or the merge commit."""
    claims: Commits = 0
    """The commits of a merged pull request."""


@define
class Branch:
    """An open branch with a pull request to come."""

    name: str
    tip: Node
    born: Instant
    provable: bool
    """True if the pushes alone tell what it contains."""
    announced: bool
    """True if its pushes are delivered at all (a fork's are not)."""


@define
class Success:
    """A success the generator remembers, to choose later facts by."""

    id: str
    environment: Environment
    node: Node


@define
class ChainSoFar:
    """What has happened in a chain, as far as later choices need it."""

    successes: list[Success] = Factory(list)
    contained: Commits = 0
    attempts: list[str] = Factory(list)
    """Failed and not succeeded since."""
    evident: dict[str, str] = Factory(dict)
    """Deployments with an own evidence of failure, and which."""
    sent: int = 0


@define
class World:
    """A repository and its organisation, one step after another."""

    choose: Choices
    rewrites: bool = False
    """True if the tracked branch may be forced to commits that no push proves."""
    lookups: bool = False
    graph: Graph = Factory(Graph)
    events: list[Event] = Factory(list)
    merged: list[Merged] = Factory(list)
    branches: list[Branch] = Factory(list)
    chains: dict[tuple[str, str], ChainSoFar] = Factory(dict)
    incidents: list[IncidentOpened] = Factory(list)
    """Open, and the first evidence against their deployment."""
    deployable: list[Node] = Factory(list)
    """Commits of the tracked branch whose content the pushes prove, oldest first."""
    now: Instant = START
    serial: int = 0
    main: Node = Factory(lambda self: self._prehistory(), takes_self=True)
    unseen: Commits = 0
    author_dates: bool = True
    environments: tuple[Environment, ...] = (PRODUCTION,)
    proven: bool = True
    """False while the tracked branch stands on commits that no push proves."""

    def _prehistory(self) -> Node:
        oldest = self.graph.commit(committed_at=START - 900 * HOUR)
        return self.graph.commit(oldest, committed_at=START - 800 * HOUR)

    def live(self) -> None:
        """Let things happen until the choices are used up."""
        self.unseen = self.main.reach
        self.deployable.append(self.main)
        self.author_dates = not self.choose.chance(12)
        self.environments = self.choose.weighted(
            (
                (4, (PRODUCTION,)),
                (3, (PRODUCTION, STAGING)),
                (3, (US, EU)),
                (2, (API, WEB)),
                (2, (US, EU, STAGING, TOOLS)),
            )
        )
        steps: tuple[tuple[int, Callable[[], None]], ...] = (
            (30, self._deploy),
            (14, self._merge_pull_request),
            (10, self._push_directly),
            (10, self._open_branch),
            (6, self._grow_branch),
            (3, self._update_branch),
            (3, self._stack),
            (4, self._merge_by_hand),
            (4, self._merge_special),
            (3, self._force_back),
            (7, self._fail_attempt),
            (4, self._retry_attempt),
            (4, self._fail_later),
            (7, self._open_incident),
            (6, self._resolve_incident),
            (4, self._mark),
            (3, self._recover),
            (3, self._noise),
        )
        if self.rewrites:
            steps = (*steps, (4, self._rewrite))
        self._push_directly()
        while not self.choose.exhausted:
            self._pass_time()
            self.choose.weighted(steps)()

    # Time and commits

    def _pass_time(self) -> None:
        self.now += (1 + self.choose.below(200)) * self.choose.pick((1, 60, 600)) * MICROSECONDS + 1_000

    def _next(self) -> int:
        self.serial += 1
        return self.serial

    def _commit(self, *parents: Node, merge: bool = False) -> Node:
        """Make a commit on somebody's machine, where clocks are wrong and work is old."""
        skew = self.choose.weighted(((8, -1), (2, -24 * 90), (1, 30)))
        committed = self.now + skew * HOUR
        authored = committed - self.choose.pick((0, 1, 50, 2400, -3)) * HOUR
        return self.graph.commit(*parents, committed_at=committed, authored_at=authored, merge_subject=merge)

    def _commits(self, base: Node) -> list[Node]:
        made = [self._commit(base)]
        for _ in range(self.choose.below(3)):
            made.append(self._commit(made[-1]))
        return made

    # Pushes

    def _push(self, branch: str, before: Node | None, after: Node, *, forced: bool = False) -> None:
        listed = self.graph.range(before, after) if before else ()
        fact = CommitsPushed(
            repository=REPO,
            received_at=self.now,
            branch=branch,
            tracked=branch == "main",
            before=before.sha if before else None,
            after=after.sha,
            forced=forced,
            commits=tuple(pushed(node, author_dates=self.author_dates) for node in listed),
        )
        self.events.append(Event(fact=fact, role="push"))

    def _advance(self, tip: Node, *, merge: Callable[[], None] | None = None, told: int | None = 0) -> None:
        """Push to the tracked branch; `told` is how many commits a merged pull request says it has."""
        listed = self.graph.range(self.main, tip)
        if merge and self.choose.chance(50):
            merge()
            self._push("main", self.main, tip)
        else:
            self._push("main", self.main, tip)
            if merge:
                merge()
        # Who is not told the number cannot tell the last of a rebase's commits from a merge commit.
        straight = told is not None and all(len(node.parents) == 1 for node in listed)
        if self.proven:
            self.deployable += listed if straight else [tip]
        self.main = tip

    def _push_directly(self) -> None:
        commits = self._commits(self.main)
        if self.choose.chance(10):
            side = self._commit(self.main)
            commits.append(self._commit(commits[-1], side, merge=True))
        self._advance(commits[-1])

    def _force_back(self) -> None:
        """Take commits off the tracked branch, or move it to a branch that the pushes prove."""
        known = [node for node in self.deployable[-6:] if node is not self.main]
        known += [branch.tip for branch in self.branches if branch.provable]
        if not known or not self.proven:
            return
        target = self.choose.pick(known)
        if target.contains(self.main):
            return
        self._push("main", self.main, target, forced=True)
        self.main = target
        if target not in self.deployable:
            self.deployable.append(target)

    def _rewrite(self) -> None:
        """Force the tracked branch to commits made elsewhere: no push proves what they stand on."""
        commits = self._commits(self.choose.pick(self.deployable[-4:]))
        self._push("main", self.main, commits[-1], forced=True)
        self.main = commits[-1]
        self.proven = False
        self.deployable.append(self.main)

    # Branches

    def _open_branch(self) -> None:
        name = f"feature-{self._next()}"
        kind = self.choose.weighted(((5, "proven"), (2, "at once"), (1, "fork")))
        provable = kind == "proven" and self.proven
        branch = Branch(name, self.main, self.now, provable=provable, announced=kind != "fork")
        if kind == "proven":
            self._push(name, None, self.main)
        elif kind == "at once":
            # GitHub lists new commits here too; that a created branch proves nothing is the point.
            tip = self._commits(self.main)[-1]
            self._push(name, None, tip)
            branch.tip = tip
        self.branches.append(branch)
        self._grow(branch)

    def _grow(self, branch: Branch) -> None:
        before = branch.tip
        branch.tip = self._commits(before)[-1]
        if branch.announced:
            self._push(branch.name, before, branch.tip)

    def _grow_branch(self) -> None:
        if not self.branches:
            return
        branch = self.choose.pick(self.branches)
        if self.choose.chance(15):
            # Rewritten on its owner's machine.
            base = branch.tip.parents[0]
            before, branch.tip, branch.provable = branch.tip, self._commit(base), False
            if branch.announced:
                self._push(branch.name, before, branch.tip, forced=True)
            return
        self._grow(branch)

    def _join(self, branch: Branch, other: Node) -> None:
        before = branch.tip
        branch.tip = self._commit(before, other, merge=True)
        if branch.announced:
            self._push(branch.name, before, branch.tip)

    def _update_branch(self) -> None:
        """Merge the tracked branch into a branch."""
        if self.branches:
            branch = self.choose.pick(self.branches)
            if not branch.tip.contains(self.main):
                self._join(branch, self.main)

    def _stack(self) -> None:
        """Merge a pull request into an untracked branch."""
        if len(self.branches) > 1:
            upper = self.branches.pop(self.choose.below(len(self.branches)))
            lower = self.choose.pick(self.branches)
            if not lower.tip.contains(upper.tip):
                self._join(lower, upper.tip)

    def _merge_by_hand(self) -> None:
        if not self.branches:
            return
        branch = self.branches.pop(self.choose.below(len(self.branches)))
        ours = self._commits(self.main)[-1] if self.choose.chance(30) else self.main
        if not ours.contains(branch.tip):
            self._advance(self._commit(ours, branch.tip, merge=True))

    # Pull requests

    def _merge_pull_request(self) -> None:
        if not self.branches:
            self._open_branch()
            self._pass_time()
        branch = self.branches.pop(self.choose.below(len(self.branches)))
        self._land(branch, hotfix=self.choose.chance(12), reverts=None)

    def _merge_special(self) -> None:
        """Merge a hotfix, or a revert of a pull request that may be deployed, waiting or unknown."""
        branch = Branch(f"revert-{self._next()}", self.main, self.now, provable=False, announced=False)
        self._grow(branch)
        self._pass_time()
        numbers = [merged.number for merged in self.merged]
        reverts = self.choose.pick([*reversed(numbers), 9999]) if self.choose.chance(75) else None
        self._land(branch, hotfix=reverts is None or self.choose.chance(10), reverts=reverts)

    def _land(self, branch: Branch, *, hotfix: bool, reverts: int | None) -> None:
        own = self.graph.range(self.main, branch.tip)
        if not own:
            return
        way = self.choose.pick(("squash", "merge", "rebase"))
        copied = _copied(own)
        if way == "merge":
            subject = not self.choose.chance(25)
            tip = self.graph.commit(self.main, branch.tip, committed_at=self.now, merge_subject=subject)
        elif way == "rebase" and copied:
            tip = self.main
            for node in copied:
                tip = self.graph.commit(tip, committed_at=self.now, authored_at=node.authored_at)
        else:
            tip = self.graph.commit(self.main, committed_at=self.now)
        merged = Merged(
            number=self._next(),
            created_at=branch.born,
            merged_at=self.now,
            merge_commit=tip,
            own=own,
            landed=tip.reach & ~self.main.reach,
            told_commits=None if self.choose.chance(8) else len(own),
            hotfix=hotfix,
            reverts=reverts,
        )
        self.merged.append(merged)
        self._advance(tip, merge=lambda: self._tell_merge(merged), told=merged.told_commits)

    def _tell_merge(self, merged: Merged) -> None:
        fact = PullRequestMerged(
            repository=REPO,
            received_at=self.now,
            number=merged.number,
            created_at=merged.created_at,
            merged_at=merged.merged_at,
            merge_commit=merged.merge_commit.sha,
            commits=merged.told_commits,
            hotfix=merged.hotfix,
            reverts=merged.reverts,
        )
        self.events.append(Event(fact=fact, role="merge", node=merged.merge_commit, claims=merged.claims))

    # Deployments

    def _chain(self, environment: Environment) -> ChainSoFar:
        return self.chains.setdefault((environment.label, environment.service), ChainSoFar())

    def _commit_to_deploy(self, chain: ChainSoFar) -> Node:
        way = self.choose.weighted(
            ((10, "tip"), (3, "recent"), (3, "again"), (3, "back"), (2, "branch"), (1, "anything"))
        )
        if way == "recent":
            return self.choose.pick(self.deployable[-4:][::-1])
        if way == "again" and chain.successes:
            return chain.successes[-1].node
        if way == "back" and chain.successes:
            return self.choose.pick(chain.successes[-5:][::-1]).node
        if way == "branch":
            tips = [branch.tip for branch in self.branches if branch.provable]
            return self.choose.pick(tips) if tips else self.deployable[-1]
        if way == "anything":
            return self.choose.pick(self.deployable)
        return self.main if self.main in self.deployable else self.deployable[-1]

    def _deploy(self) -> None:
        environment = self.choose.pick(self.environments)
        chain = self._chain(environment)
        self._succeed(environment, chain, str(1000 + self._next()))

    def _succeed(self, environment: Environment, chain: ChainSoFar, deployment_id: str) -> None:
        node = self._commit_to_deploy(chain)
        changes = self._sent_changes(chain) if environment is TOOLS and not self.lookups else None
        fact = DeploymentFinished(
            repository=REPO,
            received_at=self.now,
            environment=environment,
            deployment_id=deployment_id,
            result=Result.SUCCESS,
            at=self.now,
            sha=node.sha,
            lookups=self.lookups,
            max_commits=self._limit(environment, chain, node),
            changes=changes,
            kind=self.choose.pick(tuple(Kind)) if self.choose.chance(8) else None,
            fixes=self.choose.pick(chain.successes).id if chain.successes and self.choose.chance(6) else None,
        )
        self._tell(fact, "success", node=node)
        if self.choose.chance(8):
            self._pass_time()
            self._started(environment, deployment_id)
        chain.successes.append(Success(deployment_id, environment, node))
        chain.contained |= node.reach

    def _limit(self, environment: Environment, chain: ChainSoFar, node: Node) -> int:
        """Return a low limit now and then, where all of the range is new to the chain."""
        if not chain.successes or self.lookups or not self.choose.chance(5):
            return PLENTY
        here = [success for success in chain.successes if success.environment == environment]
        base = (here or chain.successes)[-1].node
        span = node.reach & ~base.reach
        return 2 if span == node.reach & ~chain.contained else PLENTY

    def _sent_changes(self, chain: ChainSoFar) -> tuple[SentChange, ...]:
        changes = []
        for _ in range(self.choose.below(3)):
            chain.sent += 1
            merged_at = self.now - HOUR if self.choose.chance(70) else None
            committed_at = self.now - 5 * HOUR if self.choose.chance(70) else None
            changes.append(SentChange(f"CH-{chain.sent}", merged_at=merged_at, committed_at=committed_at))
        return tuple(changes)

    def _fail(self, environment: Environment, deployment_id: str, node: Node) -> None:
        fact = DeploymentFinished(
            repository=REPO,
            received_at=self.now,
            environment=environment,
            deployment_id=deployment_id,
            result=Result.FAILURE,
            at=self.now,
            sha=node.sha,
            lookups=self.lookups,
        )
        self._tell(fact, "status")

    def _fail_attempt(self) -> None:
        environment = self.choose.pick(self.environments)
        chain = self._chain(environment)
        deployment_id = str(1000 + self._next())
        self._fail(environment, deployment_id, self.main)
        chain.attempts.append(f"{environment.name} {deployment_id}")
        chain.evident[deployment_id] = "status"

    def _retry_attempt(self) -> None:
        """Let a failed deployment succeed after all."""
        chain = self._chain(self.choose.pick(self.environments))
        if chain.attempts:
            name, _, deployment_id = chain.attempts.pop().partition(" ")
            environment = next(environment for environment in self.environments if environment.name == name)
            self._succeed(environment, chain, deployment_id)

    def _fail_later(self) -> None:
        """Let a success be followed by a failure of the same deployment."""
        chain = self._chain(self.choose.pick(self.environments))
        late = [success for success in chain.successes[-3:] if chain.evident.get(success.id) != "status"]
        if late:
            success = self.choose.pick(late[::-1])
            self._fail(success.environment, success.id, success.node)
            chain.evident[success.id] = "status"

    def _tell(self, fact: Fact, role: Role, *, node: Node | None = None) -> None:
        environment: Environment = getattr(fact, "environment")  # noqa: B009 - a Fact need not have one
        deployment: str = getattr(fact, "deployment_id")  # noqa: B009 - the same
        key = (environment.label, environment.service)
        self.events.append(Event(fact=fact, role=role, chain=key, deployment=deployment, node=node))

    # Incidents and marks

    def _open_incident(self) -> None:
        environment = self.choose.pick(self.environments)
        key = (environment.label, environment.service)
        chain = self._chain(environment)
        if not chain.successes:
            return
        named = self.choose.pick(chain.successes[-3:][::-1]) if self.choose.chance(40) else None
        culprit = named or chain.successes[-1]
        production = {(one.label, one.service) for one in self.environments if one.label == "production"}
        issue = named is None and production == {key} and self.choose.chance(50)
        fact = IncidentOpened(
            repository=REPO,
            received_at=self.now,
            incident_id=f"I{self._next()}",
            at=self.now,
            environment=None if issue else environment,
            deployment_id=named.id if named else None,
        )
        self.events.append(Event(fact=fact, role="incident", chain=key, deployment=culprit.id))
        if culprit.id not in chain.evident:
            chain.evident[culprit.id] = "incident"
            self.incidents.append(fact)

    def _resolve_incident(self) -> None:
        if not self.incidents:
            return
        opened = self.incidents.pop(self.choose.below(len(self.incidents)))
        event = next(event for event in self.events if event.fact is opened)
        fact = IncidentResolved(
            repository=REPO,
            received_at=self.now,
            incident_id=opened.incident_id,
            at=self.now,
            environment=opened.environment,
            deployment_id=opened.deployment_id,
        )
        self.events.append(Event(fact=fact, role="incident", chain=event.chain, deployment=event.deployment))

    def _mark(self) -> None:
        environment = self.choose.pick(self.environments)
        chain = self._chain(environment)
        if chain.successes:
            success = self.choose.pick(chain.successes[-3:][::-1])
            fact = DeploymentMarkedFailed(
                repository=REPO,
                received_at=self.now,
                environment=success.environment,
                deployment_id=success.id,
                at=self.now,
            )
            self._tell(fact, "status")
            chain.evident.setdefault(success.id, "mark")

    def _recover(self) -> None:
        environment = self.choose.pick(self.environments)
        chain = self._chain(environment)
        failed = [success for success in chain.successes if chain.evident.get(success.id) in {"incident", "mark"}]
        if failed:
            success = self.choose.pick(failed[::-1])
            fact = DeploymentRecovered(
                repository=REPO,
                received_at=self.now,
                environment=success.environment,
                deployment_id=success.id,
                at=self.now,
            )
            self._tell(fact, "status")

    def _started(self, environment: Environment, deployment_id: str) -> None:
        fact = DeploymentStarted(
            repository=REPO, received_at=self.now, environment=environment, deployment_id=deployment_id, at=self.now
        )
        self._tell(fact, "status")

    def _noise(self) -> None:
        if self.choose.chance(50):
            self.events.append(Event(fact=RepositorySeen(repository=REPO, received_at=self.now), role="noise"))
            return
        environment = self.choose.pick(self.environments)
        fact = EnvironmentSeen(repository=REPO, received_at=self.now, environment=environment)
        self.events.append(Event(fact=fact, role="noise"))


def _copied(own: tuple[Node, ...]) -> list[Node]:
    """Return what a rebase takes over: merge commits stay behind."""
    return [node for node in own if len(node.parents) == 1]
