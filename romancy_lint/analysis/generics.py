"""Generic functions: which of its handlers `functools.singledispatch` calls for an argument."""

from __future__ import annotations

import ast
import builtins
import collections.abc
import numbers
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import ClassNode, FunctionAst, FunctionNode, Module
from romancy_lint.analysis.scope import own_nodes
from romancy_lint.analysis.values import (
    UNKNOWN,
    Class,
    External,
    Function,
    Object,
    Unknown,
    Value,
    options,
    strip,
    type_name,
)

if TYPE_CHECKING:
    from romancy_lint.analysis.engine import Engine

_FOUND_IN = {"builtins": builtins, "collections.abc": collections.abc, "numbers": numbers}


@dataclass(frozen=True, slots=True)
class Handler:
    """A function for arguments of a type."""

    type: Value
    function: Function


class Generics:
    """Answers which functions a generic function may call; made by one look at every loaded module."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def chosen(self, function: Function, arguments: list[Value]) -> list[Function]:
        """What is called for these arguments: one handler where the type of the first is known, else any of them."""
        handlers = self._handlers.get(function.node, [])
        anything = [Handler(UNKNOWN, function), *handlers]
        found: dict[FunctionNode, Function] = {}
        for option in options(arguments[0]) if arguments else ():
            kinds = self._for(strip(option), handlers)
            for handler in anything if kinds is None else kinds or anything[:1]:
                target = handler.function
                found[target.node] = Function(target.node, target.env, function.bound)
        return list(found.values()) or [function]

    def _for(self, value: Value, handlers: list[Handler]) -> list[Handler] | None:
        """The handlers for a value; None when it may be anything."""
        if isinstance(value, Object):
            return self._for_object(value, handlers)
        name = type_name(value)
        if name is None:
            return None
        exact = [handler for handler in handlers if handler.type == External(name)]
        return exact or [handler for handler in handlers if _covers(handler.type, name)]

    def _for_object(self, value: Object, handlers: list[Handler]) -> list[Handler] | None:
        below = [h for h in handlers if value.declared and self._derives(h.type, value.node)]
        for base in self.engine.resolver.lineage(value.node):
            if isinstance(base, Unknown):
                return None
            kind = Class(base) if isinstance(base, ClassNode) else base
            exact = [handler for handler in handlers if handler.type == kind]
            if exact:
                return [*below, *exact]
        return below

    def _derives(self, kind: Value, node: ClassNode) -> bool:
        return isinstance(kind, Class) and kind.node is not node and node in self.engine.resolver.lineage(kind.node)

    # -- registration ----------------------------------------------------------------------------------------------
    @cached_property
    def _handlers(self) -> dict[FunctionNode, list[Handler]]:
        found: dict[FunctionNode, list[Handler]] = {}
        for module in list(self.engine.project.modules.values()):
            if module is not None and ".register" in module.source.text:
                for generic, handler in self._registered(module, module.source.tree.body, None):
                    found.setdefault(generic, []).append(handler)
        return found

    def _registered(
        self, module: Module, body: list[ast.stmt], owner: ClassNode | None
    ) -> Iterator[tuple[FunctionNode, Handler]]:
        for part in own_nodes(body):
            match part:
                case ast.ClassDef(body=inner):
                    yield from self._registered(module, inner, module.class_(part))
                case ast.FunctionDef(decorator_list=decorators):
                    for decorator in decorators:
                        yield from self._decorated(module, part, decorator, owner)
                case ast.Expr(value=ast.Call(func=ast.Attribute(value=value, attr="register"), args=[kind, handler])):
                    generic = self._generic(module, value, owner)
                    function = strip(self.engine.resolver.at_import(module, handler))
                    if generic is not None and isinstance(function, Function):
                        yield generic, Handler(self.engine.resolver.type_value(module, kind), function)

    def _decorated(
        self, module: Module, node: ast.FunctionDef, decorator: ast.expr, owner: ClassNode | None
    ) -> Iterator[tuple[FunctionNode, Handler]]:
        named = decorator.func if isinstance(decorator, ast.Call) else decorator
        if not (isinstance(named, ast.Attribute) and named.attr == "register"):
            return
        generic = self._generic(module, named.value, owner)
        if generic is not None and generic.node is not node:
            function = module.function(node, owner)
            for kind in _kinds(decorator, function):
                yield generic, Handler(self.engine.resolver.type_value(module, kind), Function(function))

    def _generic(self, module: Module, node: ast.expr, owner: ClassNode | None) -> FunctionNode | None:
        """The generic function that is named; in the body of a class, one of its methods first."""
        if owner is not None and isinstance(node, ast.Name) and node.id in owner.bindings:
            definition: ast.AST | None = owner.bindings[node.id][0].node
            found = module.function(definition, owner) if isinstance(definition, FunctionAst) else None
        else:
            value = strip(self.engine.resolver.at_import(module, node))
            found = value.node if isinstance(value, Function) else None
        return found if found is not None and self.engine.resolver.marks(found).is_generic else None


def _kinds(decorator: ast.expr, function: FunctionNode) -> list[ast.expr]:
    """The types that a handler is registered for: what the decorator says, else its annotation."""
    if isinstance(decorator, ast.Call):
        return decorator.args[:1]
    annotated = [p.annotation for p in function.parameters if p.annotation is not None]
    todo, found = annotated[:1], []
    while todo:
        kind = todo.pop()
        if isinstance(kind, ast.BinOp):
            todo += [kind.left, kind.right]
        else:
            found.append(kind.value if isinstance(kind, ast.Subscript) else kind)
    return found


def _covers(kind: Value, name: str) -> bool:
    """Whether a type of the standard library holds the values of a builtin one."""
    outer = kind.name.rpartition(".") if isinstance(kind, External) else ("", "", "")
    general = getattr(_FOUND_IN.get(outer[0]), outer[2], None)
    own = getattr(builtins, name.removeprefix("builtins."), None)
    return isinstance(general, type) and isinstance(own, type) and issubclass(own, general)
