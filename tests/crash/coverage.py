"""How much of the kernel and of the SQLite store the tests of the engine pass through, branch by branch."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURED = {"the kernel": "romancy/kernel/*", "the SQLite store": "romancy/store/*.py,romancy/store/sqlite/*"}
TESTS = ("tests/romancy", "tests/damage", "tests/crash/test_programs.py")


def branches_covered() -> dict[str, float]:
    """The share of branches taken, of the kernel and of the SQLite store.

    Raises:
        RuntimeError: the tests fail.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "coverage"
        measured = ["run", "--branch", f"--data-file={data}", "--source=romancy"]
        _coverage(*measured, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
        return {name: _share(data, pattern) for name, pattern in MEASURED.items()}


def _share(data: Path, pattern: str) -> float:
    report = data.with_suffix(".json")
    _coverage("json", f"--data-file={data}", f"--include={pattern}", "-o", str(report))
    totals = json.loads(report.read_text())["totals"]
    return float(totals["covered_branches"] / totals["num_branches"])


def _coverage(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "coverage", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"coverage {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
