"""ROM303 shared-read."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import Module
from romancy_lint.analysis.values import Constant, Global
from romancy_lint.names.types import MUTATORS
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame

CHANGES = frozenset().union(*MUTATORS.values())


def _is_written(frame: Frame, node: ast.AST) -> bool:
    """`x.append(…)` and `x[k] = …` are reported as the changes that they are."""
    around = frame.parent(node)
    if isinstance(around, ast.Attribute) and around.value is node:
        return around.attr in CHANGES and isinstance(frame.parent(around), ast.Call)
    return isinstance(around, ast.Subscript) and not isinstance(around.ctx, ast.Load)


def holds(node: ast.AST, own: ast.AST | None) -> bool:
    """Whether a function is the other one, or stands inside of it or around it."""
    return own is not None and (
        node is own or any(part is own for part in ast.walk(node)) or any(part is node for part in ast.walk(own))
    )


class GlobalRead(Rule):
    """A workflow must not read a variable that other code rebinds or changes while the process runs."""

    code = "ROM303"
    name = "shared-read"
    why = "is changed by other functions: pass it in the input or read it in an activity"
    GOOD = (
        """\
RATE = 3

@workflow
def wf(ctx: Context):
    yield charge(RATE)
""",
        """\
HANDLERS = {}

def register(function):
    HANDLERS[function.__name__] = function
    return function

@register
def double(n):
    return 2 * n

@workflow
def wf(ctx: Context):
    yield charge(HANDLERS["double"](2))
""",
    )
    BAD = (
        Bad("""\
SETTINGS = {"mode": 1}

@activity
def tune():
    SETTINGS["mode"] = 2

@workflow
def wf(ctx: Context):
    yield tune()
    yield charge(SETTINGS["mode"])  # bad
"""),
        Bad("""\
import heapq

QUEUE = [3]

@activity
def grow():
    heapq.heappush(QUEUE, 2)

@workflow
def wf(ctx: Context):
    yield grow()
    yield charge(QUEUE[0])  # bad
"""),
    )

    def module_read(self, frame: Frame, module: Module, name: str, node: ast.AST) -> None:
        if _is_written(frame, node):
            return
        bindings = module.bindings.get(name, [])
        if not any(isinstance(b.node, ast.Assign | ast.AnnAssign | ast.ImportFrom) for b in bindings):
            return
        value = frame.engine.resolver.module_name(module, name)
        if isinstance(value, Global):
            module, name = value.module, value.name
        elif not isinstance(value, Constant):
            return
        own = frame.function.node if frame.function else None
        writers = [(where, n) for where, n in frame.engine.mutations.writers(module, name) if not holds(n, own)]
        if writers:
            where, writer = writers[0]
            changed = f"`{name}` is changed by `{writer.name}` ({where.filename.rpartition('/')[2]}:{writer.lineno})"
            frame.report(self, node, f"{changed}: pass it in the input or read it in an activity")
