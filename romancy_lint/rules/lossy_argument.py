"""ROM604 lossy-argument."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.values import Container, Value, strip
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.uncarried_argument import parameters_of

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class LossyArgument(Rule):
    """Without an annotation JSON turns tuples into lists and integer keys into text."""

    code = "ROM604"
    name = "lossy-argument"
    why = "comes back as something else unless the parameter is annotated"
    default = False
    severity = "info"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield charge([1, 2])
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    yield charge((1, 2))  # bad
"""),
        Bad("""\
@workflow
def wf(ctx: Context):
    yield charge({1: "a"})  # bad
"""),
    )

    def durable_call(
        self, frame: Frame, function: FunctionNode, node: ast.expr, given: list[Value], named: dict[str, Value]
    ) -> None:
        if not isinstance(node, ast.Call) or any(isinstance(a, ast.Starred) for a in node.args):
            return
        bound = len(given) - len(node.args)
        for argument, value, parameter in zip(node.args, given[bound:], parameters_of(function)[bound:], strict=False):
            inner = strip(value)
            if parameter.annotation is not None or not isinstance(inner, Container):
                continue
            if inner.kind == "tuple":
                frame.report(self, argument, f"a tuple {self.why}")
            elif inner.kind == "dict" and any(isinstance(key, int) for key in inner.keys):
                frame.report(self, argument, f"a dict with integer keys {self.why}")
