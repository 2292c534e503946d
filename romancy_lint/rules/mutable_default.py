"""ROM305 mutable-default."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.finding import Fix
from romancy_lint.names.types import MUTATORS
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame

MUTATES = frozenset().union(*MUTATORS.values())
READS = frozenset(
    [
        "len",
        "sorted",
        "list",
        "dict",
        "set",
        "tuple",
        "sum",
        "min",
        "max",
        "any",
        "all",
        "enumerate",
        "zip",
        "str",
        "repr",
        "bool",
        "print",
        "isinstance",
        "range",
        "iter",
        "reversed",
        "frozenset",
        "map",
        "filter",
        "type",
        "id",
        "hash",
        "format",
    ]
)


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_mutable(node: ast.expr) -> bool:
    """Whether a default is a list, dict or set made once."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("list", "dict", "set") and not node.args
    return isinstance(node, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def changes(node: FunctionNode, name: str) -> bool:
    """Whether a function changes a parameter, stores it or hands it on; reading it is fine."""
    for part in node.own:
        match part:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=attr)) if owner == name:
                if attr in MUTATES:
                    return True
            case ast.Subscript(value=ast.Name(id=owner), ctx=ast.Store() | ast.Del()) if owner == name:
                return True
            case ast.AugAssign(target=ast.Name(id=owner)) if owner == name:
                return True
            case ast.Return(value=ast.Name(id=owner)) if owner == name:
                return True
            case ast.Assign(value=ast.Name(id=owner), targets=[ast.Attribute() | ast.Subscript()]) if owner == name:
                return True
            case ast.Call(func=ast.Name(id=function), args=arguments) if function not in READS:
                given = any(isinstance(a, ast.Name) and a.id == name for a in arguments)
                if given and not _is_durable(node, function):
                    return True
    return False


def _is_durable(node: FunctionNode, function: str) -> bool:
    """Activities get a copy of their arguments."""
    for binding in node.module.bindings.get(function, []):
        if isinstance(binding.node, ast.FunctionDef) and binding.node.decorator_list:
            return True
    return False


class MutableDefault(Rule):
    """A default value is made once for the process: changing it changes the next run and the next replay."""

    code = "ROM305"
    name = "mutable-default"
    why = "is a mutable default that is changed or handed on here: use None and make it inside"
    fixes = "safe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context, seen=None):
    if seen is None:
        seen = []
    seen.append(1)
    yield charge(seen)
""",
        """\
@workflow
def wf(ctx: Context, seen=[]):
    for item in seen:
        yield charge(item)
""",
        """\
@workflow
def wf(ctx: Context, seen=[]):
    yield charge(next(iter(seen), None))
    for item in reversed(seen):
        yield charge(item)
""",
    )
    BAD = (
        Bad(
            """\
@workflow
def wf(ctx: Context, seen=[]):  # bad
    seen.append(1)
    yield charge(seen)
""",
            """\
@workflow
def wf(ctx: Context, seen=None):  # bad
    if seen is None:
        seen = []
    seen.append(1)
    yield charge(seen)
""",
        ),
    )

    def entered(self, frame: Frame, node: FunctionNode) -> None:
        for name, default in node.defaults.items():
            if is_mutable(default) and changes(node, name):
                frame.report(self, default, f"`{name}` {self.why}", self._fix(frame, node, name, default))

    def _fix(self, frame: Frame, node: FunctionNode, name: str, default: ast.expr) -> Fix | None:
        if isinstance(node.node, ast.Lambda):
            return None
        body = node.node.body
        first = body[1] if len(body) > 1 and is_docstring(body[0]) else body[0]
        if first.lineno == node.node.lineno or is_docstring(first):
            return None
        source = node.module.source
        indent = source.indentation(first.lineno)
        step = "\t" if indent.startswith("\t") else "    "
        made = f"if {name} is None:\n{indent}{step}{name} = {frame.text(default)}\n{indent}"
        return Fix("safe", "Make it inside", (frame.replace(default, "None"), frame.insert(first, made)))
