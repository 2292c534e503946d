"""ROM409 driven-by-hand."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Generator, Value
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class DrivenByHand(Rule):
    """A helper that yields calls is driven by the engine, not by a loop, `next` or `send`."""

    code = "ROM409"
    name = "driven-by-hand"
    why = "yields calls that only the engine can answer: `yield from` it"
    fixes = "unsafe"
    GOOD = (
        """\
def rows():
    yield 1

@workflow
def wf(ctx: Context):
    for row in rows():
        yield charge(row)
""",
    )
    BAD = (
        Bad(
            """\
def pair(n):
    a = yield charge(n)
    b = yield refund(n)
    return a, b

@workflow
def wf(ctx: Context):
    list(pair(1))  # bad
    yield charge(1)
""",
            """\
def pair(n):
    a = yield charge(n)
    b = yield refund(n)
    return a, b

@workflow
def wf(ctx: Context):
    (yield from pair(1))  # bad
    yield charge(1)
""",
            unsafe=True,
        ),
        Bad("""\
def pair(n):
    a = yield charge(n)
    b = yield refund(n)
    return a, b

@workflow
def wf(ctx: Context):
    for step in pair(1):  # bad
        yield step
"""),
    )

    def misused(self, frame: Frame, value: Value, how: str, node: ast.expr) -> None:
        if isinstance(value, Generator) and value.operations and how in ("loop", "driven", "comprehension"):
            made = value.origin if frame.parent(value.origin) is not None else node
            frame.report(self, made, f"`{shown(frame, made)}` {self.why}", self._fix(frame, made))

    def _fix(self, frame: Frame, made: ast.expr) -> Fix | None:
        around = frame.parent(made)
        if not isinstance(around, ast.Call) or around.args[:1] != [made] or not isinstance(around.func, ast.Name):
            return None
        if around.func.id in ("list", "tuple") and frame.function is not None and frame.function.is_generator:
            return Fix("unsafe", "Delegate to it", (frame.replace(around, f"(yield from {frame.text(made)})"),))
        return None
