"""ROM405 not-a-call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import declares_flow
from romancy_lint.analysis.values import (
    Class,
    Constant,
    Container,
    Durable,
    Function,
    Instance,
    Object,
    SetValue,
    Value,
    options,
    strip,
)
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _is_data(value: Value) -> bool:
    return isinstance(value, Instance) and value.type.startswith("builtins.")


def _advice(value: Value) -> str:
    if isinstance(value, Container) and isinstance(value.item, Durable):
        return "; `gather(*...)` runs several"
    return ""


class NotAnOperation(Rule):
    """A workflow yields calls, nothing else."""

    code = "ROM405"
    name = "not-a-call"
    why = "is not a call: a workflow yields activities, workflows, timers, `gather`, `race` and the like"
    fixes = "unsafe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield charge(1)
""",
        """\
def rows():
    yield 1
    yield 2

@workflow
def wf(ctx: Context):
    for row in rows():
        yield charge(row)
""",
        """\
@workflow
def wf(ctx: Context, n: int):
    if False:
        yield
    return n + 1
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    yield 3  # bad
    yield charge(1)
"""),
        Bad(
            """\
@activity
def cleanup(): ...

@workflow
def wf(ctx: Context):
    yield cleanup  # bad
    yield charge(1)
""",
            """\
@activity
def cleanup(): ...

@workflow
def wf(ctx: Context):
    yield cleanup()  # bad
    yield charge(1)
""",
            unsafe=True,
        ),
        Bad("""\
@workflow
def wf(ctx: Context):
    yield [charge(1)]  # bad
"""),
    )

    def yielded(self, frame: Frame, node: ast.Yield, value: Value) -> None:
        if not self._is_workflow(frame):
            return
        inner = [strip(option) for option in options(value)]
        if not all(
            isinstance(v, Constant | Container | SetValue | Function | Class | Instance | Object) for v in inner
        ):
            return
        if any(isinstance(v, Instance | Object) and not _is_data(v) for v in inner):
            return
        shown_value = shown(frame, node.value) if node.value else "yield"
        frame.report(self, node, f"`{shown_value}` {self.why}{_advice(inner[0])}", self._fix(frame, node, inner[0]))

    def _is_workflow(self, frame: Frame) -> bool:
        function = frame.function
        if function is None or frame.engine.resolver.marks(function).is_context:
            return False
        return function in frame.engine.workflows or declares_flow(function)

    def _fix(self, frame: Frame, node: ast.Yield, value: Value) -> Fix | None:
        if isinstance(value, Function) and node.value is not None and frame.engine.kind_of(value):
            return Fix("unsafe", "Call it", (frame.insert(node.value, "()", after=True),))
        return None
