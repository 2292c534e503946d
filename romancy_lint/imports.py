"""Which modules a module imports, read off its statements alone."""

from __future__ import annotations

import ast
from pathlib import Path

from romancy_lint.analysis.scope import every_statement
from romancy_lint.project import Project


def imported_names(tree: ast.Module) -> list[tuple[int, str]]:
    """The dotted names that a module may import, with the level of relative ones."""
    found: dict[tuple[int, str], None] = {}
    for node in every_statement(tree.body):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                found.update(((0, ".".join(parts[: n + 1])), None) for n in range(len(parts)))
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            parts = base.split(".") if base else []
            found.update(((node.level, ".".join(parts[: n + 1])), None) for n in range(len(parts)))
            if node.level and not base:
                found[node.level, ""] = None
            prefix = f"{base}." if base else ""
            found.update(((node.level, prefix + alias.name), None) for alias in node.names)
    return list(found)


def closure(project: Project, start: Path, names_of: dict[Path, list[tuple[int, str]]]) -> set[Path]:
    """Every first-party file that importing `start` may import, itself included."""
    seen: set[Path] = set()
    todo = [start]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        if path not in names_of:
            module = project.load(path)
            names_of[path] = imported_names(module.source.tree) if module else []
        for level, name in names_of[path]:
            found = project.find(path, name, level)
            if found is not None and found not in seen:
                todo.append(found)
    return seen
