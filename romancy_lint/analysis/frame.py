"""A function being walked: its scope, its report sheet, and what rules may ask about the place they look at."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, Any

from romancy_lint.analysis.model import FunctionNode, Module
from romancy_lint.analysis.scope import Env
from romancy_lint.analysis.values import (
    Container,
    Durable,
    External,
    Generator,
    Instance,
    Iterator,
    SetValue,
    Value,
    options,
    strip,
)
from romancy_lint.analysis.walk import Fact, Walk
from romancy_lint.finding import Edit, Fix, Place
from romancy_lint.names.language import CONTEXT, PACKAGE

if TYPE_CHECKING:
    from romancy_lint.analysis.engine import Engine
    from romancy_lint.rules.rule import Rule

#: Modes of a frame: code that a workflow reaches, the body of an activity, code that runs when a module is imported.
WORKFLOW, ACTIVITY, IMPORT = "workflow", "activity", "import"


class Frame:
    """The state of one walk; the mixins that derive from it evaluate expressions, calls and statements."""

    def __init__(self, engine: Engine, walk: Walk, env: Env, depth: int) -> None:
        self.engine = engine
        self.walk = walk
        self.env = env
        self.depth = depth
        self.module: Module = walk.module
        self.function: FunctionNode | None = walk.node
        self.mode = walk.mode
        self.order_free: set[int] = set()
        self.taints: list[tuple[str, str]] = []
        self.pending: dict[int, tuple[Value, str]] = {}
        self.settled: set[int] = set()
        self.comprehension = 0
        self.muted = 0

    # -- reporting -------------------------------------------------------------------------------------------------
    def fire(self, event: str, *arguments: Any) -> None:
        """Tells every rule that listens to an event."""
        if self.muted:
            return
        for rule in self.engine.listeners(event, self.mode):
            getattr(rule, event)(self, *arguments)

    def report(
        self, rule: Rule, node: ast.AST, message: str, fix: Fix | None = None, expression: str | None = None
    ) -> None:
        """Writes a defect down, at its place."""
        if self.mode == IMPORT or self.muted:
            self.taints.append((rule.code, message))
            return
        self.report_in(self.module, rule, node, message, fix, expression)

    def report_in(
        self,
        module: Module,
        rule: Rule,
        node: ast.AST,
        message: str,
        fix: Fix | None = None,
        expression: str | None = None,
    ) -> None:
        """As `report`, for a node of another module."""
        place = module.source.place(node)
        if fix is not None and not _reads_back(module, node):
            fix = None
        fact = Fact(rule.code, place, message, module, fix, expression)
        self.walk.facts.setdefault((rule.code, place), fact)

    # -- text and fixes --------------------------------------------------------------------------------------------
    def text(self, node: ast.AST) -> str:
        return self.module.source.read(node)

    def replace(self, node: ast.AST, content: str) -> Edit:
        return Edit(self.module.source.place(node), content)

    def wrap(self, function: str, node: ast.expr) -> tuple[Edit, ...]:
        """Give an expression to a function; a `yield` keeps the parentheses that it has around it."""
        if not isinstance(node, ast.Yield | ast.YieldFrom):
            return (self.replace(node, f"{function}({self.text(node)})"),)
        at = self.module.source.place(node)
        around = Place(at.row, at.column - 1, at.end_row, at.end_column + 1)
        text = self.module.source.span(around) if at.column > 1 else ""
        if text[:1] + text[-1:] != "()":
            return (self.replace(node, f"{function}(({self.text(node)}))"),)
        return (Edit(around, f"{function}({text})"),)

    def insert(self, node: ast.AST, content: str, after: bool = False) -> Edit:
        place = self.module.source.place(node)
        row, column = (place.end_row, place.end_column) if after else (place.row, place.column)
        return Edit(Place(row, column, row, column), content)

    def context(self, given: bool = False) -> str | None:
        """The name of the context of the workflow here; with `given`, that of a parameter."""
        env: Env | None = self.env
        while env is not None and env.outer is not None:
            for name, value in env.vars.items():
                if strip(value) == Instance(CONTEXT) and self.env.find(name) is env and self._is_certain(name, given):
                    return name
            env = env.outer
        return None

    def _is_certain(self, name: str, given: bool) -> bool:
        """Whether a name that holds the context always does: a parameter with a default may hold something else."""
        function = self.function
        while function is not None and name not in function.scope[0]:
            function = function.parent
        if function is None or name in function.defaults:
            return False
        return not given or any(parameter.arg == name for parameter in function.parameters)

    def context_expression(self, given: bool = False) -> tuple[str, tuple[str, ...]]:
        """An expression for the context, and what it needs imported."""
        name = self.context(given)
        if name is not None:
            return name, ()
        spelled, imports = self.spelling("Context")
        return f"{spelled}.current()", imports

    def spelling(self, name: str) -> tuple[str, tuple[str, ...]]:
        """How this module says a name of romancy, and what has to be imported for it."""
        for bound in self.module.bindings:
            value = self.engine.resolver.module_name(self.module, bound)
            if value == External(f"{PACKAGE}.{name}"):
                return bound, ()
            if value == External(PACKAGE):
                return f"{bound}.{name}", ()
        taken = name in self.module.bindings or self.env.find(name) is not None
        return (f"{PACKAGE}.{name}", (PACKAGE,)) if taken else (name, (f"{PACKAGE}:{name}",))

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node around a node of this function."""
        return self.function.parents.get(node) if self.function else None

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The statement that a node belongs to."""
        current: ast.AST | None = node
        while current is not None and not isinstance(current, ast.stmt):
            current = self.parent(current)
        return current

    # -- call objects ----------------------------------------------------------------------------------------------
    def settle(self, value: Value) -> None:
        """Notes that a call object was yielded or handed on, so that nobody forgot it."""
        for option in options(strip(value)):
            match option:
                case Durable(origin=origin) | Generator(origin=origin):
                    self.settled.add(id(origin))
                case _:
                    for inner in _inside(option):
                        self.settle(inner)

    def misuse(self, value: Value, how: str, node: ast.AST) -> None:
        """Tells the rules that a call object was used as if it were its result."""
        for option in options(strip(value)):
            if isinstance(option, Durable | Generator):
                self.settled.add(id(option.origin))
                self.fire("misused", option, how, node)


def _reads_back(module: Module, node: ast.AST) -> bool:
    """Whether the text at the place of an expression is that expression: inside of f-strings, old parsers err."""
    if sys.version_info >= (3, 12) or not isinstance(node, ast.expr):
        return True
    try:
        found = ast.parse(f"({module.source.read(node)}\n)", mode="eval").body
    except (SyntaxError, ValueError, IndexError):
        return isinstance(node, ast.GeneratorExp | ast.Starred)
    return ast.dump(found) == ast.dump(node)


def _inside(value: Value) -> tuple[Value, ...]:
    match value:
        case Container(item=item, items=items):
            return (item, *items)
        case Iterator(item=item):
            return (item,)
        case SetValue(held=held):
            return held
    return ()
