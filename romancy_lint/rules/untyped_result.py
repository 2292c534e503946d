"""ROM710 untyped-result."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Durable, Value, strip
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class UntypedResult(Rule):
    """`yield from f()` is the same as `yield f()`, and a type checker knows its result."""

    code = "ROM710"
    name = "untyped-result"
    why = "gives a result that type checkers do not know: `yield from` it"
    fixes = "safe"
    default = False
    severity = "info"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    n = yield from charge(1)
    yield charge(n)
""",
    )
    BAD = (
        Bad(
            """\
@workflow
def wf(ctx: Context):
    n = yield charge(1)  # bad
    yield charge(n)
""",
            """\
@workflow
def wf(ctx: Context):
    n = yield from charge(1)  # bad
    yield charge(n)
""",
        ),
    )

    def yielded(self, frame: Frame, node: ast.Yield, value: Value) -> None:
        inner = strip(value)
        if node.value is None or not isinstance(inner, Durable) or isinstance(frame.parent(node), ast.Expr):
            return
        fix = Fix("safe", "Delegate to the call", (frame.insert(node.value, "from "),))
        frame.report(self, node, f"`{shown(frame, node)}` {self.why}", fix)
