"""ROM406 workflow-shape."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.scope import own_nodes
from romancy_lint.analysis.special import is_abstract
from romancy_lint.finding import Edit, Fix, Place
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _head(node: FunctionNode) -> ast.AST:
    """The line of the `def`, without the body."""
    function = node.node
    head = ast.Pass()
    head.lineno = head.end_lineno = function.lineno
    head.col_offset = function.col_offset
    line = node.module.source.lines[function.lineno - 1]
    head.end_col_offset = len(line.partition("#")[0].rstrip().encode())
    return head


def _only_ellipsis(node: ast.AST) -> bool:
    body = getattr(node, "body", [])
    return all(isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) for s in body)


class Shape(Rule):
    """A workflow is a plain generator function."""

    code = "ROM406"
    name = "workflow-shape"
    why = "must be a plain generator function: `def`, with at least one `yield`"
    fixes = "unsafe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield charge(1)
""",
    )
    BAD = (
        Bad(
            """\
@workflow
async def wf(ctx: Context):  # bad
    await charge(1)
""",
            """\
@workflow
def wf(ctx: Context):  # bad
    yield charge(1)
""",
            unsafe=True,
        ),
        Bad("""\
@workflow
def wf(ctx: Context):  # bad
    return 1
"""),
    )

    def entered(self, frame: Frame, node: FunctionNode) -> None:
        if node not in frame.engine.workflows or isinstance(node.node, ast.Lambda):
            return
        head = _head(node)
        if isinstance(node.node, ast.AsyncFunctionDef):
            frame.report(self, head, f"workflow `{node.name}` is `async`: it {self.why}", self._fix(frame, node.node))
        elif not node.yields and not is_abstract(node.node) and not _only_ellipsis(node.node):
            frame.report(self, head, f"workflow `{node.name}` never yields: it {self.why}")

    def misshapen(self, frame: Frame, node: ast.AST, what: str) -> None:
        frame.report(self, node, f"`@workflow` is applied to {what}: a workflow {self.why}")

    def _fix(self, frame: Frame, node: ast.AsyncFunctionDef) -> Fix | None:
        parts = list(own_nodes(node.body))
        if any(isinstance(p, ast.AsyncFor | ast.AsyncWith | ast.Yield) or getattr(p, "is_async", 0) for p in parts):
            return None
        text = frame.text(node)
        width = len(text) - len(text.removeprefix("async").lstrip())
        place = frame.module.source.place(node)
        edits = [Edit(Place(place.row, place.column, place.row, place.column + width), "")]
        for part in parts:
            if isinstance(part, ast.Await):
                around = frame.parent(part)
                bare = isinstance(around, ast.Expr | ast.Assign | ast.AnnAssign)
                content = f"yield {frame.text(part.value)}"
                edits.append(frame.replace(part, content if bare else f"({content})"))
        return Fix("unsafe", "Make it a generator", tuple(edits))
