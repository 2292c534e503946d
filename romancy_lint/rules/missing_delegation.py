"""ROM403 missing-delegation."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Generator, Value
from romancy_lint.rules.missing_yield import yield_fix
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class MissingDelegation(Rule):
    """A helper that yields does nothing until it is delegated to with `yield from`."""

    code = "ROM403"
    name = "missing-delegation"
    why = "yields calls, so calling it does nothing: `yield from` it"
    fixes = "unsafe"
    GOOD = (
        """\
def pair(n):
    a = yield charge(n)
    b = yield refund(n)
    return a, b

@workflow
def wf(ctx: Context):
    both = yield from pair(1)
    yield charge(both)
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
    both = pair(1)  # bad
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
        Bad(
            """\
def pair(n):
    a = yield charge(n)
    b = yield refund(n)
    return a, b

@workflow
def wf(ctx: Context):
    pair(1)  # bad
    yield charge(1)
""",
            """\
def pair(n):
    a = yield charge(n)
    b = yield refund(n)
    return a, b

@workflow
def wf(ctx: Context):
    yield from pair(1)  # bad
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
    [pair(n) for n in range(3)]  # bad
    yield charge(1)
"""),
    )

    def misused(self, frame: Frame, value: Value, how: str, node: ast.expr) -> None:
        if not isinstance(value, Generator) or not value.operations or how in ("loop", "driven", "comprehension"):
            return
        made = value.origin if frame.parent(value.origin) is not None else node
        fix = yield_fix(frame, made, "" if how.startswith("unused:") else how, "yield from")
        frame.report(self, made, f"`{shown(frame, made)}` {self.why}", fix)
