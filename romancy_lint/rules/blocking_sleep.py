"""ROM103 blocking-sleep."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.naming import is_name_of
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import Bad, Rule, expression

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class BlockingSleep(Rule):
    """A workflow waits by a durable timer, never by blocking its worker."""

    code = "ROM103"
    name = "blocking-sleep"
    why = "blocks the worker and is forgotten by a crash: yield `sleep(…)`"
    fixes = "unsafe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield sleep(5)
""",
    )
    BAD = (
        Bad(
            """\
import time

@workflow
def wf(ctx: Context):
    time.sleep(5)  # bad
    yield charge(1)
""",
            """\
@workflow
def wf(ctx: Context):
    yield sleep(5)  # bad
    yield charge(1)
""",
            unsafe=True,
        ),
    )

    def used(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> None:
        frame.report(self, node, self.message(name), self._fix(frame, name, call), expression(frame, node, call))

    def _fix(self, frame: Frame, name: str, call: ast.Call | None) -> Fix | None:
        """Only where a yield belongs: a statement of the workflow itself."""
        if call is None or frame.function not in frame.engine.workflows or len(call.args) != 1:
            return None
        if not is_name_of(frame, call.func, name):
            return None
        around = frame.parent(call)
        around = frame.parent(around) if isinstance(around, ast.Await) else around
        if not isinstance(around, ast.Expr):
            return None
        timer, imports = frame.spelling("sleep")
        edit = frame.replace(around, f"yield {timer}({frame.text(call.args[0])})")
        return Fix("unsafe", "Wait by a durable timer", (edit,), imports)
