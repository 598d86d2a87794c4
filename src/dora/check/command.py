"""The command: read the settings as the service would, look at everything, and tell what was found."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from dora import composition
from dora.adapters.github.addresses import Addresses
from dora.adapters.github.audit import AREA as GITHUB
from dora.adapters.github.audit import Audit
from dora.adapters.github.hooks import shown
from dora.adapters.github.requests import Requests, connect
from dora.adapters.http import now
from dora.adapters.journal import probing
from dora.check import report, running
from dora.check.issuer import issuer
from dora.check.progress import progress
from dora.check.secrets import secrets
from dora.findings import Finding, Level
from dora.settings import VARIABLES, InvalidSettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dora.settings import Settings

GOOD: Final = 0
"""Nothing is wrong; there may be warnings."""
FAULTY: Final = 1
"""Something does not work."""
UNUSABLE: Final = 2
"""The settings, or the command line, cannot be used."""

_SETTINGS: Final = "settings"
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", re.ASCII)


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run `dora check`, and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        findings, code = _look(options, environ)
    except KeyboardInterrupt:
        return FAULTY  # whatever it was, it was not looked at to the end
    if options.json:
        report.for_machines(findings, sys.stdout, version=composition.version(), code=code)
    else:
        report.for_people(findings, sys.stdout)
    return code


def _look(options: argparse.Namespace, environ: Mapping[str, str]) -> tuple[list[Finding], int]:
    try:
        settings = composition.read_settings(environ)
    except InvalidSettingsError as error:
        return [_problem(problem) for problem in error.problems], UNUSABLE
    with progress(sys.stderr) as tell:
        findings = asyncio.run(_findings(settings, environ, options.repositories, options.url, tell))
    return findings, FAULTY if any(finding.level is Level.ERROR for finding in findings) else GOOD


async def _findings(
    settings: Settings,
    environ: Mapping[str, str],
    repositories: Sequence[str],
    url: str | None,
    tell: Callable[[str], None],
) -> list[Finding]:
    findings = [*_settings(settings, environ), *secrets(settings)]
    tell("the state")
    findings += await probing.probe(settings.state)
    if url is not None:
        tell(f"the service at {shown(url)}")
        async with running.connect(url) as client:
            visit = running.Visit(
                client=client, subject=shown(url), settings=settings, version=composition.version(), clock=now
            )
            findings += await visit.run()
    if settings.oidc_audience is not None:
        tell(settings.oidc_issuer)
        findings += await issuer(settings)
    return findings + await _github(settings, repositories, tell)


def _settings(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    given = sum(bool(environ.get(name) or environ.get(f"{name}_FILE")) for name in VARIABLES)
    findings = [Finding(Level.OK, _SETTINGS, "environment", f"What is set can be used, {given} in number.")]
    for warning in settings.warnings:
        name, _, rest = warning.partition(" ")
        findings.append(Finding(Level.WARNING, _SETTINGS, name, f"It {rest}.", "Correct the name, or take it away."))
    return findings


def _problem(problem: str) -> Finding:
    name, _, rest = problem.partition(": ")
    return Finding(Level.ERROR, _SETTINGS, name, f"{rest[:1].upper()}{rest[1:]}.", "docs/configuration.md tells more.")


async def _github(settings: Settings, repositories: Sequence[str], tell: Callable[[str], None]) -> list[Finding]:
    """Look at GitHub's side, of the repositories named here or in the settings."""
    names = tuple(dict.fromkeys(repositories or settings.named_repositories))
    findings = [
        Finding(
            Level.WARNING,
            _SETTINGS,
            name,
            "DORA_REPOSITORIES leaves this repository out: its events are ignored.",
            "Add it there.",
        )
        for name in names
        if not settings.policy.watches(name)
    ]
    async with connect() as client:
        requests = Requests(client=client, addresses=Addresses.of(settings.github_api_url), clock=now)
        known = settings.policy.lookups
        variable = "GITHUB_TOKEN" if settings.github_app is None else "GITHUB_APP_ID"
        audit = Audit(
            requests=requests,
            credential=composition.credential(settings, requests) if known else None,
            variable=variable,
            tell=tell,
        )
        findings += await audit.run(names)
    if not known:
        text = "There is no token: what GitHub knows of repositories and webhooks cannot be looked at."
        remedy = "Set GITHUB_TOKEN or a GitHub App, for the check alone at least."
        findings.append(Finding(Level.UNKNOWN, GITHUB, "GITHUB_TOKEN", text, remedy))
    elif not names:
        text = "No repository is named, so no permission and no webhook was looked at."
        remedy = "Name some: dora check owner/name …, or in DORA_REPOSITORIES."
        findings.append(Finding(Level.UNKNOWN, GITHUB, "repositories", text, remedy))
    return findings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dora check",
        description="Reads the settings as dora serve would, from the same environment variables, and looks at the "
        "secrets, state, clock, GitHub's side (permissions, webhooks, deliveries) and, if told where, at a running "
        "service. Changes nothing, and shows no secret.",
        epilog="Exit codes: 0 nothing is wrong (there may be warnings), 1 something does not work, 2 the settings or "
        "the command line cannot be used.",
    )
    parser.add_argument(
        "repositories",
        nargs="*",
        type=_repository,
        metavar="OWNER/NAME",
        help="repositories to look at; those that DORA_REPOSITORIES names without a wildcard, if none is given",
    )
    parser.add_argument("--url", type=_url, help="look at the service that runs there, like http://localhost:8080")
    parser.add_argument("--json", action="store_true", help="write one JSON object instead of text")
    return parser


def _repository(text: str) -> str:
    if _REPOSITORY.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("a repository is written owner/name")
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise argparse.ArgumentTypeError("an address begins with http:// or https:// and has no query")
    return text.rstrip("/")
