"""Requests made in somebody's name: the right token for the repository, and another try when it has just run out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from attrs import frozen

from dora.adapters.github import graphql
from dora.adapters.github.addresses import Addresses
from dora.adapters.github.credentials import Credential
from dora.adapters.github.queries import variables_of
from dora.adapters.github.requests import Answer, Ask, Rejected, Requests, Token
from dora.ports import Unavailable

T = TypeVar("T")


@frozen
class Session:
    """Sends requests about repositories with the credential's tokens."""

    requests: Requests
    credential: Credential

    @property
    def addresses(self) -> Addresses:
        """Where GitHub is."""
        return self.requests.addresses

    async def send(self, ask: Ask, repository: str) -> Answer:
        """Return the answer; see `Requests.send` for the errors."""
        return (await self._send(ask, repository))[0]

    async def query(  # noqa: PLR0913 - what is asked, of whom, and how it is counted
        self,
        document: str,
        variables: Mapping[str, object],
        shape: type[T],
        *,
        endpoint: str,
        repository: str,
        background: bool = False,
    ) -> T:
        """Return the `repository` that answers a GraphQL document.

        Raises:
            Unavailable: as of `Requests.send` and `graphql.result`.
        """
        body = graphql.request(document, variables_of(repository, variables))
        ask = Ask(endpoint=endpoint, url=self.addresses.graphql, resource="graphql", body=body, background=background)
        answer, token = await self._send(ask, repository)
        try:
            return graphql.result(answer, shape)
        except graphql.Limited:
            raise token.budget.limited(answer.headers, now=self.requests.clock()) from None

    def following(self, answer: Answer) -> str | None:
        """Return the address of the next page, if there is one.

        Raises:
            Unavailable: it is on another host.
        """
        if answer.next is None:
            return None
        url = self.addresses.follow(answer.next, base=answer.url)
        if url is None:
            raise Unavailable("GitHub's next page is on another host; the token stays here")
        return url

    async def _send(self, ask: Ask, repository: str) -> tuple[Answer, Token]:
        token = await self.credential.token(repository)
        try:
            return await self.requests.send(ask, token), token
        except Rejected:
            if not await self.credential.rejected(repository, token):
                raise
        token = await self.credential.token(repository)
        return await self.requests.send(ask, token), token
