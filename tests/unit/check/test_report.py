from __future__ import annotations

import io
import json

from dora.check.progress import progress
from dora.check.report import for_machines, for_people, summary
from dora.findings import Finding, Level

FINDINGS = [
    Finding(Level.OK, "state", "/var/lib/dora", "It can be written."),
    Finding(Level.ERROR, "webhooks", "acme/api", "No webhook [leads] here\x1b[2J.", "Add one."),
    Finding(Level.WARNING, "state", "/var/lib/dora", "Only 3 MiB are free.", "Free some."),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_each_finding_is_a_line_by_area_whatever_its_length() -> None:
    out = io.StringIO()
    long = Finding(Level.UNKNOWN, "github", "x", "word " * 100 + "end.", "Do.")
    for_people([*FINDINGS, long], out)
    lines = out.getvalue().splitlines()
    assert lines[:3] == [
        "ok       state: /var/lib/dora: It can be written.",
        "warning  state: /var/lib/dora: Only 3 MiB are free. Free some.",
        "error    webhooks: acme/api: No webhook [leads] here\N{REPLACEMENT CHARACTER}[2J. Add one.",
    ]
    assert lines[3].endswith("end. Do.")
    assert lines[4:] == ["1 ok, 1 warning, 1 error, 1 unknown"]


def test_on_a_terminal_nothing_that_was_found_can_steer_it() -> None:
    out = Terminal()
    for_people(FINDINGS, out)
    assert "[leads]" in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()
    assert "Webhooks" in out.getvalue()


def test_for_machines_there_is_one_object() -> None:
    out = io.StringIO()
    for_machines(FINDINGS, out, version="1.2.3", code=1)
    told = json.loads(out.getvalue())
    assert (told["version"], told["exit_code"]) == ("1.2.3", 1)
    assert told["counts"] == {"ok": 1, "warning": 1, "error": 1, "unknown": 0}
    assert told["findings"][0] == {
        "level": "ok",
        "area": "state",
        "subject": "/var/lib/dora",
        "found": "It can be written.",
        "remedy": "",
    }


def test_levels_that_did_not_occur_are_not_counted() -> None:
    assert summary([FINDINGS[0], FINDINGS[0], FINDINGS[2], FINDINGS[2]]) == "2 ok, 2 warnings"


def test_without_a_terminal_progress_is_told_when_it_takes_long_and_not_before() -> None:
    out, times = io.StringIO(), iter([0.0, 1.0, 6.0, 6.0, 7.0, 12.0, 12.0])
    with progress(out, clock=lambda: next(times)) as tell:
        for what in ("one", "two [x]", "three", "four"):
            tell(what)
    assert out.getvalue() == "checking two [x]\nchecking four\n"


def test_on_a_terminal_progress_is_told_at_once() -> None:
    out = Terminal()
    with progress(out) as tell:
        tell("acme/api")
    assert "\x1b" in out.getvalue()
