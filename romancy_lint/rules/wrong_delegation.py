"""ROM404 wrong-delegation."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Generator, Value, strip
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class WrongDelegation(Rule):
    """A helper that yields is a generator, not a call: `yield from` it."""

    code = "ROM404"
    name = "wrong-delegation"
    why = "is a generator of calls, not a call: `yield from` it"
    fixes = "unsafe"
    GOOD = (
        """\
def pair(n):
    a = yield charge(n)
    b = yield refund(n)
    return a, b

@workflow
def wf(ctx: Context):
    yield from pair(1)
    yield from charge(1)
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
    both = yield pair(1)  # bad
    yield charge(both)
""",
            """\
def pair(n):
    a = yield charge(n)
    b = yield refund(n)
    return a, b

@workflow
def wf(ctx: Context):
    both = yield from pair(1)  # bad
    yield charge(both)
""",
            unsafe=True,
        ),
    )

    def yielded(self, frame: Frame, node: ast.Yield, value: Value) -> None:
        inner = strip(value)
        if isinstance(inner, Generator) and inner.operations and node.value is not None:
            fix = Fix("unsafe", "Delegate with `yield from`", (frame.insert(node.value, "from "),))
            frame.report(self, node.value, f"`{shown(frame, node.value)}` {self.why}", fix)
