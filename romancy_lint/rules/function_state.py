"""ROM307 function-state."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Function, Instance, Value, strip
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class FunctionState(Rule):
    """State kept in function attributes, thread locals or context variables outlives the run and is not recorded."""

    code = "ROM307"
    name = "function-state"
    why = "is state of the process that is not recorded: keep it in a local"
    GOOD = (
        """\
from functools import lru_cache

@lru_cache
def double(n):
    return 2 * n

@workflow
def wf(ctx: Context):
    yield charge(double(2))
""",
    )
    BAD = (
        Bad("""\
def number():
    number.last += 1  # bad
    return number.last

number.last = 0

@workflow
def wf(ctx: Context):
    yield charge(number())
"""),
    )

    def attribute_stored(self, frame: Frame, base: Value, target: ast.Attribute, node: ast.AST, value: Value) -> None:
        inner = strip(base)
        if isinstance(inner, Function) and inner.env is None:
            frame.report(self, node, f"`{inner.node.name}.{target.attr}` {self.why}")
        elif isinstance(inner, Instance) and inner.type == "threading.local":
            frame.report(self, node, f"`{target.attr}` of a thread local {self.why}")
