"""ROM132 command-line."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.rules.rule import ANYWHERE, Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _is_told(call: ast.Call) -> bool:
    """Whether a parser is given what it has to parse."""
    given = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "args")]
    return any(not (isinstance(part, ast.Constant) and part.value is None) for part in given)


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
        """\
from argparse import ArgumentParser

@workflow
def wf(ctx: Context, words: list[str]):
    yield charge(ArgumentParser().parse_args(words).mode)
""",
    )
    BAD = (
        Bad("""\
import sys

@workflow
def wf(ctx: Context):
    yield charge(sys.argv[1])  # bad
"""),
        Bad("""\
from argparse import ArgumentParser

@workflow
def wf(ctx: Context):
    yield charge(ArgumentParser().parse_args(None).mode)  # bad
"""),
    )

    def used(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> None:
        if call is None or not (name.startswith(("argparse.", "optparse.")) and _is_told(call)):
            super().used(frame, name, node, call)
