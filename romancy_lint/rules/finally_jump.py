"""ROM502 jump-in-finally."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.scope import own_nodes
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _jumps(body: list[ast.stmt], looped: bool) -> list[ast.stmt]:
    """The statements of a block that leave it."""
    found: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.Return) or (isinstance(statement, ast.Break | ast.Continue) and not looped):
            found.append(statement)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        inside = looped or isinstance(statement, ast.For | ast.While | ast.AsyncFor)
        for name in ("body", "orelse", "finalbody"):
            found += _jumps(getattr(statement, name, []), inside)
        for handler in getattr(statement, "handlers", []):
            found += _jumps(handler.body, inside)
    return found


class FinallyJump(Rule):
    """A jump out of `finally` swallows the exception that closes or cancels the workflow."""

    code = "ROM502"
    name = "jump-in-finally"
    why = "in a `finally` swallows the exception that closes or cancels the workflow: jump after the `try`"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    status = None
    try:
        yield charge(1)
    finally:
        status = 1
    return status
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    try:
        yield charge(1)
    finally:
        return 1  # bad
"""),
    )

    def attempted(self, frame: Frame, node: ast.Try) -> None:
        if not any(isinstance(part, ast.Yield | ast.YieldFrom) for part in own_nodes(node.body)):
            return
        for jump in _jumps(node.finalbody, False):
            frame.report(self, jump, f"`{type(jump).__name__.lower()}` {self.why}")
