"""ROM603 context-argument."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.values import Instance, Value, strip
from romancy_lint.names.language import CONTEXT
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class ContextArgument(Rule):
    """The context belongs to the running workflow: it cannot be stored and an activity cannot use it."""

    code = "ROM603"
    name = "context-argument"
    why = "cannot be given to a call: hand over what the activity needs"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield charge(ctx.instance_id)
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    yield charge(ctx)  # bad
"""),
    )

    def durable_call(
        self, frame: Frame, function: FunctionNode, node: ast.expr, given: list[Value], named: dict[str, Value]
    ) -> None:
        if not isinstance(node, ast.Call) or any(isinstance(a, ast.Starred) for a in node.args):
            return
        here = given[len(given) - len(node.args) :]
        pairs = [
            *zip(node.args, here, strict=False),
            *((k.value, named[k.arg]) for k in node.keywords if k.arg in named),
        ]
        for argument, value in pairs:
            if strip(value) == Instance(CONTEXT):
                frame.report(self, argument, f"`{frame.text(argument)}` is the context, which {self.why}")
