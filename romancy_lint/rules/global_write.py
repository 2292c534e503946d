"""ROM301 global-assignment."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Value
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class GlobalWrite(Rule):
    """A workflow must not assign globals: what it leaves there depends on how often it was replayed."""

    code = "ROM301"
    name = "global-assignment"
    why = "is assigned as a global: a replay assigns it again; use a local or return the value"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    count = 1
    yield charge(count)
""",
    )
    BAD = (
        Bad("""\
COUNT = 0

@workflow
def wf(ctx: Context):
    global COUNT
    COUNT += 1  # bad
    yield charge(1)
"""),
    )

    def global_written(self, frame: Frame, name: str, node: ast.AST, value: Value) -> None:
        frame.report(self, node, f"`{name}` {self.why}")
