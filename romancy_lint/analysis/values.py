"""What an expression may stand for, as far as determinism needs to know; everything else is UNKNOWN."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from romancy_lint.analysis.model import ClassNode, FunctionNode, Module
    from romancy_lint.analysis.scope import Env


class Value:
    """An abstract value."""

    __slots__ = ()


#: How deeply values nest; what lies deeper is unknown, since a value that doubles in each call would never be compared.
_DEEPEST = 5


def _nested(value: Value, *parts: Value) -> bool:
    """Notes how deep a value is; whether that is too deep."""
    depth = max([getattr(part, "depth", 0) for part in parts])
    if depth:
        object.__setattr__(value, "depth", depth % _DEEPEST + 1)
    return depth >= _DEEPEST


@dataclass(frozen=True, slots=True)
class Unknown(Value):
    """Anything at all."""


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class External(Value):
    """A name outside of the project, fully qualified: a module, function, class or attribute."""

    name: str


@dataclass(frozen=True, slots=True)
class Instance(Value):
    """An instance of a class outside of the project; `builtins.str` and the like included."""

    type: str


@dataclass(frozen=True, slots=True)
class Constant(Value):
    """A literal."""

    value: object
    type: str


@dataclass(frozen=True, slots=True)
class ModuleValue(Value):
    """A module of the project."""

    module: Module


@dataclass(frozen=True, slots=True)
class Function(Value):
    """A function of the project, with the scope that it closes over and the object that it is bound to."""

    node: FunctionNode
    env: Env | None = None
    bound: Value | None = None
    bypass: bool = False
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Decorator(Value):
    """What makes activities or workflows, with the calls that gave it options, each with the module it stands in."""

    name: str
    calls: tuple[tuple[ast.Call, Module], ...] = ()


@dataclass(frozen=True, slots=True)
class Class(Value):
    """A class of the project."""

    node: ClassNode


@dataclass(frozen=True, slots=True)
class Object(Value):
    """An instance of a class of the project; `declared` when only an annotation says so."""

    node: ClassNode
    declared: bool = False


@dataclass(frozen=True, slots=True)
class Container(Value):
    """A list, tuple, dict, generator expression or other iterable, with what its items (or values) may be."""

    kind: str
    item: Value = UNKNOWN
    items: tuple[Value, ...] = ()
    keys: tuple[object, ...] = ()
    depth: int = field(default=1, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if _nested(self, self.item, *self.items):
            for name, value in (("item", UNKNOWN), ("items", ()), ("keys", ())):
                object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class SetValue(Value):
    """A set or frozenset; `element` names the builtin type of its elements where it is known."""

    element: str | None = None
    kind: str = "set"
    held: tuple[Durable | Generator, ...] = ()


@dataclass(frozen=True, slots=True)
class Iterator(Value):
    """An iterator over anything; `endless` when it cannot run out, `unordered` when it walks a set."""

    item: Value = UNKNOWN
    endless: bool = False
    unordered: bool = False
    depth: int = field(default=1, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if _nested(self, self.item):
            object.__setattr__(self, "item", UNKNOWN)


@dataclass(frozen=True, slots=True)
class Durable(Value):
    """A call object of the workflow language, made and perhaps not yet yielded."""

    kind: str
    origin: ast.expr
    target: FunctionNode | None = None
    result: Value = UNKNOWN


@dataclass(frozen=True, slots=True)
class Generator(Value):
    """A generator of the project; `operations` when it yields durable calls, None when that is not known."""

    origin: ast.expr
    node: FunctionNode
    operations: bool | None
    returns: Value = UNKNOWN
    depth: int = field(default=1, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if _nested(self, self.returns):
            object.__setattr__(self, "returns", UNKNOWN)


@dataclass(frozen=True, slots=True)
class Global(Value):
    """What a module-level variable holds, with the variable."""

    value: Value
    module: Module
    name: str
    depth: int = field(default=1, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", getattr(self.value, "depth", 0))


@dataclass(frozen=True, slots=True)
class Partial(Value):
    """`functools.partial` of something, with the arguments that it binds."""

    target: Value
    arguments: tuple[Value, ...] = ()
    keywords: tuple[tuple[str, Value], ...] = ()
    depth: int = field(default=1, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if _nested(self, self.target, *self.arguments, *(value for _, value in self.keywords)):
            for name, value in (("target", UNKNOWN), ("arguments", ()), ("keywords", ())):
                object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class Choice(Value):
    """One of a few values."""

    options: tuple[Value, ...]
    depth: int = field(default=1, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", max(getattr(option, "depth", 0) for option in self.options))


_LIMIT = 6
_COLLECTIONS = (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def join(left: Value, right: Value) -> Value:
    """What may be either; a known value wins over an unknown one, since rules ask what may happen."""
    if left == right or isinstance(right, Unknown):
        return left
    if isinstance(left, Unknown):
        return right
    blended = _blend(left, right)
    if blended is not None:
        return blended
    merged = list(options(left))
    merged += [value for value in options(right) if value not in merged]
    if len(merged) > 1:
        merged = [value for value in merged if not (isinstance(value, Constant) and value.value is None)]
    return merged[0] if len(merged) == 1 else Choice(tuple(merged[:_LIMIT]))


def _blend(left: Value, right: Value) -> Value | None:
    """Two sets or two lists are one, of either's elements."""
    match left, right:
        case SetValue(kind=kind), SetValue():
            return SetValue(None, kind)
        case Container(kind="tuple", items=one), Container(kind="tuple", items=two) if len(one) == len(two) and one:
            items = tuple(join(a, b) for a, b in zip(one, two, strict=True))
            return Container("tuple", union(list(items)), items)
        case Container(kind=kind, item=one_item), Container(kind=other, item=two_item) if kind == other:
            return Container(kind, join(one_item, two_item))
    return None


