"""ROM133 host."""

from __future__ import annotations

from romancy_lint.rules.rule import ANYWHERE, Bad, Rule


class Host(Rule):
    """Hosts, processes and folders are another on the next worker."""

    code = "ROM133"
    name = "host"
    why = "tells of this host or process: ask in an activity"
    modes = ANYWHERE
    GOOD = (
        """\
import os

@workflow
def wf(ctx: Context):
    yield charge(os.path.join("a", "b"))
""",
    )
    BAD = (
        Bad("""\
import socket

@workflow
def wf(ctx: Context):
    yield charge(socket.gethostname())  # bad
"""),
        Bad("""\
import os

@workflow
def wf(ctx: Context):
    yield charge(os.getpid())  # bad
"""),
    )
