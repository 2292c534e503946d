"""Modules, classes and functions of the project; nothing about them is computed before it is asked for."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from romancy_lint.analysis.scope import bound_names, children, every_statement, own_nodes, parameters, sorted_yields
from romancy_lint.analysis.values import UNKNOWN, Value
from romancy_lint.source import Source

FunctionAst = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(eq=False)
class Binding:
    """One way in which a module-level (or class-level) name gets its value."""

    node: ast.AST
    value: ast.expr | None = None
    type_only: bool = False


class Module:
    """A parsed module of the project and its top-level names."""

    def __init__(self, name: str, path: Path, source: Source, is_package: bool) -> None:
        self.name = name
        self.path = path
        self.source = source
        self.is_package = is_package
        self.values: dict[str, Value | None] = {}
        self._functions: dict[int, FunctionNode] = {}
        self._classes: dict[int, ClassNode] = {}

    @property
    def filename(self) -> str:
        return self.source.filename

    @cached_property
    def bindings(self) -> dict[str, list[Binding]]:
        found: dict[str, list[Binding]] = {}
        collect_bindings(self.source.tree.body, found)
        return found

    @cached_property
    def stars(self) -> list[ast.ImportFrom]:
        """`from x import *` statements at the top level."""
        if "*" not in self.source.text:
            return []
        body = every_statement(self.source.tree.body)
        return [n for n in body if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"]

    def function(
        self, node: FunctionAst, owner: ClassNode | None = None, parent: FunctionNode | None = None
    ) -> FunctionNode:
        """The one FunctionNode of an AST node."""
        known = self._functions.get(id(node))
        if known is None:
            known = self._functions[id(node)] = FunctionNode(self, node, owner, parent)
        return known

    def class_(self, node: ast.ClassDef, parent: FunctionNode | None = None) -> ClassNode:
        """The one ClassNode of an AST node."""
        known = self._classes.get(id(node))
        if known is None:
            known = self._classes[id(node)] = ClassNode(self, node, parent)
        return known


def collect_bindings(body: list[ast.stmt], found: dict[str, list[Binding]], type_only: bool = False) -> None:
    """Adds what the statements of a module or class body bind."""
    for statement in body:
        for name, value in _names_of(statement):
            found.setdefault(name, []).append(Binding(statement, value, type_only))
        for block, only in _blocks(statement, type_only):
            collect_bindings(block, found, only)


def _names_of(statement: ast.stmt) -> list[tuple[str, ast.expr | None]]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [(name, None)]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [(a.asname or a.name.partition(".")[0], None) for a in names if a.name != "*"]
        case ast.Assign(targets=targets, value=value):
            return [pair for target in targets for pair in _unpacked(target, value)]
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return [(name, value)]
        case ast.AugAssign(target=ast.Name(id=name)):
            return [(name, None)]
        case ast.For(target=target) | ast.AsyncFor(target=target):
            return [(n.id, None) for n in ast.walk(target) if isinstance(n, ast.Name)]
        case ast.With(items=items) | ast.AsyncWith(items=items):
            return [(i.optional_vars.id, i.context_expr) for i in items if isinstance(i.optional_vars, ast.Name)]
    return []


def _unpacked(target: ast.expr, value: ast.expr) -> list[tuple[str, ast.expr | None]]:
    match target, value:
        case ast.Name(id=name), _:
            return [(name, value)]
        case ast.Tuple(elts=targets) | ast.List(elts=targets), ast.Tuple(elts=values) | ast.List(elts=values) if len(
            targets
        ) == len(values):
            return [pair for t, v in zip(targets, values, strict=True) for pair in _unpacked(t, v)]
        case ((ast.Tuple() | ast.List()), _):
            return [(n.id, None) for n in ast.walk(target) if isinstance(n, ast.Name)]
    return []


def _blocks(statement: ast.stmt, type_only: bool) -> list[tuple[list[ast.stmt], bool]]:
    match statement:
        case ast.If(test=test, body=body, orelse=orelse):
            if is_main_guard(test):
                return [(orelse, type_only)]
            return [(body, type_only or is_type_checking(test)), (orelse, type_only)]
        case (
            ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final)
            | ast.TryStar(body=body, handlers=handlers, orelse=orelse, finalbody=final)
        ):
            return [(b, type_only) for b in (body, *(h.body for h in handlers), orelse, final)]
        case ast.With(body=body) | ast.AsyncWith(body=body):
            return [(body, type_only)]
        case ast.For(body=body, orelse=orelse) | ast.While(body=body, orelse=orelse):
            return [(body, type_only), (orelse, type_only)]
        case ast.Match(cases=cases):
            return [(case.body, type_only) for case in cases]
    return []


def is_type_checking(test: ast.expr) -> bool:
    """Whether a condition is `TYPE_CHECKING`, which is false when code runs."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def is_main_guard(test: ast.expr) -> bool:
    """Whether a condition is `__name__ == "__main__"`."""
    return isinstance(test, ast.Compare) and any(
        isinstance(n, ast.Name) and n.id == "__name__" for n in (test.left, *test.comparators)
    )


