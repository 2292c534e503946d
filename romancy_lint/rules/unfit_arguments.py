"""ROM705 unfit-arguments."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.values import Iterator, Value
from romancy_lint.rules.rule import Bad, Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def unfit(function: FunctionNode, count: int, names: list[str]) -> str | None:
    """Why a call with so many arguments and these names would fail."""
    args = function.node.args
    first = 1 if function.marks is not None and function.marks.kind == "workflow" else 0
    positional = [a.arg for a in (*args.posonlyargs, *args.args)][first:]
    if count > len(positional) and args.vararg is None:
        return f"{count} arguments for {len(positional)} parameters"
    known = {*positional, *(a.arg for a in args.kwonlyargs)}
    unknown = [name for name in names if name not in known]
    if unknown and args.kwarg is None:
        return f"no parameter `{unknown[0]}`"
    required = positional[: max(len(positional) - len(args.defaults), 0)]
    wanted = [*required[count:], *(a.arg for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is None)]
    missing = [name for name in wanted if name not in names]
    return f"no argument for `{missing[0]}`" if missing else None


class UnfitArguments(Rule):
    """The arguments of a call must fit the signature of its activity or workflow."""

    code = "ROM705"
    name = "unfit-arguments"
    why = "does not fit the signature"
    GOOD = (
        """\
@activity
def add(a: int, b: int = 0) -> int: ...

@workflow
def wf(ctx: Context):
    yield add(1)
    yield add(1, b=2)
""",
    )
    BAD = (
        Bad("""\
@activity
def add(a: int, b: int = 0) -> int: ...

@workflow
def wf(ctx: Context):
    yield add(1, 2, 3)  # bad
"""),
    )

    def durable_call(
        self, frame: Frame, function: FunctionNode, node: ast.expr, given: list[Value], named: dict[str, Value]
    ) -> None:
        if not isinstance(node, ast.Call) or any(isinstance(a, ast.Starred) for a in node.args):
            return
        if "**" in named or function.owner is not None:
            return
        if Iterator() in given[: len(given) - len(node.args)]:  # a `partial` of nobody knows how many
            return
        problem = unfit(function, len(given), list(named))
        if problem is not None:
            frame.report(self, node, f"`{shown(frame, node)}` {self.why} of `{function.name}`: {problem}")
