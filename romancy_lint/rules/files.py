"""ROM201 files."""

from __future__ import annotations

from romancy_lint.rules.rule import Bad, Rule


class Files(Rule):
    """A workflow must not touch files: they are another on replay, and on another host."""

    code = "ROM201"
    name = "files"
    why = "does file I/O: do it in an activity"
    GOOD = (
        """\
import os.path

@workflow
def wf(ctx: Context):
    yield charge(os.path.basename("/a/b"))
""",
        """\
from pathlib import Path

@workflow
def wf(ctx: Context):
    yield charge(str(Path("a") / "b"))
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    with open("x") as stream:  # bad
        yield charge(stream.read())
"""),
        Bad("""\
from pathlib import Path

@workflow
def wf(ctx: Context):
    yield charge(Path("a").read_text())  # bad
"""),
        Bad("""\
from pathlib import Path

@workflow
def wf(ctx: Context, path: Path):
    path.parent.mkdir()  # bad
    (path.parent / "y").touch()  # bad
    yield charge(path.parent.name)
"""),
    )
