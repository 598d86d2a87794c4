"""Which deployments of a chain failed, and what ended the failures.

A deployment fails once, by the first evidence there is. Failed deployments in a row are one episode: it began with the
first of them, and ends with the next success, or earlier if somebody said so.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable

from dora.domain.chain import ChainState
from dora.domain.instant import Instant
from dora.domain.observations import Cause, ChangeFailed, Emit, OpenFailures, Recovered
from dora.domain.succession import Deployment, Failure, Key, deployment_of


def fail(  # noqa: PLR0913 - what failed, by which evidence, when, until when, and where to
    chain: ChainState,
    deployment: Deployment,
    cause: Cause,
    at: Instant,
    emit: Emit,
    *,
    ends: Iterable[Instant | None] = (),
) -> int | None:
    """Record the first evidence that a deployment failed; later evidence changes nothing.

    Args:
        chain: the deployment's chain.
        deployment: the one that failed.
        cause: the evidence.
        at: when the failure began.
        emit: takes the observations.
        ends: when it ended, as far as that is known already; the earliest counts.

    Returns:
        The failure's number; None if the deployment cannot fail (any more).
    """
    if deployment.failure is not None or not deployment.counted:
        return None
    number = deployment.failure = _open(chain, deployment, cause, at)
    emit(ChangeFailed(chain.labels, cause, deployment.exemplar()))
    emit(OpenFailures(chain.labels, chain.open_failures))
    known = [*ends, deployment.recovered_at]
    if cause is Cause.REPORTED:
        chain.reported[number] = None
        later = chain.succession(deployment.environment).first_success_after(at)
        known += [later[0] if later is not None and not any(end is not None for end in known) else None]
    _close_at_earliest(chain, number, known, emit)
    return number


def _open(chain: ChainState, deployment: Deployment, cause: Cause, at: Instant) -> int:
    number = chain.failed
    chain.failed += 1
    chain.failures[number] = Failure(
        cause=cause,
        environment=deployment.environment,
        deployment_id=deployment.id,
        sha=deployment.sha or "",
        opened_at=at,
    )
    chain.open_failures += 1
    return number


def close(chain: ChainState, number: int, at: Instant, emit: Emit) -> None:
    """End a failure if it is open."""
    failure = chain.failures.get(number)
    if failure is None or failure.closed_at is not None:
        return
    failure.closed_at = at
    chain.reported.pop(number, None)
    emit(Recovered(chain.labels, failure.cause, max(0, at - failure.opened_at), failure.exemplar()))
    chain.open_failures -= 1
    emit(OpenFailures(chain.labels, chain.open_failures))


def _close_at_earliest(chain: ChainState, number: int, ends: Iterable[Instant | None], emit: Emit) -> None:
    known = [end for end in ends if end is not None]
    if known:
        close(chain, number, min(known), emit)


def deployment_failed(chain: ChainState, deployment: Deployment, at: Instant, emit: Emit) -> None:
    """Take a failing status; failed deployments in a row are one episode."""
    if deployment.failure is not None:
        return
    place = (at, deployment.rank)
    succession = chain.succession(deployment.environment)
    row = succession.failing_row(place)
    insort(succession.failures, place)
    success = succession.next_success(place)
    episode = _episode(chain, row, at, ended=success is not None)
    if episode is None:
        fail(chain, deployment, Cause.DEPLOYMENT_FAILED, at, emit, ends=(success[0] if success else None,))
        return
    deployment.failure = episode
    failure = chain.failures[episode]
    if failure.closed_at is None and at < failure.opened_at:
        failure.opened_at = at
    emit(ChangeFailed(chain.labels, Cause.DEPLOYMENT_FAILED, deployment.exemplar()))
    _close_at_earliest(chain, episode, (deployment.recovered_at,), emit)


def _episode(chain: ChainState, row: list[Key], at: Instant, *, ended: bool) -> int | None:
    """Return the episode that a failing status at this time belongs to, if there is one."""
    numbers = [chain.deployments[deployment_of(place)].failure for place in row]
    known = [number for number in numbers if number is not None and number in chain.failures]
    for number in known:
        closed_at = chain.failures[number].closed_at
        # Ended by a mark and failed again later, with no success between: a new episode.
        if closed_at is None or ended or at < closed_at:
            return number
    return None


def end_by_success(chain: ChainState, deployment: Deployment, emit: Emit) -> None:
    """End what a success ends by itself: the failed deployments before it, and what was only reported."""
    place = deployment.place
    before, behind = chain.succession(deployment.environment).rows_around(place)
    for number in dict.fromkeys(chain.deployments[deployment_of(failed)].failure for failed in before):
        if number is None or number not in chain.failures or chain.failures[number].closed_at is not None:
            continue
        # A success that arrives late may part a row: those behind it go on failing.
        parted = [chain.deployments[deployment_of(failed)] for failed in behind]
        parted = [other for other in parted if other.failure == number]
        if parted:
            episode = _open(chain, parted[0], Cause.DEPLOYMENT_FAILED, parted[0].failed_at or 0)
            for other in parted:
                other.failure = episode
        close(chain, number, place[0], emit)
    for number in tuple(chain.reported):
        failure = chain.failures[number]
        if failure.environment == deployment.environment and failure.opened_at < place[0]:
            close(chain, number, place[0], emit)


def mark_failed(chain: ChainState, deployment_id: str, at: Instant, emit: Emit) -> None:
    """Take a report that a deployment failed."""
    deployment = chain.deployments.get(deployment_id)
    if deployment is None or deployment.found:
        chain.await_deployment(deployment_id).marked_at = at
    else:
        deployment.marked = True
        fail(chain, deployment, Cause.REPORTED, at, emit)


def recover(chain: ChainState, deployment_id: str, at: Instant, emit: Emit) -> None:
    """Take a report that a deployment's failure is over."""
    deployment = chain.deployments.get(deployment_id)
    if deployment is None or deployment.found:
        chain.await_deployment(deployment_id).recovered_at = at
    else:
        deployment.recovered_at = at
        if deployment.failure is not None:
            close(chain, deployment.failure, at, emit)
