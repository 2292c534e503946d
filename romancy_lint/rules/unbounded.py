"""ROM412 unbounded-history."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.scope import own_nodes
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class Unbounded(Rule):
    """A loop that never ends makes a history that never ends."""

    code = "ROM412"
    name = "unbounded-history"
    why = "never ends, and neither does its history: bound it, or `recur`"
    default = False
    severity = "info"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    while True:
        if (yield charge(1)):
            return
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    while True:  # bad
        yield charge(1)
"""),
    )

    def entered(self, frame: Frame, node: FunctionNode) -> None:
        for part in node.own:
            if isinstance(part, ast.While) and isinstance(part.test, ast.Constant) and part.test.value:
                inner = list(own_nodes(part.body))
                leaves = any(isinstance(p, ast.Break | ast.Return | ast.Raise) for p in inner)
                recurs = any(isinstance(p, ast.Name) and p.id == "recur" for p in inner)
                if not leaves and not recurs and any(isinstance(p, ast.Yield | ast.YieldFrom) for p in inner):
                    frame.report(self, part.test, f"this loop {self.why}")
