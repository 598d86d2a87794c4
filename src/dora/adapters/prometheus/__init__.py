"""Metrics: every metric name of the project, the sink behind them, and what `/metrics` and `/internal/metrics` answer.

prometheus_client is used in this room and nowhere else.
"""

from dora.adapters.prometheus.collector import Collector
from dora.adapters.prometheus.exposition import Exposition
from dora.adapters.prometheus.internals import Internals
from dora.adapters.prometheus.negotiation import Format, accepts_gzip, negotiate
from dora.adapters.prometheus.scrape import Scrape
from dora.adapters.prometheus.series import Series
from dora.adapters.prometheus.standing import Standings

__all__ = [
    "Collector",
    "Exposition",
    "Format",
    "Internals",
    "Scrape",
    "Series",
    "Standings",
    "accepts_gzip",
    "negotiate",
]
