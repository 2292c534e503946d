"""Drives the analysis: walks every workflow and what it reaches, then reads the findings off the walks."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from romancy_lint.analysis.definitions import Definitions, stand_in
from romancy_lint.analysis.findings import Findings
from romancy_lint.analysis.frames import Frames
from romancy_lint.analysis.generics import Generics
from romancy_lint.analysis.model import ClassNode, FunctionNode, Module
from romancy_lint.analysis.mutation import Mutations
from romancy_lint.analysis.resolve import Resolver
from romancy_lint.analysis.values import (
    UNKNOWN,
    Decorator,
    Durable,
    External,
    Function,
    Instance,
    Value,
    options,
    strip,
)
from romancy_lint.analysis.walk import Walk
from romancy_lint.analysis.walker import Walker
from romancy_lint.finding import Finding
from romancy_lint.imports import closure
from romancy_lint.names.language import CONTEXT, PACKAGE
from romancy_lint.names.table import tables
from romancy_lint.project import Project

if TYPE_CHECKING:
    from romancy_lint.config import Config
    from romancy_lint.rules.rule import Rule

_TRUSTED = re.compile(r"#\s*romancy:\s*deterministic\b")
_DECORATORS = {f"{PACKAGE}.activity": "activity", f"{PACKAGE}.workflow": "workflow"}


class Engine:
    """One analysis of a set of modules that import each other."""

    def __init__(self, project: Project, config: Config, rules: Sequence[Rule]) -> None:
        self.project = project
        self.config = config
        self.rules = {rule.code: rule for rule in rules}
        self.resolver = Resolver(self)
        self.frames = Frames(self)
        self.walker = Walker(self)
        self.definitions = Definitions(self)
        self.generics = Generics(self)
        self.call_table, self.read_table = tables(config.nondeterministic, config.deterministic)
        self.decorators = dict(_DECORATORS)
        self.decorators.update(dict.fromkeys(config.workflow_decorators, "workflow"))
        self.decorators.update(dict.fromkeys(config.activity_decorators, "activity"))
        self.group: frozenset[Path] | None = None
        self.import_taints: dict[int, tuple[str, str]] = {}
        self.workflows: dict[FunctionNode, Walk] = {}
        self.activities: dict[FunctionNode, Walk] = {}
        self.implementations: set[FunctionNode] = set()
        self._listeners: dict[tuple[str, str], list[Rule]] = {}
        self._names: dict[object, list[FunctionNode]] | None = None
        self._closures: dict[Module, set[Path]] = {}
        self._imported: dict[Path, list[tuple[int, str]]] = {}

    # -- rules -----------------------------------------------------------------------------------------------------
    def listeners(self, event: str, mode: str) -> list[Rule]:
        """The rules that listen to an event in a kind of code."""
        key = (event, mode)
        if key not in self._listeners:
            found = [r for r in self.rules.values() if mode in r.modes and hasattr(r, event)]
            self._listeners[key] = found
        return self._listeners[key]

    def owner(self, code: str, mode: str) -> Rule | None:
        rule = self.rules.get(code)
        return rule if rule is not None and mode in rule.modes else None

    # -- functions -------------------------------------------------------------------------------------------------
    def durable_decorator(self, value: Value) -> Decorator | None:
        """What a value is as a decorator of activities or workflows; one of several when all make the same."""
        found: list[Decorator] = []
        for option in options(strip(value)):
            inner = strip(option)
            if isinstance(inner, External) and inner.name in self.decorators:
                inner = Decorator(inner.name)
            if not isinstance(inner, Decorator):
                return None
            found.append(inner)
        alike = {self.decorators[one.name] for one in found}
        return found[0] if len(alike) == 1 else None

    def kind_of(self, function: Function) -> str | None:
        """Whether a function value is an activity or a workflow."""
        return function.kind or self.resolver.marks(function.node).kind

    def is_trusted(self, node: FunctionNode) -> bool:
        """Whether the author vouches for a function, by comment or configuration."""
        if f"{node.module.name}.{node.qualname}" in self.config.deterministic:
            return True
        if isinstance(node.node, ast.Lambda):
            return False
        first = min([node.node.lineno, *(d.lineno for d in node.node.decorator_list)])
        lines = node.module.source.lines[first - 1 : max(node.node.body[0].lineno - 1, node.node.lineno)]
        return any(_TRUSTED.search(line) for line in lines)

    def result_of(self, value: Value) -> Value:
        """What yielding a call object gives back."""
        if not isinstance(value, Durable):
            return UNKNOWN
        if value.kind == "gather":
            return value.result
        if value.target is None or value.target.returns is None:
            return UNKNOWN
        annotation: ast.expr = value.target.returns
        if value.kind == "workflow" and isinstance(annotation, ast.Subscript):
            annotation = annotation.slice
        return self.resolver.annotation(value.target.module, annotation)

    # -- the program -----------------------------------------------------------------------------------------------
    def is_module(self, name: str) -> bool:
        """Whether an external name is a module, as far as its spelling tells."""
        head = name.partition(".")[0]
        last = name.rpartition(".")[2]
        return (
            name in sys.stdlib_module_names or (head in sys.stdlib_module_names and last == "path") or "." not in name
        )

    def subclasses(self, node: ClassNode) -> Iterable[ClassNode]:
        """The classes of the loaded modules that derive from a class."""
        for module in list(self.project.modules.values()):
            for statement in module.source.tree.body if module else ():
                if isinstance(statement, ast.ClassDef) and module is not None:
                    child = module.class_(statement)
                    if child is not node and any(base is node for base in self.resolver.lineage(child)):
                        yield child

    def taints_of(self, module: Module, name: str) -> list[tuple[str, str]]:
        """Why the value of a top-level name was not the same in another process."""
        self.resolver.module_name(module, name)
        values = [b.value for b in module.bindings.get(name, ()) if b.value is not None]
        return [self.import_taints[id(value)] for value in values if id(value) in self.import_taints]

    def is_own(self, path: Path) -> bool:
        """Whether a file belongs to what this analysis is about; a project may hold other files too."""
        return self.group is None or path in self.group

    def imports(self, module: Module, other: Module) -> bool:
        """Whether importing one module imports the other."""
        if module not in self._closures:
            self._closures[module] = closure(self.project, module.path, self._imported)
        return other.path in self._closures[module]

    def workflow_names(self, named: Callable[[FunctionNode], str | None]) -> dict[object, list[FunctionNode]]:
        """The workflows of each module, and those of each name."""
        if self._names is None:
            self._names = {}
            for node in list(self.workflows):
                name = named(node)
                if name is not None:
                    self._names.setdefault(name, []).append(node)
                    self._names.setdefault(node.module, []).append(node)
        return self._names

    @cached_property
    def mutations(self) -> Mutations:
        """Who rebinds or mutates module-level variables."""
        return Mutations(self)

    # -- the run ---------------------------------------------------------------------------------------------------
    def run(self, modules: Iterable[Module]) -> list[Finding]:
        """Every finding of what the workflows of these modules reach."""
        modules = list(modules)
        for module in modules:
            self.definitions.collect(module)
        while found := self._found():
            for function in found:
                self._start(function)
        for module in modules:
            frame = self.frames.of_module(module)
            for rule in self.listeners("checked", "workflow"):
                checked: Any = rule
                checked.checked(frame, module)
                self.workflows.setdefault(stand_in(module), frame.walk)
        return Findings(self).all()

    def _found(self) -> list[Function]:
        """The workflows and activities that came up, once all that waited is walked."""
        self.walker.catch_up()
        return self.definitions.take()

    def _start(self, function: Function) -> None:
        node = function.node
        if self.kind_of(function) == "workflow":
            if node not in self.workflows:
                first = node.parameters[:1]
                if node.owner is not None and len(node.parameters) > 1:
                    first = node.parameters[1:2]
                bound: dict[str, Value] = {p.arg: Instance(CONTEXT) for p in first}
                self.workflows[node] = Walk(node, node.module, "workflow")
                self.workflows[node] = self.walker.visit(Function(node, function.env), bound, 0)
        elif node not in self.activities:
            walk = Walk(node, node.module, "activity")
            self.activities[node] = walk
            self.walker.run(walk, self.frames.of_function(walk, function, 0))
