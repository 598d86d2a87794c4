"""Looks at GitHub's side: whether it is reached, its clock, who asks, what may be read, and whether webhooks lead here.

Nothing is changed there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Final, TypeVar

import httpx
import orjson
from attrs import define, field, frozen

from dora.adapters.github import access, hooks
from dora.adapters.github.app import App
from dora.adapters.github.credentials import Credential
from dora.adapters.github.hooks import Hook
from dora.adapters.github.limits import sent_at
from dora.adapters.github.requests import Answer, Ask, Rejected, Requests
from dora.adapters.github.sessions import Session
from dora.domain.instant import seconds
from dora.findings import Finding, Level
from dora.ports import Malformed, Refused, Unavailable
from dora.wire import structure

T = TypeVar("T")

AREA: Final = access.AREA
CLOCK: Final = "clock"

_DRIFT: Final = 30.0
"""Seconds by which a clock may be wrong without a warning; a GitHub App's assertions allow for 60."""
_ASTRAY: Final = 300.0
"""Seconds beyond which pushed events are refused as being in the future (contract of `POST /api/event`)."""
_PAGE: Final = "?per_page=100"
_MOST_PAGES: Final = 10
_READ: Final = frozenset({"read", "write", "admin"})
_NEEDED: Final = {"contents": "Contents", "pull_requests": "Pull requests", "deployments": "Deployments"}
_SEE: Final = (
    "To have webhooks checked, let the token see them: Webhooks read (fine-grained, or a GitHub App), "
    "admin:repo_hook or read:repo_hook (classic)."
)


@frozen
class _Installed:
    events: tuple[str, ...] = ()
    permissions: dict[str, object] = field(factory=dict)


@define
class _Sources:
    """The webhooks of one place, if they may be seen."""

    visible: bool
    found: tuple[Hook, ...] = ()


@define(kw_only=True)
class Audit:
    """One look at GitHub's side. `tell` is told what is being looked at, for whoever waits."""

    requests: Requests
    credential: Credential | None
    """None: the service has none, and no more is looked at than whether GitHub is reached."""
    variable: str = "GITHUB_TOKEN"
    """Where the credential comes from."""
    tell: Callable[[str], None] = lambda _: None
    _organisations: dict[str, _Sources] = field(factory=dict, init=False)

    async def run(self, repositories: Sequence[str]) -> list[Finding]:
        """Return what was found."""
        findings = await self._reach()
        if self.credential is None or findings[0].level is not Level.OK:
            return findings
        try:
            app = await self._app(findings)
            session = Session(self.requests, self.credential)
            told = False
            for name in repositories:
                self.tell(f"{name} at GitHub")
                told = await self._repository(session, name, app, findings, told=told)
        except Rejected:
            text = "GitHub does not take these credentials (401)."
            remedy = "Has the token expired, or was it revoked? For an App: do its id and key belong together?"
            findings.append(Finding(Level.ERROR, AREA, self.variable, text, remedy))
        return findings

    async def _reach(self) -> list[Finding]:
        """Ask for anything, as nobody: whatever the answer, it came from GitHub and tells its time."""
        address = self.requests.addresses.rest
        self.tell(f"{address}")
        began = self.requests.clock()
        try:
            response = await self.requests.client.get(address, headers={"Accept": "application/json"})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            grave = Level.UNKNOWN if self.credential is None else Level.ERROR
            text = f"GitHub is not reached ({type(error).__name__})."
            remedy = "Is GITHUB_API_URL right? Are proxy, DNS and certificates (SSL_CERT_FILE) set up here?"
            return [Finding(grave, AREA, address, text, remedy)]
        ended = self.requests.clock()
        reached = Finding(Level.OK, AREA, address, "GitHub is reached.")
        sent = sent_at(response.headers)
        if sent is None:
            text = "GitHub's answer does not tell its time."
            return [reached, Finding(Level.UNKNOWN, CLOCK, "this machine", text, "Does a proxy take it out?")]
        # The time told is cut to whole seconds, and was taken somewhere between question and answer.
        early, late = seconds(began - sent) - 1, seconds(ended - sent)
        drift = early if early > 0 else min(late, 0.0)
        return [reached, _clock(drift)]

    async def _repository(
        self, session: Session, name: str, app: _Sources | None, findings: list[Finding], *, told: bool
    ) -> bool:
        """Look at one repository; return whether the token itself has been told about."""
        try:
            seen, found = await access.repository(session, name)
            findings += found
            if seen is None:
                return told
            if not told:
                findings += access.token(seen.answer, self.variable, now=self.requests.clock())
            findings += await access.permissions(session, name)
            await self._hooks(session, seen, name, app, findings)
        except Rejected:
            raise
        except Unavailable as unavailable:
            findings.append(access.unanswered(AREA, name, unavailable))
            return told
        return True

    # Webhooks.

    async def _hooks(
        self, session: Session, seen: access.Seen, name: str, app: _Sources | None, findings: list[Finding]
    ) -> None:
        own = await self._sent(session, session.addresses.of_repository(name, "hooks"), name, place=name)
        findings += _judged(own.found, self.requests)
        known, sources = [*own.found], [own]
        if seen.organisation:
            if seen.owner not in self._organisations:
                self.tell(f"webhooks of {seen.owner}")
                url = f"{session.addresses.rest}/orgs/{seen.owner}/hooks"
                theirs = await self._sent(session, url, name, place=f"organisation {seen.owner}")
                self._organisations[seen.owner] = theirs
                findings += _judged(theirs.found, self.requests)
            sources.append(self._organisations[seen.owner])
            known += sources[-1].found
        if app is not None:
            sources.append(app)
            known += app.found
        if known:
            findings += hooks.events(name, known)
        elif all(source.visible for source in sources):
            text = f"No webhook leads here: none has an address that ends in {hooks.PATH}."
            remedy = "Add one, of the repository or the organisation; the service's own page tells how."
            findings.append(Finding(Level.ERROR, hooks.AREA, name, text, remedy))
        else:
            text = "Of the webhooks that may be seen none leads here; not all may be seen."
            findings.append(Finding(Level.UNKNOWN, hooks.AREA, name, text, _SEE))

    async def _sent(self, session: Session, url: str, name: str, *, place: str) -> _Sources:
        """Return the webhooks of a repository or organisation that lead here."""
        try:
            listed = await self._listed(session, f"{url}{_PAGE}", name)
        except Rejected:
            raise
        except Refused:
            listed = None
        if listed is None:
            return _Sources(visible=False)
        return _Sources(
            visible=True,
            found=tuple(
                [
                    Hook(
                        place=place,
                        config=one.config,
                        events=frozenset(one.events),
                        active=one.active,
                        last=one.last_response,
                        deliveries=await self._deliveries(session, f"{url}/{one.id}/deliveries", name),
                    )
                    for one in listed
                    if hooks.leads_here(one.config)
                ]
            ),
        )

    async def _listed(self, session: Session, first: str, name: str) -> list[hooks.SentHook] | None:
        """Return all webhooks, page by page; None if they are not shown."""
        found: list[hooks.SentHook] = []
        url = first
        for _ in range(_MOST_PAGES):
            answer = await session.send(Ask(endpoint="hooks", url=url), name)
            if answer.status != HTTPStatus.OK:
                return None
            found += _read_all(answer, hooks.SentHook)
            following = None if answer.next is None else session.addresses.follow(answer.next, base=answer.url)
            if following is None:
                break
            url = following
        return found

    async def _deliveries(self, session: Session, url: str, name: str) -> tuple[hooks.Delivery, ...] | None:
        try:
            answer = await session.send(Ask(endpoint="deliveries", url=f"{url}{_PAGE}"), name)
        except Rejected:
            raise
        except Refused:
            return None
        return _read_all(answer, hooks.Delivery) if answer.status == HTTPStatus.OK else None

    async def _app(self, findings: list[Finding]) -> _Sources | None:
        """Look at the App itself, if the credential is one; return its webhook."""
        app = self.credential
        if not isinstance(app, App):
            return None
        self.tell("the GitHub App")
        rest = self.requests.addresses.rest
        try:
            registered = _read(await app.send(Ask(endpoint="app", url=f"{rest}/app")), _Installed)
            findings += _granted(registered, self.variable)
            config = _read(await app.send(Ask(endpoint="hooks", url=f"{rest}/app/hook/config")), hooks.Config)
            if not hooks.leads_here(config):
                return _Sources(visible=True)
            answer = await app.send(Ask(endpoint="deliveries", url=f"{rest}/app/hook/deliveries{_PAGE}"))
            delivered = _read_all(answer, hooks.Delivery) if answer.status == HTTPStatus.OK else None
        except Rejected:
            raise
        except Unavailable as unavailable:
            findings.append(access.unanswered(AREA, self.variable, unavailable))
            return _Sources(visible=False)
        hook = Hook(place="the GitHub App", config=config, events=frozenset(registered.events), deliveries=delivered)
        findings += _judged((hook,), self.requests)
        return _Sources(visible=True, found=(hook,))


