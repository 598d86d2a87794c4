"""What a repository lacks: what is missing, why that matters, and what to do about it.

Texts mark code by backticks. Only what this process or the state knows is held against anybody: that nothing of a kind
arrived can be said of the time since this process started, and of no earlier one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import frozen

from dora.adapters.http.page.html import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from dora.adapters.http.needs import ChainStanding, Standing
    from dora.adapters.http.page.about import About
    from dora.adapters.http.sightings import Passed, Sighting

_STATUS: Final = "deployment_status"
_DEPLOYMENT: Final = "deployment"
_PUSH: Final = "push"
_MERGES: Final = frozenset({"pull_request", "change.merged"})
_INCIDENTS: Final = frozenset({"issues", "incident.opened", "incident.resolved"})

_TICK: Final = "At GitHub, edit the webhook and tick"
_MOST_NAMED: Final = 3
"""Environments named in a sentence; the others are counted."""


class Kind(StrEnum):
    """How much an advice matters."""

    MISSING = "missing"
    """Something is not measured that could be."""
    WAITING = "waiting"
    """It will be known later, or becomes missing."""
    NOTE = "note"
    """Good to know; nothing has to be done."""


@frozen
class Advice:
    """One thing that is not there."""

    kind: Kind
    what: str
    """What is missing, and why that matters."""
    remedy: str
    """What to do about it."""


def advise(sighting: Sighting | None, standing: Standing | None, about: About) -> list[Advice]:
    """Return what a repository lacks, what matters most first."""
    if standing is not None and standing.moved:
        what = "The repository goes by another name now; these numbers stay as they are."
        return [Advice(Kind.NOTE, what, "Look for it under its new name.")]
    types: Collection[str] = () if sighting is None else sighting.types
    chains: Sequence[ChainStanding] = () if standing is None else standing.chains
    found = [
        *_deployments(types, chains),
        *_changes(types, chains, about),
        *_ignored({} if sighting is None else sighting.passed, about),
        *_unknown(chains, about),
        *_pending(chains, about),
        *_incidents(types, chains),
    ]
    order = list(Kind)
    return sorted(found, key=lambda advice: order.index(advice.kind))


def _deployments(types: Collection[str], chains: Sequence[ChainStanding]) -> Iterator[Advice]:
    if any(chain.successes or chain.failures for chain in chains):
        return
    if chains:
        what = "An environment is known, and no deployment has succeeded or failed yet."
        remedy = "It is counted when its status becomes `success`, `failure` or `error`."
        if _DEPLOYMENT in types and _STATUS not in types:
            what = "Deployments are created, and what becomes of them does not arrive: no `deployment_status` was seen."
            yield Advice(Kind.MISSING, what, f"{_TICK} *Deployment statuses*.")
            return
        yield Advice(Kind.WAITING, what, remedy)
        return
    yield Advice(
        Kind.MISSING,
        "No deployment has been seen, so nothing is measured of any.",
        f"{_TICK} *Deployment statuses*; a workflow's job with an `environment` makes deployments by itself. "
        "Or push `deployment.succeeded` from whatever deploys.",
    )


def _changes(types: Collection[str], chains: Sequence[ChainStanding], about: About) -> Iterator[Advice]:
    """Yield what keeps changes from being measured. Nothing is said before anything was deployed."""
    if not any(chain.successes for chain in chains):
        return
    instead = " GitHub is asked instead, which takes requests and time." if about.lookups else ""
    kind = Kind.NOTE if about.lookups else Kind.MISSING
    # Of deployments that arrive by webhook the rest arrives the same way, if it was asked for.
    if _STATUS in types:
        if not _MERGES.intersection(types):
            what = f"Deployments arrive and no pull request has since this process started: {_WITHOUT_MERGES}.{instead}"
            yield Advice(kind, what, f"{_TICK} *Pull requests*.")
        if _PUSH not in types:
            what = f"Deployments arrive and no push has since this process started: {_WITHOUT_PUSHES}.{instead}"
            yield Advice(kind, what, f"{_TICK} *Pushes*.")
    lead_times = sum(chain.lead_times for chain in chains)
    if not lead_times and not any(chain.unknown or chain.pending for chain in chains):
        yield Advice(
            Kind.NOTE,
            "No change has been measured yet: none was deployed, as far as is known.",
            "Merge a pull request and deploy it; or push `change.merged`, or `changes` with `deployment.succeeded`.",
        )
    if lead_times and not any(chain.commit_lead_times for chain in chains):
        squashed = "Of squashed pull requests GitHub alone knows the first commit: set `GITHUB_TOKEN`."
        yield Advice(
            kind,
            "Changes are measured from their merge on, and none from its first commit on: those commits are not known.",
            "Let the token read Contents and Pull requests; send `committed_at` with pushed changes."
            if about.lookups
            else squashed
            if _PUSH in types
            else f"{_TICK} *Pushes*. {squashed}",
        )


_WITHOUT_MERGES: Final = "pull requests have no lead time and are not counted"
_WITHOUT_PUSHES: Final = "of a range only the deployed merge commit itself is recognised"


def _ignored(passed: Mapping[str, Passed], about: About) -> Iterator[Advice]:
    """Yield which events are left out, and which setting decides."""
    for reason, events in passed.items():
        last = "" if events.about is None else f", the last for {code(events.about)}"
        count = counted(events.count, "event")
        if reason == "environment":
            remedy = (
                "`DORA_ENVIRONMENTS` lists the environments that count: add one, like `label=template`."
                if about.listed
                else "Without `DORA_ENVIRONMENTS` every environment counts that GitHub does not call transient: "
                "name it there to count it."
            )
            yield Advice(Kind.NOTE, f"{count} of environments that do not count{last}.", remedy)
        elif reason == "branch":
            what = f"{count} of pull requests merged into branches that are not tracked{last}."
            yield Advice(Kind.NOTE, what, "`DORA_BRANCHES` names the tracked ones; without it, the default branch is.")
        elif reason == "limit":
            yield Advice(
                Kind.MISSING,
                f"{count} ignored: there is no room for more repositories, or for more environments of this one.",
                "Raise `DORA_MAX_REPOSITORIES`; environments named in `DORA_ENVIRONMENTS` are always admitted.",
            )
        elif reason == "too_old":
            yield Advice(
                Kind.NOTE,
                f"{count} too old to be counted.",
                "`DORA_MAX_EVENT_AGE` decides; beyond 1,000 newer deployments of an environment none is counted.",
            )


_REASONS: Final = {
    "no_token": (
        "a delivery was missing and GitHub could not be asked",
        "Set `GITHUB_TOKEN` or a GitHub App; and tick *Pull requests* and *Pushes* at the webhook.",
    ),
    "github_refused": (
        "GitHub refused it to the credentials",
        "Let the token read Contents, Pull requests and Deployments; `dora check owner/name` tells which it may not.",
    ),
    "first_deployment": (
        "it was the first that is known here, and the history before it is not measured",
        "Nothing is to be done: the next one is measured.",
    ),
    "history_rewritten": (
        "the commit deployed before is gone from the repository",
        "Do not force-push what has been deployed; the next deployment is measured again.",
    ),
    "not_found": (
        "GitHub does not know the deployed commit",
        "Send the full SHA of a commit that was pushed to this repository.",
    ),
    "too_many_commits": (
        "more commits than `DORA_MAX_COMMITS` lay in between",
        "Raise `DORA_MAX_COMMITS`, or deploy more often.",
    ),
}
"""By reason of `dora_lead_time_unknown_total`: why, and the remedy."""


HARMLESS: Final = frozenset({"first_deployment"})
"""Reasons that are no fault of anything."""


def _unknown(chains: Sequence[ChainStanding], about: About) -> Iterator[Advice]:
    for reason, (why, remedy) in _REASONS.items():
        touched = [chain for chain in chains if chain.unknown.get(reason)]
        if not touched:
            continue
        count = counted(sum(chain.unknown[reason] for chain in touched), "deployment")
        past = reason == "no_token" and about.lookups
        yield Advice(
            Kind.NOTE if past or reason in HARMLESS else Kind.MISSING,
            f"The changes of {count} in {_named(touched)} are not (all) measured: {why} (`{reason}`).",
            "There is a token now: this number stays as it is." if past else remedy,
        )


def _pending(chains: Sequence[ChainStanding], about: About) -> Iterator[Advice]:
    touched = [chain for chain in chains if chain.pending]
    if not touched:
        return
    count = counted(sum(chain.pending for chain in touched), "deployment")
    if about.lookups:
        what = f"The changes of {count} in {_named(touched)} are being looked up at GitHub, or wait for it to answer."
        remedy = "If it stays so, see *Service* above and `dora check`: it tells what keeps GitHub from answering."
    else:
        what = f"The changes of {count} in {_named(touched)} wait for a delivery that is missing."
        remedy = (
            "Redeliver failed pushes and pull requests at GitHub (webhook, Recent deliveries), or set `GITHUB_TOKEN`; "
            "else they become `no_token` with the next deployment."
        )
    yield Advice(Kind.WAITING, what, remedy)


def _incidents(types: Collection[str], chains: Sequence[ChainStanding]) -> Iterator[Advice]:
    deployed = any(chain.successes for chain in chains)
    if deployed and not _INCIDENTS.intersection(types) and not any(chain.incidents for chain in chains):
        yield Advice(
            Kind.NOTE,
            "No incident has been seen: failures are known from deployments, rollbacks, reverts and hotfixes alone.",
            f"{_TICK} *Issues* and label incidents (`DORA_INCIDENT_LABELS`), or push `incident.opened`.",
        )


def _named(chains: Sequence[ChainStanding]) -> str:
    """Return the chains' names, or some of them and how many more there are."""
    names = ", ".join(code(name_of(chain)) for chain in chains[:_MOST_NAMED])
    return names if len(chains) <= _MOST_NAMED else f"{names} and {len(chains) - _MOST_NAMED:,} more"


def name_of(chain: ChainStanding) -> str:
    """Return a chain's name for people."""
    return f"{chain.environment} / {chain.service}" if chain.service else chain.environment


def code(name: str) -> str:
    """Return a name from outside as code. A backtick of its own would end it."""
    return f"`{name.replace('`', chr(0x2035))}`"
