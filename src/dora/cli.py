"""The command line: `dora serve`, `dora check`, `dora demo`; exit codes; where the log goes."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import attrs
import orjson
import structlog

from dora import composition
from dora.adapters.http import CannotListenError
from dora.adapters.journal import inspection
from dora.policy import Policy
from dora.ports import DoraError, StateDamaged, StateTaken
from dora.settings import InvalidSettingsError, LogFormat, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from structlog.typing import Processor

DONE: Final = 0
MISCONFIGURED: Final = 2
"""The settings, or the command line, cannot be used."""
CANNOT_LISTEN: Final = 3
"""The address cannot be listened on."""
NO_STATE: Final = 4
"""The state is damaged, or another process holds it."""

GARBAGE: Final = (2_000, 5, 800)
"""Objects made until garbage is looked for, and how often among the youngest until also among older ones. A delivery of
10 kB is some hundred objects, hardly any in circles: to look after every 700, as is Python's default, takes a tenth of
the time that a delivery does. To look at 20,000 at once holds up the event loop for as long as 25 ms while a scrape
makes them, which these figures keep below that; what the two cost a delivery cannot be told apart."""

_log = structlog.get_logger("dora")


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run a command and return its exit code."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if options.command == "demo":
        from dora.demo import main as demo  # noqa: PLC0415 - what only the demo needs is not loaded to serve

        return demo(rest, environ)
    if options.command == "check":
        from dora.check import main as check  # noqa: PLC0415 - what only the check needs is not loaded to serve

        return check(rest, environ)
    if options.command == "state" and not rest:
        return asyncio.run(_state(options.action, options.state or environ.get("DORA_STATE", "")))
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return serve(environ)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dora", description="Exact DORA primitives for Prometheus.")
    parser.add_argument("--version", action="version", version=f"dora {composition.version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "serve",
        help="run the service; its settings are environment variables",
        description="Run the service. Its settings are environment variables: WEBHOOK_SECRET is required.",
    )
    # These two read their own arguments, and tell their own help.
    commands.add_parser(
        "check", help="check the settings, GitHub's side and the state, and say what to do", add_help=False
    )
    commands.add_parser("demo", help="show a made-up organisation's week on a service of its own", add_help=False)
    state = commands.add_parser(
        "state",
        help="check, export or import the kept state",
        description="Check, export or import the kept state. Export writes JSON lines to standard output, import reads "
        "them from standard input into a state that is empty.",
    )
    state.add_argument("action", choices=("check", "export", "import"))
    state.add_argument("--state", metavar="URL", help="the state's URL; DORA_STATE if not given")
    return parser


async def _state(action: str, url: str) -> int:
    """Run `dora state`, and return the exit code. What was found is one JSON line on stderr."""
    try:
        if action == "check":
            finding = await inspection.check(url)
        elif action == "export":
            finding = await inspection.export(url, sys.stdout.buffer)
        else:
            finding = await inspection.restore(url, sys.stdin.buffer)
    except ValueError as error:
        _tell(f"DORA_STATE: {error}")
        return MISCONFIGURED
    except (DoraError, OSError) as error:
        _tell(str(error))
        return NO_STATE
    _tell(orjson.dumps(attrs.asdict(finding)).decode())
    return DONE


def _tell(line: str) -> None:
    print(f"dora: {line}", file=sys.stderr)  # noqa: T201 - a command speaks to who typed it


def serve(environ: Mapping[str, str]) -> int:
    """Run the service until SIGTERM or SIGINT, and return the exit code."""
    try:
        settings = composition.read_settings(environ)
    except InvalidSettingsError as error:
        for problem in error.problems:
            _tell(problem)  # no log is set up yet: how is a setting
        return MISCONFIGURED
    configure_logging(settings)
    _announce(settings)
    try:
        asyncio.run(_serve(settings))
    except CannotListenError as error:
        _log.critical("cannot listen", bind=str(settings.bind), reason=error.strerror)
        return CANNOT_LISTEN
    except (StateTaken, StateDamaged) as error:
        _log.critical("the state cannot be used", state=settings.state_kind, reason=str(error))
        return NO_STATE
    _log.info("ended")
    return DONE


async def _serve(settings: Settings) -> None:
    gc.set_threshold(*GARBAGE)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service = composition.compose(settings)
    await service.run(stop, listening=lambda port: _log.info("listening", host=settings.bind.host, port=port))


def _announce(settings: Settings) -> None:
    """Say what is running, and what of it an operator should not be surprised by later."""
    for warning in settings.warnings:
        _log.warning("unknown setting", detail=warning)
    _log.info(
        "starting",
        version=composition.version(),
        bind=str(settings.bind),
        state=settings.state_kind,
        github_token=settings.policy.lookups,
        push_clients=settings.api_tokens is not None,
        oidc=settings.oidc_audience is not None,
        metrics_token=settings.metrics_token is not None,
        environments=[rule.label for rule in settings.policy.environments],
        repositories=list(settings.policy.repositories),
    )
    if settings.state_kind == "memory":
        _log.warning("memory: loses all counters when this process ends; set DORA_STATE to keep them")
    if settings.oidc_audience is not None and settings.policy.repositories == Policy().repositories:
        _log.warning(
            "any repository that has this issuer may send events of itself; name yours in DORA_REPOSITORIES",
            issuer=settings.oidc_issuer,
        )
    if not settings.policy.lookups:
        _log.info("no GitHub token: changes are measured from the events alone")


def configure_logging(settings: Settings) -> None:
    """Send every log line, our own and other packages', to stderr in one form."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    form = settings.log_format or (LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON)
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if form is LogFormat.CONSOLE
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
