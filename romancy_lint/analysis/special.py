"""Special methods of the classes of the project: what Python calls without being told to."""

from __future__ import annotations

import ast

from romancy_lint.analysis.frame import Frame
from romancy_lint.analysis.values import (
    UNKNOWN,
    Constant,
    Container,
    Durable,
    External,
    Function,
    Generator,
    Instance,
    Iterator,
    Object,
    SetValue,
    Unknown,
    Value,
    options,
    strip,
    union,
)

#: How many subclasses that implement an abstract method are followed.
_IMPLEMENTATIONS = 32

#: Values that are no objects of the project, which most values are.
PLAIN = frozenset({Unknown, Constant, Instance, Container, SetValue, External, Iterator, Durable, Generator})


class Special(Frame):
    """Calls special methods."""

    def implicit(self, value: Value, methods: tuple[str, ...], node: ast.expr, *arguments: Value) -> Value:
        """Calls the first of some special methods that an object of the project has."""
        if type(value) in PLAIN:
            return UNKNOWN
        return union([self.apply(found, node, list(arguments), {}) for found in self.specials(value, methods)])

    def specials(self, value: Value, methods: tuple[str, ...]) -> list[Function]:
        """The first of some special methods, of whatever a value may be."""
        found: list[Function] = []
        for option in options(value) if type(value) not in PLAIN else ():
            inner = strip(option)
            if isinstance(inner, Object):
                found += self._methods(inner, methods, option)
        return found

    def _methods(self, inner: Object, methods: tuple[str, ...], receiver: Value) -> list[Function]:
        resolver = self.engine.resolver
        name = next((method for method in methods if resolver.defines(inner.node, method)), None)
        found = resolver.class_attribute(inner.node, name, receiver) if name is not None else None
        if name is None or not isinstance(found, Function):
            return []
        return [found, *(self.overrides(inner, found, name) if inner.declared else ())]

    def lacks(self, value: Value, methods: tuple[str, ...]) -> bool:
        """Whether the type of a value is known, and has none of some special methods that the project wrote."""
        return all(self._lacks(strip(option), methods) for option in options(value))

    def _lacks(self, inner: Value, methods: tuple[str, ...]) -> bool:
        if isinstance(inner, Object):
            return all(self.engine.resolver.class_attribute(inner.node, name, inner) is None for name in methods)
        return isinstance(inner, Constant | Container | Instance | SetValue)

    def overrides(self, base: Object, found: Function, name: str) -> list[Function]:
        """What subclasses make of a method that is abstract in the declared class."""
        if not is_abstract(found.node.node):
            return []
        resolver = self.engine.resolver
        children = self.engine.subclasses(base.node)
        several = [resolver.class_attribute(child, name, Object(child)) for child in children]
        concrete = [v for v in several if isinstance(v, Function) and not is_abstract(v.node.node)]
        return concrete[:_IMPLEMENTATIONS]

    # -- what the mixins bring -------------------------------------------------------------------------------------
    def apply(self, callee: Value, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        raise NotImplementedError


def is_abstract(node: ast.AST) -> bool:
    """Whether a method only announces itself: `...`, a docstring, `raise NotImplementedError`, `@abstractmethod`."""
    if not isinstance(node, ast.FunctionDef):
        return False
    body = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return all(isinstance(s, ast.Pass | ast.Raise) for s in body)
