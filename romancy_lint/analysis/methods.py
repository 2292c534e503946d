"""Methods of builtin values: sets, lists, dictionaries, texts, and call objects."""

from __future__ import annotations

import ast

from romancy_lint.analysis.expressions import Expressions
from romancy_lint.analysis.values import (
    UNKNOWN,
    Choice,
    Container,
    Durable,
    Generator,
    Instance,
    Object,
    SetValue,
    Unknown,
    Value,
    strip,
    type_name,
    union,
)
from romancy_lint.names.language import CALL_METHODS
from romancy_lint.names.special import FORMAT
from romancy_lint.names.types import (
    MUTABLE_CLASSES,
    MUTATORS,
)

_SET_RESULTS = frozenset(["union", "intersection", "difference", "symmetric_difference", "copy"])


class Methods(Expressions):
    """What methods of builtin values do."""

    def method_of(self, base: Value, name: str, node: ast.Call) -> Value | None:
        """What a method of a builtin value or call object is; None when attributes say it."""
        if isinstance(base, Choice):
            for option in base.options:
                self._mutation(option, strip(option), name, node)
                if isinstance(strip(option), SetValue) and name == "pop":
                    self.fire("unordered", strip(option), node, "pop")
            return None
        inner = strip(base)
        if isinstance(inner, Durable) and name in CALL_METHODS:
            self.arguments_of(node)
            return inner
        if isinstance(inner, Generator) and name in ("send", "throw", "close", "__next__"):
            self.misuse(inner, "driven", node)
            return UNKNOWN
        self._mutation(base, inner, name, node)
        if isinstance(inner, SetValue):
            return self._set_method(inner, name, node)
        if isinstance(inner, Object) and name in ("get", "pop", "setdefault") and node.args:
            return self._typed_method(inner, node)
        return None

    def _typed_method(self, inner: Object, node: ast.Call) -> Value | None:
        """What a method of a dictionary takes out, where the type of the dictionary says so."""
        typed = self.engine.resolver.typed_key(inner.node, self.quiet(node.args[0]))
        if not isinstance(typed, SetValue | Container):
            return None
        self.arguments_of(node)
        return typed

    def _mutation(self, base: Value, inner: Value, name: str, node: ast.Call) -> None:
        match inner:
            case Container(kind=kind) if kind in MUTATORS:
                mutates = name in MUTATORS[kind]
            case SetValue():
                mutates = name in MUTATORS["set"]
            case Instance(type=kind) if kind in MUTABLE_CLASSES:
                mutates = name in MUTATORS[MUTABLE_CLASSES[kind]]
            case Unknown():
                mutates = name in MUTATORS["any"]
            case _:
                mutates = False
        if mutates and isinstance(node.func, ast.Attribute):
            self.fire("mutated", base, node.func.value, node)

    def _set_method(self, value: SetValue, name: str, node: ast.Call) -> Value | None:
        if name in (
            "union",
            "update",
            "intersection",
            "difference",
            "issubset",
            "issuperset",
            "isdisjoint",
            "intersection_update",
            "difference_update",
            "symmetric_difference",
        ):
            self.order_free.update(id(argument) for argument in node.args)
        if name == "pop":
            self.fire("unordered", value, node, "pop")
        if name in _SET_RESULTS:
            arguments, _ = self.arguments_of(node)
            kinds = {v.element for v in map(strip, arguments) if isinstance(v, SetValue)} | {value.element}
            return SetValue(kinds.pop() if len(kinds) == 1 else None)
        return None

    def builtin_method(self, base: Value, name: str, node: ast.Call) -> Value:
        """Methods of strings, lists and dictionaries."""
        inner = strip(base)
        if name == "join" and type_name(inner) in ("builtins.str", "builtins.bytes"):
            return self._join_text(node)
        arguments, keywords = self.arguments_of(node)
        for value in (*arguments, *keywords.values()):
            self._collect(inner, value, node)
            self.called_back(value, node, sure=name == "sort")
        if name == "format" and type_name(inner) == "builtins.str":
            for argument, value in zip(node.args, arguments, strict=False):
                self.written(value, argument, "format", FORMAT)
            return Instance("builtins.str")
        if name == "extend" and arguments:
            self.walked(arguments[0], node)
        if isinstance(inner, Container):
            return self._container_method(inner, name, node, arguments)
        kind = type_name(inner)
        return (
            Instance(kind) if kind in ("builtins.str", "builtins.bytes") and name not in ("split", "find") else UNKNOWN
        )

    def _collect(self, container: Value, value: Value, node: ast.Call) -> None:
        """A call object that goes into a local list may still be forgotten there."""
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if isinstance(container, Container) and isinstance(owner, ast.Name) and isinstance(value, Durable | Generator):
            self.pending[id(value.origin)] = (value, owner.id)
        else:
            self.settle(value)

    def _join_text(self, node: ast.Call) -> Value:
        for argument in node.args:
            if not isinstance(argument, ast.GeneratorExp):
                value = self.eval(argument)
                self.unordered(value, argument, "join")
                self.walked(value, argument)
                continue
            free = id(argument) in self.order_free
            self.order_free.add(id(argument))
            self.eval(argument)
            if not free:
                first = argument.generators[0].iter
                self.unordered(self.quiet(first), first, "comprehension")
        return Instance("builtins.str")

    def _container_method(self, inner: Container, name: str, node: ast.Call, arguments: list[Value]) -> Value:
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            if name in ("append", "insert", "add", "appendleft") and arguments:
                grown = union([inner.item, arguments[-1]])
                self._regrow(node.func.value.id, Container(inner.kind, grown))
            elif name == "extend" and arguments:
                if id(node.args[0]) not in self.order_free:
                    self.unordered(arguments[0], node.args[0], "extend")
                self._regrow(node.func.value.id, Container(inner.kind, union([inner.item, self.item_of(arguments[0])])))
        if inner.kind == "dict":
            if name == "keys":
                return Container("keys")
            if name in ("get", "pop", "setdefault"):
                return inner.item
            if name == "values":
                return Container("list", inner.item)
            if name == "items":
                return Container("list", Container("tuple", UNKNOWN, (UNKNOWN, inner.item)))
        if name == "copy":
            return inner
        return inner.item if name in ("pop", "popleft") else UNKNOWN

    def _regrow(self, name: str, value: Value) -> None:
        env = self.env.find(name)
        if env is not None and env.outer is not None and isinstance(env.vars.get(name), Container):
            env.vars[name] = value

    # -- what the other mixins bring -------------------------------------------------------------------------------
    def arguments_of(self, node: ast.Call) -> tuple[list[Value], dict[str, Value]]:
        raise NotImplementedError

    def called_back(self, value: Value, node: ast.expr, sure: bool = False) -> None:
        raise NotImplementedError
