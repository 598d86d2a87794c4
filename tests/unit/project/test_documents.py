"""The documents say what the code has: links lead somewhere, and no setting or metric is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dora.adapters.prometheus.families import FAMILIES, Family, Kind
from dora.settings import VARIABLES

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_into_the_repository_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_setting_has_its_row_and_no_row_is_of_another() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert sorted(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)) == sorted(VARIABLES)


def sections() -> dict[str, str]:
    text = (ROOT / "docs" / "metrics.md").read_text()
    found = re.split(r"^### `(\w+)`$", text, flags=re.MULTILINE)
    return {
        name: re.split(r"^## ", body, flags=re.MULTILINE)[0]
        for name, body in zip(found[1::2], found[2::2], strict=True)
    }


def exposed(family: Family) -> str:
    return f"{family.name}_total" if family.kind is Kind.COUNTER else family.name


def test_every_metric_has_its_section_and_no_section_is_of_another() -> None:
    assert sorted(sections()) == sorted(exposed(family) for family in FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=exposed)
def test_a_metrics_section_names_its_type_its_labels_their_values_and_a_query(family: Family) -> None:
    section = sections()[exposed(family)]
    said = re.match(r"\n*(\w+): ([^.]*)\.", section)
    assert said, "the first sentence is the type and the labels"
    assert said[1].lower() == family.kind.value
    assert set(re.findall(r"[a-z_]+", re.sub(r"\(.*\)", "", said[2]))) == set(family.labels)
    if family.label:
        assert all(f"`{value}`" in section for value in family.values)
    assert f"{family.name}" in "".join(re.findall(r"```promql\n(.*?)```", section, re.DOTALL))


def test_the_readme_says_what_it_is_how_to_run_and_test_it_shows_it_and_leads_on() -> None:
    start, _, rest = (ROOT / "README.md").read_text().partition("\n## ")
    pieces = ("$ make run ", "$ make test ", "![", "| [docs/")
    places = [start.index(piece) for piece in pieces]
    assert places == sorted(places)
    # What it is not comes before what it does.
    assert rest.startswith("What it is not")
    documents = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert documents <= set(re.findall(r"\]\(([^)#]+)\)", start))
