"""Drives the analysis: walks every workflow and what it reaches, then reads the findings off the walks."""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from romancy_lint.analysis.findings import Findings
from romancy_lint.analysis.model import ClassNode, FunctionNode, Module, declares_flow
from romancy_lint.analysis.mutation import Mutations
from romancy_lint.analysis.resolve import Resolver
from romancy_lint.analysis.scope import Env, every_statement
from romancy_lint.analysis.statements import Statements
from romancy_lint.analysis.values import (
    UNKNOWN,
    Class,
    Constant,
    Container,
    Durable,
    External,
    Function,
    Generator,
    Instance,
    Iterator,
    Object,
    Unknown,
    Value,
    strip,
)
from romancy_lint.analysis.walk import Walk
from romancy_lint.finding import Finding
from romancy_lint.imports import closure
from romancy_lint.names.language import CONTEXT, PACKAGE
from romancy_lint.names.table import tables
from romancy_lint.project import Project

if TYPE_CHECKING:
    from romancy_lint.config import Config
    from romancy_lint.rules.rule import Rule

_CONTEXTS = 12
_MANY = 5_000
_DEPTH = 40
_TRUSTED = re.compile(r"#\s*romancy:\s*deterministic\b")
_DECORATORS = {f"{PACKAGE}.activity": "activity", f"{PACKAGE}.workflow": "workflow"}


