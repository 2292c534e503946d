"""ROM703 unfit-compensation."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.values import Function, strip
from romancy_lint.rules.rule import ACTIVITY, Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def misfit(activity: ast.arguments, undo: ast.arguments, first: int) -> str | None:
    """Why a call with the arguments of the activity would fail."""
    given = [a.arg for a in (*activity.posonlyargs, *activity.args)]
    taken = [a.arg for a in (*undo.posonlyargs, *undo.args)][first:]
    if taken[-1:] == ["result"] and "result" not in given:
        taken = taken[:-1]
    required = len(taken) - min(len(undo.defaults), len(taken))
    if len(given) > len(taken) and undo.vararg is None:
        return f"it takes {len(taken)} of {len(given)} arguments"
    if len(given) < required and activity.vararg is None:
        return f"it wants `{taken[len(given)]}` as well"
    named = {a.arg for a in activity.kwonlyargs}
    wanted = {a.arg for a, d in zip(undo.kwonlyargs, undo.kw_defaults, strict=True) if d is None}
    missing = sorted(wanted - named - set(given) - {"result"})
    if missing and activity.kwarg is None:
        return f"it wants `{missing[0]}` as well"
    known = {a.arg for a in (*undo.kwonlyargs, *undo.args)}
    unknown = sorted(named - known)
    return f"it does not take `{unknown[0]}`" if unknown and undo.kwarg is None else None


class UnfitCompensation(Rule):
    """A compensation is called with the arguments of its activity, and `result=` if it asks for it."""

    code = "ROM703"
    name = "unfit-compensation"
    why = "does not fit: it gets the arguments of its activity, and `result=` if it asks for it"
    modes = ACTIVITY
    GOOD = (
        """\
def undo(item: str, *, result: int) -> None: ...

@activity(compensate=undo)
def reserve(item: str) -> int: ...

@workflow
def wf(ctx: Context):
    yield reserve("a")
""",
    )
    BAD = (
        Bad("""\
def undo(item: str, count: int) -> None: ...

@activity(compensate=undo)  # bad
def reserve(item: str) -> int: ...

@workflow
def wf(ctx: Context):
    yield reserve("a")
"""),
    )

    def entered(self, frame: Frame, node: FunctionNode) -> None:
        marks = frame.engine.resolver.marks(node)
        option = marks.options.get("compensate")
        if option is None:
            return
        target = strip(frame.engine.resolver.at_import(option.module, option.node))
        if not isinstance(target, Function):
            return
        problem = misfit(node.node.args, target.node.node.args, first=1 if target.bound is not None else 0)
        if problem is not None:
            frame.report_in(
                option.module,
                self,
                option.node,
                f"compensation `{target.node.name}` of `{node.name}` {self.why}; {problem}",
            )
