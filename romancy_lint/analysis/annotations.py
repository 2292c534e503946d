"""What annotations say: an instance of a class, a container of something, one of several types."""

from __future__ import annotations

import ast

from romancy_lint.analysis.importing import BUILTINS, Importing
from romancy_lint.analysis.model import Binding, Module
from romancy_lint.analysis.values import (
    UNKNOWN,
    Class,
    Container,
    External,
    Instance,
    ModuleValue,
    Object,
    SetValue,
    Value,
    options,
    strip,
    union,
)
from romancy_lint.names.types import COMPARABLE

_TRANSPARENT_GENERICS = ("Optional", "Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly")
_SEQUENCES = ("list", "List", "Sequence", "Iterable", "Collection", "MutableSequence", "Iterator", "tuple", "Tuple")
_MAPPINGS = ("dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "OrderedDict")
_SETS = {"builtins.set": "set", "builtins.frozenset": "frozenset"}
_PLAIN = {"builtins.list": "list", "builtins.dict": "dict", "builtins.tuple": "tuple"}
_ABSTRACT = frozenset({"typing.Any", "typing.Callable", "collections.abc.Callable", "typing.Self", "builtins.object"})


class Annotations(Importing):
    """Reads type expressions."""

    def annotation(self, module: Module, node: ast.expr | None) -> Value:
        """An instance of what an annotation names."""
        match node:
            case ast.Constant(value=str(text)):
                try:
                    return self.annotation(module, ast.parse(text, mode="eval").body)
                except (SyntaxError, ValueError, RecursionError):
                    return UNKNOWN
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return _either([self.annotation(module, left), self.annotation(module, right)], _is_none(left, right))
            case ast.Subscript(value=value, slice=index):
                return self._generic(module, value, index)
            case ast.Name() | ast.Attribute():
                return instance_of(self.type_value(module, node))
        return UNKNOWN

    def type_value(self, module: Module, node: ast.expr) -> Value:
        """What a type expression names, `TYPE_CHECKING` imports included."""
        if isinstance(node, ast.Attribute):
            base = strip(self.type_value(module, node.value))
            if isinstance(base, ModuleValue):
                return self.module_name(base.module, node.attr) or UNKNOWN
            return (
                self.external_attribute(module, f"{base.name}.{node.attr}") if isinstance(base, External) else UNKNOWN
            )
        if isinstance(node, ast.Name):
            if node.id in module.bindings and all(b.type_only for b in module.bindings[node.id]):
                return self.binding_value(module, node.id, module.bindings[node.id])
            value = self.module_name(module, node.id)
            if value is not None:
                return strip(value)
            return External(f"builtins.{node.id}") if node.id in BUILTINS else UNKNOWN
        return UNKNOWN

    def _generic(self, module: Module, value: ast.expr, index: ast.expr) -> Value:
        outer = strip(self.type_value(module, value))
        name = outer.name.rpartition(".")[2] if isinstance(outer, External) else ""
        first = index.elts[0] if isinstance(index, ast.Tuple) and index.elts else index
        if name in _TRANSPARENT_GENERICS:
            return _either([self.annotation(module, first)], name == "Optional")
        if name == "Union":
            parts = index.elts if isinstance(index, ast.Tuple) else [index]
            return _either([self.annotation(module, part) for part in parts], _is_none(*parts))
        if name in ("set", "frozenset"):
            element = self.annotation(module, first)
            known = element.type.rpartition(".")[2] if isinstance(element, Instance) else None
            return SetValue(known, name)
        if name in ("tuple", "Tuple") and isinstance(index, ast.Tuple) and not _is_open(index):
            items = tuple(self.annotation(module, part) for part in index.elts)
            return Container("tuple", union(list(items)), items)
        if name in _SEQUENCES:
            return Container("tuple" if name in ("tuple", "Tuple") else "list", self.annotation(module, first))
        if name in _MAPPINGS:
            last = index.elts[-1] if isinstance(index, ast.Tuple) and index.elts else index
            return Container("dict", self.annotation(module, last))
        if name in ("type", "Type"):
            return self.type_value(module, first)
        return instance_of(outer)

    # -- what the other mixins bring -------------------------------------------------------------------------------
    def binding_value(self, module: Module, name: str, bindings: list[Binding]) -> Value:
        raise NotImplementedError


def _is_none(*parts: ast.expr) -> bool:
    """Whether one of the types is `None`."""
    return any(isinstance(part, ast.Constant) and part.value is None for part in parts)


def _either(values: list[Value], optional: bool) -> Value:
    """One of several types; a text or number that may be `None` cannot be compared, so it is nothing known."""
    value = union(values)
    plain = isinstance(value, Instance) and value.type.removeprefix("builtins.") in COMPARABLE
    return UNKNOWN if optional and plain else value


def _is_open(index: ast.Tuple) -> bool:
    """`tuple[X, ...]` has any length."""
    return any(isinstance(part, ast.Constant) and part.value is ... for part in index.elts)


def instance_of(value: Value) -> Value:
    """An instance of a class value."""
    value = options(strip(value))[0]
    match value:
        case Class(node=node):
            return Object(node, declared=True)
        case External(name=name) if name in _SETS:
            return SetValue(None, _SETS[name])
        case External(name=name) if name in _PLAIN:
            return Container(_PLAIN[name])
        case External(name=name) if name not in _ABSTRACT:
            return Instance(name)
    return UNKNOWN
