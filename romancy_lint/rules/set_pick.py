"""ROM123 arbitrary-element."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Value
from romancy_lint.rules.rule import ANYWHERE, Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class SetPick(Rule):
    """Which element of a set comes first depends on the hash seed."""

    code = "ROM123"
    name = "arbitrary-element"
    why = "takes whichever element of a set comes first: `min(…)` it, or keep a list"
    modes = ANYWHERE
    GOOD = (
        """\
@workflow
def wf(ctx: Context, todo: set[str]):
    first = min(todo)
    todo.remove(first)
    yield charge(first)
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context, todo: set[str]):
    yield charge(todo.pop())  # bad
"""),
        Bad("""\
@workflow
def wf(ctx: Context, todo: set[str]):
    yield charge(next(iter(todo)))  # bad
"""),
        Bad("""\
@workflow
def wf(ctx: Context, pair: set[str]):
    a, b = pair  # bad
    yield charge(a + b)
"""),
    )

    def unordered(self, frame: Frame, value: Value, node: ast.expr, how: str) -> None:
        if how in ("pop", "next", "unpack"):
            frame.report(self, node, f"`{shown(frame, node)}` {self.why}")