class Engine:
    """One analysis of a set of modules that import each other."""

    def __init__(self, project: Project, config: Config, rules: Sequence[Rule]) -> None:
        self.project = project
        self.config = config
        self.rules = {rule.code: rule for rule in rules}
        self.resolver = Resolver(self)
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
        self._waiting: deque[tuple[Walk, Statements]] = deque()
        self._walked = 0
        self._names: dict[object, list[FunctionNode]] | None = None
        self._found: dict[FunctionNode, Function] = {}
        self._class_walks: dict[ClassNode, Walk] = {}
        self._envs: dict[Module, Env] = {}
        self._closures: dict[Module, set[Path]] = {}
        self._imported: dict[Path, list[tuple[int, str]]] = {}
        self._started: set[FunctionNode] = set()

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

    def decorator_kind(self, name: str) -> str | None:
        return self.decorators.get(name)

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

    def is_module(self, name: str) -> bool:
        """Whether an external name is a module, as far as its spelling tells."""
        import sys

        head = name.partition(".")[0]
        last = name.rpartition(".")[2]
        return (
            name in sys.stdlib_module_names or (head in sys.stdlib_module_names and last == "path") or "." not in name
        )

    # -- frames ----------------------------------------------------------------------------------------------------
    def module_env(self, module: Module) -> Env:
        if module not in self._envs:
            self._envs[module] = Env(frozenset(module.bindings), None)
        return self._envs[module]

    def import_frame(self, module: Module, env: object = None) -> Statements:
        """A frame for code that runs while its module is imported."""
        walk = Walk(None, module, "import")
        return Statements(self, walk, env if isinstance(env, Env) else self.module_env(module), 0)

    def frame_for(self, walk: Walk, depth: int) -> Statements:
        return Statements(self, walk, self.module_env(walk.module), depth)

    def method_frame(self, method: FunctionNode) -> Statements:
        """A frame that knows the annotated parameters of a method, to look at what it assigns."""
        walk = Walk(method, method.module, "import")
        env = Env(method.scope[0], self.module_env(method.module))
        self._declare(method, env)
        return Statements(self, walk, env, 1)

    def class_walk(self, node: ClassNode) -> Walk:
        """The walk that holds what constructing a class does by itself."""
        if node not in self._class_walks:
            walk = Walk(None, node.module, "workflow")
            walk.label, walk.line = node.name, node.node.lineno
            self._class_walks[node] = walk
        return self._class_walks[node]

    def _declare(self, node: FunctionNode, env: Env) -> None:
        arguments = node.node.args
        for parameter in node.parameters:
            if parameter is arguments.vararg or parameter is arguments.kwarg:
                continue
            if parameter.annotation is not None:
                env.vars[parameter.arg] = self.resolver.annotation(node.module, parameter.annotation)

    # -- visiting --------------------------------------------------------------------------------------------------
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
        self._walked += 1
        node.contexts[key] = walk
        env = Env(node.scope[0], function.env or self.module_env(node.module))
        self._declare(node, env)
        env.vars.update((name, value) for name, value in bound.items() if not isinstance(value, Unknown))
        self._bind_self(function, env)
        self._run_or_wait(walk, Statements(self, walk, env, depth))
        return walk

    def _is_crowded(self, node: FunctionNode) -> bool:
        """Whether a function was walked for enough different arguments; large programs get fewer."""
        limit = _CONTEXTS if self._walked < _MANY else _CONTEXTS // 4 if self._walked < 4 * _MANY else 1
        return len(node.contexts) >= limit

    def _key(self, function: Function, bound: dict[str, Value]) -> object:
        told = tuple(sorted(((n, v) for n, v in bound.items() if _matters(v)), key=lambda pair: pair[0]))
        return (id(function.env) if function.env else None, function.bound, told)

    def _bind_self(self, function: Function, env: Env) -> None:
        node = function.node
        if not node.parameters or node.owner is None or self.resolver.marks(node).is_static:
            return
        name = node.parameters[0].arg
        if function.bound is not None:
            env.vars[name] = function.bound
        elif name not in env.vars:
            is_class = self.resolver.marks(node).is_class
            env.vars[name] = Class(node.owner) if is_class else Object(node.owner)

    def _run_or_wait(self, walk: Walk, frame: Statements) -> None:
        if frame.depth > _DEPTH:
            self._waiting.append((walk, frame))
        else:
            self._run(walk, frame)

    def _run(self, walk: Walk, frame: Statements) -> None:
        node = walk.node
        assert node is not None
        if node.is_generator and declares_flow(node):
            walk.operations = True
        try:
            self._walk_body(walk, frame, node)
        except RecursionError:
            self.project.too_deep(node.module, node.node)
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

    def bind_arguments(
        self, function: Function, arguments: list[Value], keywords: dict[str, Value]
    ) -> dict[str, Value]:
        """Which parameter gets which value."""
        args = function.node.node.args
        names = [p.arg for p in (*args.posonlyargs, *args.args)]
        marks = self.resolver.marks(function.node)
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
        value = strip(self.resolver.at_import(node.module, default))
        return UNKNOWN if isinstance(value, Container | Constant) else value

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
    def found(self, function: Function) -> None:
        """Notes a workflow or activity that was defined."""
        self._found.setdefault(function.node, function)

    def run(self, modules: Iterable[Module]) -> list[Finding]:
        """Every finding of what the workflows of these modules reach."""
        modules = list(modules)
        for module in modules:
            self._collect(module)
        while self._found or self._waiting:
            while self._waiting:
                walk, frame = self._waiting.popleft()
                frame.depth = 1
                self._run(walk, frame)
            found, self._found = self._found, {}
            for function in found.values():
                self._start(function)
        for module in modules:
            frame = self.import_frame(module)
            for rule in self.listeners("checked", "workflow"):
                checked: Any = rule
                checked.checked(frame, module)
                self.workflows.setdefault(FunctionNode(module, _EMPTY), frame.walk)
        return Findings(self).all()

    def _collect(self, module: Module) -> None:
        frame = self.import_frame(module)
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
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name | ast.Attribute):
            callee = strip(frame.quiet(value.func))
            if isinstance(callee, External) and callee.name in self.decorators and value.args:
                self._applied(module, frame, callee.name, value)

    def _decorated_class(self, frame: Statements, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            target = strip(frame.quiet(decorator))
            if isinstance(target, External) and self.decorators.get(target.name) == "workflow":
                walk = Walk(None, frame.module, "workflow")
                self.workflows[FunctionNode(frame.module, _EMPTY)] = walk
                inner = Statements(self, walk, self.module_env(frame.module), 0)
                inner.fire("misshapen", node, "a class")

    def _applied(self, module: Module, frame: Statements, name: str, call: ast.Call) -> None:
        value = strip(frame.quiet(call.args[0]))
        kind = self.decorators[name]
        if isinstance(value, Function) and not isinstance(value.node.node, ast.Lambda):
            self.implementations.add(value.node)
            self.found(Function(value.node, value.env, kind=kind))
        elif kind == "workflow" and not isinstance(value, Unknown):
            walk = Walk(None, module, "workflow")
            self.workflows[FunctionNode(module, _EMPTY)] = walk
            inner = Statements(self, walk, self.module_env(module), 0)
            inner.fire("misshapen", call, "a lambda" if isinstance(value, Function) else "not a function")

    def _collect_function(self, function: FunctionNode) -> None:
        value = self.resolver.function_value(function)
        if self.resolver.marks(function).kind is not None:
            self.found(value if isinstance(value, Function) and value.node is function else Function(function))

    def _enter_quietly(self, module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Walks a function that no workflow reaches for the workflows that it defines."""
        function = module.function(node)
        if function in self._started:
            return
        self._started.add(function)
        walk = Walk(function, module, "import")
        env = Env(function.scope[0], self.module_env(module))
        self._declare(function, env)
        frame = Statements(self, walk, env, 1)
        frame.muted += 1
        frame.block(node.body)

    def _start(self, function: Function) -> None:
        node = function.node
        if self.kind_of(function) == "workflow":
            if node not in self.workflows:
                first = node.parameters[:1]
                if node.owner is not None and len(node.parameters) > 1:
                    first = node.parameters[1:2]
                bound: dict[str, Value] = {p.arg: Instance(CONTEXT) for p in first}
                self.workflows[node] = Walk(node, node.module, "workflow")
                self.workflows[node] = self.visit(Function(node, function.env), bound, 0)
        elif node not in self.activities:
            walk = Walk(node, node.module, "activity")
            self.activities[node] = walk
            env = Env(node.scope[0], function.env or self.module_env(node.module))
            self._declare(node, env)
            self._bind_self(function, env)
            self._run(walk, Statements(self, walk, env, 0))


def _matters(value: Value) -> bool:
    """Whether a function behaves differently for an argument, as far as rules can tell."""
    if isinstance(value, Container):
        return _matters(value.item) or any(_matters(item) for item in value.items)
    return not isinstance(value, Unknown | Constant)


def _holds_decorated(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.decorator_list
        for part in every_statement(node.body)
    )


#: Stands for what has findings of its own but is no function: a module, a decorated class.
_EMPTY = ast.Lambda(ast.parse("lambda: None", mode="eval").body.args, ast.Constant(None))  # type: ignore[attr-defined]
