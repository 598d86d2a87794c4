"""Runs benchmarks, each in a process of its own: `python -m benchmarks [NAME ...] [--quick]`.

What they print goes by as they run; the table of the targets comes at the end. Their figures are kept in
`build/benchmarks/` as JSON lines, from which `python -m benchmarks.document` fills docs/performance.md. Quick runs,
which prove that every benchmark runs and nothing else, are kept nowhere.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.figures import TARGETS, shown, verdict
from benchmarks.kept import BENCHMARKS, FOLDER, figures, kept


def main() -> int:
    """Run what was asked for, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all if none is given"
    )
    parser.add_argument("--quick", action="store_true", help="run everything once, in small: the figures mean nothing")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    failed = [name for name in options.names or BENCHMARKS if not run(name, quick=options.quick)]
    if not options.quick:
        table(options.names or BENCHMARKS)
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    return 1 if failed else 0


def run(name: str, *, quick: bool) -> bool:
    """Run a benchmark; return whether it ended well. Only then its figures replace the earlier ones."""
    print(f"== {name}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    unfinished = FOLDER / f"{name}.part"
    unfinished.unlink(missing_ok=True)
    began = time.perf_counter()
    done = subprocess.run([*command, *(("--quick",) if quick else ("--json", str(unfinished)))], check=False)
    print(f"   {time.perf_counter() - began:.0f} s", flush=True)
    if done.returncode == 0 and not quick:
        unfinished.replace(kept(name))
    return done.returncode == 0


def table(names: Sequence[str]) -> None:
    """Print what is asked and what was measured."""
    print(f"\n{'':72}{'measured':>14}")
    for figure in figures(names):
        if figure.name in TARGETS:
            print(f"{TARGETS[figure.name].what:<72}{shown(figure.value, figure.unit):>14}   {verdict(figure)}")


if __name__ == "__main__":
    sys.exit(main())
