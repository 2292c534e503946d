"""ROM122 set-order-leak."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import SetValue, Value
from romancy_lint.finding import Applicability, Fix
from romancy_lint.names.types import COMPARABLE
from romancy_lint.rules.rule import ANYWHERE, Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


HOW = frozenset(
    [
        "list",
        "tuple",
        "deque",
        "str",
        "repr",
        "format",
        "f-string",
        "join",
        "unpacking",
        "json.dumps",
        "pformat",
    ]
)


class SetLeak(Rule):
    """Turning a set into a list, tuple or text writes its order down, and that order depends on the hash seed."""

    code = "ROM122"
    name = "set-order-leak"
    why = "writes the order of a set down, which differs between processes: `sorted(…)` it"
    modes = ANYWHERE
    fixes = "safe where the elements are known to be comparable, else unsafe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context, names: list[str]):
    yield charge(sorted(set(names)))
""",
        """\
@workflow
def wf(ctx: Context, names: list[str]):
    unique = list(set(names))
    unique.sort()
    yield charge(unique)
""",
    )
    BAD = (
        Bad(
            """\
@workflow
def wf(ctx: Context, names: list[str]):
    yield charge(list(set(names)))  # bad
""",
            """\
@workflow
def wf(ctx: Context, names: list[str]):
    yield charge(sorted(set(names)))  # bad
""",
        ),
        Bad(
            """\
@workflow
def wf(ctx: Context, names: set[str]):
    yield charge(",".join(names))  # bad
""",
            """\
@workflow
def wf(ctx: Context, names: set[str]):
    yield charge(",".join(sorted(names)))  # bad
""",
        ),
        Bad("""\
@workflow
def wf(ctx: Context, names: set[str]):
    yield charge(f"{names}")  # bad
"""),
    )

    def unordered(self, frame: Frame, value: Value, node: ast.expr, how: str) -> None:
        if how in HOW:
            frame.report(self, node, f"{how} of `{shown(frame, node)}` {self.why}", self._fix(frame, value, node, how))

    def _fix(self, frame: Frame, value: Value, node: ast.expr, how: str) -> Fix | None:
        known = how == "join" or (isinstance(value, SetValue) and value.element in COMPARABLE)
        sure: Applicability = "safe" if known else "unsafe"
        around = frame.parent(node)
        if (
            how == "list"
            and isinstance(around, ast.Call)
            and isinstance(around.func, ast.Name)
            and len(around.args) == 1
        ):
            return Fix(sure, "Sort it", (frame.replace(around.func, "sorted"),))
        if how in ("join", "tuple", "deque", "unpacking"):
            return Fix(sure, "Sort it", frame.wrap("sorted", node))
        return None
