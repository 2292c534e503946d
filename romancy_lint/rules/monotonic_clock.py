"""ROM102 monotonic-clock."""

from __future__ import annotations

from romancy_lint.rules.rule import ANYWHERE, Bad, Rule


class MonotonicClock(Rule):
    """A workflow must not measure its own speed: a replay runs at another one."""

    code = "ROM102"
    name = "monotonic-clock"
    why = "measures this process: a replay measures something else; measure in an activity or compare two `ctx.now()`"
    modes = ANYWHERE
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    start = ctx.now()
    yield charge(1)
    yield charge((ctx.now() - start).seconds)
""",
    )
    BAD = (
        Bad("""\
from time import perf_counter

@workflow
def wf(ctx: Context):
    start = perf_counter()  # bad
    yield charge(start)
"""),
    )
