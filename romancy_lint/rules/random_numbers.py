"""ROM111 random-numbers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.naming import named, swapped
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import ANYWHERE, Bad, Rule, expression

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame

#: What is the same on every run once it was given a seed.
_SEEDED = frozenset(
    {"random.Random", "numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.SeedSequence"}
)


def _is_seeded(call: ast.Call) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return bool(given) and not (isinstance(given[0], ast.Constant) and given[0].value is None)


class RandomNumbers(Rule):
    """A workflow draws chance from `ctx.random`, whose seed is recorded."""

    code = "ROM111"
    name = "random-numbers"
    why = "draws from unrecorded chance: use `ctx.random`"
    modes = ANYWHERE
    fixes = "safe, and unsafe for `Random()`"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield charge(ctx.random.choice([1, 2]))
""",
        """\
import random

@workflow
def wf(ctx: Context):
    yield charge(random.Random(7).random())
""",
    )
    BAD = (
        Bad(
            """\
import random

@workflow
def wf(ctx: Context):
    yield charge(random.choice([1, 2]))  # bad
""",
            """\
@workflow
def wf(ctx: Context):
    yield charge(ctx.random.choice([1, 2]))  # bad
""",
        ),
        Bad(
            """\
import random

@workflow
def wf(ctx: Context):
    yield charge(random.Random().random())  # bad
""",
            """\
@workflow
def wf(ctx: Context):
    yield charge(ctx.random.random())  # bad
""",
            unsafe=True,
        ),
    )

    def used(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> None:
        if name in _SEEDED and call is not None and _is_seeded(call):
            return
        if name.startswith("numpy.random.") and name.rpartition(".")[2][:1].isupper() and name not in _SEEDED:
            return
        frame.report(self, node, self.message(name), self._fix(frame, name, node, call), expression(frame, node, call))

    def _fix(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> Fix | None:
        module, _, function = name.rpartition(".")
        if module != "random" or function in ("seed", "setstate", "getstate"):
            return None
        found = named(frame, name, node, call)
        if found is None:
            return None
        if function == "Random":
            ctx, imports = frame.context_expression()
            edits = (frame.replace(node, f"{ctx}.random"),)
            return Fix("unsafe", "Draw from the recorded seed", edits, imports) if found[1] else None
        content, imports = swapped(frame, found, f"random.{function}")
        return Fix("safe", "Draw from the recorded seed", (frame.replace(found[0], content),), imports)
