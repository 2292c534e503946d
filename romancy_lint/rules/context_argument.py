"""ROM603 context-argument."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.values import Instance, Value, strip
from romancy_lint.names.language import CONTEXT
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.uncarried_argument import members

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
        Bad("""\
@workflow
def wf(ctx: Context):
    yield charge([1, {"ctx": ctx}])  # bad
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
            held = [(member, frame.quiet(member)) for member in members(argument)]
            for part, what in ((argument, value), *held):
                if strip(what) == Instance(CONTEXT):
                    frame.report(self, part, f"`{frame.text(part)}` is the context, which {self.why}")