class ClassNode:
    """A class of the project."""

    def __init__(self, module: Module, node: ast.ClassDef, parent: FunctionNode | None) -> None:
        self.module = module
        self.node = node
        self.parent = parent
        self.name = node.name
        self.attributes: dict[str, Value] = {}
        self.scanned = False

    @cached_property
    def bindings(self) -> dict[str, list[Binding]]:
        found: dict[str, list[Binding]] = {}
        collect_bindings(self.node.body, found)
        return found

    @cached_property
    def read(self) -> dict[str, Binding]:
        """What each name stands for when it is read: the last binding that is no other part of a property."""
        return {name: b for name, several in self.bindings.items() for b in several if part_of(b.node) is None}

    @cached_property
    def mentions(self) -> frozenset[str] | None:
        """What the class sets on its instances, by attribute or as a text; None when it may set anything."""
        found: set[str] = set(self.annotations)
        for part in ast.walk(self.node):
            match part:
                case ast.Attribute(attr="__dict__") | ast.Name(id="setattr" | "vars"):
                    return None
                case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Constant(value=str(name)):
                    found.add(name)
        return frozenset(found)

    @cached_property
    def annotations(self) -> dict[str, ast.expr]:
        return {
            s.target.id: s.annotation
            for s in self.node.body
            if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
        }


@dataclass(frozen=True, slots=True)
class Option:
    """What a decorator was given under a name, and the module in which that is written."""

    node: ast.expr
    module: Module


@dataclass(eq=False)
class Marks:
    """What the decorators of a function say about it."""

    kind: str | None = None
    options: dict[str, Option] = field(default_factory=dict)
    more_options: bool = False
    is_property: bool = False
    is_static: bool = False
    is_class: bool = False
    is_context: bool = False
    is_generic: bool = False
    descriptor: Value = UNKNOWN
    value: Value = UNKNOWN


class FunctionNode:
    """A function, method or lambda of the project."""

    def __init__(
        self, module: Module, node: FunctionAst, owner: ClassNode | None = None, parent: FunctionNode | None = None
    ) -> None:
        self.module = module
        self.node = node
        self.owner = owner
        self.parent = parent
        self.marks: Marks | None = None
        self.contexts: dict[Any, Any] = {}

    @property
    def name(self) -> str:
        return "<lambda>" if isinstance(self.node, ast.Lambda) else self.node.name

    @property
    def qualname(self) -> str:
        return f"{self.owner.name}.{self.name}" if self.owner else self.name

    @property
    def body(self) -> list[ast.stmt] | list[ast.expr]:
        return [self.node.body] if isinstance(self.node, ast.Lambda) else self.node.body

    @cached_property
    def own(self) -> list[ast.AST]:
        """The nodes of the body, without those of nested functions."""
        return list(own_nodes(self.body))

    @property
    def is_nested(self) -> bool:
        """Whether a function runs the definition, and no import does."""
        return self.parent is not None or (self.owner is not None and self.owner.parent is not None)

    @property
    def is_async(self) -> bool:
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def returns(self) -> ast.expr | None:
        return None if isinstance(self.node, ast.Lambda) else self.node.returns

    @cached_property
    def parameters(self) -> list[ast.arg]:
        return parameters(self.node.args)

    @cached_property
    def scope(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """The names that are local, declared global, and declared nonlocal."""
        bound, global_, nonlocal_ = bound_names(self.own)
        bound.update(p.arg for p in self.parameters)
        return frozenset(bound), frozenset(global_), frozenset(nonlocal_)

    @cached_property
    def yields(self) -> list[ast.Yield | ast.YieldFrom]:
        return sorted_yields(self.own)

    @property
    def is_generator(self) -> bool:
        return bool(self.yields) and not self.is_async

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The parent of every node of the body."""
        todo: list[ast.AST] = [self.node]
        found: dict[ast.AST, ast.AST] = {}
        while todo:
            node = todo.pop()
            for child in children(node):
                found[child] = node
                todo.append(child)
        return found

    @cached_property
    def defaults(self) -> dict[str, ast.expr]:
        """The default value of each parameter that has one."""
        arguments = self.node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        last = positional[len(positional) - len(arguments.defaults) :]
        found = {p.arg: d for p, d in zip(last, arguments.defaults, strict=True)}
        named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        found.update({p.arg: d for p, d in named if d is not None})
        return found


def part_of(node: ast.AST) -> str | None:
    """Which part of a property a function is made: its `setter` or `deleter`; what it reads is no part."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return next((d.attr for d in decorators if isinstance(d, ast.Attribute) and d.attr in ("setter", "deleter")), None)


def declares_flow(node: FunctionNode) -> bool:
    """Whether a function says that it yields calls: `-> Flow[…]`."""
    annotation = node.returns
    base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return (isinstance(base, ast.Name) and base.id == "Flow") or (
        isinstance(base, ast.Attribute) and base.attr == "Flow"
    )
