"""Incidents of one repository, and the failures they are evidence of."""

from __future__ import annotations

from attrs import Factory, define

from dora.domain.instant import Instant
from dora.domain.order import Order

REMEMBERED = 1_000
"""Incidents that a repository remembers: the newest by opening or, before that is known, resolution."""


@define
class Incident:
    """One incident, as far as it is known."""

    environment: tuple[str, str]
    """Label and service that its numbers are counted under."""
    opened_at: Instant | None = None
    resolved_at: Instant | None = None
    failure: int | None = None
    """The failure that it opened."""

    @property
    def since(self) -> Instant:
        """The earliest that is known of it."""
        return self.opened_at if self.opened_at is not None else self.resolved_at or 0


@define
class Incidents:
    """The newest incidents of a repository."""

    known: dict[str, Incident] = Factory(dict)
    times: Order[tuple[Instant, str]] = Factory(Order)
    forgotten_until: Instant | None = None

    def too_old(self, incident_id: str, at: Instant) -> bool:
        """Return whether an incident is older than those forgotten."""
        return incident_id not in self.known and self.forgotten_until is not None and at <= self.forgotten_until

    def keep(self, incident_id: str, incident: Incident) -> None:
        """Remember a new incident; forget the oldest beyond the bound."""
        self.known[incident_id] = incident
        self.times.add((incident.since, incident_id))
        if len(self.times) > REMEMBERED:
            self.forgotten_until, oldest = self.times.forget_first()
            del self.known[oldest]
