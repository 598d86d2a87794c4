"""Incidents of one repository, and the failures they are evidence of."""

from __future__ import annotations

from bisect import insort

from attrs import Factory, define

from dora.domain.instant import Instant

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
    times: list[tuple[Instant, str]] = Factory(list)
    forgotten_until: Instant | None = None

    def too_old(self, incident_id: str, at: Instant) -> bool:
        """Return whether an incident is older than those forgotten."""
        return incident_id not in self.known and self.forgotten_until is not None and at <= self.forgotten_until

    def keep(self, incident_id: str, incident: Incident) -> None:
        """Remember a new incident; forget the oldest beyond the bound."""
        self.known[incident_id] = incident
        insort(self.times, (incident.since, incident_id))
        if len(self.times) > REMEMBERED:
            self.forgotten_until, oldest = self.times.pop(0)
            del self.known[oldest]
