"""A service that runs: whether it takes events, refuses forged ones, and is the one that the settings describe."""

from __future__ import annotations

import hashlib
import hmac
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import httpx
from attrs import define, field, frozen

from dora.domain.instant import instant, seconds
from dora.findings import Finding, Level
from dora.ports import Malformed
from dora.wire import parse, structure

if TYPE_CHECKING:
    from collections.abc import Callable

    from dora.domain.instant import Instant
    from dora.settings import Settings

AREA: Final = "service"

_SECONDS: Final = 10.0
"""As long as GitHub waits for an answer."""
_DRIFT: Final = 30.0
# A ping counts nothing and names no repository: genuine, and without effect.
_PING: Final = b'{"zen": "dora check"}'
_TOLD: Final = 200
"""Characters of a problem's own words that are shown."""
_DELIVERIES: Final = "/webhooks/github"


@frozen
class _Info:
    version: str


@frozen
class _Description:
    info: _Info


@frozen
class _Problem:
    detail: str


@define(kw_only=True)
class Visit:
    """One visit to a running service."""

    client: httpx.AsyncClient
    """With the service's address as its base."""
    subject: str
    """The address, fit to be shown."""
    settings: Settings
    version: str
    clock: Callable[[], Instant]
    findings: list[Finding] = field(factory=list, init=False)

    async def run(self) -> list[Finding]:
        """Return what was found."""
        try:
            await self._life()
            await self._version()
            await self._forgeries()
            await self._metrics()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = f"It is not reached ({type(error).__name__})."
            self._tell(Level.ERROR, text, "Does it run, is the address right, and is its certificate known here?")
        return self.findings

    async def _life(self) -> None:
        alive = await self.client.get("/healthz")
        if alive.status_code != httpx.codes.OK:
            text = f"/healthz answers {alive.status_code}."
            self._tell(Level.ERROR, text, "Is it this service that answers, and not something before it?")
        self._clock(alive)
        ready = await self.client.get("/readyz")
        if ready.status_code == httpx.codes.OK:
            self._tell(Level.OK, "It lives, and accepts events.")
            return
        self._tell(
            Level.ERROR,
            f"It does not accept events: /readyz answers {ready.status_code}, {_detail(ready)}",
            "Its log tells why; the state may be held by another process, or not be writable.",
        )

    def _clock(self, answer: httpx.Response) -> None:
        try:
            sent = instant(parsedate_to_datetime(answer.headers.get("date", "")))
        except ValueError:
            return
        drift = seconds(self.clock() - sent)
        if abs(drift) > _DRIFT:
            text = f"Its clock and this machine's differ by {abs(drift):,.0f} s."
            self._tell(Level.WARNING, text, "Let both keep time by NTP.")

    async def _version(self) -> None:
        answer = await self.client.get("/openapi.json")
        try:
            found = structure(parse(answer.content), _Description).info.version
        except Malformed:
            self._tell(Level.ERROR, "It does not describe itself at /openapi.json.", "Is it this service that answers?")
            return
        if found == self.version:
            self._tell(Level.OK, f"It is version {found}.")
        else:
            self._tell(
                Level.WARNING,
                f"It is version {found[:40]}, and this command is {self.version}.",
                "Check with the version that runs: its settings may mean something else.",
            )

    async def _forgeries(self) -> None:
        """See that what is not signed is refused, and that what is signed with the secret of the settings is not."""
        for kind, header in (("An unsigned", {}), ("A wrongly signed", _signature(b"\0", _PING))):
            answer = await self._deliver(header)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                self._tell(Level.OK, f"{kind} delivery is refused.")
            else:
                text = f"{kind} delivery is answered with {answer.status_code}, and should be with 401."
                self._tell(Level.ERROR, text, "Is it this service that answers at /webhooks/github?")
                return
        answer = await self._deliver(_signature(self.settings.webhook_secrets[0], _PING))
        if answer.is_success:
            self._tell(Level.OK, "A delivery signed with WEBHOOK_SECRET is taken.")
        elif answer.status_code == httpx.codes.UNAUTHORIZED:
            text = "It has another secret than WEBHOOK_SECRET here."
            self._tell(Level.ERROR, text, "Run the check with the service's own settings, or restart the service.")
        else:
            text = f"A signed delivery is answered with {answer.status_code}: {_detail(answer)}"
            self._tell(Level.ERROR, text, "Its log tells why.")

    async def _deliver(self, signature: dict[str, str]) -> httpx.Response:
        headers = {"Content-Type": "application/json", "X-GitHub-Event": "ping", **signature}
        return await self.client.post(_DELIVERIES, content=_PING, headers=headers)

    async def _metrics(self) -> None:
        token = self.settings.metrics_token
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = await self.client.head("/metrics", headers=headers)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            text = "/metrics wants another token than DORA_METRICS_TOKEN here."
            self._tell(Level.ERROR, text, "Run the check with the service's own settings.")
        elif not answer.is_success:
            self._tell(Level.ERROR, f"/metrics answers {answer.status_code}.", "Its log tells why.")
        elif token is not None and (await self.client.head("/metrics")).is_success:
            text = "/metrics is readable without the token of DORA_METRICS_TOKEN."
            self._tell(Level.ERROR, text, "Restart the service with the settings that are checked here.")
        else:
            self._tell(Level.OK, "/metrics can be read" + (" with its token alone." if token else "."))

    def _tell(self, level: Level, found: str, remedy: str = "") -> None:
        self.findings.append(Finding(level, AREA, self.subject, found, remedy))


def _signature(secret: bytes, body: bytes) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()}


def _detail(answer: httpx.Response) -> str:
    """Return what a problem says."""
    try:
        return structure(parse(answer.content), _Problem).detail[:_TOLD]
    except Malformed:
        return "without a word."


def connect(url: str) -> httpx.AsyncClient:
    """Return a client for a service at an address. What runs on this machine is reached without a proxy."""
    local = httpx.URL(url).host in {"localhost", "127.0.0.1", "::1"}
    return httpx.AsyncClient(base_url=url, timeout=_SECONDS, follow_redirects=False, trust_env=not local)
