"""How fast the linter is: cold, warm and one file, beside the parsers alone, on a generated project.

python -m tests.bench.lint [--modules 2000] [--lines 150] [--share 0.05]
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import libcst

from romancy_lint.config import Config
from romancy_lint.runner import run

PLAIN = '''
def compute_{n}(rows, factor=2):
    """Adds rows up."""
    total = 0
    for row in rows:
        if row.get("active") and row["amount"] > {n}:
            total += row["amount"] * factor
        elif row.get("fee"):
            total -= sum(fee["value"] for fee in row["fees"] if fee["kind"] != "tax")
    return {{"total": total, "count": len(rows), "label": f"{{total:>10}} of {{len(rows)}}"}}


class Account{n}:
    def __init__(self, name: str, rows: list[dict]) -> None:
        self.name = name
        self.rows = rows
        self.cache: dict[str, int] = {{}}

    def balance(self, currency: str = "EUR") -> int:
        if currency not in self.cache:
            self.cache[currency] = compute_{n}(self.rows)["total"]
        return self.cache[currency]
'''

WORKFLOW = """
@activity
def pay_{n}(amount: int, currency: str) -> int:
    return amount


def settle_{n}(ctx, rows) -> Flow[int]:
    account = Account{n}("a", rows)
    result = yield pay_{n}(account.balance("EUR"), "EUR")
    return result


@workflow
def order_{n}(ctx: Context, rows: list[dict]) -> Flow[int]:
    total = 0
    for row in sorted(rows, key=lambda row: row["id"]):
        total += yield pay_{n}(compute_{n}([row])["total"], "EUR")
    total += yield from settle_{n}(ctx, rows)
    first, second = yield gather(pay_{n}(1, "EUR"), pay_{n}(helper(total), "EUR"))
    return total + first + second
"""

HEAD = """
from romancy import Context, Flow, activity, gather, workflow

from app.{folder}.helpers_{group} import helper
"""


def generate(root: Path, modules: int, lines: int, share: float) -> list[Path]:
    """Writes the project; the modules that workflows reach."""
    reached = []
    workflows = round(modules * share)
    for number in range(modules):
        folder = root / "app" / f"part_{number % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
        text = '"""A module."""\n'
        block = 0
        is_workflow = number < workflows
        if is_workflow:
            text += HEAD.format(folder=folder.name, group=number // 20)
            helpers = folder / f"helpers_{number // 20}.py"
            helpers.write_text("def helper(n):\n    return n + 1\n")
            reached += [helpers]
        while text.count("\n") < lines:
            name = number * 100 + block
            text += PLAIN.format(n=name) + (WORKFLOW.format(n=name) if is_workflow else "")
            block += 1
        path = folder / f"module_{number}.py"
        path.write_text(text)
        reached += [path] if is_workflow else []
    (root / "app" / "__init__.py").touch()
    (root / "pyproject.toml").write_text("[tool.romancy-lint]\n")
    return reached


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def count(paths: list[Path]) -> int:
    return sum(path.read_bytes().count(b"\n") for path in paths)


def lint(root: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "romancy_lint", "check", "--exit-zero", *arguments]
    path = str(Path(__file__).parents[2])
    subprocess.run(command, cwd=root, check=True, capture_output=True, env={"PYTHONPATH": path, "PATH": ""})


def line(label: str, seconds: float, lines: int) -> None:
    print(f"{label:<44} {seconds:>8.3f} s {lines / seconds:>12,.0f} lines/s")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--modules", type=int, default=2000)
    options.add_argument("--lines", type=int, default=150)
    options.add_argument("--share", type=float, default=0.05)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        reached = generate(root, given.modules, given.lines, given.share)
        every = sorted(root.rglob("*.py"))
        total, parsed = count(every), count(reached)
        print(f"{len(every)} modules, {total:,} lines; {len(reached)} modules, {parsed:,} lines reached by workflows")
        texts = [path.read_text() for path in reached]
        line("ast.parse of the reached modules", timed(lambda: [ast.parse(text) for text in texts]), parsed)
        some = texts[: max(len(texts) // 5, 1)]
        lines = sum(text.count("\n") for text in some)
        line("libcst.parse_module of a fifth of them", timed(lambda: [libcst.parse_module(t) for t in some]), lines)
        start = timed(lambda: lint(root, "--no-cache", str(reached[0].parent / "__init__.py")))
        print(f"{'process start':<44} {start:>8.3f} s")
        line(
            "one file, from process start",
            timed(lambda: lint(root, "--no-cache", str(reached[-1]))),
            count(reached[-1:]),
        )
        others = [path for path in every if b"romancy" not in path.read_bytes()]
        line("prefiltered modules alone", timed(lambda: run(others, Config(root=root))), count(others))
        cold = timed(lambda: lint(root, "--no-cache"))
        line("cold, whole project", cold, total)
        line("cold, counted over the reached lines", cold - start, parsed)
        lint(root)
        line("warm, whole project", timed(lambda: lint(root)), total)


if __name__ == "__main__":
    main()
