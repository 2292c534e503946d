"""ROM206 console."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.naming import is_name_of
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import Bad, Rule, expression

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _is_written(frame: Frame, node: ast.expr) -> bool:
    """`sys.stdout.write(…)` is reported as the call that it is."""
    around = frame.parent(node)
    return isinstance(around, ast.Attribute) and isinstance(frame.parent(around), ast.Call)


class Console(Rule):
    """A workflow must not write to the console: every replay writes again."""

    code = "ROM206"
    name = "console"
    why = "talks to the console: every replay does it again; use `ctx.log`, or print in an activity"
    severity = "warning"
    fixes = "safe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    ctx.log.info("done")
    yield charge(1)
""",
    )
    BAD = (
        Bad(
            """\
@workflow
def wf(ctx: Context):
    print("done")  # bad
    yield charge(1)
""",
            """\
@workflow
def wf(ctx: Context):
    ctx.log.info("done")  # bad
    yield charge(1)
""",
        ),
    )

    def used(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> None:
        if name.startswith(("sys.std", "sys.__std")) and name.count(".") == 1 and _is_written(frame, node):
            return
        frame.report(self, node, self.message(name), self._fix(frame, name, call), expression(frame, node, call))

    def _fix(self, frame: Frame, name: str, call: ast.Call | None) -> Fix | None:
        if name != "builtins.print" or call is None or len(call.args) != 1 or call.keywords:
            return None
        if not is_name_of(frame, call.func, name) or not isinstance(frame.parent(call), ast.Expr):
            return None
        if isinstance(call.args[0], ast.Starred):
            return None
        ctx, imports = frame.context_expression()
        argument = call.args[0]
        text = frame.text(argument)
        is_text = isinstance(argument, ast.JoinedStr) or (
            isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        )
        plain = is_text and "%" not in text
        edit = frame.replace(call, f"{ctx}.log.info({text})" if plain else f'{ctx}.log.info("%s", {text})')
        return Fix("safe", "Use the log of the workflow", (edit,), imports)
