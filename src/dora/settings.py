"""The settings: which environment variables there are, read once, all problems told together.

Names are public API (docs/configuration.md). Every variable `X` may be given as `X_FILE`, the path of a file that holds
the value; an empty variable is unset. No value ever appears in a message: any of them may be a secret put into the
wrong variable.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import field, frozen

from dora.domain.instant import MICROSECONDS, Duration
from dora.environ import choice, duration, issuer, texts, token, unknown, url, whole
from dora.policy import EnvironmentRule, Policy, environment_rules, is_pattern, listed, repository_globs
from dora.ports import DoraError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLES: Final = (
    "WEBHOOK_SECRET",
    "WEBHOOK_SECRET_PREVIOUS",
    "GITHUB_TOKEN",
    "GITHUB_APP_ID",
    "GITHUB_APP_PRIVATE_KEY",
    "GITHUB_API_URL",
    "DORA_API_TOKENS",
    "DORA_OIDC_AUDIENCE",
    "DORA_OIDC_ISSUER",
    "DORA_BIND",
    "PORT",
    "DORA_STATE",
    "DORA_ENVIRONMENTS",
    "DORA_REPOSITORIES",
    "DORA_MAX_REPOSITORIES",
    "DORA_BRANCHES",
    "DORA_HOTFIX_LABELS",
    "DORA_HOTFIX_BRANCHES",
    "DORA_INCIDENT_LABELS",
    "DORA_MAX_COMMITS",
    "DORA_MAX_EVENT_AGE",
    "DORA_ZERO_HOLD",
    "DORA_METRICS_TOKEN",
    "DORA_RECONCILE",
    "DORA_LOG_LEVEL",
    "DORA_LOG_FORMAT",
)
"""Every variable there is; each also as `NAME_FILE`."""

_T = TypeVar("_T")

_MEMORY: Final = "memory:"
_HIGHEST_PORT: Final = 65_535
# GitHub's range endpoints are paged by 100: 10,000 commits are a hundred requests for one deployment.
_MOST_COMMITS: Final = 10_000
# GitHub is asked about every repository in each: deliveries take minutes now and then, without being lost.
_SHORTEST_INTERVAL: Final = 60 * MICROSECONDS


EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - a service in a container listens on every interface


class LogFormat(StrEnum):
    """How a log line looks."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least important line that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class InvalidSettingsError(DoraError):
    """The settings cannot be used; `problems` names every reason, one line each, and no value."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@frozen
class Bind:
    """A listen address. Port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@frozen
class GitHubApp:
    """A GitHub App's credentials."""

    id: str
    private_key: str = field(repr=False)


@frozen(kw_only=True)
class Settings:
    """What the operator decided. `repr` and the attributes without `repr=False` are fit for a log."""

    webhook_secrets: tuple[bytes, ...] = field(repr=False)
    """Keys of the webhooks' signatures, the current one first."""
    github_token: str | None = field(default=None, repr=False)
    github_app: GitHubApp | None = None
    github_api_url: str = "https://api.github.com"
    api_tokens: str | None = field(default=None, repr=False)
    """Clients of the push API, as written; the events room reads them."""
    oidc_audience: str | None = None
    """Audience of the workflows' tokens that the push API takes; None: it takes none."""
    oidc_issuer: str = "https://token.actions.githubusercontent.com"
    bind: Bind = Bind(EVERYWHERE, 8080)
    state: str = field(default=_MEMORY, repr=False)
    """Where state lives; may hold a password."""
    policy: Policy = field(factory=Policy)
    max_repositories: int = 10_000
    zero_hold: Duration = 0
    """Microseconds."""
    metrics_token: str | None = field(default=None, repr=False)
    reconcile: Duration = 0
    """Microseconds between two reconciliations; 0: off."""
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat | None = None
    """None: console on a terminal, else JSON."""
    warnings: tuple[str, ...] = ()
    """What looks like a mistake and is none for sure; a line each, for the log."""

    @property
    def state_kind(self) -> str:
        """The state's scheme, fit for a log."""
        return self.state.partition(":")[0]

    @property
    def named_repositories(self) -> tuple[str, ...]:
        """The watched repositories that are named without a wildcard: they are registered at start."""
        return tuple(name for name in self.policy.repositories if not is_pattern(name))

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str], *, checks: Mapping[str, Callable[[str], object]] | None = None
    ) -> Settings:
        """Read the settings from a mapping like `os.environ`.

        Args:
            environ: the variables; others than the settings' are left alone.
            checks: by variable, what another room alone can judge: a function that raises ValueError with a message
                that quotes no value.

        Raises:
            InvalidSettingsError: with every problem there is.
        """
        problems: list[str] = []
        values = _values(environ, problems)
        read = _Reader(values, problems)
        for variable, check in (checks or {}).items():
            read.optional(variable, check, None)
        settings = cls(
            webhook_secrets=read.secrets(),
            github_token=read.optional("GITHUB_TOKEN", token, None),
            github_app=read.github_app(),
            github_api_url=read.optional("GITHUB_API_URL", url, "https://api.github.com"),
            api_tokens=values.get("DORA_API_TOKENS"),
            oidc_audience=read.optional("DORA_OIDC_AUDIENCE", token, None),
            oidc_issuer=read.optional("DORA_OIDC_ISSUER", issuer, "https://token.actions.githubusercontent.com"),
            bind=read.bind(),
            state=values.get("DORA_STATE", _MEMORY),
            policy=read.policy(),
            max_repositories=read.optional("DORA_MAX_REPOSITORIES", whole(1), 10_000),
            zero_hold=read.optional("DORA_ZERO_HOLD", duration, 0),
            metrics_token=read.optional("DORA_METRICS_TOKEN", token, None),
            reconcile=read.reconcile(),
            log_level=read.optional("DORA_LOG_LEVEL", choice(LogLevel), LogLevel.INFO),
            log_format=read.optional("DORA_LOG_FORMAT", choice(LogFormat), None),
            warnings=unknown(environ, VARIABLES),
        )
        if problems:
            raise InvalidSettingsError(tuple(problems))
        return settings


