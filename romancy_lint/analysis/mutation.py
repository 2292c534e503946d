"""Which functions rebind or mutate the module-level variables of the project."""

from __future__ import annotations

import ast
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import Module
from romancy_lint.analysis.scope import bound_names, own_nodes
from romancy_lint.analysis.values import ModuleValue
from romancy_lint.names.types import CHANGE_FIRST, MUTATORS

if TYPE_CHECKING:
    from romancy_lint.analysis.engine import Engine

_METHODS = frozenset().union(*MUTATORS.values())
Functions = ast.FunctionDef | ast.AsyncFunctionDef


class Mutations:
    """Answers who else writes a variable; made once, by one look at every loaded module."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writers: dict[tuple[Path, str], list[tuple[Module, Functions]]] = {}
        self._called: set[str] = set()
        for module in list(engine.project.modules.values()):
            if module is not None:
                self._module(module)

    def writers(self, module: Module, name: str) -> list[tuple[Module, Functions]]:
        """The functions that write a variable and may run after its module was imported."""
        every = self._writers.get((module.path, name), [])
        return [(where, node) for where, node in every if self._runs_later(where, node)]

    def _runs_later(self, module: Module, node: Functions) -> bool:
        """A function that is only called while modules are imported (a registering decorator) changes nothing later."""
        if node.name in self._called:
            return True
        return node.name not in self._top_names

    @cached_property
    def _top_names(self) -> set[str]:
        """The names that run while modules are imported."""
        modules = [module for module in self._engine.project.modules.values() if module is not None]
        parts = (part for module in modules for part in _top_level(module.source.tree.body))
        return {part.id for part in parts if isinstance(part, ast.Name)}

    def _module(self, module: Module) -> None:
        for node in ast.walk(module.source.tree):
            if isinstance(node, Functions):
                self._function(module, node)

    def _function(self, module: Module, node: Functions) -> None:
        local: set[str] | None = None
        for part in ast.walk(node):
            match part:
                case ast.Global(names=names):
                    for name in names:
                        self._note(module, name, module, node)
                case ast.Call(func=ast.Name(id=name)):
                    self._called.add(name)
                case ast.Call(func=ast.Attribute(value=owner, attr=attr)):
                    self._called.add(attr)
                    if attr in _METHODS:
                        local = self._write(module, node, owner, local)
                    elif isinstance(owner, ast.Name) and f"{owner.id}.{attr}" in CHANGE_FIRST and part.args:
                        local = self._write(module, node, part.args[0], local)
                case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()):
                    local = self._write(module, node, owner, local)
                case ast.Attribute(value=ast.Name(id=name), attr=attr, ctx=ast.Store()):
                    target = self._engine.resolver.module_name(module, name) if name in module.bindings else None
                    if isinstance(target, ModuleValue):
                        self._note(target.module, attr, module, node)

    def _write(self, module: Module, node: Functions, owner: ast.expr, local: set[str] | None) -> set[str] | None:
        match owner:
            case ast.Name(id=name) if name in module.bindings:
                if local is None:
                    local = bound_names(own_nodes(node.body))[0] | {
                        a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)
                    }
                if name not in local:
                    self._note_named(module, name, node)
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in module.bindings:
                target = self._engine.resolver.module_name(module, name)
                if isinstance(target, ModuleValue):
                    self._note(target.module, attr, module, node)
        return local

    def _note_named(self, module: Module, name: str, node: Functions) -> None:
        """A name that was imported is the variable of the module that it came from."""
        from romancy_lint.analysis.values import Global

        value = self._engine.resolver.module_name(module, name)
        if isinstance(value, Global):
            self._note(value.module, value.name, module, node)

    def _note(self, module: Module, name: str, where: Module, node: Functions) -> None:
        self._writers.setdefault((module.path, name), []).append((where, node))


def _top_level(body: list[ast.stmt]) -> list[ast.AST]:
    """What runs while a module is imported: statements, decorators; not the bodies of functions."""
    found: list[ast.AST] = []
    for part in own_nodes(body):
        found.append(part)
        if isinstance(part, ast.ClassDef):
            found.extend(_top_level(part.body))
    return found
