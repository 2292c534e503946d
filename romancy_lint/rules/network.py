"""ROM202 network."""

from __future__ import annotations

from romancy_lint.rules.rule import Bad, Rule


class Network(Rule):
    """A workflow must not use the network: what it answers is not recorded."""

    code = "ROM202"
    name = "network"
    why = "uses the network: do it in an activity"
    GOOD = (
        """\
from urllib.parse import quote

@workflow
def wf(ctx: Context):
    yield charge(quote("a b"))
""",
    )
    BAD = (
        Bad("""\
import urllib.request

@workflow
def wf(ctx: Context):
    yield charge(urllib.request.urlopen("http://x").status)  # bad
"""),
    )
