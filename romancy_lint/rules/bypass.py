"""ROM402 bypassed-activity."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class Bypass(Rule):
    """Calling the function behind an activity runs it again on every replay, unrecorded."""

    code = "ROM402"
    name = "bypassed-activity"
    why = "runs the function behind an activity without recording it: `yield` the activity"
    fixes = "unsafe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield charge(1)
""",
    )
    BAD = (
        Bad(
            """\
@workflow
def wf(ctx: Context):
    charge.fn(1)  # bad
    yield refund(1)
""",
            """\
@workflow
def wf(ctx: Context):
    yield charge(1)  # bad
    yield refund(1)
""",
            unsafe=True,
        ),
    )

    def bypassed(self, frame: Frame, function: FunctionNode, node: ast.expr) -> None:
        fix = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            start = frame.module.source.place(node.func.value)
            whole = frame.text(node)
            name = frame.module.source.span(start)
            fixed = f"yield {name}{whole[len(frame.text(node.func)) :]}"
            bare = isinstance(frame.parent(node), ast.Expr | ast.Assign | ast.AnnAssign | ast.Yield)
            inside = isinstance(frame.parent(node), ast.Yield)
            text = fixed.removeprefix("yield ") if inside else fixed if bare else f"({fixed})"
            if frame.function is not None and frame.function.is_generator and not frame.comprehension:
                fix = Fix("unsafe", "Yield the activity", (frame.replace(node, text),))
        frame.report(self, node, f"`{shown(frame, node)}` {self.why}", fix)
