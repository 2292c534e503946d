"""ROM125 completion-order."""

from __future__ import annotations

from romancy_lint.rules.rule import ANYWHERE, Bad, Rule


class CompletionOrder(Rule):
    """The order in which things finish is no order: the engine records its own."""

    code = "ROM125"
    name = "completion-order"
    why = "yields results in the order of this run: use `gather` or `race`"
    modes = ANYWHERE
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield gather(charge(1), charge(2))
""",
    )
    BAD = (
        Bad("""\
import asyncio

@workflow
def wf(ctx: Context):
    for done in asyncio.as_completed([]):  # bad
        yield charge(done)
"""),
    )
