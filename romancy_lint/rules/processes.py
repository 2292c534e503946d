"""ROM204 processes."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import External
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import Bad, Rule, expression

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class Processes(Rule):
    """A workflow must not start, signal or end processes."""

    code = "ROM204"
    name = "processes"
    why = "starts, signals or ends a process: do it in an activity; end a workflow by `raise`"
    fixes = "unsafe for `sys.exit`"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield charge(1)
    raise RuntimeError("bad")
""",
    )
    BAD = (
        Bad(
            """\
import sys

@workflow
def wf(ctx: Context):
    yield charge(1)
    sys.exit("no")  # bad
""",
            """\
@workflow
def wf(ctx: Context):
    yield charge(1)
    raise RuntimeError("no")  # bad
""",
            unsafe=True,
        ),
        Bad("""\
import subprocess

@workflow
def wf(ctx: Context):
    subprocess.run(["true"])  # bad
    yield charge(1)
"""),
        Bad("""\
@workflow
def wf(ctx: Context):
    yield charge(1)
    raise SystemExit(1)  # bad
"""),
        Bad(
            """\
@workflow
def wf(ctx: Context):
    yield charge(1)
    quit()  # bad
""",
            """\
@workflow
def wf(ctx: Context):
    yield charge(1)
    raise RuntimeError()  # bad
""",
            unsafe=True,
        ),
    )

    def raising(self, frame: Frame, node: ast.Raise) -> None:
        named = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        if isinstance(named, ast.Name) and frame.quiet(named) == External("builtins.SystemExit"):
            frame.report(self, node, self.message("SystemExit"), expression=frame.text(node))

    def used(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> None:
        fix = None
        if name in ("sys.exit", "builtins.exit", "builtins.quit") and call is not None:
            around = frame.parent(call)
            if isinstance(around, ast.Expr) and not call.keywords:
                given = ", ".join(frame.text(a) for a in call.args)
                fix = Fix(
                    "unsafe",
                    "End the workflow by an exception",
                    (frame.replace(around, f"raise RuntimeError({given})"),),
                )
        frame.report(self, node, self.message(name), fix, expression(frame, node, call))
