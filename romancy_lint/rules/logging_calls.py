"""ROM207 logging."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.naming import is_name_of
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import Bad, Rule, expression

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _is_std(name: str) -> bool:
    return name.startswith(("logging.Logger.", "logging.")) and name.count(".") <= 2


def _says(function: ast.expr, level: str) -> bool:
    """Whether a call says the method of the logger itself, with all that the method is given."""
    return isinstance(function, ast.Attribute) and function.attr == level


class LoggingCalls(Rule):
    """A workflow must not log through `logging`: every replay logs again; `ctx.log` is silent then."""

    code = "ROM207"
    name = "logging"
    why = "logs again on every replay: use `ctx.log`"
    severity = "warning"
    fixes = "safe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    ctx.log.info("x")
    yield charge(1)
""",
        """\
import logging

log = logging.getLogger(__name__)

@activity
def act():
    log.info("x")

@workflow
def wf(ctx: Context):
    yield act()
""",
    )
    BAD = (
        Bad(
            """\
import logging

log = logging.getLogger(__name__)

@workflow
def wf(ctx: Context):
    log.info("x")  # bad
    yield charge(1)
""",
            """\
import logging

log = logging.getLogger(__name__)

@workflow
def wf(ctx: Context):
    ctx.log.info("x")  # bad
    yield charge(1)
""",
        ),
        Bad(
            """\
import logging

@workflow
def wf(ctx: Context):
    logging.error("x")  # bad
    yield charge(1)
""",
            """\
@workflow
def wf(ctx: Context):
    ctx.log.error("x")  # bad
    yield charge(1)
""",
        ),
    )

    def used(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> None:
        level = name.rpartition(".")[2]
        fix = None
        if (
            call is not None
            and level in ("debug", "info", "warning", "error", "exception", "critical")
            and _is_std(name)
            and (_says(call.func, level) or is_name_of(frame, call.func, name))
        ):
            ctx, imports = frame.context_expression()
            fix = Fix("safe", "Use the log of the workflow", (frame.replace(call.func, f"{ctx}.log.{level}"),), imports)
        frame.report(self, node, self.message(name), fix, expression(frame, node, call))
