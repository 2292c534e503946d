"""ROM208 process-state."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import External, Instance, Value, strip
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class ProcessState(Rule):
    """A workflow must not change what the whole process shares: environment, folder, locale, signals."""

    code = "ROM208"
    name = "process-state"
    why = "changes what the whole process shares: pass values instead"
    GOOD = (
        """\
import decimal

@workflow
def wf(ctx: Context):
    with decimal.localcontext():
        total = decimal.Decimal(1)
    yield charge(int(total))
""",
    )
    BAD = (
        Bad("""\
import os

@workflow
def wf(ctx: Context):
    os.chdir("/")  # bad
    yield charge(1)
"""),
        Bad("""\
import os

@workflow
def wf(ctx: Context):
    os.environ["A"] = "1"  # bad
    yield charge(1)
"""),
        Bad("""\
import decimal

@workflow
def wf(ctx: Context):
    decimal.getcontext().prec = 4  # bad
    yield charge(1)
"""),
    )

    def external_stored(self, frame: Frame, name: str, target: ast.expr, node: ast.AST) -> None:
        frame.report(self, target, self.message(name), expression=frame.text(target))

    def attribute_stored(self, frame: Frame, base: Value, target: ast.Attribute, node: ast.AST, value: Value) -> None:
        inner = strip(base)
        if isinstance(inner, External) and not inner.name.startswith("romancy."):
            frame.report(self, target, self.message(f"{inner.name}.{target.attr}"), expression=frame.text(target))
        elif inner == Instance("decimal.Context") and isinstance(target.value, ast.Call):
            frame.report(self, target, self.message("decimal.getcontext()"), expression=frame.text(target))
