"""What classes have: bases, methods, class attributes, and what their methods assign to `self`."""

from __future__ import annotations

import ast
from collections.abc import Iterator as Iterable

from romancy_lint.analysis.annotations import Annotations
from romancy_lint.analysis.decorators import Decorators
from romancy_lint.analysis.model import ClassNode, FunctionNode, Marks, Module, part_of
from romancy_lint.analysis.scope import own_nodes
from romancy_lint.analysis.values import (
    UNKNOWN,
    Class,
    Constant,
    External,
    Function,
    Global,
    Instance,
    Object,
    Unknown,
    Value,
    join,
    strip,
)

_DICTIONARY_TYPES = ("typing.TypedDict", "typing_extensions.TypedDict")


class Classes(Annotations, Decorators):
    """Looks classes up."""

    # -- bases -----------------------------------------------------------------------------------------------------
    def lineage(self, node: ClassNode) -> Iterable[ClassNode | External | Unknown]:
        """The class and its bases, near ones first."""
        seen: set[int] = set()
        todo: list[ClassNode | External | Unknown] = [node]
        while todo:
            current = todo.pop(0)
            if id(current) in seen:
                continue
            seen.add(id(current))
            yield current
            if isinstance(current, ClassNode):
                todo.extend(self._bases(current))

    def _bases(self, node: ClassNode) -> list[ClassNode | External | Unknown]:
        found: list[ClassNode | External | Unknown] = []
        for base in node.node.bases:
            expression = base.value if isinstance(base, ast.Subscript) else base
            value = strip(self.at_import(node.module, expression))
            if isinstance(value, Class):
                found.append(value.node)
            elif isinstance(value, External):
                found.append(value)
            else:
                found.append(UNKNOWN)
        return found

    def is_subclass(self, node: ClassNode, name: str) -> bool:
        """Whether one of the external bases of a class has this name."""
        return any(isinstance(base, External) and base.name == name for base in self.lineage(node))

    def defines(self, node: ClassNode, *names: str) -> bool:
        """Whether a class, a base of the project or an unknown base defines one of the names."""
        return any(
            isinstance(c, Unknown) or (isinstance(c, ClassNode) and any(n in c.bindings for n in names))
            for c in self.lineage(node)
        )

    # -- attributes ------------------------------------------------------------------------------------------------
    def class_attribute(self, node: ClassNode, name: str, receiver: Value) -> Value | None:
        """A method or class attribute through the bases; bound to the receiver where it is a method."""
        for current in self.lineage(node):
            if isinstance(current, Unknown):
                return UNKNOWN
            if isinstance(current, External):
                if current.name in ("builtins.object", "abc.ABC") or current.name.startswith(("typing.", "enum.")):
                    continue
                return self.external(f"{current.name}.{name}")
            if name in current.read:
                return self._class_binding(current, name, receiver)
            if name in current.annotations and isinstance(receiver, Object | Global):
                return self.annotation(current.module, current.annotations[name])
        return None

    def _class_binding(self, node: ClassNode, name: str, receiver: Value) -> Value:
        binding = node.read[name]
        definition = binding.node
        if isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.module.function(definition, node)
            value = self.function_value(function)
            return bind(value, receiver, self.marks(function))
        if isinstance(definition, ast.ClassDef):
            return Class(node.module.class_(definition))
        declared = definition.annotation if isinstance(definition, ast.AnnAssign) else None
        if binding.value is None:
            return UNKNOWN if isinstance(receiver, Class) else self.annotation(node.module, declared)
        value = self.at_import(node.module, binding.value)
        if declared is not None and _says_nothing(value):
            return self.annotation(node.module, declared)
        if isinstance(strip(value), Function) and isinstance(receiver, Object):
            return bind(strip(value), receiver, Marks())
        return value

    def property_part(self, node: ClassNode, name: str, part: str) -> FunctionNode | None:
        """The setter or deleter of a property."""
        for current in self.lineage(node):
            if not isinstance(current, ClassNode):
                return None
            for binding in reversed(current.bindings.get(name, ())):
                if isinstance(binding.node, ast.FunctionDef) and part_of(binding.node) in (part, None):
                    is_part = part_of(binding.node) == part
                    return current.module.function(binding.node, current) if is_part else None
        return None

    def typed_key(self, node: ClassNode, key: Value) -> Value:
        """What a dictionary type of the project says of one of its keys."""
        if not isinstance(key, Constant) or not any(self.is_subclass(node, name) for name in _DICTIONARY_TYPES):
            return UNKNOWN
        owners = (c for c in self.lineage(node) if isinstance(c, ClassNode) and key.value in c.annotations)
        owner = next(owners, None)
        return UNKNOWN if owner is None else self.annotation(owner.module, owner.annotations[str(key.value)])

    def instance_attribute(self, node: ClassNode, name: str) -> Value:
        """What the methods of a class assign to `self.name`."""
        self._scan(node)
        value: Value = UNKNOWN
        for current in self.lineage(node):
            if isinstance(current, ClassNode):
                self._scan(current)
                value = join(value, current.attributes.get(name, UNKNOWN))
        return value

    def may_hold(self, node: ClassNode, name: str) -> bool:
        """Whether an instance may have an attribute of its own under a name."""
        return any(not isinstance(c, ClassNode) or c.mentions is None or name in c.mentions for c in self.lineage(node))

    def _scan(self, node: ClassNode) -> None:
        if node.scanned:
            return
        node.scanned = True
        for statement in node.node.body:
            if isinstance(statement, ast.FunctionDef) and statement.args.args:
                self._scan_method(node, node.module.function(statement, node))

    def _scan_method(self, node: ClassNode, method: FunctionNode) -> None:
        own = method.parameters[0].arg
        frame = None
        for part in own_nodes(method.body):
            target: ast.expr | None = part.target if isinstance(part, ast.AnnAssign) else None
            if isinstance(part, ast.Assign) and len(part.targets) == 1:
                target = part.targets[0]
            if not (isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)):
                continue
            if target.value.id != own:
                continue
            frame = frame or self.engine.frames.of_method(method)
            assert isinstance(part, ast.Assign | ast.AnnAssign)
            value = UNKNOWN if part.value is None else frame.eval(part.value)
            if isinstance(part, ast.AnnAssign) and isinstance(value, Unknown):
                value = self.annotation(node.module, part.annotation)
            node.attributes[target.attr] = join(node.attributes.get(target.attr, UNKNOWN), value)

    # -- what the other mixins bring -------------------------------------------------------------------------------
    def at_import(self, module: Module, node: ast.expr) -> Value:
        raise NotImplementedError


def _says_nothing(value: Value) -> bool:
    """Whether the default of a field leaves its type to the annotation: `None`, or what describes a field."""
    if isinstance(value, Instance):
        return value.type in ("attr.Factory", "attrs.Factory", "pydantic.Field", "pydantic.fields.Field")
    return isinstance(value, Unknown) or (isinstance(value, Constant) and value.value is None)


def bind(value: Value, receiver: Value, marks: Marks) -> Value:
    """A function reached through an object or class."""
    if not isinstance(value, Function) or marks.is_static:
        return value
    if isinstance(strip(receiver), Class) and not marks.is_class:
        return value
    return Function(value.node, value.env, receiver, value.bypass)
