"""Calls: of external names, of functions, classes and objects of the project, and of builtins."""

from __future__ import annotations

import ast

from romancy_lint.analysis.externals import Externals, is_exception
from romancy_lint.analysis.model import ClassNode, Marks
from romancy_lint.analysis.values import (
    UNKNOWN,
    Choice,
    Class,
    Constant,
    Container,
    Decorator,
    Durable,
    External,
    Function,
    Generator,
    Global,
    Instance,
    Iterator,
    Object,
    Partial,
    SetValue,
    Unknown,
    Value,
    options,
    strip,
    union,
)
from romancy_lint.analysis.walk import Walk
from romancy_lint.names.language import CALLS, CONTEXT, CONTEXT_METHODS, PACKAGE
from romancy_lint.names.types import (
    LEAKS,
    MUTATORS,
    ORDER_FREE,
)


class Calls(Externals):
    """Everything about calls."""

    def call(self, node: ast.Call) -> Value:
        if isinstance(node.func, ast.Attribute):
            writes = isinstance(node.func.value, ast.Name | ast.Attribute) and self._writes_environment(node.func)
            base = self.quiet(node.func.value) if writes else self.eval(node.func.value)
            callee = self.method_of(base, node.func.attr, node)
            if callee is None:
                callee = self.attribute_of(base, node.func.attr, node.func)
                for option in options(callee):
                    if isinstance(option, External):
                        self.read_external(option.name, node.func)
            if not isinstance(callee, _CALLED):
                return callee
            if isinstance(callee, Unknown) and _answers(base):
                return self.builtin_method(base, node.func.attr, node)
        else:
            callee = self.eval(node.func)
        if isinstance(callee, External) and self._is_order_free(callee.name, node):
            self.order_free.update(id(argument) for argument in node.args)
        arguments, keywords = self.arguments_of(node)
        if isinstance(callee, Unknown):
            self.fire("unresolved", node)
            if isinstance(node.func, ast.Attribute) and node.func.attr == "sort" and "key" in keywords:
                self.called_back(keywords["key"], node, sure=True)
        return self.apply(callee, node, arguments, keywords)

    def _writes_environment(self, method: ast.Attribute) -> bool:
        """Whether a method changes the environment, which is more than to read it."""
        return method.attr in MUTATORS["dict"] and self.quiet(method.value) in _ENVIRONMENTS

    def _is_order_free(self, name: str, node: ast.Call) -> bool:
        if name in ORDER_FREE:
            return not any(k.arg == "key" for k in node.keywords)
        passing = name in LEAKS or name in ("builtins.map", "builtins.filter", "builtins.iter", "builtins.reversed")
        return passing and id(node) in self.order_free

    def arguments_of(self, node: ast.Call) -> tuple[list[Value], dict[str, Value]]:
        arguments: list[Value] = []
        for argument in node.args:
            value = self.eval(argument)
            if isinstance(argument, ast.Starred):
                self.unordered(value, argument.value, "unpacking")
                self.walked(value, argument.value)
                self.settle(value)
                inner = strip(value)
                if not isinstance(inner, Container) or not inner.items:
                    arguments.append(Iterator())
                    continue
                arguments.extend(inner.items)
            else:
                arguments.append(value)
        keywords = {}
        for keyword in node.keywords:
            value = self.eval(keyword.value)
            keywords[keyword.arg or "**"] = value
        return arguments, keywords

    # -- dispatch --------------------------------------------------------------------------------------------------
    def apply(self, callee: Value, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        """Calls a value."""
        match callee:
            case External(name=name):
                return self.external_call(name, node, arguments, keywords)
            case Function():
                return self.function_call(callee, node, arguments, keywords)
            case Class(node=class_):
                return self.instantiate(class_, node, arguments, keywords)
            case Partial(target=target, arguments=bound, keywords=named):
                if isinstance(target, Function | Class):
                    return self.apply(target, node, [*bound, *arguments], {**dict(named), **keywords})
                return self.apply(target, node, arguments, keywords)
            case Decorator(name=name):
                made = self.apply(External(name), node, arguments, keywords)
                return made if arguments else self.decorator(callee, node)
            case Choice(options=several):
                return union([self.apply(option, node, arguments, keywords) for option in several])
            case Global(value=inner) if not isinstance(inner, Object):
                return self.apply(inner, node, arguments, keywords)
            case Global() | Object():
                self.hand_over(arguments, keywords)
                return self.implicit(callee, ("__call__",), node, *arguments)
            case Instance(type="weakref.ref"):
                self.fire_use("ROM135", "weakref.ref", node, None)
        self.hand_over(arguments, keywords)
        return UNKNOWN

    def hand_over(self, arguments: list[Value], keywords: dict[str, Value]) -> None:
        """Call objects given to something else are its business."""
        for value in (*arguments, *keywords.values()):
            self.settle(value)

    # -- the language ----------------------------------------------------------------------------------------------
    def language_call(self, name: str, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        short = name.removeprefix(PACKAGE + ".")
        self.hand_over(arguments, keywords)
        self.fire("language", short, node)
        if short == "Context.current":
            return Instance(CONTEXT)
        if short.startswith("Context."):
            method = short.removeprefix("Context.")
            return Instance(CONTEXT_METHODS[method]) if method in CONTEXT_METHODS else UNKNOWN
        if short in CALLS:
            if short in ("gather", "race"):
                for value in (*arguments, *(self.item_of(v) for v in arguments)):
                    if any(isinstance(strip(o), Durable | Generator) for o in options(value)):
                        self.walk.operations = self.walk.operations or None
            return Durable(CALLS[short], node, None, self._gathered(node, arguments) if short == "gather" else UNKNOWN)
        if short in ("activity", "workflow"):
            if not arguments:
                return self.decorator(External(name), node)
            inner = strip(arguments[0])
            return Function(inner.node, inner.env, inner.bound, kind=short) if isinstance(inner, Function) else UNKNOWN
        return Instance(name) if short[:1].isupper() else UNKNOWN

    def _gathered(self, node: ast.expr, arguments: list[Value]) -> Value:
        """The list of what several calls give back."""
        if any(isinstance(a, ast.Starred) for a in getattr(node, "args", ())):
            return Container("list")
        results = tuple(self._result(argument) for argument in arguments)
        return Container("list", union(list(results)), results)

    def _result(self, call: Value) -> Value:
        inner = strip(call)
        result = inner.returns if isinstance(inner, Generator) else self.engine.result_of(inner)
        return result if isinstance(result, SetValue | Object | Instance) else UNKNOWN

    # -- functions of the project ----------------------------------------------------------------------------------
    def function_call(
        self, function: Function, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]
    ) -> Value:
        """Calls a function; a generic one calls a handler instead."""
        marks = self.engine.resolver.marks(function.node)
        if not marks.is_generic:
            return self._enter(function, marks, node, arguments, keywords)
        several = self.engine.generics.chosen(function, arguments)
        return union([self._enter(target, marks, node, arguments, keywords) for target in several])

    def _enter(
        self,
        function: Function,
        marks: Marks,
        node: ast.expr,
        arguments: list[Value],
        keywords: dict[str, Value],
    ) -> Value:
        kind = self.engine.kind_of(function)
        if kind is not None and not function.bypass:
            self.fire("durable_call", function.node, node, arguments, keywords)
            for value in (*arguments, *keywords.values()):
                self.misuse_unless_list(value, "payload", node)
            self.hand_over(arguments, keywords)
            return Durable(kind, node, function.node)
        if function.bypass or function.node in self.engine.implementations:
            self.fire("bypassed", function.node, node)
            return UNKNOWN
        self.hand_over(arguments, keywords)
        if self.mode == "activity":
            return UNKNOWN
        bound = self.engine.walker.bind_arguments(function, arguments, keywords)
        self._defaults(function, bound)
        walk = self.visit(function, node, bound)
        if walk is None:
            return UNKNOWN
        if function.node.is_async:
            return UNKNOWN
        if function.node.is_generator:
            if marks.is_context:
                return Instance("contextlib.AbstractContextManager")
            operations = walk.operations if walk.finished else None
            return Generator(node, function.node, operations, walk.returns)
        if isinstance(walk.returns, Unknown) and function.node.returns is not None:
            return self.engine.resolver.annotation(function.node.module, function.node.returns)
        return _rooted(walk.returns, node)

    def _defaults(self, function: Function, bound: dict[str, Value]) -> None:
        for name, default in function.node.defaults.items():
            if name not in bound:
                if not isinstance(default, ast.Constant) and not function.node.is_nested:
                    self.fire("import_default", function.node, default)
                value = self.engine.walker.default_value(function.node, default)
                if not isinstance(value, Constant):
                    bound[name] = value

    def visit(self, function: Function, node: ast.expr, bound: dict[str, Value]) -> Walk | None:
        """Walks a function that this one calls."""
        if self.mode == "activity" or self.engine.is_trusted(function.node):
            return None
        walk = self.engine.walker.visit(function, bound, self.depth + 1)
        self.walk.call(walk, node)
        if self.mode == "import":
            self.taints += [(f.code, f.message) for f in walk.facts.values() if f.code.startswith("ROM1")]
        return walk

    # -- classes ---------------------------------------------------------------------------------------------------
    def instantiate(
        self, class_: ClassNode, node: ast.expr, arguments: list[Value], keywords: dict[str, Value]
    ) -> Value:
        resolver = self.engine.resolver
        instance = Object(class_)
        if self.mode != "activity":
            for method in ("__new__", "__init__", "__post_init__", "__attrs_post_init__"):
                found = resolver.class_attribute(class_, method, instance) if resolver.defines(class_, method) else None
                if isinstance(found, Function):
                    given = (arguments, keywords) if method == "__init__" else ([], {})
                    self.apply(found, node, *given)
            self._field_factories(class_, keywords)
        self.hand_over(arguments, keywords)
        external = [b for b in resolver.lineage(class_) if isinstance(b, External)]
        for base in external:
            code = self.engine.call_table.code(base.name)
            if code in ("ROM202", "ROM203", "ROM205") and not is_exception(base.name):
                self.fire_use(code, base.name, node, node if isinstance(node, ast.Call) else None)
        return instance

    def _field_factories(self, class_: ClassNode, keywords: dict[str, Value]) -> None:
        """`field(default_factory=…)` of a dataclass is called when the field is not given."""
        for current in self.engine.resolver.lineage(class_):
            if not isinstance(current, ClassNode):
                continue
            for name, bindings in current.bindings.items():
                value = bindings[-1].value
                if not isinstance(bindings[-1].node, ast.AnnAssign | ast.Assign) or value is None or name in keywords:
                    continue
                self._factory(current, value)

    def _factory(self, class_: ClassNode, value: ast.expr) -> None:
        if not isinstance(value, ast.Call):
            return
        walk = self.engine.frames.class_walk(class_)
        self.walk.call(walk, value)
        frame = self.engine.frames.of_walk(walk, self.depth + 1)
        for made in _factories(frame, value):
            target = frame.quiet(made)
            if isinstance(target, External):
                code = self.engine.call_table.code(target.name)
                if code is not None:
                    frame.fire_use(code, target.name, made, None)
            else:
                frame.apply(target, made, [], {})
        self.fire("import_default_of_class", class_, value)


def _factories(frame: Calls, value: ast.Call) -> list[ast.expr]:
    """What the description of a field names as its factory: `default_factory=…`, `factory=…`, `Factory(…)`."""
    found = [keyword.value for keyword in value.keywords if keyword.arg in ("default_factory", "factory")]
    for call in (value, *(keyword.value for keyword in value.keywords if keyword.arg == "default")):
        if isinstance(call, ast.Call) and call.args and strip(frame.quiet(call.func)) in _FACTORIES:
            found.append(call.args[0])
    return found


_FACTORIES = (External("attrs.Factory"), External("attr.Factory"))


_ENVIRONMENTS = (External("os.environ"), External("os.environb"))
#: What an attribute may be that is called with the arguments; everything else was a method, and called already.
_CALLED = (External, Function, Class, Choice, Decorator, Partial, Global, Object, Unknown)


def _answers(base: Value) -> bool:
    return isinstance(strip(base), Container | SetValue | Constant | Instance | Iterator)


def _rooted(value: Value, node: ast.expr) -> Value:
    """A call object that a helper made counts from the place where the helper was called."""
    match value:
        case Durable(kind=kind, target=target):
            return Durable(kind, node, target, value.result)
        case Generator(node=function, operations=operations, returns=returns):
            return Generator(node, function, operations, returns)
    return value
