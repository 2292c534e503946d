"""Evaluates expressions to abstract values and tells the rules what it passes on the way."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from romancy_lint.analysis.displays import Displays
from romancy_lint.analysis.operators import Operators
from romancy_lint.analysis.values import (
    UNKNOWN,
    Constant,
    Container,
    Durable,
    Generator,
    SetValue,
    Unknown,
    Value,
    options,
    strip,
    union,
)


class Expressions(Operators, Displays):
    """Everything but calls."""

    def eval(self, node: ast.expr) -> Value:
        """The value of an expression."""
        handler = _HANDLERS.get(type(node))
        return handler(self, node) if handler is not None else UNKNOWN

    # -- yields ----------------------------------------------------------------------------------------------------
    def yield_value(self, node: ast.Yield) -> Value:
        value = Constant(None, "NoneType") if node.value is None else self.eval(node.value)
        self._in_comprehension(node)
        self.settle(value)
        self.walk.operations = _more(self.walk.operations, _yields_operations(value))
        self.fire("yielded", node, value)
        return union([self.engine.result_of(option) for option in options(strip(value))])

    def yield_from(self, node: ast.YieldFrom) -> Value:
        value = self.eval(node.value)
        self._in_comprehension(node)
        self.settle(value)
        results = []
        for option in options(strip(value)):
            match option:
                case Generator(operations=operations, returns=returns):
                    self.walk.operations = _more(self.walk.operations, operations)
                    results.append(returns)
                case Durable():
                    self.walk.operations = True
                    results.append(self.engine.result_of(option))
                case Container(item=Durable()):
                    self.walk.operations = True
                case SetValue():
                    self.unordered(option, node.value, "yield from")
        self.fire("delegated", node, value)
        return union(results)

    def _in_comprehension(self, node: ast.Yield | ast.YieldFrom) -> None:
        if self.comprehension:
            self.fire("stray_yield", node, "comprehension")

    def await_value(self, node: ast.Await) -> Value:
        value = self.eval(node.value)
        self.settle(value)
        return union([self.engine.result_of(option) for option in options(strip(value))])


def _yields_operations(value: Value) -> bool | None:
    kinds = [strip(option) for option in options(value)]
    if any(isinstance(kind, Durable) for kind in kinds):
        return True
    return None if all(isinstance(kind, Unknown) for kind in kinds) else False


def _more(known: bool | None, seen: bool | None) -> bool | None:
    return True if known or seen else (seen if known is None else known)


_HANDLERS: dict[type[ast.expr], Callable[[Any, Any], Value]] = {
    ast.Name: Expressions.name,
    ast.Attribute: Expressions.attribute,
    ast.Call: lambda frame, node: frame.call(node),
    ast.Constant: Expressions.constant,
    ast.BinOp: Expressions.binary,
    ast.BoolOp: Expressions.boolean,
    ast.UnaryOp: Expressions.unary,
    ast.Compare: Expressions.compare,
    ast.IfExp: Expressions.conditional,
    ast.NamedExpr: Expressions.walrus,
    ast.List: Expressions.sequence,
    ast.Tuple: Expressions.sequence,
    ast.Set: Expressions.set_display,
    ast.Dict: Expressions.dict_display,
    ast.JoinedStr: Expressions.formatted,
    ast.Subscript: Expressions.subscript,
    ast.Slice: Expressions.slice,
    ast.Starred: Expressions.starred,
    ast.ListComp: Expressions.comprehension_value,
    ast.SetComp: Expressions.comprehension_value,
    ast.GeneratorExp: Expressions.comprehension_value,
    ast.DictComp: Expressions.comprehension_value,
    ast.Lambda: Expressions.lambda_value,
    ast.Yield: Expressions.yield_value,
    ast.YieldFrom: Expressions.yield_from,
    ast.Await: Expressions.await_value,
}
