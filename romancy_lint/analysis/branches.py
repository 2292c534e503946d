"""Branches, loops and blocks: what holds after them is what may hold after any way through."""

from __future__ import annotations

import ast

from romancy_lint.analysis.calls import Calls
from romancy_lint.analysis.model import is_type_checking
from romancy_lint.analysis.scope import own_nodes
from romancy_lint.analysis.values import (
    UNKNOWN,
    Function,
    Instance,
    Object,
    SetValue,
    Unknown,
    Value,
    join,
    options,
    strip,
    union,
)


class Branches(Calls):
    """The statements that hold other statements."""

    def branch(self, node: ast.If) -> bool:
        if is_type_checking(node.test):
            return self.block(node.orelse)
        if isinstance(node.test, ast.Constant) and not node.test.value:
            return self.block(node.orelse)  # `if False: yield` only makes a generator of the function
        self.test(self.eval(node.test), node.test)
        before = dict(self.env.vars)
        self._narrow(node.test, True)
        first_ended = self.block(node.body)
        first = self.env.vars
        self.env.vars = dict(before)
        self._narrow(node.test, False)
        second_ended = self.block(node.orelse)
        if first_ended and second_ended:
            return True
        if first_ended or second_ended:
            self.env.vars = self.env.vars if first_ended else first
        else:
            self.env.vars = _merged(first, self.env.vars)
        return False

    def _narrow(self, test: ast.expr, positive: bool) -> None:
        """`isinstance(x, set)` says what `x` is not, on the other branch."""
        match test:
            case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), kind]):
                names = {n.id for n in ast.walk(kind) if isinstance(n, ast.Name)}
                value = self.env.vars.get(name)
                if value is None:
                    return
                sets = bool(names & {"set", "frozenset"})
                kept = [o for o in options(value) if isinstance(o, SetValue) == (sets == positive) or not sets]
                if sets:
                    self.env.vars[name] = union(kept)
                elif positive:
                    self.env.vars[name] = union([o for o in options(value) if not isinstance(o, SetValue)])

    def match(self, node: ast.Match) -> bool:
        subject = self.eval(node.subject)
        self.misuse_unless_list(subject, "condition", node.subject)
        before = dict(self.env.vars)
        ends = []
        for case in node.cases:
            self.env.vars = dict(before)
            if case.guard is not None:
                self.test(self.eval(case.guard), case.guard)
            if not self.block(case.body):
                ends.append(self.env.vars)
        joined = before
        for variables in ends:
            joined = _merged(joined, variables)
        self.env.vars = joined
        return False

    # -- loops -----------------------------------------------------------------------------------------------------
    def loop(self, node: ast.For | ast.AsyncFor) -> bool:
        value = self.eval(node.iter)
        item = self.iterate(value, node.iter, "loop", _order_free_loop(node))
        before = dict(self.env.vars)
        self.assign(node.target, item, node)
        self.block(node.body)
        self.env.vars = _merged(before, self.env.vars)
        self.block(node.orelse)
        return False

    def while_loop(self, node: ast.While) -> bool:
        self.test(self.eval(node.test), node.test)
        before = dict(self.env.vars)
        self.block(node.body)
        self.env.vars = _merged(before, self.env.vars)
        self.block(node.orelse)
        endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
        return endless and not any(isinstance(part, ast.Break) for part in own_nodes(node.body))

    # -- blocks that end -------------------------------------------------------------------------------------------
    def attempt(self, node: ast.Try | ast.TryStar) -> bool:
        self.fire("attempted", node)
        before = dict(self.env.vars)
        ended = self.block(node.body) or self.block(node.orelse)
        after = self.env.vars
        ends = [] if ended else [after]
        start = _merged(before, after)
        for handler in node.handlers:
            self.env.vars = dict(start)
            if handler.type is not None:
                self.quiet(handler.type)
            if handler.name:
                self.bind_name(handler.name, UNKNOWN)
            if not self.block(handler.body):
                ends.append(self.env.vars)
        joined = ends[0] if ends else dict(start)
        for variables in ends[1:]:
            joined = _merged(joined, variables)
        self.env.vars = joined
        return self.block(node.finalbody) or not ends

    def with_block(self, node: ast.With | ast.AsyncWith) -> bool:
        entered = []
        for item in node.items:
            value = self.eval(item.context_expr)
            self.misuse_unless_list(value, "with", item.context_expr)
            inside = self.implicit(value, ("__enter__",), item.context_expr)
            entered.append(value)
            if isinstance(strip(value), Instance):
                self._external_manager(strip(value), item.context_expr)
                inside = inside if not isinstance(inside, Unknown) else strip(value)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, inside, node)
        self.fire("managed", node, entered)
        ended = self.block(node.body)
        for item, value in zip(node.items, entered, strict=True):
            self.implicit(value, ("__exit__",), item.context_expr)
        return ended and not any(_may_suppress(value) for value in entered)

    def _external_manager(self, value: Value, node: ast.expr) -> None:
        """`with lock:` calls methods of an external object."""
        if isinstance(value, Instance) and not isinstance(node, ast.Call):
            code = self.engine.call_table.code(f"{value.type}.__enter__")
            if code is not None:
                self.fire_use(code, f"{value.type}.__enter__", node, None)

    # -- what the other mixins bring -------------------------------------------------------------------------------
    def block(self, body: list[ast.stmt]) -> bool:
        raise NotImplementedError


def _merged(first: dict[str, Value], second: dict[str, Value]) -> dict[str, Value]:
    if first == second:
        return first
    merged = dict(first)
    for name, value in second.items():
        merged[name] = join(first[name], value) if name in first else value
    return merged


def _may_suppress(value: Value) -> bool:
    inner = strip(value)
    return isinstance(inner, Object | Function | Unknown) or (
        isinstance(inner, Instance) and inner.type in ("contextlib.suppress", "contextlib.AbstractContextManager")
    )


def _order_free_loop(node: ast.For | ast.AsyncFor) -> bool:
    """Whether the body of a loop comes out the same in every order."""
    return all(_order_free_statement(statement) for statement in node.body) and not node.orelse


def _order_free_statement(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="add" | "discard"), args=[argument])):
            return not _has_yield(argument)
        case ast.AugAssign(op=ast.Add() | ast.Sub(), value=ast.Constant(value=int())):
            return True
        case ast.If(test=test, body=body, orelse=orelse):
            return not _has_yield(test) and all(_order_free_statement(s) for s in (*body, *orelse))
        case ast.Pass() | ast.Continue():
            return True
        case ast.Return(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name()], value=ast.Constant()):
            return True
    return False


def _has_yield(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Yield | ast.YieldFrom) for part in ast.walk(node))
