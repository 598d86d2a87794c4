"""How the service itself does, in a few lines: whether it takes events, and what keeps it from knowing more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from dora.adapters.http.page.html import counted, lasting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dora.adapters.http.gate import Gate
    from dora.adapters.http.needs import Questions
    from dora.adapters.http.page.about import About


@frozen
class Line:
    """One thing to know of the service."""

    kind: str
    """How it is drawn: `good`, `bad`, `waiting` or `note`."""
    word: str
    text: str
    """Backticks mark code."""


def stage(gate: Gate) -> Line:
    """Return whether events are taken."""
    if gate.ready:
        return Line("good", "Ready", "events are accepted.")
    if gate.draining:
        return Line("waiting", "Ending", "no more events are accepted.")
    if not gate.restored:
        return Line("waiting", "Starting", "the state is being restored; until then no figures are shown.")
    return Line("bad", "Not ready", "the state cannot be written now; the log tells why.")


def conditions(about: About) -> Iterator[Line]:
    """Yield what the settings mean for what can be known."""
    if not about.lasting:
        yield Line("note", "Memory", "all figures are lost when this process ends; `DORA_STATE` keeps them.")
    if about.lookups:
        yield Line("good", "GitHub", "is asked for what no delivery told.")
    else:
        yield Line(
            "note", "No token", "only what arrives is known; `GITHUB_TOKEN` or a GitHub App lets GitHub be asked."
        )


_REFUSALS = {
    "unauthenticated": (
        "with no or a wrong signature or token",
        "Is the secret at GitHub that of `WEBHOOK_SECRET`? `dora check` compares.",
    ),
    "content_type": ("of another content type", "Set the webhook's to `application/json`."),
    "malformed": ("that could not be read", "The answers tell which fields, at GitHub under Recent deliveries."),
    "invalid": ("that break a rule", "The answers tell which."),
    "forbidden": ("of a client that may not write the repository", "`DORA_API_TOKENS` says who may."),
    "event_header": ("without `X-GitHub-Event`", "Something on the way drops headers."),
    "too_large": ("that are too large", "GitHub sends none of that size."),
    "unavailable": ("while the state could not be written", "GitHub sends none again by itself: redeliver them there."),
}
"""By reason of `dora_rejected_deliveries_total`: what was refused, and the remedy."""


def troubles(rejections: Mapping[str, int], unwatched: int, questions: Questions) -> Iterator[Line]:
    """Yield what went wrong since this process started, for who may read details."""
    for reason, (which, remedy) in _REFUSALS.items():
        if count := rejections.get(reason, 0):
            yield Line("bad", "Refused", f"{counted(count, 'request')} {which}. {remedy}")
    if unwatched:
        text = f"{counted(unwatched, 'event')} of repositories that `DORA_REPOSITORIES` leaves out."
        yield Line("note", "Ignored", text)
    if pending := questions.pending_questions:
        seconds = int(questions.oldest_question_age())
        text = f"{counted(pending, 'look-up')} at GitHub without an answer yet, the oldest for {lasting(seconds)}."
        yield Line("waiting", "Waiting", text)
