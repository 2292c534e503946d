"""Walks functions: once for each kind of arguments, and later where calls nest too deeply."""

from __future__ import annotations

import ast
from collections import deque
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode, declares_flow
from romancy_lint.analysis.statements import Statements
from romancy_lint.analysis.values import (
    UNKNOWN,
    Constant,
    Container,
    Durable,
    Function,
    Generator,
    Iterator,
    Unknown,
    Value,
    strip,
)
from romancy_lint.analysis.walk import Walk

if TYPE_CHECKING:
    from romancy_lint.analysis.engine import Engine

_CONTEXTS = 12
_MANY = 5_000
_DEPTH = 40


class Walker:
    """Walks functions and keeps what it knows about each."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.walked = 0
        self._waiting: deque[tuple[Walk, Statements]] = deque()

    def visit(self, function: Function, bound: dict[str, Value], depth: int) -> Walk:
        """The walk of a function with these arguments, made if there is none."""
        node = function.node
        key = self._key(function, bound)
        if key not in node.contexts and self._is_crowded(node):
            bound, key = {}, None
            function = Function(node, function.env, function.bound if node.owner is None else None)
        if key in node.contexts:
            known: Walk = node.contexts[key]
            return known
        walk = Walk(node, node.module, "workflow")
        self.walked += 1
        node.contexts[key] = walk
        frame = self.engine.frames.of_function(walk, function, depth, bound)
        if depth > _DEPTH:
            self._waiting.append((walk, frame))
        else:
            self.run(walk, frame)
        return walk

    def _is_crowded(self, node: FunctionNode) -> bool:
        """Whether a function was walked for enough different arguments; large programs get fewer."""
        limit = _CONTEXTS if self.walked < _MANY else _CONTEXTS // 4 if self.walked < 4 * _MANY else 1
        return len(node.contexts) >= limit

    def _key(self, function: Function, bound: dict[str, Value]) -> object:
        told = tuple(sorted(((n, v) for n, v in bound.items() if _matters(v)), key=lambda pair: pair[0]))
        return (id(function.env) if function.env else None, function.bound, told)

    def catch_up(self) -> None:
        """Walks what had to wait."""
        while self._waiting:
            walk, frame = self._waiting.popleft()
            frame.depth = 1
            self.run(walk, frame)

    def run(self, walk: Walk, frame: Statements) -> None:
        """Walks the body of a function."""
        node = walk.node
        assert node is not None
        if node.is_generator and declares_flow(node):
            walk.operations = True
        try:
            self._walk_body(walk, frame, node)
        except RecursionError:
            self.engine.project.too_deep(node.module, node.node)
        for value, name in frame.pending.values():
            assert isinstance(value, Durable | Generator)
            if id(value.origin) not in frame.settled and frame.parent(value.origin) is not None:
                frame.fire("misused", value, f"unused:{name}", value.origin)
        walk.finished = True
        frame.fire("left", node)

    def _walk_body(self, walk: Walk, frame: Statements, node: FunctionNode) -> None:
        frame.fire("entered", node)
        if isinstance(node.node, ast.Lambda):
            walk.returns = frame.eval(node.node.body)
            frame.settle(walk.returns)
        else:
            frame.block(node.node.body)

    # -- arguments -------------------------------------------------------------------------------------------------
    def bind_arguments(
        self, function: Function, arguments: list[Value], keywords: dict[str, Value]
    ) -> dict[str, Value]:
        """Which parameter gets which value."""
        args = function.node.node.args
        names = [p.arg for p in (*args.posonlyargs, *args.args)]
        marks = self.engine.resolver.marks(function.node)
        if function.node.owner is not None and not marks.is_static and function.bound is not None:
            names = names[1:]
        bound: dict[str, Value] = {}
        for name, value in zip(names, arguments, strict=False):
            if isinstance(value, Iterator) and value == Iterator():
                break
            bound[name] = value
        known = {p.arg for p in function.node.parameters}
        bound.update((name, value) for name, value in keywords.items() if name in known)
        if args.vararg is not None and len(arguments) > len(names):
            rest = tuple(arguments[len(names) :])
            bound[args.vararg.arg] = Container("tuple", rest[0] if len(rest) == 1 else UNKNOWN, rest)
        return bound

    def default_value(self, node: FunctionNode, default: ast.expr) -> Value:
        """The value of a default argument; mutable ones are not remembered."""
        value = strip(self.engine.resolver.at_import(node.module, default))
        return UNKNOWN if isinstance(value, Container | Constant) else value


def _matters(value: Value) -> bool:
    """Whether a function behaves differently for an argument, as far as rules can tell."""
    if isinstance(value, Container):
        return _matters(value.item) or any(_matters(item) for item in value.items)
    return not isinstance(value, Unknown | Constant)