def _clock(drift: float) -> Finding:
    if abs(drift) <= _DRIFT:
        return Finding(Level.OK, CLOCK, "this machine", f"Its clock and GitHub's differ by less than {_DRIFT:.0f} s.")
    way = "ahead of" if drift > 0 else "behind"
    text = f"Its clock is {abs(drift):,.0f} s {way} GitHub's."
    level = Level.ERROR if abs(drift) > _ASTRAY else Level.WARNING
    return Finding(level, CLOCK, "this machine", text, "Let it keep time by NTP.")


def _granted(registered: _Installed, variable: str) -> list[Finding]:
    """Return which permissions the App lacks; its installations have them once its owners have agreed."""
    missing = [word for name, word in _NEEDED.items() if registered.permissions.get(name) not in _READ]
    if not missing:
        return [Finding(Level.OK, AREA, variable, "GitHub takes the App, and its permissions suffice.")]
    text = f"The App has no permission to read {', '.join(missing)}."
    remedy = "Add it in the App's settings; then each installation has to be asked to agree."
    return [Finding(Level.ERROR, AREA, variable, text, remedy)]


def _judged(found: Iterable[Hook], requests: Requests) -> list[Finding]:
    """Return what there is to say of each webhook by itself."""
    return [
        finding
        for hook in found
        for judge in (hooks.settings(hook), hooks.deliveries(hook, now=requests.clock()))
        for finding in judge
    ]


def _read(answer: Answer, shape: type[T]) -> T:
    if answer.status != HTTPStatus.OK:
        raise Unavailable(f"GitHub answered {answer.status}")
    try:
        return structure(orjson.loads(answer.body), shape)
    except (orjson.JSONDecodeError, Malformed):
        raise Unavailable("GitHub's answer is not whole") from None


def _read_all(answer: Answer, shape: type[T]) -> tuple[T, ...]:
    """Return the items of a list."""
    try:
        items = orjson.loads(answer.body)
        if not isinstance(items, list):
            raise Unavailable("GitHub's answer is no list")
        return tuple(structure(item, shape) for item in items)
    except (orjson.JSONDecodeError, Malformed):
        raise Unavailable("GitHub's answer is not whole") from None
