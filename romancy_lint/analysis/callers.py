"""Who runs a piece of code: workflows alone, or code outside of them as well."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property

from romancy_lint.analysis.model import FunctionAst, FunctionNode, Module
from romancy_lint.analysis.scope import children
from romancy_lint.finding import Place

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_WORD = re.compile(r"\w+")
Names = frozenset[str]


@dataclass
class _Scope:
    """A function or class: the names through which it is run, and those that its body mentions."""

    place: Place
    names: Names | None
    is_class: bool = False
    mentions: set[str] = field(default_factory=set)


class Callers:
    """Decides by names: code is the workflows' own when nothing else mentions what leads to it.

    Everything counts as a mention: a call, an annotation (arguments and results are made outside of the workflow), an
    entry of `__all__`, a text that is the name. A method goes by its name, what construction runs by that of its
    class, a lambda by whatever holds it; who mentions a caller mentions what it calls.
    """

    def __init__(self, modules: Collection[Module], reached: Collection[FunctionNode], workflows: set[int]) -> None:
        self.inside = {id(node.node) for node in reached}
        self.workflows = workflows
        self.outside: set[str] = set()
        self.aliases: dict[str, list[str]] = {}
        self.scopes: dict[Module, list[_Scope]] = {}
        for module in modules:
            self._read(module)

    def names(self, module: Module, place: Place) -> tuple[str, ...] | None:
        """The names that lead to a place; None when code outside of workflows has one of them."""
        around = [s for s in self.scopes.get(module, ()) if _holds(s.place, place)]
        innermost = max(around, key=lambda scope: scope.place, default=None)
        if innermost is None or innermost.names is None:
            return None
        names = self._leading(innermost.names)
        return None if names is None or names & self.outside else tuple(sorted(names))

    def _leading(self, names: Names) -> Names | None:
        """The names, and those of everything in workflows that mentions one of them."""
        found: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name in found:
                continue
            found.add(name)
            todo += self.aliases.get(name, ())
            for leading in self._mentioning.get(name, ()):
                if leading is None:
                    return None
                todo += leading
        return frozenset(found)

    @cached_property
    def _mentioning(self) -> dict[str, set[Names | None]]:
        """For each name, through which names the code of workflows runs that mentions it."""
        found: dict[str, set[Names | None]] = {}
        for scope in (scope for scopes in self.scopes.values() for scope in scopes):
            for name in scope.mentions:
                found.setdefault(name, set()).add(scope.names)
        return found

    def _read(self, module: Module) -> None:
        found = self.scopes[module] = []
        todo: list[tuple[ast.AST, set[str], _Scope | None]] = [(module.source.tree, self.outside, None)]
        held: dict[int, Names] = {}
        while todo:
            node, sink, scope = todo.pop()
            self._mention(node, sink)
            if isinstance(node, ast.Assign):
                targets = frozenset(t.id for t in node.targets if isinstance(t, ast.Name))
                held.update((id(part), targets) for part in ast.walk(node.value) if isinstance(part, ast.Lambda))
            if isinstance(node, _FUNCTIONS):
                inner = _Scope(module.source.place(node), self._function_names(node, scope, held.get(id(node))))
                found.append(inner)
                body = node.body if isinstance(node.body, list) else [node.body]
                own = inner.mentions if id(node) in self.inside else self.outside
                todo += [(part, own, inner) for part in body]
                todo += [(part, self.outside, scope) for part in children(node) if part not in body]
            elif isinstance(node, ast.ClassDef):
                inner = _Scope(module.source.place(node), frozenset({node.name}), True)
                found.append(inner)
                todo += [(part, self.outside, inner) for part in children(node)]
            else:
                todo += [(part, sink, scope) for part in children(node)]

    def _function_names(self, node: FunctionAst, around: _Scope | None, held: Names | None) -> Names | None:
        if id(node) in self.workflows:
            return frozenset()
        own = held if isinstance(node, ast.Lambda) else frozenset({node.name})
        if around is None:
            return own
        if around.is_class and not isinstance(node, ast.Lambda):
            return around.names if node.name.startswith("__") else own
        return None if around.names is None else around.names | (own or frozenset())

    def _mention(self, node: ast.AST, sink: set[str]) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()):
                sink.add(name)
            case ast.Constant(value=str(text)) if len(text) < 200 and " " not in text:
                sink.update(_WORD.findall(text))
            case ast.alias(name=name, asname=str(other)):
                self.aliases.setdefault(name, []).append(other)


def _holds(outer: Place, inner: Place) -> bool:
    starts = (outer.row, outer.column) <= (inner.row, inner.column)
    return starts and (inner.end_row, inner.end_column) <= (outer.end_row, outer.end_column)
