"""ROM704 duplicate-workflow."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode, Module
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def named(node: FunctionNode) -> str | None:
    """The name that a top-level workflow is registered under."""
    if isinstance(node.node, ast.Lambda) or node.parent is not None or node.marks is None:
        return None
    if id(node.node) not in {id(b.node) for b in node.module.bindings.get(node.name, [])}:
        return None
    option = node.marks.options.get("name")
    if option is None:
        return None if node.marks.more_options else node.name
    given = option.node
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None


def _after(node: FunctionNode, other: FunctionNode) -> bool:
    return node.module is not other.module or node.node.lineno > other.node.lineno


class DuplicateName(Rule):
    """Workflows are found by name: a name that is registered twice runs the wrong code."""

    code = "ROM704"
    name = "duplicate-workflow"
    why = "is registered twice: give one of them another `name=`"
    GOOD = (
        """\
@workflow
def one(ctx: Context):
    yield charge(1)

@workflow
def two(ctx: Context):
    yield charge(1)
""",
    )
    BAD = (
        Bad("""\
@workflow
def one(ctx: Context):
    yield charge(1)

@workflow(name="one")
def two(ctx: Context):  # bad
    yield charge(1)
"""),
    )

    def checked(self, frame: Frame, module: Module) -> None:
        by_name = frame.engine.workflow_names(named)
        for node in by_name.get(module, []):
            for other in by_name.get(named(node), []):
                if other is not node and _after(node, other) and frame.engine.imports(module, other.module):
                    there = f"{other.module.filename.rpartition('/')[2]}:{other.node.lineno}"
                    self._report(frame, node, f"workflow `{named(node)}` {self.why} (the other is in {there})")

    def _report(self, frame: Frame, node: FunctionNode, message: str) -> None:
        head = ast.Pass()
        head.lineno = head.end_lineno = node.node.lineno
        head.col_offset = node.node.col_offset
        head.end_col_offset = len(node.module.source.lines[node.node.lineno - 1].partition("#")[0].rstrip().encode())
        frame.walk.mode = "workflow"
        frame.report_in(node.module, self, head, message)
