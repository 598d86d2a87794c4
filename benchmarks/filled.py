"""A service that an organisation has used: its series come from deliveries, as they do anywhere."""

from __future__ import annotations

from typing import Final

from benchmarks.deliveries import EACH, Deliveries
from benchmarks.load import send
from benchmarks.servers import Process

CONNECTIONS: Final = 16
_AT_ONCE: Final = 1_400
"""Deliveries made before they are sent: 14 MB."""


def fill(process: Process, repositories: int) -> Deliveries:
    """Deliver two changes of each repository, deployed to two environments; return the deliveries that come next."""
    deliveries = Deliveries(repositories)
    left = EACH * repositories
    while left:
        many = min(left, _AT_ONCE)
        run = send(process, deliveries.take(many), CONNECTIONS)
        if set(run.statuses) != {202}:
            raise SystemExit(f"not every delivery was accepted: {run.statuses}")
        left -= many
    return deliveries
