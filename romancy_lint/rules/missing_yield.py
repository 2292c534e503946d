"""ROM401 missing-yield."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Durable, Value
from romancy_lint.finding import Fix
from romancy_lint.names.language import CALL_METHODS
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


_HOW = {
    "condition": "here the call object itself decides the branch",
    "payload": "here the call object itself is an argument",
    "returned": "here the call object itself is the result",
    "f-string": "here the call object itself is written out",
}


def yield_fix(frame: Frame, node: ast.expr, how: str, keyword: str = "yield") -> Fix | None:
    """Put the yield where the value is used."""
    if frame.comprehension or frame.function is None or not _may_yield(frame, node):
        return None
    if how.startswith("unused:"):
        return None
    node = _with_options(frame, node)
    bare = isinstance(frame.parent(node), ast.Expr | ast.Assign | ast.AnnAssign)
    text = f"{keyword} {frame.text(node)}"
    return Fix("unsafe", f"Insert `{keyword}`", (frame.replace(node, text if bare else f"({text})"),))


def _with_options(frame: Frame, node: ast.expr) -> ast.expr:
    """The call with its `.options(…)`, which belong to what is yielded."""
    around = frame.parent(node)
    while isinstance(around, ast.Attribute) and around.attr in CALL_METHODS:
        call = frame.parent(around)
        if not isinstance(call, ast.Call) or call.func is not around:
            break
        node, around = call, frame.parent(call)
    return node


def _may_yield(frame: Frame, node: ast.expr) -> bool:
    """Only where the function yields already: elsewhere its callers would have to change too."""
    function = frame.function
    if function is None or isinstance(function.node, ast.Lambda) or function.is_async:
        return False
    current = frame.parent(node)
    while current is not None and current is not function.node:
        if isinstance(current, ast.Lambda | ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp):
            return False
        current = frame.parent(current)
    return current is function.node and (function.is_generator or function in frame.engine.workflows)


class MissingYield(Rule):
    """A call does nothing until it is yielded."""

    code = "ROM401"
    name = "missing-yield"
    why = "is made but not yielded, so it never runs: `yield` it"
    fixes = "unsafe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    call = charge(1)
    yield call
""",
        """\
@workflow
def wf(ctx: Context):
    yield gather(*[charge(n) for n in range(3)])
""",
        """\
def pay(n):
    return charge(n)

@workflow
def wf(ctx: Context):
    yield pay(1)
""",
    )
    BAD = (
        Bad(
            """\
@workflow
def wf(ctx: Context):
    charge(1)  # bad
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
        Bad(
            """\
@workflow
def wf(ctx: Context):
    if charge(1):  # bad
        yield refund(1)
""",
            """\
@workflow
def wf(ctx: Context):
    if (yield charge(1)):  # bad
        yield refund(1)
""",
            unsafe=True,
        ),
        Bad("""\
@workflow
def wf(ctx: Context):
    call = charge(1)  # bad
    yield refund(1)
"""),
        Bad("""\
@workflow
def wf(ctx: Context, values: list[int]):
    [charge(v) for v in values]  # bad
    if any(charge(v) for v in values):  # bad
        yield refund(1)
"""),
    )

    def misused(self, frame: Frame, value: Value, how: str, node: ast.expr) -> None:
        if not isinstance(value, Durable) or (how == "unpacked" and value.kind == "gather"):
            return
        made = value.origin
        if not isinstance(made, ast.Call) or frame.parent(made) is None:
            made = node
        advice = f" ({_HOW[how]})" if how in _HOW else ""
        frame.report(self, made, f"`{shown(frame, made)}` {self.why}{advice}", yield_fix(frame, made, how))
