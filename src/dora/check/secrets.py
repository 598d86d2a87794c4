"""The secrets of the settings, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dora.adapters.events.clients import tokens
from dora.check.strength import AREA, judge
from dora.findings import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dora.settings import Settings

_CURRENT: Final = "WEBHOOK_SECRET"
_PREVIOUS: Final = "WEBHOOK_SECRET_PREVIOUS"


def secrets(settings: Settings) -> Iterator[Finding]:
    """Yield how strong each secret is, and which should go."""
    current, *previous = settings.webhook_secrets
    yield judge(_CURRENT, current)
    for old in previous:
        yield judge(_PREVIOUS, old)
        text, remedy = "It is still accepted.", "Take it away once every webhook has the new one."
        if old == current:
            text, remedy = "It is the same as WEBHOOK_SECRET.", "Take it away."
        yield Finding(Level.WARNING, AREA, _PREVIOUS, text, remedy)
    for name, token in tokens(settings.api_tokens or ""):
        subject = f"DORA_API_TOKENS, client {name}"
        yield judge(subject, token.encode())
        if token.encode() in settings.webhook_secrets:
            text = "It is the webhook secret, which whoever sets up webhooks knows."
            yield Finding(Level.WARNING, AREA, subject, text, "Give the client its own.")
    if settings.metrics_token is not None:
        yield judge("DORA_METRICS_TOKEN", settings.metrics_token.encode())
