from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "docs" / "embedding.md"


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_program_prints_what_the_document_says() -> None:
    ran = subprocess.run([sys.executable, "-c", block("python")], capture_output=True, text=True, check=True)
    assert ran.stdout == block("text")


def test_the_package_loads_nothing_of_a_third_party_but_attrs() -> None:
    program = (
        "import sys; before = set(sys.modules); import dora;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["attr", "attrs", "dora"]
