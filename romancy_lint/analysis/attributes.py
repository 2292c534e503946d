"""Names and attributes: scopes, modules, classes, properties, overrides."""

from __future__ import annotations

import ast
from typing import Any

from romancy_lint.analysis.importing import BUILTINS
from romancy_lint.analysis.model import ClassNode
from romancy_lint.analysis.special import Special
from romancy_lint.analysis.values import (
    UNKNOWN,
    Choice,
    Class,
    Constant,
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
_ASKED_LAST = ("__getattr__",)


class Attributes(Special):
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

    def bind_name(self, name: str, value: Value) -> None:
        env = self.env.find(name)
        if env is not None and env.outer is not None:
            env.vars[name] = value

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
        if self._describes(found, class_, name):
            return self.implicit(found, ("__get__",), node, UNKNOWN, base)
        return found

    def _object_attribute(self, base: Object, receiver: Value, name: str, node: ast.expr) -> Value:
        resolver = self.engine.resolver
        if name == "__class__":
            return Class(base.node)
        found = resolver.class_attribute(base.node, name, receiver)
        if found is None and self.specials(receiver, _ASKED_LAST) and not resolver.may_hold(base.node, name):
            return self.implicit(receiver, _ASKED_LAST, node, Constant(name, "str"))
        if found is None or isinstance(found, Unknown):
            own = resolver.instance_attribute(base.node, name)
            return own if found is None or not isinstance(own, Unknown) else found
        if isinstance(found, Function):
            marks = resolver.marks(found.node)
            if marks.is_property:
                self.implicit(marks.descriptor, ("__get__",), node, receiver, Class(base.node))
                return self.apply(found, node, [], {})
            if base.declared:
                several = self.overrides(base, found, name)
                return Choice((found, *several)) if several else found
            return found
        self.fire("class_read", base.node, name, node)
        if self._describes(found, base.node, name):
            return self.implicit(found, ("__get__",), node, receiver, Class(base.node))
        own = resolver.instance_attribute(base.node, name)
        return own if not isinstance(own, Unknown) else found

    def _describes(self, found: Value, owner: ClassNode, name: str) -> bool:
        """Whether an attribute of a class is a descriptor, and no attribute of the instance stands before it."""
        if not isinstance(found, Object) or found.declared or not self.specials(found, ("__get__",)):
            return False
        return bool(self.specials(found, ("__set__",))) or not self.engine.resolver.may_hold(owner, name)

    def store_attribute(self, base: Value, target: ast.Attribute, node: ast.AST, value: Value) -> None:
        """An attribute is set or deleted: properties and descriptors are called."""
        self.fire("attribute_stored", base, target, node, value)
        for option in options(base):
            inner = strip(option)
            if isinstance(inner, Object):
                self._store(inner, option, target, value)

    def _store(self, inner: Object, receiver: Value, target: ast.Attribute, value: Value) -> None:
        resolver = self.engine.resolver
        deleted = isinstance(target.ctx, ast.Del)
        own = ("__delattr__",) if deleted else ("__setattr__",)
        given = [] if deleted else [value]
        if self.specials(receiver, own):
            self.implicit(receiver, own, target, Constant(target.attr, "str"), *given)
            return
        part = resolver.property_part(inner.node, target.attr, "deleter" if deleted else "setter")
        if part is not None:
            self.apply(Function(part, None, receiver), target, given, {})
            return
        found = resolver.class_attribute(inner.node, target.attr, receiver)
        if isinstance(found, Object) and not found.declared:
            self.implicit(found, ("__delete__",) if deleted else ("__set__",), target, receiver, *given)

    # -- what the mixins bring
    def eval(self, node: ast.expr) -> Value:
        raise NotImplementedError

    def call(self, node: ast.Call) -> Value:
        raise NotImplementedError

    def assign(self, target: ast.expr, value: Value, node: ast.AST) -> None:
        raise NotImplementedError
