"""ROM407 yield-in-comprehension."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.finding import Fix
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class StrayYield(Rule):
    """A `yield` in a comprehension does not compile, and in a lambda it makes a generator of its own."""

    code = "ROM407"
    name = "yield-in-comprehension"
    why = "does not belong to the workflow: write a loop, or `gather`"
    fixes = "unsafe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    results = yield gather(*[charge(n) for n in (yield refund(1))])
""",
    )
    BAD = (
        Bad(
            """\
@workflow
def wf(ctx: Context):
    rows = [(yield charge(n)) for n in range(3)]  # bad
    yield charge(rows)
""",
            """\
@workflow
def wf(ctx: Context):
    rows = []
    for n in range(3):
        rows.append((yield charge(n)))  # bad
    yield charge(rows)
""",
            unsafe=True,
        ),
    )

    def stray_yield(self, frame: Frame, node: ast.expr, where: str) -> None:
        frame.report(self, node, f"a `yield` in a {where} {self.why}", self._fix(frame, node))

    def _fix(self, frame: Frame, node: ast.expr) -> Fix | None:
        """`x = [… for … in …]` as a loop."""
        statement = frame.statement(node)
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.ListComp(elt=element, generators=parts) as made):
                pass
            case _:
                return None
        indent = " " * statement.col_offset
        lines, depth = [f"{name} = []"], 0
        if any(isinstance(n, ast.Name) and n.id == name for part in parts for n in ast.walk(part)):
            return None
        for part in parts:
            lines.append(f"{indent}{'    ' * depth}for {frame.text(part.target)} in {frame.text(part.iter)}:")
            depth += 1
            for condition in part.ifs:
                lines.append(f"{indent}{'    ' * depth}if {frame.text(condition)}:")
                depth += 1
        text = frame.text(element)
        inner = f"({text})" if isinstance(element, ast.Yield | ast.YieldFrom) else text
        lines.append(f"{indent}{'    ' * depth}{name}.append({inner})")
        return Fix("unsafe", "Write a loop", (frame.replace(statement, chr(10).join(lines)),)) if made else None
