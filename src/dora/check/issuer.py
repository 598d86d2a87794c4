"""The issuer of workflows' tokens, if such tokens are taken: whether its keys can be had, and whom it speaks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dora.adapters.oidc import Documents, connect
from dora.findings import Finding, Level
from dora.policy import Policy
from dora.ports import Unavailable

if TYPE_CHECKING:
    from dora.settings import Settings

AREA: Final = "workflows"


async def issuer(settings: Settings) -> list[Finding]:
    """Return what was found of the issuer."""
    findings: list[Finding] = []
    async with connect() as client:
        try:
            keys = await Documents(settings.oidc_issuer, client).keys()
            text = f"Its keys can be had, {len(keys)} in number."
            findings.append(Finding(Level.OK, AREA, settings.oidc_issuer, text))
        except Unavailable as unavailable:
            text = f"Tokens of workflows cannot be verified: {unavailable}."
            remedy = "Is DORA_OIDC_ISSUER right, and reached from here?"
            findings.append(Finding(Level.ERROR, AREA, settings.oidc_issuer, text, remedy))
    if settings.policy.repositories == Policy().repositories:
        text = "Any workflow of this issuer may push events of its own repository, whoever owns that."
        findings.append(Finding(Level.WARNING, AREA, "DORA_OIDC_AUDIENCE", text, "Name yours in DORA_REPOSITORIES."))
    return findings
