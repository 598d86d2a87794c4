"""The events that came in: the client's own lines, made in steps."""

from __future__ import annotations

from collections import Counter

import prometheus_client as client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import exposition as plain
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics

from dora.adapters.prometheus.events import AT_ONCE, HELP, NAME, Events

BORN = 1_772_532_184.25

any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
kinds = st.tuples(any_text, st.sampled_from(["api", "github"]), st.sampled_from(["push", "issues"]), any_text)


class Fixed:
    """A registry of one family."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def collect(self) -> list[Metric]:
        return [self.metric]


def by_the_client(counts: Counter[tuple[str, str, str, str]], *, is_open: bool) -> str:
    """Return what prometheus-client makes of the same family."""
    family = CounterMetricFamily(NAME, HELP, labels=["repository", "source", "type", "outcome"])
    for labels, count in counts.items():
        family.add_metric(labels, count, created=BORN if is_open else None)
    if is_open:
        text: str = openmetrics.generate_latest(Fixed(family)).decode()  # type: ignore[no-untyped-call] # as it is
        return text.removesuffix("# EOF\n")
    return plain.generate_latest(Fixed(family)).decode()


@pytest.mark.parametrize("is_open", [True, False])
@given(came=st.lists(kinds, max_size=30))
def test_the_lines_are_the_clients_own(came: list[tuple[str, str, str, str]], is_open: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    events = Events(lambda: BORN)
    counts = Counter[tuple[str, str, str, str]](came)
    for repository, source, type_, outcome in came:
        events.count(repository=repository, source=source, type_=type_, outcome=outcome)
    assert "".join(events.text(openmetrics=is_open)) == by_the_client(counts, is_open=is_open)


def test_a_step_makes_the_lines_of_so_many_series_and_all_show_the_moment_of_the_question() -> None:
    events = Events(lambda: BORN)

    def come(number: int) -> None:
        events.count(repository=f"acme/{number}", source="github", type_="push", outcome="stored")

    for number in range(2 * AT_ONCE + 1):
        come(number)
    steps = events.text(openmetrics=False)
    for number in range(3 * AT_ONCE):
        come(number)
    header, *bodies = steps
    assert header.startswith("# HELP")
    assert [body.count("\n") for body in bodies] == [AT_ONCE, AT_ONCE, 1]
    assert {line.rpartition(" ")[2] for body in bodies for line in body.splitlines()} == {"1.0"}


def test_the_client_is_the_one_whose_lines_are_meant() -> None:
    """Its own counter, stepped as everybody steps it, is shown as the family above."""
    registry = client.CollectorRegistry()
    counter = client.Counter(NAME, HELP, ["repository", "source", "type", "outcome"], registry=registry)
    counter.labels("acme/a", "github", "push", "stored").inc(3)
    events = Events()
    for _ in range(3):
        events.count(repository="acme/a", source="github", type_="push", outcome="stored")
    shown = plain.generate_latest(registry).decode()
    assert "".join(events.text(openmetrics=False)) == shown[: shown.index("# HELP dora_events_created")]
