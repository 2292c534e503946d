"""ROM501 swallowed-exit."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.scope import own_nodes
from romancy_lint.analysis.values import External, Value, options, strip
from romancy_lint.finding import Edit, Fix, Place
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


EXITS = frozenset(
    {
        "builtins.BaseException",
        "builtins.GeneratorExit",
        "romancy.WorkflowCancelled",
        "romancy.errors.WorkflowCancelled",
    }
)


def caught(frame: Frame, handler: ast.ExceptHandler) -> frozenset[str]:
    """The external names that a handler catches; all of them when it is bare."""
    if handler.type is None:
        return frozenset({"builtins.BaseException"})
    parts = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    values = [strip(option) for part in parts for option in options(frame.quiet(part))]
    return frozenset(value.name for value in values if isinstance(value, External))


def head_of(frame: Frame, handler: ast.ExceptHandler) -> ast.AST:
    """The `except …` of a handler, without its body."""
    line = frame.module.source.lines[handler.lineno - 1].encode()
    head = ast.Pass()
    head.lineno = head.end_lineno = handler.lineno
    head.col_offset = handler.col_offset
    end = line.find(b":", handler.col_offset)
    head.end_col_offset = end if end > 0 else len(line)
    return head


class SwallowedExit(Rule):
    """Closing and cancelling a workflow are exceptions below `Exception`: they must pass."""

    code = "ROM501"
    name = "swallowed-exit"
    why = "also catches the closing and cancelling of the workflow: catch `Exception`, or re-raise"
    fixes = "unsafe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    try:
        yield charge(1)
    except Exception:
        yield refund(1)
""",
        """\
@workflow
def wf(ctx: Context):
    try:
        yield charge(1)
    except BaseException:
        ctx.log.info("x")
        raise
""",
    )
    BAD = (
        Bad(
            """\
@workflow
def wf(ctx: Context):
    try:
        yield charge(1)
    except:  # bad
        yield refund(1)
""",
            """\
@workflow
def wf(ctx: Context):
    try:
        yield charge(1)
    except Exception:  # bad
        yield refund(1)
""",
            unsafe=True,
        ),
        Bad("""\
import contextlib

@workflow
def wf(ctx: Context):
    with contextlib.suppress(BaseException):  # bad
        yield charge(1)
"""),
    )

    def attempted(self, frame: Frame, node: ast.Try) -> None:
        if not any(isinstance(part, ast.Yield | ast.YieldFrom) for part in own_nodes(node.body)):
            return
        for handler in node.handlers:
            named = caught(frame, handler)
            if named & EXITS and not any(isinstance(part, ast.Raise) for part in own_nodes(handler.body)):
                what = "a bare `except`" if handler.type is None else f"`except {frame.text(handler.type)}`"
                frame.report(self, head_of(frame, handler), f"{what} {self.why}", self._fix(frame, handler))

    def _fix(self, frame: Frame, handler: ast.ExceptHandler) -> Fix | None:
        if handler.type is not None:
            return None
        place = frame.module.source.place(handler)
        at = Place(place.row, place.column, place.row, place.column + len("except"))
        return Fix("unsafe", "Catch `Exception`", (Edit(at, "except Exception"),))

    def managed(self, frame: Frame, node: ast.With, entered: list[Value]) -> None:
        if not any(isinstance(part, ast.Yield | ast.YieldFrom) for part in own_nodes(node.body)):
            return
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and strip(frame.quiet(call.func)) == External("contextlib.suppress"):
                named = {getattr(strip(frame.quiet(a)), "name", "") for a in call.args}
                if named & EXITS:
                    frame.report(self, call, f"`{frame.text(call)}` {self.why}")
