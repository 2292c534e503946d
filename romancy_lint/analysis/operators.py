"""Operators: arithmetic, comparisons, and what chooses between values."""

from __future__ import annotations

import ast

from romancy_lint.analysis.special import PLAIN
from romancy_lint.analysis.uses import Uses
from romancy_lint.analysis.values import (
    UNKNOWN,
    Constant,
    Container,
    Durable,
    External,
    Instance,
    Object,
    SetValue,
    Value,
    join,
    options,
    strip,
    type_name,
    union,
)
from romancy_lint.names.special import COMPARISONS, OPERATORS, SIGNS, TRUTH

#: What a method gives when it leaves an operator to the other side.
_REFUSED = External("builtins.NotImplemented")
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)


class Operators(Uses):
    """What operators give, and the special methods that they call."""

    def binary(self, node: ast.BinOp) -> Value:
        left, right = self.eval(node.left), self.eval(node.right)
        for value, side in ((left, node.left), (right, node.right)):
            self.misuse_unless_list(value, "operand", side)
        inner, other = strip(left), strip(right)
        if isinstance(node.op, _SET_OPERATORS) and (_is_set(inner) or _is_set(other)):
            return self._set_algebra(inner, other)
        made = self.operate(node.op, left, right, node)
        if isinstance(node.op, ast.Div) and type_name(inner) == "pathlib.Path":
            return Instance("pathlib.Path")
        if isinstance(node.op, ast.Mod) and type_name(inner) == "builtins.str":
            self.fill(inner, node.right)
            return Instance("builtins.str")
        if isinstance(inner, Container) and isinstance(node.op, ast.Add | ast.Mult):
            return Container(inner.kind, join(inner.item, other.item if isinstance(other, Container) else UNKNOWN))
        kinds = {type_name(inner), type_name(other)}
        if len(kinds) == 1 and kinds <= {"builtins.int", "builtins.str", "builtins.float", "builtins.bytes"}:
            return Instance(next(iter(kinds)) or "")
        return made

    def operate(
        self, operator: ast.operator, left: Value, right: Value, node: ast.expr, in_place: bool = False
    ) -> Value:
        """Calls what an operator calls: a method of its left side, else one of its right."""
        if type(left) in PLAIN and type(right) in PLAIN:
            return UNKNOWN
        name = OPERATORS[type(operator)]
        methods = (f"__i{name}__", f"__{name}__") if in_place else (f"__{name}__",)
        formats = name == "mod" and type_name(left) in ("builtins.str", "builtins.bytes")
        if self.lacks(left, methods) and not formats and _differ(left, right):
            methods, left, right = (f"__r{name}__",), right, left
        made = self.implicit(left, methods, node, right)
        return union([option for option in options(made) if option != _REFUSED])

    def _set_algebra(self, left: Value, right: Value) -> Value:
        elements = {v.element for v in (left, right) if isinstance(v, SetValue)}
        return SetValue(elements.pop() if len(elements) == 1 else None)

    def unary(self, node: ast.UnaryOp) -> Value:
        value = self.eval(node.operand)
        if isinstance(node.op, ast.Not):
            self.test(value, node.operand)
            return Instance("builtins.bool")
        self.misuse_unless_list(value, "operand", node.operand)
        made = self.implicit(value, SIGNS[type(node.op)], node)
        return value if isinstance(value, Constant | Instance) else made

    def compare(self, node: ast.Compare) -> Value:
        values = [self.eval(operand) for operand in (node.left, *node.comparators)]
        identity = all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)
        for value, operand in zip(values, (node.left, *node.comparators), strict=True):
            if not identity:
                self.misuse_unless_list(value, "comparison", operand)
        for op, left, right in zip(node.ops, values, values[1:], strict=False):
            if type(op) in COMPARISONS:
                self.order(type(op), left, right, node)
            elif isinstance(op, ast.In | ast.NotIn):
                self._look_for(left, right, node)
        return Instance("builtins.bool")

    def order(self, operator: type[ast.cmpop], left: Value, right: Value, node: ast.expr) -> None:
        """Calls what a comparison calls: a method of its left side, else one of its right."""
        if type(left) in PLAIN and type(right) in PLAIN:
            return
        methods, reflected = COMPARISONS[operator]
        self.implicit(left, methods, node, right)
        if self.lacks(left, methods):
            self.implicit(right, reflected, node, left)

    def _look_for(self, item: Value, value: Value, node: ast.expr) -> None:
        inner = strip(value)
        if isinstance(inner, Container) and inner.kind in ("list", "tuple"):
            self.order(ast.Eq, inner.item, item, node)
        elif self.specials(value, ("__contains__",)):
            self.implicit(value, ("__contains__",), node, item)
        else:
            self.walked(value, node)

    # -- choices ---------------------------------------------------------------------------------------------------
    def boolean(self, node: ast.BoolOp) -> Value:
        values = [self.eval(value) for value in node.values]
        for value, operand in zip(values[:-1], node.values, strict=False):
            if isinstance(operand, ast.Call) and isinstance(value, Durable):
                self.test(value, operand)
            self.implicit(value, TRUTH, operand)
        return union(values)

    def conditional(self, node: ast.IfExp) -> Value:
        self.test(self.eval(node.test), node.test)
        value = join(self.eval(node.body), self.eval(node.orelse))
        self.fire("chosen", node, value)
        return value

    def walrus(self, node: ast.NamedExpr) -> Value:
        value = self.eval(node.value)
        self.bind_name(node.target.id, value)
        return value


def _is_set(value: Value) -> bool:
    return isinstance(value, SetValue) or (isinstance(value, Container) and value.kind == "keys")


def _differ(left: Value, right: Value) -> bool:
    """Whether two values may be of different classes: among equals, the right side is not asked."""
    classes = {o.node if isinstance(o, Object) else None for o in map(strip, (*options(left), *options(right)))}
    return len(classes) > 1
