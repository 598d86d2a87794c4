"""REST's part of a look-up: the commits between two, and whether a commit or a repository is there at all."""

from __future__ import annotations

import re
from collections import OrderedDict
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from attrs import define, field, frozen

from dora.adapters.github.requests import Ask, content
from dora.adapters.github.sessions import Session
from dora.domain.facts import Unknown
from dora.ports import Refused, Unavailable

_PAGE: Final = "100"
"""Most that GitHub gives at once."""
_ONLY_THE_SHA: Final = "application/vnd.github.sha"
_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)


class Relation(StrEnum):
    """How the head of a range stands to its base."""

    AHEAD = "ahead"
    BEHIND = "behind"
    DIVERGED = "diverged"
    IDENTICAL = "identical"


@frozen
class Range:
    """What is reachable from the head and not from the base."""

    shas: tuple[str, ...] = ()
    """Oldest first."""
    behind: bool = False
    """The head is a proper ancestor of the base."""


@frozen
class _Listed:
    sha: str


@frozen
class _Page:
    """A page of compare. Of the commits only the ids: their dates and parents come with their pull requests."""

    status: Relation
    total: int = field(alias="total_commits")
    commits: tuple[_Listed, ...]


@frozen
class _Remembered:
    etag: str
    page: _Page
    next: str | None


@define
class Ranges:
    """Asks REST about commits."""

    session: Session
    most_pages: int = 64
    """Pages kept for asking again at no cost: those of a few questions that were cut short by a limit."""
    _pages: OrderedDict[str, _Remembered] = field(factory=OrderedDict, init=False, repr=False)

    async def between(self, repository: str, base: str, head: str, *, most: int) -> Range | Unknown:
        """Return what is reachable from `head` and not from `base`.

        Every page is read (docs: rest/commits/commits#compare-two-commits): without paging GitHub leaves out the oldest
        commits of more than 250.

        Returns:
            The range; or `TOO_MANY_COMMITS` after the first page, if there are more than `most`; or `NOT_FOUND` if the
            head is not there, `HISTORY_REWRITTEN` if the base is not, or has nothing to do with the head.

        Raises:
            Refused: GitHub does not show the repository.
            Unavailable: no, or no whole answer.
        """
        url: str | None = self.session.addresses.of_repository(repository, "compare", f"{base}...{head}")
        url = f"{url}?per_page={_PAGE}"
        shas: list[str] = []
        total = 0
        behind = False
        while url is not None:
            page = await self._page(repository, url)
            if page is None:
                return await self._why_not(repository, head)
            total = page.page.total
            if total > most:
                return Unknown.TOO_MANY_COMMITS
            behind = page.page.status is Relation.BEHIND
            shas += [commit.sha for commit in page.page.commits]
            # A page of nothing that names a next one would lead nowhere, for ever.
            url = page.next if page.page.commits and len(shas) < total else None
        if len(shas) != total or len(set(shas)) != total:
            raise Unavailable("GitHub's pages of a range do not add up")
        return Range(shas=tuple(shas), behind=behind)

    async def full(self, repository: str, abbreviated: str) -> str | None:
        """Return the whole id of the commit; None if there is none, or several that begin so.

        Raises:
            Refused: GitHub does not show the repository.
            Unavailable: no, or no whole answer.
        """
        url = self.session.addresses.of_repository(repository, "commits", abbreviated)
        answer = await self.session.send(Ask(endpoint="commit", url=url, accept=_ONLY_THE_SHA), repository)
        if answer.status == HTTPStatus.OK:
            sha = answer.body.decode("ascii", errors="replace").strip()
            if _SHA.fullmatch(sha) is None:
                raise Unavailable("GitHub's answer is no commit id")
            # A branch or tag may be called like the beginning of a commit id; that is not what was deployed.
            return sha if sha.startswith(abbreviated) else None
        if answer.status == HTTPStatus.NOT_FOUND:
            await self._shown(repository)
        return None

    async def _page(self, repository: str, url: str) -> _Remembered | None:
        known = self._pages.get(url)
        ask = Ask(endpoint="compare", url=url, etag=None if known is None else known.etag)
        answer = await self.session.send(ask, repository)
        if answer.status == HTTPStatus.NOT_MODIFIED and known is not None:
            self._pages.move_to_end(url)
            return known
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        page = _Remembered(
            etag=answer.headers.get("etag", ""), page=content(answer, _Page), next=self.session.following(answer)
        )
        if page.etag:
            self._pages[url] = page
            self._pages.move_to_end(url)
            if len(self._pages) > self.most_pages:
                self._pages.popitem(last=False)
        return page

    async def _why_not(self, repository: str, head: str) -> Unknown:
        """Return what a range that does not exist lacks: its head, or its base (or any ancestor of both)."""
        return Unknown.NOT_FOUND if await self.full(repository, head) is None else Unknown.HISTORY_REWRITTEN

    async def _shown(self, repository: str) -> None:
        """Return if GitHub shows the repository: what it does not show answers 404 too.

        Raises:
            Refused: it does not.
        """
        url = self.session.addresses.of_repository(repository)
        answer = await self.session.send(Ask(endpoint="repository", url=url), repository)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise Refused("GitHub does not show the repository to the credentials (404)", permission="metadata=read")
        if answer.status != HTTPStatus.OK:
            raise Unavailable(f"GitHub answered {answer.status}")
