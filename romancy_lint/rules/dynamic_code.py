"""ROM209 dynamic-code."""

from __future__ import annotations

from romancy_lint.rules.rule import Bad, Rule


class DynamicCode(Rule):
    """A workflow must not choose code by text: nobody can follow it, and the next process may find other code."""

    code = "ROM209"
    name = "dynamic-code"
    why = "runs code chosen at run time: use a constant table of functions"
    GOOD = (
        """\
TABLE = {"a": charge, "b": refund}

@workflow
def wf(ctx: Context, name: str):
    yield TABLE[name](1)
""",
        """\
@workflow
def wf(ctx: Context, row: object, field: str):
    yield charge(getattr(row, field))
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    yield charge(eval("1 + 1"))  # bad
"""),
        Bad("""\
import random

@workflow
def wf(ctx: Context, name: str):
    yield charge(getattr(random, name)())  # bad
"""),
    )