def options(value: Value) -> tuple[Value, ...]:
    """The alternatives of a value."""
    return value.options if isinstance(value, Choice) else (value,)


def strip(value: Value) -> Value:
    """The value without the variable that holds it."""
    return value.value if isinstance(value, Global) else value


def made(value: Value) -> tuple[Durable | Generator, ...]:
    """The call objects that a value may be; what they give back does not matter."""
    found: list[Durable | Generator] = []
    for option in options(value):
        match option:
            case Durable(kind=kind, origin=origin, target=target):
                found.append(Durable(kind, origin, target))
            case Generator(origin=origin, node=node, operations=operations):
                found.append(Generator(origin, node, operations))
    return tuple(found)


def made_within(value: Value, node: ast.AST) -> list[Durable | Generator]:
    """The call objects in a collection that the expression itself makes, and nobody else holds."""
    if not _is_collection(node):
        return []
    match value:
        case SetValue(held=held):
            parts: tuple[Value, ...] = held
        case Container(item=item, items=items):
            parts = (*options(item), *(option for part in items for option in options(part)))
        case Iterator(item=item):
            parts = options(item)
        case _:
            return []
    calls = {id(part.origin): part for part in parts if isinstance(part, Durable | Generator)}
    inside = {id(part) for part in ast.walk(node)} if calls else set()
    return [part for key, part in calls.items() if key in inside]


def _is_collection(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("list", "tuple", "map")
    return isinstance(node, _COLLECTIONS)


def union(values: list[Value]) -> Value:
    """The join of many."""
    result: Value = UNKNOWN
    for value in values:
        result = join(result, value)
    return result


def type_name(value: Value) -> str | None:
    """The builtin or external type of a value, where it is known."""
    match strip(value):
        case Instance(type=name):
            return name
        case Constant(type=name):
            return f"builtins.{name}"
        case Container(kind=kind) if kind in ("list", "tuple", "dict"):
            return f"builtins.{kind}"
        case SetValue(kind=kind):
            return f"builtins.{kind}"
    return None
