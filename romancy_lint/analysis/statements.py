"""Walks the statements of a function in their order."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from romancy_lint.analysis.assignments import Assignments
from romancy_lint.analysis.branches import Branches
from romancy_lint.analysis.values import (
    UNKNOWN,
    Class,
    Constant,
    Durable,
    External,
    Function,
    Generator,
    Value,
    join,
    made_within,
    options,
    strip,
)

_EXITS = (External("sys.exit"), External("builtins.exit"), External("builtins.quit"))


class Statements(Branches, Assignments):
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
        for result in _results(node.value):
            if not isinstance(result, ast.Name):
                self._dropped(value, result, whole=result is node.value)
        return isinstance(node.value, ast.Call) and strip(self._callee(node.value)) in _EXITS

    def _dropped(self, value: Value, node: ast.expr, whole: bool) -> None:
        """The call objects that an expression makes and nobody takes; of one that gives several, its own."""
        several = options(strip(value))
        own = {id(part) for part in ast.walk(node)} if not whole else set()
        for option in several:
            if isinstance(option, Durable | Generator) and (len(several) == 1 if whole else id(option.origin) in own):
                self.misuse(option, "dropped", node)
            for made in made_within(option, node):
                self.misuse(made, "dropped", made.origin)

    def _callee(self, node: ast.Call) -> Value:
        return self.quiet(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else UNKNOWN

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

    # -- definitions -----------------------------------------------------------------------------------------------
    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        function = self.module.function(node, None, self.function)
        for default in function.defaults.values():
            self.eval(default)
        value = self.engine.resolver.function_value(function, self.env)
        self.settle_names(*node.body)
        self.bind_name(node.name, value)
        if self.engine.resolver.marks(function).kind is not None:
            self.engine.definitions.note(Function(function, self.env))
        return False

    def class_definition(self, node: ast.ClassDef) -> bool:
        self.bind_name(node.name, Class(self.module.class_(node, self.function)))
        return False


def _results(node: ast.expr) -> list[ast.expr]:
    """The parts of an expression one of which is its value, when nothing before it was."""
    match node:
        case ast.BoolOp(values=[*_, last]):
            return _results(last)
        case ast.IfExp(body=body, orelse=orelse):
            return [*_results(body), *_results(orelse)]
    return [node]


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
