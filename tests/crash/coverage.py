"""How much of the kernel and of the stores the tests of the engine pass through, branch by branch."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURED = {
    "the kernel": "romancy/kernel/*",
    "the SQLite store": "romancy/store/*.py,romancy/store/sqlite/*",
    "the PostgreSQL store": "romancy/store/postgres/*",
}
SIDE_BY_SIDE = (
    ("tests/romancy", "tests/crash/test_programs.py"),
    ("tests/damage", "tests/postgres"),
)
"""Tests that are run in two processes, since one takes twice as long."""


def branches_covered() -> dict[str, float]:
    """The share of branches taken, of the kernel and of each store.

    Raises:
        RuntimeError: the tests fail.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "coverage"
        measured = ("run", "--branch", "--parallel-mode", f"--data-file={data}", "--source=romancy")
        under_way = [_begin(*measured, "-m", "pytest", "-q", "-p", "no:cacheprovider", *each) for each in SIDE_BY_SIDE]
        for each in under_way:
            _finish(each)
        _finish(_begin("combine", f"--data-file={data}", folder))
        return {name: _share(data, pattern) for name, pattern in MEASURED.items()}


def _share(data: Path, pattern: str) -> float:
    report = data.with_suffix(".json")
    _finish(_begin("json", f"--data-file={data}", f"--include={pattern}", "-o", str(report)))
    totals = json.loads(report.read_text())["totals"]
    return float(totals["covered_branches"] / totals["num_branches"])


def _begin(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "coverage", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finish(process: subprocess.Popen[str]) -> None:
    told, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} failed:\n{told[-4000:]}")