@frozen
class _Reader:
    """Turns texts into values; what cannot be turned is a problem, and its default stands in for it."""

    values: Mapping[str, str]
    problems: list[str]

    def optional(self, name: str, parse: Callable[[str], _T], default: _T) -> _T:
        if name not in self.values or self._is_told_of(name):
            return default
        try:
            return parse(self.values[name])
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return default

    def _is_told_of(self, name: str) -> bool:
        """Return whether a variable has its line already: several may judge it, and would say the same twice."""
        return any(problem.startswith(f"{name}: ") for problem in self.problems)

    def secrets(self) -> tuple[bytes, ...]:
        if "WEBHOOK_SECRET" not in self.values:
            self.problems.append(
                "WEBHOOK_SECRET: is required: the secret of the webhooks at GitHub (there is no unsigned mode)"
            )
        names = ("WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS")
        # The environment's own escape for bytes that are not UTF-8 is undone: the key is what the operator gave.
        return tuple(self.values[name].encode("utf-8", "surrogateescape") for name in names if name in self.values)

    def github_app(self) -> GitHubApp | None:
        app_id = self.optional("GITHUB_APP_ID", token, None)
        key = self.values.get("GITHUB_APP_PRIVATE_KEY")
        if app_id is None and key is None:
            return None
        if "GITHUB_TOKEN" in self.values:
            self.problems.append("GITHUB_APP_ID: set together with GITHUB_TOKEN; either is enough")
        if app_id is None:
            self.problems.append("GITHUB_APP_ID: is required with GITHUB_APP_PRIVATE_KEY")
        if key is None:
            self.problems.append("GITHUB_APP_PRIVATE_KEY: is required with GITHUB_APP_ID")
        return None if app_id is None or key is None else GitHubApp(id=app_id, private_key=key)

    def reconcile(self) -> Duration:
        interval = self.optional("DORA_RECONCILE", _interval, 0)
        if interval and not self._asks_github():
            self.problems.append(
                "DORA_RECONCILE: needs GITHUB_TOKEN, or GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY: GitHub is asked"
            )
        return interval

    def _asks_github(self) -> bool:
        return "GITHUB_TOKEN" in self.values or "GITHUB_APP_ID" in self.values

    def bind(self) -> Bind:
        default = Bind(EVERYWHERE, 8080)
        if "DORA_BIND" in self.values:
            return self.optional("DORA_BIND", _bind, default)
        return Bind(default.host, self.optional("PORT", whole(0, _HIGHEST_PORT), default.port))

    def policy(self) -> Policy:
        default = Policy()
        no_rules: tuple[EnvironmentRule, ...] = ()
        return Policy(
            environments=self.optional("DORA_ENVIRONMENTS", environment_rules, no_rules),
            repositories=self.optional("DORA_REPOSITORIES", repository_globs, default.repositories),
            branches=self.optional("DORA_BRANCHES", listed, default.branches),
            hotfix_labels=self.optional("DORA_HOTFIX_LABELS", listed, default.hotfix_labels),
            hotfix_branches=self.optional("DORA_HOTFIX_BRANCHES", listed, default.hotfix_branches),
            incident_labels=self.optional("DORA_INCIDENT_LABELS", listed, default.incident_labels),
            max_event_age=self.optional("DORA_MAX_EVENT_AGE", duration, 0),
            max_commits=self.optional("DORA_MAX_COMMITS", whole(1, _MOST_COMMITS), default.max_commits),
            lookups=self._asks_github(),
        )


def _values(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    found = texts(environ, VARIABLES, problems)
    # A secret that was given in vain was given: that it is required is no second problem.
    return {name: text for name, text in found.items() if text or name == "WEBHOOK_SECRET"}


def _bind(text: str) -> Bind:
    host, colon, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or (":" in host and not bracketed):
        raise ValueError("must be written host:port, an IPv6 address in brackets")
    host = host[1:-1] if bracketed else host
    return Bind(host or EVERYWHERE, whole(0, _HIGHEST_PORT)(port))


def _interval(text: str) -> Duration:
    if text.strip().lower() == "off":
        return 0
    interval = duration(text)
    if interval < _SHORTEST_INTERVAL:
        raise ValueError("must be off, or a duration of at least 1m")
    return interval
