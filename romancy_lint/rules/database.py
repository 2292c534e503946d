"""ROM203 database."""

from __future__ import annotations

from romancy_lint.rules.rule import Bad, Rule


class Database(Rule):
    """A workflow must not query a database: what it answers is not recorded."""

    code = "ROM203"
    name = "database"
    why = "uses a database: do it in an activity"
    GOOD = (
        """\
@workflow
def wf(ctx: Context):
    rows = yield charge("select 1")
    yield charge(rows)
""",
    )
    BAD = (
        Bad("""\
import sqlite3

@workflow
def wf(ctx: Context):
    db = sqlite3.connect("o.db")  # bad
    yield charge(1)
"""),
    )
