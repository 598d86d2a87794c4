"""Instructions instead of time: `python -m benchmarks.instructions`, which needs valgrind.

Other work on a machine changes how long something takes, and not how many instructions it is. Each piece of work is run
under callgrind twice, for some items and for twice as many; the difference belongs to the items alone, and two runs of
the same source give the same number to a thousandth or so. They tell whether a change made something cheaper, and not
how long it takes: a cache that is missed costs no instruction.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from benchmarks.deliveries import Deliveries
from benchmarks.figures import Figure, main
from benchmarks.history import Organisation
from benchmarks.series import Organisation as Shown
from benchmarks.servers import SECRET
from dora.adapters.github.webhooks import Webhooks
from dora.adapters.prometheus import Exposition, Format, Series
from dora.domain.core import Core
from dora.settings import Settings

REPOSITORIES: Final = 20


def transition(items: int) -> None:
    """Apply facts."""
    core = Core()
    for fact in islice(Organisation(REPOSITORIES).facts(), items):
        core.apply(fact)


def facts(items: int) -> None:
    """Make the facts that `transition` applies: what is to be taken off its count."""
    deque(islice(Organisation(REPOSITORIES).facts(), items), maxlen=0)


def delivery(items: int) -> None:
    """Verify, read, apply and record deliveries: all of a webhook but the server and the loop."""
    settings = Settings.from_environ({"WEBHOOK_SECRET": SECRET.decode()})
    door, core, series = Webhooks(settings.webhook_secrets, settings.policy), Core(), Series()
    for request in Deliveries(REPOSITORIES).take(items):
        head, _, body = request.partition(b"\r\n\r\n")
        named = dict(line.split(b": ", 1) for line in head.splitlines()[1:])
        door.verify(named[b"X-Hub-Signature-256"].decode(), body)
        event = named[b"X-GitHub-Event"].decode()
        for fact in door.read(event=event, body=body, form=False, received_at=0).facts:
            series.record(core.apply(fact).observations, at=0)


def deliveries(items: int) -> None:
    """Make the deliveries that `delivery` takes: what is to be taken off its count."""
    for request in Deliveries(REPOSITORIES).take(items):
        head, _, _ = request.partition(b"\r\n\r\n")
        dict(line.split(b": ", 1) for line in head.splitlines()[1:])


def scrape(items: int) -> None:
    """Scrape after one chain in a hundred has changed."""
    shown = Shown(5 * REPOSITORIES)
    exposition = Exposition(shown.series)
    for _ in range(items):
        shown.go_on()
        deque(exposition.body(Format(openmetrics=True), compressed=True, now=shown.now), maxlen=0)


WORKS: Final[dict[str, tuple[Callable[[int], None], Callable[[int], None] | None, int, str]]] = {
    "transition": (transition, facts, 2_000, "a fact's transition"),
    "webhook": (delivery, deliveries, 700, "a delivery verified, read, applied and recorded"),
    "scrape": (scrape, None, 20, f"a warm scrape of {5 * REPOSITORIES} repositories, gzip, 1 % changed"),
}
"""What is counted, what of it is the benchmark's own, how many items, and what one item is."""


def counted(work: Callable[[int], None], items: int) -> int:
    """Return the instructions of a Python that does some work."""
    code = f"from benchmarks.instructions import {work.__name__} as work; work({items})"
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-c", code]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise SystemExit(done.stderr)
    return int(found[1])


def each(work: Callable[[int], None], items: int) -> float:
    """Return the thousands of instructions of one item."""
    return (counted(work, 2 * items) - counted(work, items)) / items / 1e3


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - every benchmark's one parameter
    """Yield the figures; none without valgrind."""
    if shutil.which("valgrind") is None:
        print("valgrind is not here: nothing is counted")
        return
    for name, (work, own, many, what) in WORKS.items():
        items = 2 if quick else many
        count = each(work, items) - (each(own, items) if own else 0)
        yield Figure(f"instructions.{name}", count, "k", detail=f"thousands of instructions for {what}")


if __name__ == "__main__":
    main(measure, __doc__)
