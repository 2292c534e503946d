"""ROM411 replay-branch."""

from __future__ import annotations

import ast
from collections.abc import Set
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.scope import own_nodes
from romancy_lint.analysis.values import Durable, Generator, Value, options, strip
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _asks(node: ast.expr, names: Set[str] = frozenset()) -> bool:
    """Whether an expression reads the flag, or a variable that holds it."""
    return any(
        (isinstance(part, ast.Attribute) and part.attr == "is_replaying")
        or (isinstance(part, ast.Name) and part.id in names)
        for part in ast.walk(node)
    )


def _holders(node: FunctionNode) -> Set[str]:
    """The variables of a function that are assigned the flag and nothing else."""
    assigned = [part for part in node.own if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name)]
    stored = [part.id for part in node.own if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
    names = {part.targets[0].id for part in assigned if _is_flag(part.value)}  # type: ignore[attr-defined]
    return {name for name in names if stored.count(name) == 1}


def _is_flag(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Attribute) and inner.attr == "is_replaying"


def _commands(node: ast.If | ast.IfExp | ast.While) -> bool:
    """Whether a branch yields, or leaves before something that does."""
    body: list[ast.stmt] | list[ast.expr]
    body = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [*node.body, *node.orelse]
    return any(isinstance(part, ast.Yield | ast.YieldFrom | ast.Return | ast.Raise) for part in own_nodes(body))


class ReplayBranch(Rule):
    """Whether a run is a replay must not decide which calls it makes."""

    code = "ROM411"
    name = "replay-branch"
    why = "decides which calls are made: a replay makes others than the first run"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    if not ctx.is_replaying:
        ctx.log.info("x")
    yield charge(1)
""",
        """\
@workflow
def wf(ctx: Context):
    word = "again" if ctx.is_replaying else "first"
    ctx.log.info(word)
    yield charge(1)
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    if not ctx.is_replaying:  # bad
        yield charge(1)
"""),
        Bad("""\
@workflow
def wf(ctx: Context):
    again = ctx.is_replaying
    if not again:  # bad
        yield charge(1)
    yield refund(1)
"""),
        Bad("""\
@workflow
def wf(ctx: Context):
    yield charge(1) if ctx.is_replaying else charge(2)  # bad
"""),
    )

    def entered(self, frame: Frame, node: FunctionNode) -> None:
        if "is_replaying" not in node.module.source.text:
            return
        names = _holders(node)
        for part in node.own:
            if isinstance(part, ast.If | ast.IfExp | ast.While) and _asks(part.test, names) and _commands(part):
                frame.report(self, part.test, f"`is_replaying` {self.why}")

    def chosen(self, frame: Frame, node: ast.IfExp, value: Value) -> None:
        if frame.function is None or "is_replaying" not in frame.module.source.text:
            return
        makes = any(isinstance(option, Durable | Generator) for option in options(strip(value)))
        if makes and _asks(node.test, _holders(frame.function)):
            frame.report(self, node.test, f"`is_replaying` {self.why}")
