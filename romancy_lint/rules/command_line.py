"""ROM132 command-line."""

from __future__ import annotations

from romancy_lint.rules.rule import ANYWHERE, Bad, Rule


class CommandLine(Rule):
    """The command line and the interpreter are another on the next worker."""

    code = "ROM132"
    name = "command-line"
    why = "belongs to this process: pass it in the input"
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
import sys

@workflow
def wf(ctx: Context):
    yield charge(sys.argv[1])  # bad
"""),
    )
