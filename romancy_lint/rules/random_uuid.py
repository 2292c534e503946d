"""ROM113 random-uuid."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.naming import named, swapped
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import ANYWHERE, Bad, Rule, expression

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class RandomUuid(Rule):
    """Identifiers of a workflow come from `ctx.uuid4()` or from its input."""

    code = "ROM113"
    name = "random-uuid"
    why = "is another identifier on every run: use `ctx.uuid4()`, or `uuid5` of the input"
    modes = ANYWHERE
    fixes = "safe"
    GOOD = (
        """\
import uuid

@workflow
def wf(ctx: Context):
    yield charge(str(uuid.uuid5(uuid.NAMESPACE_URL, "x")))
""",
        """\
@workflow
def wf(ctx: Context):
    yield charge(str(ctx.uuid4()))
""",
    )
    BAD = (
        Bad(
            """\
import uuid

@workflow
def wf(ctx: Context):
    yield charge(str(uuid.uuid4()))  # bad
""",
            """\
@workflow
def wf(ctx: Context):
    yield charge(str(ctx.uuid4()))  # bad
""",
        ),
    )

    def used(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> None:
        fix = None
        found = named(frame, name, node, call) if name in ("uuid.uuid4", "uuid_utils.uuid4") else None
        if found is not None:
            content, imports = swapped(frame, found, "uuid4")
            edits = (frame.replace(found[0], content),)
            fix = Fix("safe", "Make the identifier from the recorded seed", edits, imports)
        frame.report(self, node, self.message(name), fix, expression(frame, node, call))
