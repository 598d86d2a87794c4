"""The deployment before this one, from GitHub's deployments and the history of their statuses."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from dora.adapters.github import queries
from dora.adapters.github.sessions import Session
from dora.domain.facts import Predecessor
from dora.domain.instant import Instant
from dora.domain.questions import ChangesSought
from dora.domain.succession import key
from dora.ports import Unavailable

_MOST_PAGES: Final = 50
"""Pages of 100 deployments searched for a success; if all of them failed, there is no predecessor."""
_SUCCESS: Final = "SUCCESS"
_INACTIVE: Final = "INACTIVE"
_ONCE_SUCCESSFUL: Final = frozenset({"ACTIVE", "SUCCESS", "INACTIVE", "DESTROYED"})
"""Current states that follow a success: only deployments that succeeded are made inactive by their successors."""


@frozen
class Predecessors:
    """Asks GraphQL for an environment's deployments."""

    session: Session

    async def before(self, question: ChangesSought) -> Predecessor | None:
        """Return the latest deployment to the environment that succeeded before the question's; None if there is none.

        Pages are read from the newest deployment on, as long as none of them holds an earlier success. Deployments
        come by the time they were made: one that succeeded a hundred deployments after it was made can be missed.

        Raises:
            Refused: GitHub does not show the repository, or its deployments.
            Unavailable: no, or no whole answer.
        """
        after: str | None = None
        for _ in range(_MOST_PAGES):
            found = await self.session.query(
                queries.DEPLOYMENTS,
                {"environments": [question.environment.name], "after": after},
                queries.Deployments,
                endpoint="deployments",
                repository=question.repository.name,
            )
            page = found.deployments
            earlier = [
                known
                for deployment in page.nodes or ()
                if deployment is not None and (known := _earlier(deployment, question)) is not None
            ]
            if earlier:
                return max(earlier, key=lambda known: key(known.succeeded_at, known.deployment_id))
            if not page.page.more:
                return None
            if page.page.end is None:
                raise Unavailable("GitHub's answer names a next page and does not say which")
            after = page.page.end
        return None


def _earlier(deployment: queries.Deployment, question: ChangesSought) -> Predecessor | None:
    """Return the deployment as a predecessor of the question's, if it succeeded before that."""
    at = _succeeded_at(deployment, question.environment.name)
    if at is None:
        return None
    own = str(deployment.database_id) if deployment.database_id is not None else deployment.id
    if own == question.deployment_id or key(at, own) >= key(question.succeeded_at, question.deployment_id):
        return None
    return Predecessor(deployment_id=own, sha=deployment.sha.lower(), succeeded_at=at)


def _succeeded_at(deployment: queries.Deployment, environment: str) -> Instant | None:
    """Return when the deployment first succeeded in the environment; None if it never did.

    Statuses go after 90 days, all but the current state (docs: rest/deployments/statuses, data retention): one whose
    history says nothing any more, and whose state can only follow a success, succeeded by its last update.
    """
    statuses = () if deployment.statuses is None else deployment.statuses.nodes or ()
    history = [status for status in statuses if status is not None]
    successes = [
        status.created_at
        for status in history
        if status.state == _SUCCESS
        # GitHub's environments differ by more than case; a status may be for another one than its deployment.
        and (status.environment or environment).casefold() == environment.casefold()
    ]
    if successes:
        return min(successes)
    expired = all(status.state == _INACTIVE for status in history)
    return deployment.updated_at if expired and deployment.state in _ONCE_SUCCESSFUL else None
