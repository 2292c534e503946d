"""Reads the findings off the walks: what a workflow reaches, once, with the chain that reaches it."""

from __future__ import annotations

import ast
import dataclasses
import warnings
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING

from romancy_lint.analysis.callers import Callers
from romancy_lint.analysis.walk import Fact, Walk
from romancy_lint.finding import Edit, Finding, Fix, Hop
from romancy_lint.source import Source

if TYPE_CHECKING:
    from romancy_lint.analysis.engine import Engine


class Findings:
    """The findings of a finished analysis."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def all(self) -> list[Finding]:
        """Every fact that a workflow or activity reaches, as a finding, sorted."""
        found: dict[tuple[str, str, object], Finding] = {}
        parents = self._reach([*self.engine.workflows.values(), *self.engine.activities.values()])
        for walk in parents:
            for fact in walk.facts.values():
                key = (fact.module.filename, fact.code, fact.place)
                if key not in found:
                    found[key] = self._finding(walk, fact, parents)
        return sorted(found.values(), key=lambda finding: finding.sort_key)

    def _reach(self, roots: list[Walk]) -> dict[Walk, tuple[Walk, int] | None]:
        """Every walk that can be reached, near ones first, with the caller that reaches it."""
        parents: dict[Walk, tuple[Walk, int] | None] = dict.fromkeys(roots)
        todo = deque(roots)
        while todo:
            walk = todo.popleft()
            for callee, row in walk.calls.items():
                if callee not in parents:
                    parents[callee] = (walk, row)
                    todo.append(callee)
        return parents

    def _finding(self, walk: Walk, fact: Fact, parents: dict[Walk, tuple[Walk, int] | None]) -> Finding:
        rule = self.engine.rules[fact.code]
        hops = [Hop(fact.expression, fact.module.filename, fact.place.row)] if fact.expression else []
        current: Walk | None = walk
        while current is not None:
            if current.named:
                hops.insert(0, Hop(current.name, current.module.filename, current.row))
            caller = parents[current]
            root, current = current, caller[0] if caller else None
        message = fact.message
        if parents[walk] is not None and len(hops) > 1:
            message += " [" + " -> ".join(map(str, hops)) + "]"
        return Finding(
            filename=fact.module.filename,
            place=fact.place,
            code=fact.code,
            name=rule.name,
            message=message,
            severity=rule.severity,
            fix=self._fix(fact),
            workflow=root.name if root.named and root.mode == "workflow" else None,
            chain=tuple(hops),
        )

    def _fix(self, fact: Fact) -> Fix | None:
        """A fix that parses; one that needs a running workflow is unsafe where other code runs what it changes."""
        fix = fact.fix
        if fix is None or not parses(fact.module.source, fix.edits):
            return None
        if fix.applicability == "unsafe" or not any(".current()" in edit.content for edit in fix.edits):
            return fix
        names = self._callers.names(fact.module, fact.place)
        if names is None:
            return dataclasses.replace(fix, applicability="unsafe")
        return dataclasses.replace(fix, callers=names)

    @cached_property
    def _callers(self) -> Callers:
        workflows = list(self.engine.workflows.values())
        reached = [walk.node for walk in self._reach(workflows) if walk.node is not None]
        of_group = [m for path, m in self.engine.project.modules.items() if m and self.engine.is_own(path)]
        return Callers(of_group, reached, {id(node.node) for node in self.engine.workflows})


def parses(source: Source, edits: tuple[Edit, ...]) -> bool:
    """Whether the statements that edits change parse afterwards, and compile if they did before."""
    first, last = min(e.place.row for e in edits), max(e.place.end_row for e in edits)
    for statement in source.tree.body:
        start = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
        end = statement.end_lineno or statement.lineno
        if start <= last and first <= end:
            first, last = min(first, start), max(last, end)
    begin = source.offset(first, 1)
    text = before = source.text[begin : source.offset(last + 1, 1) if last < len(source.lines) else None]
    for edit in sorted(edits, reverse=True):
        place = edit.place
        at = source.offset(place.row, place.column) - begin, source.offset(place.end_row, place.end_column) - begin
        text = text[: at[0]] + edit.content + text[at[1] :]
    return _compiles(text) or (_compiles(text, ast.PyCF_ONLY_AST) and not _compiles(before))


def _compiles(text: str, flags: int = 0) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<fix>", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
