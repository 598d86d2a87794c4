"""The composition root: settings become a running service. Read it top to bottom."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Final

import structlog
from attrs import define

from dora.adapters.events import SCHEMAS, PushedEvents, parse_clients
from dora.adapters.github.addresses import Addresses
from dora.adapters.github.credentials import Credential, PersonalToken
from dora.adapters.github.listings import Listings
from dora.adapters.github.lookup import GitHubLookup
from dora.adapters.github.missed import Reader
from dora.adapters.github.reconciliation import Known, Reconciliation
from dora.adapters.github.requests import OnRequest, Requests, connect
from dora.adapters.github.sessions import Session
from dora.adapters.github.webhooks import Webhooks
from dora.adapters.http import About, Application, Gate, Server, application, listen, now
from dora.adapters.journal import Memory, journal
from dora.adapters.prometheus import Exposition, Internals, Series, Standings
from dora.domain.core import Core, Limits
from dora.domain.facts import Environment, Repository, RepositorySeen
from dora.domain.instant import Instant
from dora.domain.observations import Chain
from dora.observer import Observer
from dora.ports import EventSource, StateDamaged, StateTaken, Unavailable
from dora.settings import Settings
from dora.state import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from dora.adapters.oidc import Tokens

_log = structlog.get_logger("dora")

# The parts of a drain, together under the 10 s after which an orchestrator may be impatient.
_BODIES_SECONDS: Final = 3.0
_REQUESTS_SECONDS: Final = 5.0
_WRITING_SECONDS: Final = 2.0
_CONNECTIONS_SECONDS: Final = 1.0

_AGAIN_SECONDS: Final = 2.0
"""Between two attempts to reach the state at start."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings of an environment.

    Raises:
        InvalidSettingsError: with every problem there is.
    """
    return Settings.from_environ(
        environ,
        checks={
            "DORA_API_TOKENS": parse_clients,
            "DORA_STATE": journal,
            "GITHUB_API_URL": Addresses.of,
            "GITHUB_TOKEN": PersonalToken.of,
            "GITHUB_APP_PRIVATE_KEY": _private_key,
        },
    )


def version() -> str:
    """Return the version of the installed project."""
    try:
        return metadata.version("dora")
    except metadata.PackageNotFoundError:
        return "unknown"


def compose(settings: Settings, *, clock: Callable[[], Instant] = now) -> Service:
    """Return the service that the settings describe. Nothing is opened yet."""
    secrets = settings.webhook_secrets
    clients = parse_clients(settings.api_tokens) if settings.api_tokens else ()
    series = Series()
    internals = Internals(version())
    kept = journal(settings.state)
    requests = _requests(settings, clock, internals.asked)
    workflows = _workflows(settings)
    session = _session(settings, requests)
    observer = Observer(
        core=Core(),
        journal=kept,
        sink=series,
        lookup=None if session is None else GitHubLookup(session, settings.policy),
        codec=None if isinstance(kept, Memory) else Codec(series),
        limits=Limits(repositories=settings.max_repositories),
        now=clock,
    )
    gate = Gate(observer)
    internals.watch_questions(count=lambda: observer.pending_questions, oldest_age=observer.oldest_question_age)
    internals.watch_queue(lambda: observer.waiting)
    internals.watch_ready(lambda: gate.ready)
    app = application(
        webhook_door=Webhooks(secrets, settings.policy),
        event_door=PushedEvents(clients=clients, secrets=secrets, policy=settings.policy, workflows=workflows),
        receiver=observer,
        gate=gate,
        metrics=Exposition(series, settings.zero_hold),
        internals=internals,
        standings=Standings(series),
        questions=observer,
        about=About(
            version=version(),
            state=settings.state_kind,
            lookups=settings.policy.lookups,
            listed=bool(settings.policy.environments),
            clients=bool(clients) or workflows is not None,
            started=now(),
        ),
        event_schemas=SCHEMAS,
        metrics_token=settings.metrics_token,
        max_repositories=settings.max_repositories,
        clock=clock,
    )
    return Service(
        settings=settings,
        observer=observer,
        app=app,
        clock=clock,
        source=_reconciliation(settings, session, observer, series, internals),
        requests=requests,
        workflows=workflows,
    )


def _private_key(pem: str) -> RSAPrivateKey:
    from dora.adapters.github.app import private_key  # noqa: PLC0415 - its cryptography is loaded for an App alone

    return private_key(pem)


def _requests(settings: Settings, clock: Callable[[], Instant], on_request: OnRequest) -> Requests | None:
    """Return what sends requests to GitHub, if there are credentials."""
    if settings.github_token is None and settings.github_app is None:
        return None
    return Requests(
        client=connect(), addresses=Addresses.of(settings.github_api_url), clock=clock, on_request=on_request
    )


def credential(settings: Settings, requests: Requests) -> Credential:
    """Return who asks GitHub, by the settings that name somebody."""
    if settings.github_app is not None:
        from dora.adapters.github.app import App  # noqa: PLC0415 - its cryptography is loaded for an App alone

        return App(requests=requests, app_id=settings.github_app.id, key=_private_key(settings.github_app.private_key))
    return PersonalToken.of(settings.github_token or "")


def _session(settings: Settings, requests: Requests | None) -> Session | None:
    return None if requests is None else Session(requests, credential(settings, requests))


def _reconciliation(
    settings: Settings,
    session: Session | None,
    observer: Observer,
    series: Series,
    internals: Internals,
) -> Reconciliation | None:
    """Return what makes good what no delivery told, if that is wanted."""
    if session is None or not settings.reconcile:
        return None

    def known() -> Iterator[Known]:
        for state in observer.core.repositories:
            since = series.born(state.name)
            if since is not None and settings.policy.watches(state.name):
                yield Known(state.repository, since, partial(chain, state.name))

    def chain(repository: str, environment: Environment) -> Instant | None:
        return series.born(Chain(repository, environment.label, environment.service))

    return Reconciliation(
        reader=Reader(Listings(session), settings.policy),
        interval=settings.reconcile,
        known=known,
        receive=observer.receive,
        claim=observer.claim,
        release=observer.journal.release,
        report=internals,
        clock=observer.now,
    )


def _workflows(settings: Settings) -> Tokens | None:
    """Return what knows workflows by their tokens, if these are taken."""
    if settings.oidc_audience is None:
        return None
    from dora.adapters.oidc import Documents, Tokens, connect  # noqa: PLC0415 - its cryptography is loaded for OIDC alone

    return Tokens(Documents(settings.oidc_issuer, connect()), settings.oidc_audience)


@define(eq=False, kw_only=True)
class Service:
    """The whole service; `run` is its life."""

    settings: Settings
    observer: Observer
    app: Application
    clock: Callable[[], Instant] = now
    source: EventSource | None = None
    """Brings what no delivery told."""
    requests: Requests | None = None
    workflows: Tokens | None = None

    async def run(self, stop: asyncio.Event, *, listening: Callable[[int], None] = lambda _: None) -> None:
        """Serve until `stop` is set; then answer what is under way, and return.

        Args:
            stop: set it to end the service.
            listening: called with the port once it is listened on; the state may still be being restored.

        Raises:
            CannotListenError: the address cannot be listened on.
            StateTaken: another process holds the state.
            StateDamaged: the state cannot be read.
        """
        bind = self.settings.bind
        server = Server(self.app, listen(bind.host, bind.port))
        await server.start()
        listening(server.port)
        living = asyncio.create_task(self._live())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((living, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not living.done():
                await self._drain()
        finally:
            await server.stop(_CONNECTIONS_SECONDS)
            for task in (stopping, living):
                task.cancel()
            ended = await asyncio.gather(living, stopping, return_exceptions=True)
            await self.observer.close()
            for asking in (self.requests, self.workflows):
                if asking is not None:
                    await asking.client.aclose()
        if isinstance(ended[0], Exception):
            raise ended[0]

    async def _live(self) -> None:
        """Restore the state, open the gate, and write until cancelled."""
        while True:
            try:
                await self.observer.start()
                break
            except Unavailable as unavailable:
                _log.warning("the state cannot be reached; trying again", reason=str(unavailable))
                await asyncio.sleep(_AGAIN_SECONDS)
        tasks = [asyncio.create_task(self._write())]
        try:
            await self._register()
            self.app.gate.restored = True
            if self.source is not None:
                tasks.append(asyncio.create_task(self.source.run()))
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self) -> None:
        """Write what comes in. A state lost to another process is no end: this one stays, unready, and says so."""
        try:
            await self.observer.run()
        except* (StateTaken, StateDamaged):
            await asyncio.Event().wait()

    async def _register(self) -> None:
        """Let the series of repositories that are named in the settings exist before their first event."""
        facts = tuple(
            RepositorySeen(repository=Repository(name), received_at=self.clock())
            for name in self.settings.named_repositories
        )
        if facts:
            with contextlib.suppress(Unavailable):
                await self.observer.receive(facts)

    async def _drain(self) -> None:
        """Take nothing new, answer what is under way, write what was taken."""
        _log.info("draining")
        self.app.intake.hurry(_BODIES_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REQUESTS_SECONDS):
                await self.app.gate.drained()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WRITING_SECONDS):
                await self.observer.drain()
