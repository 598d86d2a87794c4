"""GitHub's lists of what happened in a repository, its deployments and its pull requests, newest first.

They are asked for in the background: half of each limit is left to look-ups, and what is unchanged since it was last
asked for costs nothing of it (`ETag`; docs: rest/using-the-rest-api/best-practices-for-using-the-rest-api).
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from attrs import field, frozen

from dora.adapters.github import payloads, queries
from dora.adapters.github.requests import Answer, Ask, content
from dora.adapters.github.sessions import Session
from dora.ports import Malformed, Refused
from dora.wire import Maybe, Moment, structure

T = TypeVar("T")

_SIZES: Final[Mapping[str, int]] = MappingProxyType({"deployments": 100, "pulls": 50})
"""Rows of a page: as many deployments as one query tells the statuses of; a pull request's row is twenty kilobytes."""


@frozen
class Here:
    """The repository that answers to a name today."""

    id: payloads.Id
    full_name: payloads.FullName
    default_branch: Maybe[str] = None


@frozen
class ListedDeployment:
    """A row of the deployments. What became of it is told by its statuses alone (hard case 3)."""

    id: payloads.DeploymentId
    node_id: str
    sha: payloads.Sha
    environment: str
    created_at: Moment
    transient: Maybe[bool] = field(default=None, alias="transient_environment")


@frozen
class ListedPullRequest:
    """A row of the closed pull requests. It is merged if it has a `merged_at`; how many commits it has is not told."""

    number: payloads.Id
    created_at: Moment
    updated_at: Moment
    base: payloads.Base
    merged_at: Moment | None = None
    merge_commit_sha: Maybe[payloads.Sha] = None
    head: Maybe[payloads.Head] = None
    labels: payloads.Labels = None


@frozen
class Page(Generic[T]):
    """A page of a list."""

    rows: tuple[T, ...]
    next: str | None
    etag: str | None


@frozen
class Listings:
    """Asks for the lists."""

    session: Session

    async def repository(self, name: str, etag: str | None) -> Page[Here] | None:
        """Return the repository that answers to the name, alone on its page; None if it is the tag's.

        Raises:
            Refused: GitHub does not show it.
            Unavailable: no, or no whole answer.
        """
        url = self.session.addresses.of_repository(name)
        answer = await self._get(name, url, "repository", etag)
        return None if answer is None else Page((content(answer, Here),), None, answer.headers.get("etag"))

    def first(self, name: str, kind: str, query: str = "") -> str:
        """Return the address of a list's first page.

        Args:
            name: The repository.
            kind: `deployments` or `pulls`.
            query: What else to ask for, behind an `&`.
        """
        return f"{self.session.addresses.of_repository(name, kind)}?per_page={_SIZES[kind]}{query}"

    async def page(self, name: str, url: str, kind: str, row: type[T], etag: str | None = None) -> Page[T] | None:
        """Return a page of a list, without rows that cannot be read; None if it is the tag's.

        Raises:
            Refused: GitHub does not show it.
            Unavailable: no, or no whole answer.
        """
        answer = await self._get(name, url, kind, etag)
        if answer is None:
            return None
        rows = []
        for raw in content(answer, tuple[object, ...]):
            try:
                rows.append(structure(raw, row))
            except Malformed:
                continue  # one that no delivery could tell of either
        return Page(tuple(rows), self.session.following(answer), answer.headers.get("etag"))

    async def histories(self, name: str, after: str | None) -> queries.DeploymentPage:
        """Return the statuses of a page of deployments: those of the list's page in the same place.

        Raises:
            Refused: GitHub does not show them.
            Unavailable: no, or no whole answer.
        """
        variables = {"environments": None, "after": after}
        found = await self.session.query(
            queries.DEPLOYMENTS,
            variables,
            queries.Deployments,
            endpoint="deployments",
            repository=name,
            background=True,
        )
        return found.deployments

    async def _get(self, name: str, url: str, endpoint: str, etag: str | None) -> Answer | None:
        answer = await self.session.send(Ask(endpoint=endpoint, url=url, etag=etag, background=True), name)
        if answer.status == HTTPStatus.NOT_MODIFIED and etag is not None:
            return None
        if answer.status == HTTPStatus.NOT_FOUND:
            raise Refused("GitHub does not show the repository to the credentials (404)", permission="metadata=read")
        return answer
