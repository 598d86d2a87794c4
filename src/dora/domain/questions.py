"""Questions: what the core cannot know from the facts it has seen."""

from __future__ import annotations

from attrs import frozen

from dora.domain.facts import Environment, Repository
from dora.domain.instant import Instant


@frozen(kw_only=True)
class ChangesSought:
    """Which changes did this successful deployment bring to its chain?

    Three forms, answered by one `dora.domain.facts.ChangesFound` each:

    - `commits` is a tuple: the range is known. Wanted are the pull requests (and parents) of exactly these commits, and
      the first author dates of `pull_requests`. Either may be empty, not both.
    - `commits` is None and `find_predecessor` is false: wanted is everything reachable from `sha` and not from `base`,
      with pull requests and first author dates.
    - `find_predecessor` is true: wanted is first the latest deployment to the environment *name* that succeeded before
      this one; then the range from its commit, or, if there is none, from `base`; or, if that is None too, nothing but
      the pull request whose merge commit is `sha`.
    """

    repository: Repository
    environment: Environment
    deployment_id: str
    sha: str
    succeeded_at: Instant
    max_commits: int
    base: str | None = None
    find_predecessor: bool = False
    commits: tuple[str, ...] | None = None
    pull_requests: tuple[int, ...] = ()
