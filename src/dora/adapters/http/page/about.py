"""What the page says of the service itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from dora.domain.instant import Instant


@frozen(kw_only=True)
class About:
    """What is decided once, at the start."""

    version: str
    state: str
    """Kind of the state, like `memory`."""
    lookups: bool
    """True if GitHub can be asked for what is missing."""
    listed: bool = False
    """True if `DORA_ENVIRONMENTS` says which environments count."""
    clients: bool = False
    """True if there are clients of the push API."""
    started: Instant = 0

    @property
    def lasting(self) -> bool:
        """True if the state outlives the process."""
        return self.state != "memory"

    @property
    def shared(self) -> bool:
        """True if other processes may serve the same state."""
        return self.state.startswith("redis")
