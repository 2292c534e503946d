"""ROM306 captured-write."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import declares_flow
from romancy_lint.analysis.values import Value
from romancy_lint.rules.rule import ACTIVITY, Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _is_of_workflow(frame: Frame, name: str) -> bool:
    """Whether a captured variable is one of a workflow, and not of a plain function that defines activities."""
    owner = frame.function.parent if frame.function else None
    while owner is not None and name not in owner.scope[0]:
        owner = owner.parent
    if owner is None:
        return False
    return frame.engine.resolver.marks(owner).kind == "workflow" or (owner.is_generator and declares_flow(owner))


class CapturedWrite(Rule):
    """An activity must not change variables of the workflow around it: a replay does not run it again."""

    code = "ROM306"
    name = "captured-write"
    why = "belongs to the workflow and is changed inside an activity, which a replay does not run: return the value"
    modes = ACTIVITY
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    @activity
    def add(total, n):
        return total + n
    total = yield add(0, 1)
    yield charge(total)
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    total = 0
    @activity
    def add(n):
        nonlocal total
        total += n  # bad
    yield add(1)
"""),
        Bad("""\
@workflow
def wf(ctx: Context):
    seen = []
    @activity
    def add(n):
        seen.append(n)  # bad
    yield add(1)
"""),
    )

    def nonlocal_written(self, frame: Frame, name: str, node: ast.AST) -> None:
        if not _is_of_workflow(frame, name):
            return
        frame.report(self, node, f"`{name}` {self.why}")

    def mutated(self, frame: Frame, base: Value, target: ast.expr, node: ast.AST) -> None:
        while isinstance(target, ast.Subscript | ast.Attribute):
            target = target.value
        if isinstance(target, ast.Name):
            env = frame.env.find(target.id)
            captured = env is not None and env is not frame.env and env.outer is not None
            if captured and _is_of_workflow(frame, target.id):
                frame.report(self, node, f"`{target.id}` {self.why}")
