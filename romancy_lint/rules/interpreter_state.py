"""ROM135 interpreter-state."""

from __future__ import annotations

from romancy_lint.rules.rule import ANYWHERE, Bad, Rule


class InterpreterState(Rule):
    """Garbage collection, references and frames are the business of one process."""

    code = "ROM135"
    name = "interpreter-state"
    why = "asks the interpreter about itself: keep explicit state in the workflow"
    modes = ANYWHERE
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    yield charge(len([1]))
""",
    )
    BAD = (
        Bad("""\
import gc

@workflow
def wf(ctx: Context):
    yield charge(len(gc.get_objects()))  # bad
"""),
    )
