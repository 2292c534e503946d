"""ROM602 uncarried-result."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Value
from romancy_lint.rules.rule import BOTH, Bad, Rule
from romancy_lint.rules.uncarried_argument import listing_fix, uncarried

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class UncarriedResult(Rule):
    """Results are stored as values: functions, generators, iterators, files and locks cannot be."""

    code = "ROM602"
    name = "uncarried-result"
    why = "cannot be stored as a result"
    modes = BOTH
    fixes = "safe"
    GOOD = (
        """\
@activity
def rows():
    return [n for n in range(3)]

@workflow
def wf(ctx: Context):
    yield rows()
""",
    )
    BAD = (
        Bad(
            """\
@activity
def rows():
    return (n for n in range(3))  # bad

@workflow
def wf(ctx: Context):
    yield rows()
""",
            """\
@activity
def rows():
    return [n for n in range(3)]  # bad

@workflow
def wf(ctx: Context):
    yield rows()
""",
        ),
        Bad("""\
@workflow
def wf(ctx: Context):
    yield charge(1)
    return lambda: 1  # bad
"""),
    )

    def returned(self, frame: Frame, node: ast.Return, value: Value) -> None:
        if frame.function is None or node.value is None:
            return
        if frame.mode != "activity" and frame.function not in frame.engine.workflows:
            return
        what = uncarried(frame, value)
        if what is not None:
            frame.report(self, node.value, f"{what} {self.why}", listing_fix(frame, node.value, value))
