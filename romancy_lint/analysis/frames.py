"""Frames to evaluate code in: of a module, a function, a class; each with the scope around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from romancy_lint.analysis.model import ClassNode, FunctionNode, Module
from romancy_lint.analysis.scope import Env
from romancy_lint.analysis.statements import Statements
from romancy_lint.analysis.values import Class, Function, Object, Unknown, Value
from romancy_lint.analysis.walk import Walk

if TYPE_CHECKING:
    from romancy_lint.analysis.engine import Engine


class Frames:
    """Makes frames."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._envs: dict[Module, Env] = {}
        self._class_walks: dict[ClassNode, Walk] = {}

    def module_env(self, module: Module) -> Env:
        if module not in self._envs:
            self._envs[module] = Env(frozenset(module.bindings), None)
        return self._envs[module]

    def of_module(self, module: Module, env: object = None) -> Statements:
        """A frame for code that runs while its module is imported."""
        walk = Walk(None, module, "import")
        return Statements(self.engine, walk, env if isinstance(env, Env) else self.module_env(module), 0)

    def of_walk(self, walk: Walk, depth: int) -> Statements:
        return Statements(self.engine, walk, self.module_env(walk.module), depth)

    def of_method(self, method: FunctionNode) -> Statements:
        """A frame that knows the annotated parameters of a method, to look at what it assigns."""
        walk = Walk(method, method.module, "import")
        return Statements(self.engine, walk, self._env(method, None), 1)

    def class_walk(self, node: ClassNode) -> Walk:
        """The walk that holds what constructing a class does by itself."""
        if node not in self._class_walks:
            walk = Walk(None, node.module, "workflow")
            walk.label, walk.line = node.name, node.node.lineno
            self._class_walks[node] = walk
        return self._class_walks[node]

    def of_function(
        self, walk: Walk, function: Function, depth: int, bound: dict[str, Value] | None = None
    ) -> Statements:
        """A frame for the body of a function, with these arguments."""
        env = self._env(function.node, function.env)
        for name, value in (bound or {}).items():
            if not isinstance(value, Unknown):
                env.vars[name] = value
        self._bind_self(function, env)
        return Statements(self.engine, walk, env, depth)

    def quiet(self, function: FunctionNode) -> Statements:
        """A frame for the body of a function that no workflow reaches: it reports nothing."""
        frame = Statements(self.engine, Walk(function, function.module, "import"), self._env(function, None), 1)
        frame.muted += 1
        return frame

    def _env(self, node: FunctionNode, outer: Env | None) -> Env:
        """The scope of a function; its annotated parameters are known."""
        env = Env(node.scope[0], outer or self.module_env(node.module))
        self._declare(node, env)
        return env

    def _declare(self, node: FunctionNode, env: Env) -> None:
        arguments = node.node.args
        for parameter in node.parameters:
            if parameter is arguments.vararg or parameter is arguments.kwarg:
                continue
            if parameter.annotation is not None:
                env.vars[parameter.arg] = self.engine.resolver.annotation(node.module, parameter.annotation)

    def _bind_self(self, function: Function, env: Env) -> None:
        node = function.node
        if not node.parameters or node.owner is None or self.engine.resolver.marks(node).is_static:
            return
        name = node.parameters[0].arg
        if function.bound is not None:
            env.vars[name] = function.bound
        elif name not in env.vars:
            is_class = self.engine.resolver.marks(node).is_class
            env.vars[name] = Class(node.owner) if is_class else Object(node.owner)
