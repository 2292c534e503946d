"""Evaluates expressions to abstract values and tells the rules what it passes on the way."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from romancy_lint.analysis.attributes import Attributes
from romancy_lint.analysis.scope import Env
from romancy_lint.analysis.values import (
    UNKNOWN,
    Constant,
    Container,
    Durable,
    Function,
    Generator,
    Global,
    Instance,
    Iterator,
    Object,
    SetValue,
    Unknown,
    Value,
    join,
    options,
    strip,
    type_name,
    union,
)

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "__add__",
    ast.Sub: "__sub__",
    ast.Mult: "__mul__",
    ast.Div: "__truediv__",
    ast.FloorDiv: "__floordiv__",
    ast.Mod: "__mod__",
    ast.Pow: "__pow__",
    ast.MatMult: "__matmul__",
    ast.BitOr: "__or__",
    ast.BitAnd: "__and__",
    ast.BitXor: "__xor__",
    ast.LShift: "__lshift__",
    ast.RShift: "__rshift__",
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "__eq__",
    ast.NotEq: "__ne__",
    ast.Lt: "__lt__",
    ast.LtE: "__le__",
    ast.Gt: "__gt__",
    ast.GtE: "__ge__",
    ast.In: "__contains__",
    ast.NotIn: "__contains__",
}
#: Expressions whose value is of the type that it seems to be: what a variable holds may be `None` as well.
_CERTAIN = (ast.Constant, ast.JoinedStr, ast.Call)
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)


class Expressions(Attributes):
    """Everything but calls."""

    def eval(self, node: ast.expr) -> Value:
        """The value of an expression."""
        handler = _HANDLERS.get(type(node))
        return handler(self, node) if handler is not None else UNKNOWN

    def eval_optional(self, node: ast.expr | None) -> Value:
        return UNKNOWN if node is None else self.eval(node)

    # -- operators -------------------------------------------------------------------------------------------------
    def binary(self, node: ast.BinOp) -> Value:
        left, right = self.eval(node.left), self.eval(node.right)
        for value, side in ((left, node.left), (right, node.right)):
            self.misuse_unless_list(value, "operand", side)
        inner, other = strip(left), strip(right)
        if isinstance(node.op, _SET_OPERATORS) and (_is_set(inner) or _is_set(other)):
            return self._set_algebra(inner, other)
        self.implicit(left, _OPERATORS[type(node.op)], node, right)
        if isinstance(node.op, ast.Div) and type_name(inner) == "pathlib.Path":
            return Instance("pathlib.Path")
        if isinstance(node.op, ast.Mod) and type_name(inner) == "builtins.str":
            self.leak_items(node.right)
            return Instance("builtins.str")
        if isinstance(inner, Container) and isinstance(node.op, ast.Add | ast.Mult):
            return Container(inner.kind, join(inner.item, other.item if isinstance(other, Container) else UNKNOWN))
        kinds = {type_name(inner), type_name(other)}
        if len(kinds) == 1 and kinds <= {"builtins.int", "builtins.str", "builtins.float", "builtins.bytes"}:
            return Instance(next(iter(kinds)) or "")
        return UNKNOWN

    def _set_algebra(self, left: Value, right: Value) -> Value:
        elements = {v.element for v in (left, right) if isinstance(v, SetValue)}
        return SetValue(elements.pop() if len(elements) == 1 else None)

    def leak_items(self, node: ast.expr) -> None:
        """`"..." % (a, b)` writes its operands out."""
        for part in node.elts if isinstance(node, ast.Tuple) else [node]:
            self.unordered(self.quiet(part), part, "format")

    def quiet(self, node: ast.expr) -> Value:
        """The value of an expression that is evaluated elsewhere too."""
        self.muted += 1
        try:
            return self.eval(node)
        finally:
            self.muted -= 1

    def misuse_unless_list(self, value: Value, how: str, node: ast.expr) -> None:
        if isinstance(strip(value), Durable | Generator):
            self.misuse(value, how, node)

    def compare(self, node: ast.Compare) -> Value:
        values = [self.eval(operand) for operand in (node.left, *node.comparators)]
        identity = all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)
        for value, operand in zip(values, (node.left, *node.comparators), strict=True):
            if not identity:
                self.misuse_unless_list(value, "comparison", operand)
        for op, left, right in zip(node.ops, values, values[1:], strict=False):
            if type(op) in _COMPARISONS:
                receiver, argument = (right, left) if isinstance(op, ast.In | ast.NotIn) else (left, right)
                self.implicit(receiver, _COMPARISONS[type(op)], node, argument)
        return Instance("builtins.bool")

    def boolean(self, node: ast.BoolOp) -> Value:
        values = [self.eval(value) for value in node.values]
        for value, operand in zip(values[:-1], node.values, strict=False):
            if isinstance(operand, ast.Call) and isinstance(value, Durable):
                self.test(value, operand)
        return union(values)

    def unary(self, node: ast.UnaryOp) -> Value:
        value = self.eval(node.operand)
        if isinstance(node.op, ast.Not):
            self.test(value, node.operand)
            return Instance("builtins.bool")
        self.misuse_unless_list(value, "operand", node.operand)
        return value if isinstance(value, Constant | Instance) else UNKNOWN

    def test(self, value: Value, node: ast.expr) -> None:
        """A value decides a branch."""
        self.misuse_unless_list(value, "condition", node)
        self.implicit(value, "__bool__", node)

    def conditional(self, node: ast.IfExp) -> Value:
        self.test(self.eval(node.test), node.test)
        value = join(self.eval(node.body), self.eval(node.orelse))
        self.fire("chosen", node, value)
        return value

    def walrus(self, node: ast.NamedExpr) -> Value:
        value = self.eval(node.value)
        self.bind_name(node.target.id, value)
        return value

    def bind_name(self, name: str, value: Value) -> None:
        env = self.env.find(name)
        if env is not None and env.outer is not None:
            env.vars[name] = value

    # -- displays --------------------------------------------------------------------------------------------------
    def constant(self, node: ast.Constant) -> Value:
        return Constant(node.value, type(node.value).__name__)

    def sequence(self, node: ast.List | ast.Tuple) -> Value:
        kind = "list" if isinstance(node, ast.List) else "tuple"
        values = []
        for element in node.elts:
            value = self.eval(element)
            if isinstance(element, ast.Starred):
                if id(node) not in self.order_free:
                    self.unordered(value, element.value, "unpacking")
                value = self.item_of(value)
            values.append(value)
        return Container(kind, union(values), tuple(values) if len(values) <= 8 else ())

    def set_display(self, node: ast.Set) -> Value:
        kinds = set()
        for element in node.elts:
            name = type_name(self.eval(element)) if isinstance(element, _CERTAIN) else None
            kinds.add(name.rpartition(".")[2] if name else None)
        return SetValue(kinds.pop() if len(kinds) == 1 else None)

    def dict_display(self, node: ast.Dict) -> Value:
        keys: list[object] = []
        values = []
        for key, item in zip(node.keys, node.values, strict=True):
            if key is None:
                values.append(self.item_of(self.eval(item)))
                continue
            known = self.eval(key)
            keys.append(known.value if isinstance(known, Constant) else None)
            values.append(self.eval(item))
        complete = len(keys) == len(values) and len(keys) <= 16 and None not in keys
        return Container("dict", union(values), tuple(values) if complete else (), tuple(keys) if complete else ())

    def formatted(self, node: ast.JoinedStr) -> Value:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                value = self.eval(part.value)
                self.misuse_unless_list(value, "f-string", part.value)
                self.written(value, part.value, "f-string")
                if part.format_spec is not None:
                    self.eval(part.format_spec)
        return Instance("builtins.str")

    def written(self, value: Value, node: ast.expr, how: str) -> None:
        """A value becomes text."""
        self.unordered(value, node, how)
        self.fire("written", value, node, how)
        for method in ("__format__", "__str__", "__repr__") if how == "f-string" else ("__str__", "__repr__"):
            if any(
                isinstance(strip(o), Object) and self.engine.resolver.defines(strip(o).node, method)  # type: ignore[attr-defined]
                for o in options(value)
            ):
                self.implicit(value, method, node)
                break

    def subscript(self, node: ast.Subscript) -> Value:
        base, index = self.eval(node.value), self.eval(node.slice)
        self.misuse_unless_list(base, "subscript", node.value)
        inner = strip(base)
        if isinstance(inner, Object):
            return self.implicit(base, "__getitem__", node, index)
        if isinstance(node.slice, ast.Slice):
            return inner if isinstance(inner, Container) else UNKNOWN  # a copy: nobody else holds it
        if not isinstance(inner, Container):
            return Global(UNKNOWN, base.module, base.name) if isinstance(base, Global) else UNKNOWN
        item = inner.item
        if isinstance(index, Constant) and inner.items:
            item = _picked(inner, index.value)
        return Global(item, base.module, base.name) if isinstance(base, Global) and _mutable(item) else item

    def slice(self, node: ast.Slice) -> Value:
        for part in (node.lower, node.upper, node.step):
            self.eval_optional(part)
        return UNKNOWN

    def starred(self, node: ast.Starred) -> Value:
        return self.eval(node.value)

    # -- comprehensions --------------------------------------------------------------------------------------------
    def comprehension_value(self, node: Any) -> Value:
        targets = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        outer = self.env
        free = isinstance(node, ast.SetComp) or id(node) in self.order_free
        first = self.eval(node.generators[0].iter)
        self.env = Env(frozenset(targets), outer)
        self.comprehension += 1
        try:
            for number, part in enumerate(node.generators):
                value = first if number == 0 else self.eval(part.iter)
                item = self.iterate(value, part.iter, "comprehension", free)
                self.assign(part.target, item, part.iter)
                for condition in part.ifs:
                    self.test(self.eval(condition), condition)
            return self._comprehended(node)
        finally:
            self.env = outer
            self.comprehension -= 1

    def _comprehended(self, node: Any) -> Value:
        if isinstance(node, ast.DictComp):
            self.eval(node.key)
            return Container("dict", self.eval(node.value))
        item = self.eval(node.elt)
        if isinstance(node, ast.SetComp):
            kind = type_name(item)
            element = kind.rpartition(".")[2] if kind else None
            return SetValue(element, held=item if isinstance(item, Durable) else None)
        return Container("list" if isinstance(node, ast.ListComp) else "generator", item)

    def lambda_value(self, node: ast.Lambda) -> Value:
        function = self.module.function(node, None, self.function)
        if function.yields:
            self.fire("stray_yield", function.yields[0], "lambda")
        self.settle_names(node.body)
        return Function(function, self.env)

    def settle_names(self, *nodes: ast.AST) -> None:
        """A nested function may use the call objects of the variables that it reads."""
        for node in nodes:
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and part.id in self.env.vars:
                    self.settle(self.env.vars[part.id])

    # -- iteration -------------------------------------------------------------------------------------------------
    def unordered(self, value: Value, node: ast.expr, how: str) -> None:
        """Tells the rules when the order of a set becomes visible."""
        for option in options(strip(value)):
            if isinstance(option, SetValue) or (isinstance(option, Iterator) and option.unordered):
                self.fire("unordered", option, node, how)

    def iterate(self, value: Value, node: ast.expr, how: str, free: bool = False) -> Value:
        """Iterates over a value; what comes out."""
        self.misuse_unless_list(value, "loop", node)
        if not free:
            self.unordered(value, node, how)
        made = self.implicit(value, "__iter__", node)
        self.implicit(made if not isinstance(made, Unknown) else value, "__next__", node)
        return self.item_of(value)

    def item_of(self, value: Value) -> Value:
        items: list[Value] = []
        for option in options(value):
            match strip(option):
                case Container(kind="dict"):
                    items.append(UNKNOWN)
                case Container(item=item) | Iterator(item=item):
                    items.append(item)
                case SetValue(element=str(element)):
                    items.append(Instance(f"builtins.{element}"))
        return union(items)

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


def _is_set(value: Value) -> bool:
    return isinstance(value, SetValue) or (isinstance(value, Container) and value.kind == "keys")


def _picked(container: Container, index: object) -> Value:
    if container.kind == "dict":
        matches = [v for k, v in zip(container.keys, container.items, strict=True) if k == index]
        return matches[0] if matches else UNKNOWN
    if isinstance(index, int) and -len(container.items) <= index < len(container.items):
        return container.items[index]
    return container.item


def _mutable(value: Value) -> bool:
    return isinstance(value, Unknown | Container | SetValue | Object | Instance)


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
