"""ROM413 activity-only-api."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.names.language import ACTIVITY_ONLY, APPLICATION, PACKAGE
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class WrongSide(Rule):
    """`session()` and `activity_context()` exist inside activities, the application outside of workflows."""

    code = "ROM413"
    name = "activity-only-api"
    why = "does not exist inside a workflow: use it in an activity, or around the workflows"
    GOOD = (
        """\
from romancy import session

@activity
def save(n):
    session().execute("insert into t values (?)", [n])

@workflow
def wf(ctx: Context):
    yield save(1)
""",
    )
    BAD = (
        Bad("""\
from romancy import session

@workflow
def wf(ctx: Context):
    session().execute("select 1")  # bad
    yield charge(1)
"""),
    )

    def language(self, frame: Frame, name: str, node: ast.expr) -> None:
        if f"{PACKAGE}.{name}" in ACTIVITY_ONLY | APPLICATION or name.startswith("Romancy."):
            frame.report(self, node, f"`{name}` {self.why}")
