"""Observations to record, made up one by one or by Hypothesis, and what a reader makes of the answer."""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from dora.adapters.prometheus import Exposition, Format
from dora.domain.facts import Result, Unknown
from dora.domain.instant import MICROSECONDS
from dora.domain.observations import (
    Cause,
    Chain,
    ChainRegistered,
    ChangeCounted,
    ChangeFailed,
    CommitLeadTimeObserved,
    DeploymentCounted,
    Exemplar,
    GaugesMoved,
    IncidentCounted,
    IncidentsRegistered,
    IncidentState,
    LastDeployment,
    LeadTimeObserved,
    LeadTimeUnknown,
    Observation,
    OpenFailures,
    PendingLookups,
    Recovered,
    RecoveryRegistered,
    RepositoryRegistered,
    ReworkCounted,
    TimeToMergeObserved,
)

OPENMETRICS = Format(openmetrics=True)
TEXT = Format(openmetrics=False)
NOON = 1_760_000_000 * MICROSECONDS
HOUR = 3600 * MICROSECONDS
CHAIN = Chain("acme/shop", "production", "")
LABELS = {"environment": "production", "repository": "acme/shop", "service": ""}
EXEMPLAR = Exemplar(deployment_id="42", sha="c0ffee")

Recording: TypeAlias = tuple[list[Observation], int]

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
"""Any UTF-8."""
durations = st.one_of(st.integers(0, 400 * 24 * HOUR), st.integers(0, 10**18))
exemplars = st.builds(
    Exemplar, deployment_id=st.text(st.characters(exclude_categories=["Cs"]), max_size=130), sha=words
)


def observations(chains: st.SearchStrategy[Chain]) -> st.SearchStrategy[Observation]:
    """Any observation of these chains."""
    repositories = chains.map(lambda chain: chain.repository)
    causes = st.sampled_from(Cause)
    return st.one_of(
        st.builds(RepositoryRegistered, repositories),
        st.builds(ChainRegistered, chains),
        st.builds(IncidentsRegistered, chains),
        st.builds(DeploymentCounted, chains, st.sampled_from(Result), exemplars),
        st.builds(LeadTimeObserved, chains, durations, exemplars),
        st.builds(CommitLeadTimeObserved, chains, durations, exemplars),
        st.builds(ChangeFailed, chains, causes, exemplars),
        st.builds(RecoveryRegistered, chains, causes),
        st.builds(Recovered, chains, causes, durations, exemplars),
        st.builds(ReworkCounted, chains, exemplars),
        st.builds(OpenFailures, chains, st.integers(0, 2_000_000)),
        st.builds(LeadTimeUnknown, chains, st.sampled_from(Unknown)),
        st.builds(PendingLookups, chains, st.integers(0, 5)),
        st.builds(LastDeployment, chains, st.integers(-(10**15), 10**17)),
        st.builds(GaugesMoved, chains),
        st.builds(ChangeCounted, repositories),
        st.builds(TimeToMergeObserved, repositories, durations),
        st.builds(IncidentCounted, chains, st.sampled_from(IncidentState)),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Recording]:
    """What a few chains, with any names, went through."""
    chains = draw(st.lists(st.builds(Chain, words, words, words), min_size=1, max_size=12, unique=True))
    of_any = observations(st.sampled_from(chains))
    births = st.integers(NOON, NOON + 100 * HOUR)
    return draw(st.lists(st.tuples(st.lists(of_any, max_size=6), births), max_size=12))


def read(exposition: Exposition, format_: Format = OPENMETRICS, *, compressed: bool = False, now: int = NOON) -> bytes:
    """The whole answer."""
    return b"".join(exposition.body(format_, compressed=compressed, now=now))


def samples(exposition: Exposition, now: int = NOON) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of the OpenMetrics answer, by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(read(exposition, now=now).decode(), openmetrics=True)
        for sample in family.samples
    }


def at(name: str, labels: dict[str, str] = LABELS, **more: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """Where `samples` has one."""
    return name, frozenset((labels | more).items())


def families(text: str, *, openmetrics: bool) -> list[Metric]:
    """What the client's own strict parser reads."""
    parse = openmetrics_parser.text_string_to_metric_families if openmetrics else text_string_to_metric_families
    return list(parse(text))
