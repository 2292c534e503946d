"""Where workflows and activities are defined: with decorators, by calls of these, inside of functions."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode, Module
from romancy_lint.analysis.scope import every_statement
from romancy_lint.analysis.statements import Statements
from romancy_lint.analysis.values import Constant, Function, Unknown, strip
from romancy_lint.analysis.walk import Walk
from romancy_lint.names.language import PACKAGE

if TYPE_CHECKING:
    from romancy_lint.analysis.engine import Engine

#: Stands for what has findings of its own but is no function: a module, a decorated class.
_EMPTY = ast.Lambda(ast.parse("lambda: None", mode="eval").body.args, ast.Constant(None))  # type: ignore[attr-defined]


class Definitions:
    """Collects workflows and activities."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._found: dict[FunctionNode, Function] = {}
        self._entered: set[FunctionNode] = set()

    def note(self, function: Function) -> None:
        """Notes a workflow or activity that was defined."""
        self._found.setdefault(function.node, function)

    def take(self) -> list[Function]:
        """What was noted since the last time."""
        found, self._found = self._found, {}
        return list(found.values())

    def collect(self, module: Module) -> None:
        """Notes what a module defines."""
        frame = self.engine.frames.of_module(module)
        for name, bindings in module.bindings.items():
            for binding in bindings:
                self._collect_binding(module, frame, name, binding.node, binding.value)
        for part in every_statement(module.source.tree.body):
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and _holds_decorated(part):
                self._enter_quietly(module, part)

    def _collect_binding(
        self, module: Module, frame: Statements, name: str, node: ast.AST, value: ast.expr | None
    ) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._collect_function(module.function(node))
        elif isinstance(node, ast.ClassDef):
            class_ = module.class_(node)
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    self._collect_function(module.function(inner, class_))
            self._decorated_class(frame, node)
        elif isinstance(value, ast.Call) and value.args:
            decorator = self.engine.durable_decorator(frame.quiet(value.func))
            if decorator is not None:
                self._applied(module, frame, decorator.name, value)

    def _collect_function(self, function: FunctionNode) -> None:
        value = self.engine.resolver.function_value(function)
        if self.engine.resolver.marks(function).kind is not None:
            self.note(value if isinstance(value, Function) and value.node is function else Function(function))

    def _decorated_class(self, frame: Statements, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            target = self.engine.durable_decorator(frame.quiet(decorator))
            if target is not None and self.engine.decorators[target.name] == "workflow":
                self._misshapen(frame.module, node, "a class")

    def _applied(self, module: Module, frame: Statements, name: str, call: ast.Call) -> None:
        value = strip(frame.quiet(call.args[0]))
        kind = self.engine.decorators[name]
        if isinstance(value, Function) and not isinstance(value.node.node, ast.Lambda):
            self.engine.implementations.add(value.node)
            self.note(Function(value.node, value.env, kind=kind))
        elif isinstance(value, Constant) and not name.startswith(f"{PACKAGE}."):
            return  # an option of a decorator of the project
        elif kind == "workflow" and not isinstance(value, Unknown):
            self._misshapen(module, call, "a lambda" if isinstance(value, Function) else "not a function")

    def _enter_quietly(self, module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Walks a function that no workflow reaches for the workflows that it defines."""
        function = module.function(node)
        if function in self._entered:
            return
        self._entered.add(function)
        self.engine.frames.quiet(function).block(node.body)

    def _misshapen(self, module: Module, node: ast.AST, what: str) -> None:
        walk = Walk(None, module, "workflow")
        self.engine.workflows[stand_in(module)] = walk
        self.engine.frames.of_walk(walk, 0).fire("misshapen", node, what)


def stand_in(module: Module) -> FunctionNode:
    """What has findings of its own but is no function: a module, a decorated class."""
    return FunctionNode(module, _EMPTY)


def _holds_decorated(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.decorator_list
        for part in every_statement(node.body)
    )
