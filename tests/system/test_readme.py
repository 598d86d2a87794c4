"""The README's stories, copied and run, on a service that `make run` started."""

from __future__ import annotations

import re
import subprocess
from signal import SIGTERM

import pytest

from tests.contract.servers import free_port
from tests.system.conftest import ROOT, running

pytestmark = pytest.mark.system

STORIES = re.search(r"^## Three stories by hand$(.*?)^## ", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
BLOCKS = re.findall(r"^```(sh|text)\n(.*?)^```$", STORIES[1] if STORIES else "", re.MULTILINE | re.DOTALL)


def test_the_readme_has_three_stories() -> None:
    assert [language for language, _ in BLOCKS] == ["sh", "sh", "text", "sh", "text", "sh", "text"]


def test_the_stories_print_what_the_readme_says_with_a_secret_that_git_and_others_do_not_see() -> None:
    # One test, so that no two processes have `make run` make the secret at the same time.
    port = free_port()
    script = "".join(text for language, text in BLOCKS if language == "sh")
    script = script.replace("localhost:8080", f"127.0.0.1:{port}")
    # make passes the signal on, and then dies of it itself.
    with running(["make", "--silent", "run"], {"PORT": str(port)}, port=port, ends=(-SIGTERM,)):
        told = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
        )
    assert told.stdout == "".join(text for language, text in BLOCKS if language == "text")
    secret = ROOT / ".webhook-secret"
    assert re.fullmatch(r"[0-9a-f]{64}\n", secret.read_text())
    assert secret.stat().st_mode & 0o077 == 0
    assert subprocess.run(["git", "check-ignore", "--quiet", secret.name], cwd=ROOT, check=False).returncode == 0
