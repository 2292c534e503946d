"""ROM131 environment."""

from __future__ import annotations

from romancy_lint.rules.rule import ANYWHERE, Bad, Rule


class Environment(Rule):
    """The environment of the process is not the input of the workflow."""

    code = "ROM131"
    name = "environment"
    why = "reads the environment of this process: pass it in the input or read it in an activity"
    modes = ANYWHERE
    GOOD = (
        """\
@workflow
def wf(ctx: Context, mode: str):
    yield charge(mode)
""",
    )
    BAD = (
        Bad("""\
import os

@workflow
def wf(ctx: Context):
    yield charge(os.environ["MODE"])  # bad
"""),
        Bad("""\
import os

@workflow
def wf(ctx: Context):
    yield charge(os.getenv("MODE"))  # bad
"""),
    )
