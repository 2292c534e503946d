"""The shape of the linter: imports point down, and no module says too much."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import romancy_lint

PACKAGE = Path(romancy_lint.__file__).parent
ANALYSIS = (
    "values", "scope", "model", "walk",
    "importing", "annotations", "decorators", "classes", "resolve",
    "frame", "special", "attributes", "uses", "operators", "displays", "expressions", "methods", "externals", "calls",
    "branches", "assignments", "statements",
    "frames", "walker", "definitions", "generics", "mutation", "callers", "findings", "engine",
    "naming",
)  # fmt: skip
"""Each imports only from those before it; first what code stands for, then names, evaluation, and the run."""

LONGEST = 350
TABLES = ("names/sources.py",)
"""Lists of names may be longer than code."""


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imported(tree: ast.AST) -> set[str]:
    """The modules of the linter that run when this code does: what is only imported for types does not count."""
    found = set()
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        todo += ast.iter_child_nodes(node)
    return {name for name in found if name.startswith("romancy_lint.")}


@pytest.mark.parametrize("path", modules(PACKAGE / "analysis"), ids=named)
def test_imports_of_the_analysis_point_down(path: Path):
    assert path.stem in ANALYSIS, f"{named(path)} stands in no layer"
    below = ANALYSIS[: ANALYSIS.index(path.stem)]
    for name in imported(ast.parse(path.read_text("utf-8"))):
        parts = name.split(".")
        if parts[1] == "analysis" and len(parts) > 2:
            assert parts[2] in below, f"{named(path)} imports {name}, which stands above it"


@pytest.mark.parametrize("path", [*modules(PACKAGE / "analysis"), *modules(PACKAGE / "names")], ids=named)
def test_the_analysis_knows_no_rule_no_report_and_no_command_line(path: Path):
    allowed = {"analysis", "names", "finding", "imports", "project", "source"}
    known = {name.split(".")[1] for name in imported(ast.parse(path.read_text("utf-8")))}
    assert known <= ({"names"} if path.parent.name == "names" else allowed)


def test_the_walk_over_imports_sees_every_form_but_those_for_types():
    code = (
        "from romancy_lint import plugin\nfrom romancy_lint.analysis import engine\ndef f():\n"
        "    import romancy_lint.cli\nif TYPE_CHECKING:\n    from romancy_lint.rules.rule import Rule\n"
    )
    found = imported(ast.parse(code))
    assert found == {"romancy_lint.plugin", "romancy_lint.analysis", "romancy_lint.analysis.engine", "romancy_lint.cli"}


@pytest.mark.parametrize("path", modules(PACKAGE), ids=named)
def test_a_module_is_read_in_one_go(path: Path):
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LONGEST or named(path) in TABLES
