"""One function walked in one context: what it does itself, and whom it calls."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from romancy_lint.analysis.model import FunctionNode, Module
from romancy_lint.analysis.values import UNKNOWN, Value
from romancy_lint.finding import Fix, Place


@dataclass(frozen=True, slots=True)
class Fact:
    """A defect in waiting: it becomes a finding when a workflow reaches the walk that holds it."""

    code: str
    place: Place
    message: str
    module: Module
    fix: Fix | None = None
    expression: str | None = None


@dataclass(eq=False)
class Walk:
    """The summary of a function for one set of arguments."""

    node: FunctionNode | None
    module: Module
    mode: str
    facts: dict[tuple[str, Place], Fact] = field(default_factory=dict)
    calls: dict[Walk, int] = field(default_factory=dict)
    returns: Value = UNKNOWN
    operations: bool | None = None
    finished: bool = False
    label: str | None = None
    line: int = 1

    @property
    def named(self) -> bool:
        """Whether the walk belongs in a chain."""
        return self.node is not None or self.label is not None

    @property
    def name(self) -> str:
        return self.node.qualname if self.node else self.label or self.module.name

    @property
    def row(self) -> int:
        return self.node.node.lineno if self.node else self.line

    def call(self, callee: Walk, node: ast.AST) -> None:
        """Records that this walk calls another one."""
        if callee is not self:
            self.calls.setdefault(callee, getattr(node, "lineno", self.row))
