"""Displays: constants, sequences, sets, dictionaries, texts, comprehensions, lambdas, and parts of them."""

from __future__ import annotations

import ast
from typing import Any

from romancy_lint.analysis.scope import Env
from romancy_lint.analysis.uses import Uses
from romancy_lint.analysis.values import (
    UNKNOWN,
    Constant,
    Container,
    Durable,
    External,
    Function,
    Generator,
    Global,
    Instance,
    Object,
    SetValue,
    Unknown,
    Value,
    made,
    strip,
    type_name,
    union,
)
from romancy_lint.names.special import FORMAT, REPR, STR

#: Expressions whose value is of the type that it seems to be: what a variable holds may be `None` as well.
_CERTAIN = (ast.Constant, ast.JoinedStr, ast.Call)
_CONVERSIONS = {ord("r"): REPR, ord("a"): REPR, ord("s"): STR}


class Displays(Uses):
    """What is written down as such, and parts of it."""

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
                self.walked(value, element.value)
                value = self.item_of(value)
            values.append(value)
        return Container(kind, union(values), tuple(values) if len(values) <= 8 else ())

    def starred(self, node: ast.Starred) -> Value:
        return self.eval(node.value)

    def set_display(self, node: ast.Set) -> Value:
        kinds = set()
        held: list[Durable | Generator] = []
        for element in node.elts:
            value = self.eval(element)
            if isinstance(element, ast.Starred):
                self.walked(value, element.value)
                value = self.item_of(value)
            name = type_name(value) if isinstance(element, _CERTAIN) else None
            kinds.add(name.rpartition(".")[2] if name else None)
            held += made(value)
        return SetValue(kinds.pop() if len(kinds) == 1 else None, held=tuple(held))

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
                self.written(value, part.value, "f-string", _CONVERSIONS.get(part.conversion, FORMAT))
                if part.format_spec is not None:
                    self.eval(part.format_spec)
        return Instance("builtins.str")

    # -- parts -----------------------------------------------------------------------------------------------------
    def subscript(self, node: ast.Subscript) -> Value:
        base, index = self.eval(node.value), self.eval(node.slice)
        self.misuse_unless_list(base, "subscript", node.value)
        inner = strip(base)
        found = self.implicit(base, ("__getitem__",), node, index)
        if isinstance(inner, Object):
            typed = self.engine.resolver.typed_key(inner.node, index)
            if not isinstance(typed, Unknown):
                return typed
            outside = self.engine.resolver.class_attribute(inner.node, "__getitem__", inner)
            return self.implicit(base, ("__missing__",), node, index) if isinstance(outside, External) else found
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

    # -- nested scopes ---------------------------------------------------------------------------------------------
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
            return SetValue(element, held=made(item))
        return Container("list" if isinstance(node, ast.ListComp) else "generator", item)

    def lambda_value(self, node: ast.Lambda) -> Value:
        function = self.module.function(node, None, self.function)
        if function.yields:
            self.fire("stray_yield", function.yields[0], "lambda")
        for default in function.defaults.values():
            self.eval(default)
        self.settle_names(node.body)
        return Function(function, self.env)

    def settle_names(self, *nodes: ast.AST) -> None:
        """A nested function may use the call objects of the variables that it reads."""
        for node in nodes:
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and part.id in self.env.vars:
                    self.settle(self.env.vars[part.id])


def _picked(container: Container, index: object) -> Value:
    if container.kind == "dict":
        matches = [v for k, v in zip(container.keys, container.items, strict=True) if k == index]
        return matches[0] if matches else UNKNOWN
    if isinstance(index, int) and -len(container.items) <= index < len(container.items):
        return container.items[index]
    return container.item


def _mutable(value: Value) -> bool:
    return isinstance(value, Unknown | Container | SetValue | Object | Instance)
