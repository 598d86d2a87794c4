"""What a service that lost its state measures from then on: it begins where GitHub says its environments are."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import Factory, define

from dora.domain.facts import DeploymentFinished, Fact, Result
from dora.domain.instant import Instant
from dora.domain.observations import Chain
from tests.contract.served import Served
from tests.unit.domain.graph import Commits, Merged, Node
from tests.unit.domain.series import Series, observe, of, register_chain, settled, step
from tests.unit.domain.truth import chain_of, changes_in, first_commit


@define
class _ChainAnew:
    contained: Commits = 0
    """All that is deployed, as far as the service has learnt of deployments."""
    bases: dict[str, Node] = Factory(dict)
    """What each environment name has deployed."""


def truth_anew(served: Served, facts: Sequence[Fact]) -> Series:
    """Return what is deployed and measured by these last facts of a history, told to a service that knows no others.

    Every environment had a deployment before. A change is observed at the first deployment that contains it, of those
    that the service knows: told ones, and the one before each environment's first that was told.
    """
    series: Series = {}
    chains: dict[Chain, _ChainAnew] = {}
    for fact in facts:
        if not isinstance(fact, DeploymentFinished):
            continue
        chain = chain_of(fact, served.history)
        assert chain is not None
        if chain not in chains:
            register_chain(series, chain)
        anew = chains.setdefault(chain, _ChainAnew())
        step(series, of("deployments", chain, fact.result))
        if fact.result is Result.SUCCESS:
            _succeeded(served, anew, chain, fact, series)
    return settled(series)


def _succeeded(served: Served, anew: _ChainAnew, chain: Chain, fact: DeploymentFinished, series: Series) -> None:
    assert fact.sha is not None
    name, node = fact.environment.name, served.history.graph.by_sha[fact.sha]
    base = anew.bases.get(name) or last_deployed(served, name, before=fact.at)
    anew.contained |= base.reach
    for change in changes_in(served.history, node.reach & ~anew.contained, at=fact.at, tip=node):
        landed = change.merged_at if isinstance(change, Merged) else change.committed_at
        observe(series, of("lead_time", chain), max(0, fact.at - landed))
        authored = first_commit(served.history, change)
        if authored is not None:
            observe(series, of("commit_lead_time", chain), max(0, fact.at - authored))
    anew.bases[name] = node
    anew.contained |= node.reach


def last_deployed(served: Served, name: str, *, before: Instant) -> Node:
    """Return what the environment had deployed then."""
    successes = [
        fact
        for fact in served.history.happened
        if isinstance(fact, DeploymentFinished)
        and fact.result is Result.SUCCESS
        and fact.environment.name == name
        and fact.at < before
    ]
    if successes:
        return served.history.graph.by_sha[successes[-1].sha or ""]
    return next(earlier.node for earlier in served.earlier if earlier.environment == name)


def in_line(served: Served, facts: Sequence[Fact]) -> bool:
    """Say whether what was deployed before the service knew it, and what is told, lie on one line in each chain.

    GitHub is asked for what each environment had, and compared with that. What lies beside it (a branch, or history
    that was forced away) is not known to have been deployed; a deployment that brings it again may observe it.
    """
    nodes: dict[Chain, list[Node]] = {}
    told: set[str] = set()
    for fact in facts:
        if not isinstance(fact, DeploymentFinished) or fact.result is not Result.SUCCESS or fact.sha is None:
            continue
        chain, name = chain_of(fact, served.history), fact.environment.name
        assert chain is not None
        known = nodes.setdefault(chain, [])
        if name not in told:
            told.add(name)
            known.append(last_deployed(served, name, before=fact.at))
        known.append(served.history.graph.by_sha[fact.sha])
    return all(
        one.reach & other.reach in (one.reach, other.reach)
        for known in nodes.values()
        for one in known
        for other in known
    )
