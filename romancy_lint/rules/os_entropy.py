"""ROM112 os-entropy."""

from __future__ import annotations

from romancy_lint.rules.rule import ANYWHERE, Bad, Rule


class OsEntropy(Rule):
    """Secrets come from the operating system, inside an activity, never from a workflow."""

    code = "ROM112"
    name = "os-entropy"
    why = "asks the operating system for entropy: make secrets in an activity"
    modes = ANYWHERE
    GOOD = (
        """\
import secrets

@workflow
def wf(ctx: Context):
    yield charge(secrets.compare_digest("a", "a"))
""",
    )
    BAD = (
        Bad("""\
import secrets

@workflow
def wf(ctx: Context):
    yield charge(secrets.token_hex(8))  # bad
"""),
    )
