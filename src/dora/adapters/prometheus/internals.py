"""The process's own metrics, at `/internal/metrics`: what came in, what was refused, what the process is doing.

They describe this process and not the state: they begin at 0 with it, and `dora.adapters.prometheus.series` is not
involved. Every label has few values: repositories are those that are watched, everything else comes from fixed lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from attrs import define, field
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Metric
from prometheus_client import exposition as text
from prometheus_client.gc_collector import GCCollector
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from dora.adapters.prometheus.deflate import member, piece
from dora.adapters.prometheus.events import Events
from dora.adapters.prometheus.negotiation import Format, accepts_gzip, negotiate
from dora.adapters.prometheus.scrape import Scrape

OTHER: Final = "other"
"""What a label says of a value that is on no list."""

REJECTIONS: Final = (
    # Why a delivery or a pushed event was not taken, in the order they are checked.
    "method",
    "unauthenticated",
    "content_type",
    "too_large",
    "event_header",
    "malformed",
    "invalid",
    "forbidden",
    "unavailable",
    "slow",
    "gone",
    OTHER,
)
"""The reasons that `dora_rejected_deliveries_total` knows."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Anybody can send any word as a method."""

_REQUEST_EDGES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds. A delivery should take a millisecond or two and must be answered within one second."""


@define(eq=False)
class Internals:
    """The process's own metrics, in a registry of their own."""

    _version: str
    _revision: str = ""
    _registry: CollectorRegistry = field(factory=CollectorRegistry, init=False, repr=False)
    _events: Events = field(factory=Events, init=False, repr=False)
    _rejected: Counter = field(init=False, repr=False)
    _requests: Counter = field(init=False, repr=False)
    _request_seconds: Histogram = field(init=False, repr=False)
    _queue: Gauge = field(init=False, repr=False)
    _ready: Gauge = field(init=False, repr=False)
    _asked: Counter = field(init=False, repr=False)
    _budget: Gauge = field(init=False, repr=False)
    _budget_limit: Gauge = field(init=False, repr=False)
    _reconciled: Counter = field(init=False, repr=False)
    _open_questions: Gauge = field(init=False, repr=False)
    _oldest_question: Gauge = field(init=False, repr=False)
    # The client looks a series up much more slowly than a dictionary does; these are stepped with every delivery.
    _answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        registry = self._registry
        self._rejected = Counter(
            "dora_rejected_deliveries",
            "Deliveries and pushed events that were refused, by reason.",
            ["reason"],
            registry=registry,
        )
        for reason in REJECTIONS:
            self._rejected.labels(reason)
        self._requests = Counter(
            "dora_http_requests",
            "HTTP requests answered, by route, method and status.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._request_seconds = Histogram(
            "dora_http_request_duration_seconds",
            "Time from a request's first byte to the last byte of its answer.",
            ["route", "method"],
            buckets=_REQUEST_EDGES,
            registry=registry,
        )
        self._queue = Gauge("dora_queued_entries", "Events received and not yet kept in the state.", registry=registry)
        self._ready = Gauge("dora_ready", "1 while /readyz answers 200, else 0.", registry=registry)
        self._asked = Counter(
            "dora_github_requests",
            "Requests to GitHub's API, by endpoint and status (timeout, error: no whole answer).",
            ["endpoint", "status"],
            registry=registry,
        )
        self._budget = Gauge(
            "dora_github_rate_limit_remaining",
            "Requests (GraphQL: points) that GitHub's primary limit leaves until its reset.",
            ["resource"],
            registry=registry,
        )
        self._budget_limit = Gauge(
            "dora_github_rate_limit",
            "GitHub's primary limit, requests (GraphQL: points) per hour.",
            ["resource"],
            registry=registry,
        )
        self._reconciled = Counter(
            "dora_reconciliations",
            "Repositories compared with what GitHub lists, by result: done, refused (a permission), unavailable.",
            ["result"],
            registry=registry,
        )
        self._open_questions = Gauge("dora_open_questions", "Look-ups that wait for an answer.", registry=registry)
        self._oldest_question = Gauge(
            "dora_oldest_question_age_seconds", "Age of the oldest look-up that waits for an answer.", registry=registry
        )
        build = Info("dora_build", "The version that runs.", registry=registry)
        build.info({"version": self._version, "revision": self._revision})
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def event(self, *, repository: str, source: str, type_: str, outcome: str) -> None:
        """Count a genuine event of a watched repository.

        Args:
            repository: `owner/name`, only if it is watched: the caller vouches for it.
            source: the door, `github` or `api`.
            type_: from the door's fixed list of types, else `other`.
            outcome: `dora.domain.outcome.Status`.
        """
        self._events.count(repository=repository, source=source, type_=type_, outcome=outcome)

    def rejected(self, reason: str) -> None:
        """Count a delivery that was refused, for one of `REJECTIONS`."""
        self._rejected.labels(reason if reason in REJECTIONS else OTHER).inc()

    def rejections(self) -> dict[str, int]:
        """Return how many were refused, by reason; only reasons that occurred."""
        samples = [sample for metric in self._rejected.collect() for sample in metric.samples]
        return {
            sample.labels["reason"]: int(sample.value)
            for sample in samples
            if sample.name.endswith("_total") and sample.value
        }

    def request(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            route: the route's own path, `other` for paths that are none.
            method: as sent; what HTTP does not know becomes `other`.
            status: the answer's status code.
            seconds: until the last byte was handed over.
        """
        known = method if method in _METHODS else OTHER
        answered = self._answered.get((route, known, status))
        if answered is None:
            answered = self._requests.labels(route, known, status), self._request_seconds.labels(route, known)
            self._answered[route, known, status] = answered
        count, took = answered
        count.inc()
        took.observe(seconds)

    def asked(self, endpoint: str, status: int | str, remaining: int | None, limit: int | None, resource: str) -> None:
        """Count a request to GitHub, and note what is left.

        Args:
            endpoint: what was asked, a word of a fixed list.
            status: the HTTP status, `timeout` or `error`.
            remaining: of the primary limit, if GitHub told.
            limit: the primary limit, if GitHub told.
            resource: which of GitHub's limits.
        """
        self._asked.labels(endpoint, str(status)).inc()
        if remaining is not None:
            self._budget.labels(resource).set(remaining)
        if limit is not None:
            self._budget_limit.labels(resource).set(limit)

    def reconciled(self, result: str) -> None:
        """Count a repository that was compared with GitHub's lists: `done`, `refused` or `unavailable`."""
        self._reconciled.labels(result).inc()

    def watch_questions(self, *, count: Callable[[], int], oldest_age: Callable[[], float]) -> None:
        """Ask for the open questions at every scrape: how many, and the age of the oldest in seconds."""
        self._open_questions.set_function(count)
        self._oldest_question.set_function(oldest_age)

    def watch_queue(self, length: Callable[[], int]) -> None:
        """Ask for the queue's length at every scrape."""
        self._queue.set_function(length)

    def watch_ready(self, ready: Callable[[], bool]) -> None:
        """Ask whether the service is ready at every scrape."""
        self._ready.set_function(ready)

    def answer(self, *, accept: str | None, accept_encoding: str | None) -> Scrape:
        """Return the answer to a scrape with these headers."""
        format_ = negotiate(accept)
        pieces = self.exposition(format_)
        if not accepts_gzip(accept_encoding):
            return Scrape(format_.content_type, None, pieces)
        return Scrape(format_.content_type, "gzip", member([piece(some)] for some in pieces))

    def exposition(self, format_: Format) -> Iterator[bytes]:
        """Return the metrics as they are now, in steps."""
        return self._pieces(self._events.text(openmetrics=format_.openmetrics), self._rest(format_))

    def _pieces(self, events: Iterator[str], rest: bytes) -> Iterator[bytes]:
        for some in events:
            yield some.encode()
        yield rest

    def _rest(self, format_: Format) -> bytes:
        """Return all families but the events: some hundred series, however many repositories there are."""
        if format_.openmetrics:
            rest: bytes = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]  # as the client has it
            return rest
        return text.generate_latest(_WithoutCreated(self._registry))


@define(eq=False)
class _WithoutCreated(Collector):
    """The text format has no created samples; the client would add a gauge for each."""

    _registry: CollectorRegistry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if sample.name != f"{metric.name}_created"]
            yield metric
