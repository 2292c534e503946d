"""ROM411 replay-branch."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.scope import own_nodes
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _asks(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Attribute) and part.attr == "is_replaying" for part in ast.walk(node))


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
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    if not ctx.is_replaying:  # bad
        yield charge(1)
"""),
    )

    def entered(self, frame: Frame, node: FunctionNode) -> None:
        if "is_replaying" not in node.module.source.text:
            return
        for part in node.own:
            if isinstance(part, ast.If | ast.IfExp | ast.While) and _asks(part.test) and _commands(part):
                frame.report(self, part.test, f"`is_replaying` {self.why}")
