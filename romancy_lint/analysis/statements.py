"""Walks the statements of a function in their order, with branches joined."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from romancy_lint.analysis.calls import Calls
from romancy_lint.analysis.model import is_type_checking
from romancy_lint.analysis.scope import own_nodes
from romancy_lint.analysis.values import (
    UNKNOWN,
    Choice,
    Class,
    Constant,
    Container,
    Durable,
    External,
    Function,
    Generator,
    Instance,
    Object,
    SetValue,
    Unknown,
    Value,
    join,
    made_within,
    options,
    strip,
    union,
)

_EXITS = (External("sys.exit"), External("builtins.exit"), External("builtins.quit"))


class Statements(Calls):
    """Everything but expressions."""

    def block(self, body: list[ast.stmt]) -> bool:
        """Walks statements; True when control cannot leave at the end."""
        for number, statement in enumerate(body):
            self._sorted_next(statement, body[number + 1 :])
            handler = _HANDLERS.get(type(statement))
            if handler is not None and handler(self, statement):
                return True
        return False

    def _sorted_next(self, statement: ast.stmt, rest: list[ast.stmt]) -> None:
        """`names = list(s)` does not tell the order of `s` when `names.sort()` is what happens to it first."""
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            return
        name = statement.targets[0].id
        for following in rest:
            if not any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(following)):
                continue
            match following:
                case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(), attr="sort"), keywords=keywords)):
                    if not any(k.arg == "key" for k in keywords):
                        self.order_free.add(id(statement.value))
            return

    # -- simple statements -----------------------------------------------------------------------------------------
    def expression(self, node: ast.Expr) -> bool:
        value = self.eval(node.value)
        if not isinstance(node.value, ast.Name):
            self.misuse_unless_list(value, "dropped", node.value)
            for made in made_within(strip(value), node.value):
                self.misuse(made, "dropped", made.origin)
        return isinstance(node.value, ast.Call) and strip(self._callee(node.value)) in _EXITS

    def _callee(self, node: ast.Call) -> Value:
        return self.quiet(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else UNKNOWN

    def assignment(self, node: ast.Assign) -> bool:
        value = self.eval(node.value)
        for target in node.targets:
            self.assign(target, value, node)
        return False

    def annotated(self, node: ast.AnnAssign) -> bool:
        value = UNKNOWN if node.value is None else self.eval(node.value)
        if node.value is not None:
            self.fire("annotated_result", node)
        declared = self.engine.resolver.annotation(self.module, node.annotation)
        if isinstance(value, Unknown) or (isinstance(value, Container) and isinstance(value.item, Unknown)):
            value = value if isinstance(declared, Unknown) else declared
        if node.value is not None:
            self.assign(node.target, value, node)
        return False

    def augmented(self, node: ast.AugAssign) -> bool:
        value = self.eval(node.value)
        load = _as_load(node.target)
        current = self.quiet(load)
        self.misuse_unless_list(value, "operand", node.value)
        if isinstance(strip(current), Container) and isinstance(strip(value), SetValue):
            self.unordered(value, node.value, "extend")
        if isinstance(node.target, ast.Name):
            if isinstance(strip(current), Container | SetValue) and not isinstance(strip(value), Constant):
                self.fire("mutated", current, load, node)
            self._store_name(node.target, join(strip(current), strip(value)), node)
        else:
            self.assign(node.target, value, node)
        return False

    def assign(self, target: ast.expr, value: Value, node: ast.AST) -> None:
        match target:
            case ast.Name():
                self._store_name(target, value, node)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                self._unpack(elements, value, node)
            case ast.Starred(value=inner):
                self.assign(inner, Container("list", self.item_of(value)), node)
            case ast.Attribute():
                self._store_attribute(target, value, node)
            case ast.Subscript():
                self._store_item(target, value, node)

    def _store_name(self, target: ast.Name, value: Value, node: ast.AST) -> None:
        name = target.id
        if self.function is not None:
            _, global_, nonlocal_ = self.function.scope
            if name in global_:
                self.settle(value)
                self.fire("global_written", name, node, value)
                return
            if name in nonlocal_:
                self.fire("nonlocal_written", name, node)
        self.bind_name(name, value)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            for option in options(strip(value)):
                held = option.item if isinstance(option, Container) else option
                if isinstance(held, Durable | Generator):
                    self.pending[id(held.origin)] = (held, name)
            several = made_within(strip(value), node.value) if node.value is not None else []
            if several and not self._is_read(name):
                for made in several:
                    self.misuse(made, f"unused:{name}", made.origin)

    def _is_read(self, name: str) -> bool:
        """Whether a variable of this function is used after all, here or in what is nested."""
        if self.function is None or name in self.function.scope[2]:
            return True
        return any(
            isinstance(part, ast.Name) and part.id == name and not isinstance(part.ctx, ast.Store)
            for part in ast.walk(self.function.node)
        )

    def _unpack(self, elements: list[ast.expr], value: Value, node: ast.AST) -> None:
        inner = strip(value)
        source = getattr(node, "value", None) or getattr(node, "iter", None) or node
        tells_order = len(elements) > 1 or any(isinstance(e, ast.Starred) for e in elements)
        if isinstance(source, ast.expr):
            if tells_order:
                self.unordered(value, source, "unpack")
            self.misuse_unless_list(value, "unpacked", source)
        items = inner.items if isinstance(inner, Container) and len(inner.items) == len(elements) else ()
        starred = any(isinstance(e, ast.Starred) for e in elements)
        common = self.item_of(value)
        if isinstance(common, Choice):
            common = UNKNOWN  # parts of different kinds: which is which is not known
        for number, element in enumerate(elements):
            self.assign(element, items[number] if items and not starred else common, node)

    def _store_attribute(self, target: ast.Attribute, value: Value, node: ast.AST) -> None:
        self.settle(value)
        base = self.eval(target.value)
        inner = strip(base)
        if isinstance(inner, Object) and base is inner:
            known = inner.node.attributes.get(target.attr, UNKNOWN)
            inner.node.attributes[target.attr] = join(known, strip(value))
        self.fire("attribute_stored", base, target, node, value)

    def _store_item(self, target: ast.Subscript, value: Value, node: ast.AST) -> None:
        self.settle(value)
        base = self.eval_stored(target.value)
        self.eval(target.slice)
        self.implicit(base, "__setitem__", target, UNKNOWN, value)
        if isinstance(base, External):
            self.fire("external_stored", base.name, target, node)
        else:
            self.fire("mutated", base, target.value, node)

    def eval_stored(self, node: ast.expr) -> Value:
        """What is written into; the write is the finding, not the read."""
        value = self.quiet(node)
        if not isinstance(value, External):
            self.muted += 1
            self.eval(node)
            self.muted -= 1
        return value

    def delete(self, node: ast.Delete) -> bool:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                self._store_item(target, UNKNOWN, node)
            elif isinstance(target, ast.Attribute):
                self._store_attribute(target, UNKNOWN, node)
        return False

    def returned(self, node: ast.Return) -> bool:
        value = UNKNOWN if node.value is None else self.eval(node.value)
        if node.value is not None:
            self.fire("returned", node, value)
            if self.function in self.engine.workflows:
                self.misuse_unless_list(value, "returned", node.value)
            self.settle(value)
            if not (isinstance(value, Constant) and value.value is None):
                self.walk.returns = join(self.walk.returns, value)
        return True

    def raised(self, node: ast.Raise) -> bool:
        if node.exc is not None:
            self.eval(node.exc)
            self.fire("raising", node)
        self.eval_optional(node.cause)
        return True

    def asserted(self, node: ast.Assert) -> bool:
        self.test(self.eval(node.test), node.test)
        if node.msg is not None:
            self.eval(node.msg)
        return False

    def jump(self, node: ast.stmt) -> bool:
        return True

    def imported(self, node: ast.Import | ast.ImportFrom) -> bool:
        for alias in node.names:
            if alias.name == "*":
                continue
            name = alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0])
            self.bind_name(name, self.engine.resolver.import_name(self.module, node, name))
        return False

    # -- definitions -----------------------------------------------------------------------------------------------
    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        function = self.module.function(node, None, self.function)
        for default in function.defaults.values():
            self.eval(default)
        value = self.engine.resolver.function_value(function, self.env)
        self.settle_names(*node.body)
        self.bind_name(node.name, value)
        if self.engine.resolver.marks(function).kind is not None:
            self.engine.found(Function(function, self.env))
        return False

    def class_definition(self, node: ast.ClassDef) -> bool:
        self.bind_name(node.name, Class(self.module.class_(node, self.function)))
        return False

    # -- branches --------------------------------------------------------------------------------------------------
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
            inside = self.implicit(value, "__enter__", item.context_expr)
            entered.append(value)
            if isinstance(strip(value), Instance):
                self._external_manager(strip(value), item.context_expr)
                inside = inside if not isinstance(inside, Unknown) else strip(value)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, inside, node)
        self.fire("managed", node, entered)
        ended = self.block(node.body)
        for item, value in zip(node.items, entered, strict=True):
            self.implicit(value, "__exit__", item.context_expr)
        return ended and not any(_may_suppress(value) for value in entered)

    def _external_manager(self, value: Value, node: ast.expr) -> None:
        """`with lock:` calls methods of an external object."""
        if isinstance(value, Instance) and not isinstance(node, ast.Call):
            code = self.engine.call_table.code(f"{value.type}.__enter__")
            if code is not None:
                self.fire_use(code, f"{value.type}.__enter__", node, None)

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


def _merged(first: dict[str, Value], second: dict[str, Value]) -> dict[str, Value]:
    if first == second:
        return first
    merged = dict(first)
    for name, value in second.items():
        merged[name] = join(first[name], value) if name in first else value
    return merged


def _as_load(target: ast.expr) -> ast.expr:
    match target:
        case ast.Name(id=name):
            return ast.copy_location(ast.Name(name, ast.Load()), target)
    return target


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


_HANDLERS: dict[type[ast.stmt], Callable[[Any, Any], bool]] = {
    ast.Expr: Statements.expression,
    ast.Assign: Statements.assignment,
    ast.AnnAssign: Statements.annotated,
    ast.AugAssign: Statements.augmented,
    ast.Delete: Statements.delete,
    ast.Return: Statements.returned,
    ast.Raise: Statements.raised,
    ast.Assert: Statements.asserted,
    ast.Break: Statements.jump,
    ast.Continue: Statements.jump,
    ast.Import: Statements.imported,
    ast.ImportFrom: Statements.imported,
    ast.FunctionDef: Statements.definition,
    ast.AsyncFunctionDef: Statements.definition,
    ast.ClassDef: Statements.class_definition,
    ast.If: Statements.branch,
    ast.For: Statements.loop,
    ast.AsyncFor: Statements.loop,
    ast.While: Statements.while_loop,
    ast.Try: Statements.attempt,
    ast.TryStar: Statements.attempt,
    ast.With: Statements.with_block,
    ast.AsyncWith: Statements.with_block,
    ast.Match: Statements.match,
}
