"""What is being looked at, for whoever waits: on a terminal at once, elsewhere when it takes long."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATIENCE: Final = 5.0
"""Seconds without a word after which it is said what is going on."""


@contextmanager
def progress(err: IO[str], *, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[str], None]]:
    """Give a function that is told what begins now."""
    console = Console(file=err, highlight=False)
    if console.is_terminal:
        with console.status("", spinner="dots") as status:
            yield lambda what: status.update(f"checking {what}")
        return
    last = clock()

    def tell(what: str) -> None:
        nonlocal last
        if clock() - last >= _PATIENCE:
            console.print(f"checking {what}", markup=False, soft_wrap=True)
            last = clock()

    yield tell
