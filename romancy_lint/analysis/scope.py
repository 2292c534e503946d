"""Scopes: which names a function binds itself, and what they hold while it is walked."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from romancy_lint.analysis.values import Value

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Env:
    """The variables of one function (or module) while it is walked, and the scope around it."""

    __slots__ = ("bound", "outer", "vars")

    def __init__(self, bound: frozenset[str], outer: Env | None) -> None:
        self.bound = bound
        self.outer = outer
        self.vars: dict[str, Value] = {}

    def find(self, name: str) -> Env | None:
        """The closest scope that binds the name."""
        env: Env | None = self
        while env is not None and name not in env.bound:
            env = env.outer
        return env


def own_nodes(body: list[ast.stmt] | list[ast.expr]) -> Iterator[ast.AST]:
    """Every node that belongs to this scope itself: nested functions and classes are yielded, not entered."""
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, _SCOPES):
            todo.extend(_outside(node))
        else:
            todo.extend(ast.iter_child_nodes(node))


def _outside(node: ast.AST) -> list[ast.AST]:
    """What a nested scope evaluates in the scope around it: decorators and defaults."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    outside: list[ast.AST] = [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
    if not isinstance(node, ast.Lambda):
        outside += node.decorator_list
    return outside


def bound_names(body: list[ast.stmt] | list[ast.expr]) -> tuple[set[str], set[str], set[str]]:
    """The names a body binds, and those it declares `global` and `nonlocal`."""
    bound: set[str] = set()
    global_: set[str] = set()
    nonlocal_: set[str] = set()
    for node in own_nodes(body):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                bound.update((a.asname or a.name.partition(".")[0]) for a in names)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound.add(name)
            case ast.MatchMapping(rest=str(name)):
                bound.add(name)
            case ast.Global(names=declared):
                global_.update(declared)
            case ast.Nonlocal(names=declared):
                nonlocal_.update(declared)
    return bound - global_ - nonlocal_, global_, nonlocal_


def parameters(arguments: ast.arguments) -> list[ast.arg]:
    """Every parameter, in the order of the signature."""
    every = [*arguments.posonlyargs, *arguments.args]
    every += [arguments.vararg] if arguments.vararg else []
    every += arguments.kwonlyargs
    every += [arguments.kwarg] if arguments.kwarg else []
    return every


def yields_in(body: list[ast.stmt] | list[ast.expr]) -> list[ast.Yield | ast.YieldFrom]:
    """The yields of a scope in the order of the text; those in comprehensions included."""
    found = [node for node in own_nodes(body) if isinstance(node, ast.Yield | ast.YieldFrom)]
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))
