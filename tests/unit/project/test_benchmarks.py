"""The benchmarks measure what they say: `make bench-quick` runs them, here stand what their figures rest on."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from pathlib import Path
from statistics import mean
from xml.etree import ElementTree as ET

import pytest

from benchmarks.deliveries import EACH, Deliveries
from benchmarks.document import BLOCKS, Measured, fill
from benchmarks.drawing import Bar, Curve, bars, curves
from benchmarks.figures import AT_LEAST, AT_MOST, TARGETS, Figure, Target, middle, shown
from benchmarks.kept import BENCHMARKS
from benchmarks.servers import SECRET
from dora.adapters.github.webhooks import Webhooks
from dora.domain.core import Core
from dora.domain.outcome import Status
from dora.settings import Settings

DOCUMENT = Path(__file__).parents[3] / "docs" / "performance.md"


def parts(request: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().splitlines()[1:]]
    return {name: value for name, _, value in lines}, body


def test_every_delivery_is_signed_and_a_fact_that_was_not_there_before() -> None:
    settings = Settings.from_environ({"WEBHOOK_SECRET": SECRET.decode()})
    door, core = Webhooks(settings.webhook_secrets, settings.policy), Core()
    for request in Deliveries(repositories=3).take(3 * EACH * 3):
        headers, body = parts(request)
        assert int(headers["Content-Length"]) == len(body)
        door.verify(headers["X-Hub-Signature-256"], body)
        delivery = door.read(event=headers["X-GitHub-Event"], body=body, form=False, received_at=0)
        (fact,) = delivery.facts
        assert core.apply(fact).outcome.status in (Status.COUNTED, Status.STORED)
        assert delivery.ignored is None
    assert len(core.repositories) == 3
    assert {len(repository.chains) for repository in core.repositories} == {2}


def test_deliveries_have_ten_kilobytes_on_average() -> None:
    assert mean(len(parts(request)[1]) for request in Deliveries(repositories=10).take(10 * EACH)) == pytest.approx(
        10_000, rel=0.05
    )


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_says_what_it_measures(name: str) -> None:
    module = import_module(f"benchmarks.{name}")
    assert callable(module.measure)
    assert f"python -m benchmarks.{name}" in (module.__doc__ or "")


def test_the_document_has_a_row_for_every_target() -> None:
    rows = [line.split("|")[1].strip() for line in DOCUMENT.read_text().splitlines() if line.startswith("|")]
    for target in TARGETS.values():
        assert target.what in rows


def test_the_document_has_every_block_and_filling_changes_nothing_outside_of_them() -> None:
    text = "\n".join(f"before\n<!-- {name} -->\nstale\n<!-- end -->" for name in ("targets", "stalls"))
    measured = Measured({"stall": Figure("stall", 12.0, "ms", detail="cold")})
    filled = fill(f"{text}\nafter", measured)
    assert filled.count("before\n<!-- ") == 2
    assert filled.endswith("<!-- end -->\nafter")
    assert "stale" not in filled
    assert "| `stall` | 12 ms |  | cold |" in filled
    assert fill(filled, measured) == filled
    for name in BLOCKS:
        assert f"<!-- {name} -->\n" in DOCUMENT.read_text()


@pytest.mark.parametrize(
    ("sense", "value", "met"),
    [(AT_LEAST, 1.99, False), (AT_LEAST, 2.0, True), (AT_MOST, 2.0, True), (AT_MOST, 2.01, False)],
)
def test_a_target_is_met_from_its_bound_on(sense: str, value: float, met: bool) -> None:  # noqa: FBT001 - a case's verdict
    assert Target("what", 2.0, "ms", sense, "nothing").met(value) is met


def test_a_figure_is_the_median_of_its_repeats_and_keeps_them() -> None:
    assert middle("name", [3.0, 1.0, 2.0], "ms") == Figure("name", 2.0, "ms", (3.0, 1.0, 2.0))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.654, "%", "65 %"),
        (1234.5, "/s", "1,234 /s"),
        (12.34, "ms", "12.3 ms"),
        (0.7, "s", "0.7 s"),
        (40.0, "MB", "40 MB"),
    ],
)
def test_a_figure_is_shown_with_as_many_places_as_tell(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def texts(picture: str) -> list[str]:
    return ["".join(one.itertext()) for one in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - our own


def test_a_chart_names_its_curves_and_no_label_covers_another() -> None:
    drawn = [Curve(f"<{name}>", [(10, 1 + name / 100), (1_000, 2 + name / 100)]) for name in range(4)]
    picture = curves("title", "across", "up", drawn)
    assert {"title", "across", "up", "<0>", "<3>", "10", "1,000"} <= set(texts(picture))
    root = ET.fromstring(picture)  # noqa: S314 - our own
    labels = [one for one in root.iter("{http://www.w3.org/2000/svg}text") if (one.text or "").startswith("<")]
    heights = sorted(float(one.attrib["y"]) for one in labels)
    assert all(below - above >= 13 for above, below in pairwise(heights))


def test_bars_show_what_was_measured_on_its_side_of_the_target() -> None:
    picture = bars("title", [Bar("good", "4 s", 4.0), Bar("bad", "9 s", 0.5)])
    assert {"title", "good", "4 s", "bad", "9 s", "as asked"} <= set(texts(picture))
    assert picture.count('class="met"') == picture.count('class="missed"') == 1
