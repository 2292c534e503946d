"""ROM410 nested-call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.values import Value
from romancy_lint.names.language import CALLS
from romancy_lint.rules.rule import ACTIVITY, Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class NestedCall(Rule):
    """An activity does plain work: calls can only be made and yielded by workflows."""

    code = "ROM410"
    name = "nested-call"
    why = "makes a durable call inside an activity, where nobody runs it: call both from the workflow"
    modes = ACTIVITY
    GOOD = (
        """\
@activity
def pay(n):
    return refund.fn(n)

@workflow
def wf(ctx: Context):
    yield pay(1)
""",
    )
    BAD = (
        Bad("""\
@activity
def pay(n):
    charge(n)  # bad
    return n

@workflow
def wf(ctx: Context):
    yield pay(1)
"""),
    )

    def durable_call(
        self, frame: Frame, function: FunctionNode, node: ast.expr, given: list[Value], named: dict[str, Value]
    ) -> None:
        handed_on = frame.parent(node)
        if isinstance(handed_on, ast.Call):
            return
        frame.report(self, node, f"`{shown(frame, node)}` {self.why}")

    def language(self, frame: Frame, name: str, node: ast.expr) -> None:
        if (
            name in CALLS
            and name not in ("send", "send_event", "publish", "start")
            and not isinstance(frame.parent(node), ast.Call)
        ):
            frame.report(self, node, f"`{shown(frame, node)}` {self.why}")
