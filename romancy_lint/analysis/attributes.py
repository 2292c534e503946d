"""Names and attributes: scopes, modules, classes, properties, overrides; and calls of special methods."""

from __future__ import annotations

import ast
from typing import Any

from romancy_lint.analysis.frame import Frame
from romancy_lint.analysis.resolve import BUILTINS
from romancy_lint.analysis.values import (
    UNKNOWN,
    Choice,
    Class,
    Container,
    Durable,
    External,
    Function,
    Generator,
    Global,
    Instance,
    ModuleValue,
    Object,
    SetValue,
    Unknown,
    Value,
    options,
    strip,
    union,
)
from romancy_lint.names.language import CALL_METHODS, CONTEXT, CONTEXT_ATTRIBUTES
from romancy_lint.names.table import canonical
from romancy_lint.names.types import ATTRIBUTES

#: What every class says about itself.
_DESCRIBING = frozenset({"__name__", "__qualname__", "__module__", "__doc__", "__dict__"})
#: How many subclasses that implement an abstract method are followed.
_IMPLEMENTATIONS = 32


class Attributes(Frame):
    """What names and attributes stand for."""

    def name(self, node: ast.Name) -> Value:
        value = self.lookup(node.id, node)
        if isinstance(value, External):
            self.read_external(value.name, node)
        return value

    def lookup(self, name: str, node: ast.AST | None = None) -> Value:
        env = self.env.find(name)
        if env is not None and env.outer is not None:
            return env.vars.get(name, UNKNOWN)
        value = self.engine.resolver.module_name(self.module, name)
        if value is not None:
            if node is not None:
                self.read_module(self.module, name, node)
            return value
        return External(f"builtins.{name}") if name in BUILTINS else UNKNOWN

    def read_module(self, module: Any, name: str, node: ast.AST) -> None:
        if self.mode != "import":
            self.fire("module_read", module, name, node)
        else:
            self.taints += self.engine.taints_of(module, name)

    def attribute(self, node: ast.Attribute) -> Value:
        base = self.eval(node.value)
        value = self.attribute_of(base, node.attr, node)
        for option in options(value):
            if isinstance(option, External):
                self.read_external(option.name, node)
        return value

    def read_external(self, name: str, node: ast.expr) -> None:
        code = self.engine.read_table.code(name)
        if code is not None:
            self.fire_use(code, name, node, None)

    def fire_use(self, code: str, name: str, node: ast.expr, call: ast.Call | None) -> None:
        """Tells the one rule that owns a name."""
        rule = self.engine.owner(code, self.mode)
        if rule is not None and not self.muted:
            frame: Any = self  # every frame is a whole one; this class is a part of it
            rule.used(frame, name, node, call)

    def attribute_of(self, base: Value, name: str, node: ast.expr) -> Value:
        """The attribute of a value; properties are called."""
        match base:
            case Choice(options=several):
                return union([self.attribute_of(option, name, node) for option in several])
            case Global(value=inner):
                if isinstance(inner, Object):
                    return self._object_attribute(inner, base, name, node)
                found = self.attribute_of(inner, name, node)
                return Global(found, base.module, base.name) if isinstance(found, Container | SetValue) else found
            case ModuleValue(module=module):
                found_name = self.engine.resolver.module_name(module, name)
                if found_name is None:
                    return self.engine.resolver.submodule(module, name) or UNKNOWN
                self.read_module(module, name, node)
                return found_name
            case External(name=prefix):
                return self.engine.resolver.external_attribute(self.module, f"{prefix}.{name}")
            case Instance(type=kind):
                if kind == CONTEXT and name in CONTEXT_ATTRIBUTES:
                    return Instance(CONTEXT_ATTRIBUTES[name])
                if f"{kind}.{name}" in ATTRIBUTES:
                    return Instance(ATTRIBUTES[f"{kind}.{name}"])
                return External(canonical(f"{kind}.{name}"))
            case Object():
                return self._object_attribute(base, base, name, node)
            case Class(node=class_):
                return self._class_attribute(base, class_, name, node)
            case Function():
                if name in ("fn", "__wrapped__", "func") and self.engine.kind_of(base):
                    return Function(base.node, base.env, base.bound, bypass=True)
                return UNKNOWN
            case Durable() | Generator():
                if isinstance(base, Generator) or name not in CALL_METHODS:
                    self.misuse(base, "attribute", node)
        return UNKNOWN

    def _class_attribute(self, base: Class, class_: Any, name: str, node: ast.expr) -> Value:
        found = self.engine.resolver.class_attribute(class_, name, base) if name not in _DESCRIBING else None
        if found is None:
            return UNKNOWN
        self.fire("class_read", class_, name, node)
        return found

    def _object_attribute(self, base: Object, receiver: Value, name: str, node: ast.expr) -> Value:
        resolver = self.engine.resolver
        if name == "__class__":
            return Class(base.node)
        found = resolver.class_attribute(base.node, name, receiver)
        if found is None or isinstance(found, Unknown):
            own = resolver.instance_attribute(base.node, name)
            return own if found is None or not isinstance(own, Unknown) else found
        if isinstance(found, Function):
            if resolver.marks(found.node).is_property:
                return self.apply(found, node, [], {})
            if base.declared:
                several = self._overrides(base, found, name, receiver)
                return Choice((found, *several)) if several else found
            return found
        self.fire("class_read", base.node, name, node)
        own = resolver.instance_attribute(base.node, name)
        return own if not isinstance(own, Unknown) else found

    def _overrides(self, base: Object, found: Function, name: str, receiver: Value) -> list[Value]:
        """What subclasses make of a method that is abstract in the declared class."""
        if not is_abstract(found.node.node):
            return []
        several = [
            self.engine.resolver.class_attribute(child, name, Object(child)) or UNKNOWN
            for child in self.engine.subclasses(base.node)
        ]
        concrete: list[Value] = [v for v in several if isinstance(v, Function) and not is_abstract(v.node.node)]
        return concrete[:_IMPLEMENTATIONS]

    def implicit(self, value: Value, method: str, node: ast.expr, *arguments: Value) -> Value:
        """Calls a special method of an object of the project."""
        for option in options(value):
            inner = strip(option)
            if isinstance(inner, Object) and self.engine.resolver.defines(inner.node, method):
                found = self.engine.resolver.class_attribute(inner.node, method, option)
                if isinstance(found, Function):
                    return self.apply(found, node, list(arguments), {})
        return UNKNOWN

    # -- what the mixins bring
    def eval(self, node: ast.expr) -> Value:
        raise NotImplementedError

    def call(self, node: ast.Call) -> Value:
        raise NotImplementedError

    def apply(self, callee: Value, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        raise NotImplementedError

    def assign(self, target: ast.expr, value: Value, node: ast.AST) -> None:
        raise NotImplementedError


def is_abstract(node: ast.AST) -> bool:
    """Whether a method only announces itself: `...`, a docstring, `raise NotImplementedError`, `@abstractmethod`."""
    if not isinstance(node, ast.FunctionDef):
        return False
    body = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return all(isinstance(s, ast.Pass | ast.Raise) for s in body)
