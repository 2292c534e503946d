"""ROM205 concurrency."""

from __future__ import annotations

from romancy_lint.rules.rule import Bad, Rule


class Concurrency(Rule):
    """Threads, locks and event loops have no place in a workflow: the engine runs branches in a recorded order."""

    code = "ROM205"
    name = "concurrency"
    why = "brings concurrency that is not recorded: use `gather` or `race`"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield gather(charge(1), charge(2))
""",
    )
    BAD = (
        Bad("""\
import threading

LOCK = threading.Lock()

@workflow
def wf(ctx: Context):
    with LOCK:  # bad
        yield charge(1)
"""),
    )
