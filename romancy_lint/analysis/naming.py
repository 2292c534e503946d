"""Where code names a function from outside of the project: a fix swaps it there, or not at all."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.scope import bound_names
from romancy_lint.analysis.values import External, strip

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def named(frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> tuple[ast.expr, bool] | None:
    """The expression that names what is called here, and whether the call stands right there.

    A call through a variable says its name where the variable is set; that place counts when it is the only one, in
    the same function. Behind a parameter, a table or a variable of the module there is none: what is called there is
    not always this function, or not with these arguments.
    """
    if call is None:
        return (node, False) if is_name_of(frame, node, name) else None
    if is_name_of(frame, call.func, name):
        return call.func, True
    value = _only_value(frame, call.func) if isinstance(call.func, ast.Name) else None
    place = _within(frame, value, name) if value is not None else None
    return None if place is None else (place, False)


def is_name_of(frame: Frame, node: ast.expr, name: str) -> bool:
    """Whether an expression is a name that only imports bind, and means this function."""
    root = node
    while isinstance(root, ast.Attribute):
        root = root.value
    return isinstance(root, ast.Name) and _is_imported(frame, root.id) and strip(frame.quiet(node)) == External(name)


def swapped(frame: Frame, found: tuple[ast.expr, bool], attribute: str) -> tuple[str, tuple[str, ...]]:
    """What stands for a function where it is named: a method of the context, which a class body does not have yet."""
    place, called = found
    ctx, imports = frame.context_expression(given=not called)
    text = f"{ctx}.{attribute}"
    return (deferred(frame, place, f"{text}()") if frame.function is None else text), imports


def deferred(frame: Frame, place: ast.expr, expression: str) -> str:
    """A lambda for an expression, in parentheses where its end would not be seen."""
    around = frame.parent(place)
    alone = around is None or isinstance(around, ast.Assign | ast.keyword | ast.Call)
    return f"lambda: {expression}" if alone else f"(lambda: {expression})"


def _is_imported(frame: Frame, name: str) -> bool:
    function = frame.function
    while function is not None and name not in function.scope[0]:
        function = function.parent
    if function is None:
        nodes = [binding.node for binding in frame.module.bindings.get(name, ())]
    else:
        nodes = _binders(function, name)
    return all(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes)


def _binders(function: FunctionNode, name: str) -> list[ast.AST]:
    """Whatever binds a name in the scope of a function."""
    given: list[ast.AST] = [parameter for parameter in function.parameters if parameter.arg == name]
    return given + [node for node in function.own if name in bound_names([node])[0]]


def _only_value(frame: Frame, variable: ast.Name) -> ast.expr | None:
    """What a variable of this function is set to, when it is set once."""
    function = frame.function
    if function is None or variable.id not in function.scope[0]:
        return None
    binders = _binders(function, variable.id)
    around = function.parents.get(binders[0]) if len(binders) == 1 else None
    shared = any(isinstance(n, ast.Nonlocal) and variable.id in n.names for n in ast.walk(function.node))
    if shared or not isinstance(around, ast.Assign) or around.targets != binders:
        return None
    return around.value


def _within(frame: Frame, value: ast.expr, name: str) -> ast.expr | None:
    """The part of a value that names the function: one of two branches, what a `partial` binds."""
    parts: list[ast.expr] = []
    match value:
        case ast.IfExp(body=body, orelse=orelse):
            parts = [body, orelse]
        case ast.Call(func=func, args=[first, *_]) if is_name_of(frame, func, "functools.partial"):
            parts = [first]
        case ast.Name() | ast.Attribute():
            return value if is_name_of(frame, value, name) else None
    return next((found for part in parts if (found := _within(frame, part, name)) is not None), None)
