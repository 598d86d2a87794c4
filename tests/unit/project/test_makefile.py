"""The verbs: what they take for set up already."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
NEEDED = ("Makefile", "pyproject.toml", "requirements.txt", "requirements-build.txt", "requirements-dev.txt")


def made(folder: Path, *words: str) -> int:
    """Return make's exit code; what a make around this one has set does not count."""
    environ = {"PATH": os.environ["PATH"]}
    return subprocess.run(["make", "--silent", *words], cwd=folder, env=environ, check=False).returncode


def test_who_has_set_up_for_development_runs_without_installing_anything_again(tmp_path: Path) -> None:
    for name in NEEDED:
        shutil.copy(ROOT / name, tmp_path / name)
    # A Python that installs whatever it is asked to.
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(shutil.which("true") or "true")
    assert made(tmp_path, "--question", ".venv/.runtime") == 1
    assert made(tmp_path, "setup") == 0
    assert made(tmp_path, "--question", ".venv/.runtime") == 0
    assert made(tmp_path, "--question", ".venv/.dev") == 0
