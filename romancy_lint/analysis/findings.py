"""Reads the findings off the walks: what a workflow reaches, once, with the chain that reaches it."""

from __future__ import annotations

import ast
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.scope import children
from romancy_lint.analysis.walk import Fact, Walk
from romancy_lint.finding import Finding, Fix, Hop

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
        """A fix that needs a running workflow is unsafe in a helper that other code calls too."""
        fix = fact.fix
        if fix is None or fact.outside is None or fix.applicability == "unsafe":
            return fix
        if fact.outside.name in self._outside_names:
            return Fix("unsafe", fix.message, fix.edits, fix.imports)
        return fix

    @cached_property
    def _outside_names(self) -> set[str]:
        """Every name that code mentions which no workflow reaches."""
        inside = {id(node.node) for node in self._reached_nodes}
        todo: list[ast.AST] = [module.source.tree for module in self.engine.project.modules.values() if module]
        found: set[str] = set()
        while todo:
            part = todo.pop()
            if id(part) in inside:
                continue
            if isinstance(part, ast.Name):
                found.add(part.id)
            elif isinstance(part, ast.Attribute):
                found.add(part.attr)
            todo += children(part)
        return found

    @cached_property
    def _reached_nodes(self) -> set[FunctionNode]:
        return {walk.node for walk in self._reach(list(self.engine.workflows.values())) if walk.node is not None}
