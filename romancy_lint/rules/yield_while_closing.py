"""ROM503 yield-while-closing."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.scope import own_nodes, yields_in
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.swallowed_exit import caught

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


CLOSING = frozenset({"builtins.BaseException", "builtins.GeneratorExit"})


class YieldWhileClosing(Rule):
    """A generator that is being closed may not yield: Python raises RuntimeError."""

    code = "ROM503"
    name = "yield-while-closing"
    why = "while `GeneratorExit` is handled: a generator that is being closed may not yield"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    try:
        yield charge(1)
    except ValueError:
        yield refund(1)
        raise
""",
        """\
@workflow
def wf(ctx: Context):
    try:
        yield charge(1)
    finally:
        yield refund(1)
""",
        """\
@workflow
def wf(ctx: Context):
    try:
        yield charge(1)
    except GeneratorExit:
        raise
    except:
        yield refund(1)
        raise
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    try:
        yield charge(1)
    except GeneratorExit:
        yield refund(1)  # bad
        raise
"""),
        Bad("""\
@workflow
def wf(ctx: Context):
    try:
        yield charge(1)
    except:
        yield refund(1)  # bad
        raise
"""),
    )

    def attempted(self, frame: Frame, node: ast.Try) -> None:
        if not any(isinstance(part, ast.Yield | ast.YieldFrom) for part in own_nodes(node.body)):
            return
        for handler in node.handlers:
            if not caught(frame, handler) & CLOSING:
                continue
            if handler.type is not None or any(isinstance(part, ast.Raise) for part in own_nodes(handler.body)):
                for part in yields_in(handler.body):
                    frame.report(self, part, f"`yield` {self.why}")
            return  # nothing of it reaches the handlers below
