"""ROM505 stop-iteration."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.values import Container, Generator, Iterator, Value, strip
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _guarded(frame: Frame, node: ast.AST) -> bool:
    """Whether a `try` around catches StopIteration, or something wider."""
    child, around = node, frame.parent(node)
    while around is not None:
        if isinstance(around, ast.Try) and child in around.body:
            kinds = [n.id for h in around.handlers if h.type for n in ast.walk(h.type) if isinstance(n, ast.Name)]
            bare = any(h.type is None for h in around.handlers)
            if bare or {"StopIteration", "Exception", "BaseException"} & set(kinds):
                return True
        child, around = around, frame.parent(around)
    return False


class StopIterationRaised(Rule):
    """Inside a generator StopIteration becomes RuntimeError."""

    code = "ROM505"
    name = "stop-iteration"
    why = "becomes RuntimeError in a generator"
    fixes = "safe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield charge(1)
    return "done"
""",
        """\
@workflow
def wf(ctx: Context, rows: list[int]):
    yield charge(next(iter(rows), None))
""",
    )
    BAD = (
        Bad(
            """\
@workflow
def wf(ctx: Context):
    yield charge(1)
    raise StopIteration("done")  # bad
""",
            """\
@workflow
def wf(ctx: Context):
    yield charge(1)
    return "done"  # bad
""",
        ),
        Bad("""\
@workflow
def wf(ctx: Context, rows: list[int]):
    yield charge(next(iter(rows)))  # bad
"""),
    )

    def left(self, frame: Frame, node: FunctionNode) -> None:
        if not node.is_generator:
            return
        for part in node.own:
            if isinstance(part, ast.Raise) and part.exc is not None and not _guarded(frame, part):
                call = part.exc
                name = call.func if isinstance(call, ast.Call) else call
                if isinstance(name, ast.Name) and name.id == "StopIteration" and name.id not in node.scope[0]:
                    given = call.args if isinstance(call, ast.Call) else []
                    content = " ".join(["return", *(frame.text(a) for a in given[:1])])
                    fix = Fix("safe", "Return", (frame.replace(part, content),))
                    frame.report(self, part, f"`raise StopIteration` {self.why}: `return`", fix)

    def advanced(self, frame: Frame, node: ast.Call, arguments: list[Value]) -> None:
        if len(arguments) != 1 or frame.function is None or not frame.function.is_generator or _guarded(frame, node):
            return
        inner = strip(arguments[0])
        if isinstance(inner, Generator) or (isinstance(inner, Iterator) and (inner.endless or inner.unordered)):
            return
        if isinstance(inner, Iterator) or (isinstance(inner, Container) and inner.kind == "generator"):
            frame.report(self, node, f"the StopIteration of `{shown(frame, node)}` {self.why}: give `next` a default")
