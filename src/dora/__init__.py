"""Exact DORA primitives from deployments, pull requests, pushes and incidents.

The embedder's door: the pure core with its facts, observations and questions, the ports, and the observer that joins
them. Importing it loads nothing of a third party but attrs.
"""

from dora.domain import facts, observations, questions
from dora.domain.core import Core, Limits
from dora.domain.instant import Duration, Instant, instant, seconds
from dora.domain.outcome import Applied, Outcome, Status
from dora.observer import Observer, Standing
from dora.ports import CommitLookup, DoraError, EventSource, Journal, MetricSink

__all__ = [
    "Applied",
    "CommitLookup",
    "Core",
    "DoraError",
    "Duration",
    "EventSource",
    "Instant",
    "Journal",
    "Limits",
    "MetricSink",
    "Observer",
    "Outcome",
    "Standing",
    "Status",
    "facts",
    "instant",
    "observations",
    "questions",
    "seconds",
]
