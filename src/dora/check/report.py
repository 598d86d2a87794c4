"""How findings are shown: to a person by area, on a terminal in colours; to a machine as JSON."""

from __future__ import annotations

from collections import Counter
from typing import IO, TYPE_CHECKING, Final

import attrs
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dora.findings import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dora.findings import Finding

_COLOURS: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "bold red", Level.UNKNOWN: "cyan"}
_TITLES: Final = {"github": "GitHub"}
_PLURALS: Final = {Level.OK: "ok", Level.WARNING: "warnings", Level.ERROR: "errors", Level.UNKNOWN: "unknown"}


def for_people(findings: Sequence[Finding], out: IO[str]) -> None:
    """Write the findings, a line each where nobody sets line breaks, and how many there are of each level."""
    console = Console(file=out, highlight=False)
    for area in dict.fromkeys(finding.area for finding in findings):
        own = [finding for finding in findings if finding.area == area]
        if not console.is_terminal:
            for one in own:
                line = f"{one.level:8} {area}: {one.subject}: {one.found} {one.remedy}".rstrip()
                console.print(_printable(line), markup=False, soft_wrap=True)
            continue
        table = Table.grid(padding=(0, 2))
        table.add_column(width=7)
        table.add_column(overflow="fold")
        for one in own:
            level = f"[{_COLOURS[one.level]}]{one.level}[/]"
            table.add_row(level, f"[bold]{_shown(one.subject)}[/bold]  {_shown(one.found)}")
            if one.remedy:
                table.add_row("", f"[dim]→[/dim] {_shown(one.remedy)}")
        console.print(f"\n[bold underline]{_TITLES.get(area, area.capitalize())}[/]")
        console.print(table)
    console.print(f"{chr(10) if console.is_terminal else ''}{summary(findings)}", markup=False)


def for_machines(findings: Sequence[Finding], out: IO[str], *, version: str, code: int) -> None:
    """Write one JSON object: `version`, `exit_code`, how many there are of each level, and the findings."""
    told = {
        "version": version,
        "exit_code": code,
        "counts": _counts(findings),
        "findings": [attrs.asdict(finding) for finding in findings],
    }
    out.write(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode() + "\n")


def summary(findings: Sequence[Finding]) -> str:
    """Return how many findings there are of each level."""
    counts = _counts(findings)
    return ", ".join(
        f"{count} {level if count == 1 else _PLURALS[level]}" for level in Level if (count := counts[level])
    )


def _shown(text: str) -> str:
    return escape(_printable(text))


def _printable(text: str) -> str:
    """Return the text without what could steer a terminal: some of it came from elsewhere."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    counted = Counter(finding.level for finding in findings)
    return {level.value: counted[level] for level in Level}
