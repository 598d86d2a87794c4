from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.fakes.time import VirtualLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], VirtualLoop]]:
    """Let minutes pass in no time."""
    return {"virtual": VirtualLoop}
