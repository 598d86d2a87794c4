"""What the ledger proves of a deployment: from pushes, merged pull requests and reported merges together."""

from __future__ import annotations

from attrs import evolve

from dora.domain import ancestry
from dora.domain.ancestry import Contained, Gap, Span
from dora.domain.chain import ChainState
from dora.domain.changes import Reading
from dora.domain.ledger import FULL_SHA, Ledger
from dora.domain.succession import Deployment
from dora.domain.unmeasured import Measurement


def full_sha(ledger: Ledger, chain: ChainState, deployment: Deployment) -> str | None:
    """Return a deployment's full SHA; None if the abbreviated one is unknown or ambiguous."""
    abbreviated = deployment.sha or ""
    if len(abbreviated) in FULL_SHA or chain.successes_of(abbreviated) > 1:
        return abbreviated
    known = ledger.beginning_with(abbreviated) | chain.deployed_beginning_with(abbreviated, but=deployment)
    return known.pop() if len(known) == 1 else None


def between(reading: Reading, chain: ChainState, measurement: Measurement) -> Span | Gap:
    """Return what the deployment adds to its base: proven by pushes, or by the line of reported merges."""
    ledger, base, head = reading.ledger, measurement.base or "", measurement.sha
    span = ancestry.between(ledger, reading.is_merge, base=base, head=head)
    line = ledger.reported_until(head)
    if isinstance(span, Span) or not line:
        return span
    before = frozenset(ledger.reported_until(base))
    rest = tuple(sha for sha in line if sha not in before)
    if before or all(_is_new(ledger, chain, measurement, sha) for sha in rest):
        return Span(commits=rest, behind=not rest)
    return span


def _is_new(ledger: Ledger, chain: ChainState, measurement: Measurement, sha: str) -> bool:
    """Return whether a reported merge cannot have been in a base that the line does not hold."""
    newer = measurement.base_at is not None and ledger.reported[sha].merged_at > measurement.base_at
    return newer or sha in chain.shipped


def contained(reading: Reading, sha: str) -> Contained:
    """Return what a commit certainly contains of all that was seen landing."""
    ledger = reading.ledger
    known = ancestry.contained(ledger, reading.is_merge, head=sha)
    merged = (sha,) if sha in ledger.merge_commits else ()
    return evolve(known, commits=tuple(dict.fromkeys((*known.commits, *ledger.reported_until(sha), *merged))))


def certain(ledger: Ledger, chain: ChainState, measurement: Measurement) -> tuple[str, ...]:
    """Return what needs no range: a pull request whose merge commit was deployed; reported merges since the base.

    Not if the base is the merge of a later pull request: then this is rather a step back, and old work no news.
    """
    merged = [ledger.pull_requests[number] for number in ledger.merge_commits.get(measurement.sha, ())]
    later = [ledger.pull_requests[number].merged_at for number in ledger.merge_commits.get(measurement.base or "", ())]
    found = [sha for sha in ledger.reported_until(measurement.sha) if _is_new(ledger, chain, measurement, sha)]
    if merged and not (later and max(later) >= max(one.merged_at for one in merged)):
        found.append(measurement.sha)
    return tuple(dict.fromkeys(found))


def is_delivery_missing(ledger: Ledger, sha: str) -> bool:
    """Return whether the push that brought a commit has evidently not arrived (yet).

    In a repository that has sent nothing that landed, nothing is missing; a commit that a push started from existed
    before the service knew the repository.
    """
    return not (ledger.empty or ledger.knows(sha) or sha in ledger.befores)
