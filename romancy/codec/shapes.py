"""From annotations to shapes."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from romancy.codec import containers, fields, leaves, unions
from romancy.codec.values import ANY, FORMS, SCALAR_SHAPES, Shape, Unsupported

_SAYS_NOTHING = (Any, object, typing.NoReturn, typing.Never)
_WRAPPERS = (typing.Annotated, typing.Required, typing.NotRequired, typing.Final)
_OBJECT = frozenset({dict})


class Shapes:
    """The shapes of the annotations that are written in one place.

    Args:
        module: what texts in annotations may name: the globals of the module they stand in.
        names: what else they may name.
    """

    def __init__(self, module: Mapping[str, Any], names: Mapping[str, Any]) -> None:
        self._module = dict(module)
        self._names = dict(names)
        self._made: dict[Any, Shape] = {}
        self._being_made: dict[Any, list[Shape]] = {}

    def of(self, annotation: Any) -> Shape:
        """The shape of an annotation.

        Raises:
            Unsupported: it has none, or it cannot be resolved.
        """
        if annotation is None:
            return SCALAR_SHAPES[type(None)]
        if any(annotation is each for each in _SAYS_NOTHING):
            return ANY
        if isinstance(annotation, (str, typing.ForwardRef)):
            return self._once(str(annotation), lambda: self.of(self.resolve(annotation)))
        if isinstance(annotation, typing.TypeVar):
            return self._of_type_variable(annotation)
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        return self._of_bare(annotation) if origin is None else self._of_parametrized(annotation, origin, args)

    def resolve(self, annotation: Any) -> Any:
        """What the texts in an annotation stand for.

        Raises:
            Unsupported: one of them names what is not there.
        """
        holder = types.SimpleNamespace(__annotations__={"it": annotation})
        try:
            return typing.get_type_hints(holder, self._module, self._names, include_extras=True)["it"]
        except Exception as error:
            told = annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else annotation
            raise Unsupported(
                f"{told!r} cannot be resolved ({error}): define or import the name at the top level of the module, "
                "outside of `if TYPE_CHECKING`"
            ) from None

    def hints(self, cls: Any, bindings: Mapping[Any, Any] | None = None) -> dict[str, Any]:
        """The annotations of a class and its bases, with texts resolved and type variables replaced.

        Raises:
            Unsupported: a text in them names what is not there.
        """
        try:
            found = typing.get_type_hints(cls, localns={**self._names, cls.__name__: cls}, include_extras=True)
        except Exception as error:
            raise Unsupported(
                f"the annotations of {cls.__qualname__} cannot be resolved ({error}): define or import the name at the "
                "top level of its module"
            ) from None
        return {name: _substitute(hint, bindings or {}) for name, hint in found.items()}

    def _of_type_variable(self, variable: Any) -> Shape:
        if variable.__constraints__:
            return self.of(typing.Union[variable.__constraints__])
        return ANY if variable.__bound__ is None else self.of(variable.__bound__)

    def _of_bare(self, annotation: Any) -> Shape:
        if annotation is typing.LiteralString:
            return SCALAR_SHAPES[str]
        if hasattr(annotation, "__supertype__"):
            return self.of(annotation.__supertype__)
        if type(annotation).__name__ == "TypeAliasType":
            return self._once(annotation, lambda: self.of(annotation.__value__))
        if isinstance(annotation, type):
            return self._of_class(annotation, _bindings(annotation))
        raise Unsupported(f"{annotation!r} says nothing that can be carried as JSON")

    def _of_parametrized(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Shape:
        if origin in _WRAPPERS or str(origin) == "typing.ReadOnly":
            return self.of(args[0])
        if origin is typing.Union or origin is types.UnionType:
            return self._of_union(annotation, args)
        if origin is typing.Literal:
            return leaves.literal(args)
        if origin is tuple and annotation is not typing.Tuple:  # noqa: UP006 - some write it so
            return self._of_tuple(args)
        if type(origin).__name__ == "TypeAliasType":
            bound = dict(zip(origin.__type_params__, args, strict=True))
            return self._once(annotation, lambda: self.of(_substitute(origin.__value__, bound)))
        if containers.is_container(origin):
            return containers.container(origin, [self.of(each) for each in args])
        return self._of_class(origin, _bindings(annotation))

    def _of_tuple(self, args: tuple[Any, ...]) -> Shape:
        if len(args) == 2 and args[1] is Ellipsis:
            return containers.variadic_tuple(self.of(args[0]))
        return containers.fixed_tuple([self.of(each) for each in args])

    def _of_union(self, annotation: Any, members: tuple[Any, ...]) -> Shape:
        names = [_name(each) for each in members]
        if len(set(names)) < len(names):
            names = [f"{getattr(each, '__module__', '')}.{_name(each, '__qualname__')}" for each in members]
        if len(set(names)) < len(names):
            raise Unsupported(f"two members of {annotation!r} have the same name: give one of the classes another")
        return unions.union(names, [self.of(each) for each in members])

    def _of_class(self, cls: Any, bindings: Mapping[Any, Any]) -> Shape:
        if cls in SCALAR_SHAPES:
            return SCALAR_SHAPES[cls]
        if cls in leaves.BY_TEXT:
            return leaves.by_text(cls)
        if cls is tuple:
            return containers.variadic_tuple(ANY)
        if containers.is_container(cls):
            return containers.container(cls, [])
        if issubclass(cls, enum.Enum):
            return leaves.by_enum(cls)
        if leaves.is_pydantic(cls):
            return leaves.by_pydantic(cls)
        return self._once((cls, tuple(bindings.items())), lambda: self._of_fields(cls, bindings), _OBJECT, cls)

    def _of_fields(self, cls: Any, bindings: Mapping[Any, Any]) -> Shape:
        if typing.is_typeddict(cls):
            hints = self.hints(cls, bindings)
            return fields.typed_dict(cls, {n: self.of(hint) for n, hint in hints.items()}, _optional(cls, hints))
        found = fields.fields_of(cls)
        if found is None:
            raise Unsupported(
                f"{cls.__qualname__} cannot be carried as JSON: make it a dataclass or an attrs class, or pass what it "
                "is made of"
            )
        hints = self.hints(cls, bindings)
        return fields.record(cls, found, {each.name: self.of(hints.get(each.name, Any)) for each in found})

    def _once(self, key: Any, make: Callable[[], Shape], forms: frozenset[type] = FORMS, cls: Any = None) -> Shape:
        """A shape that may contain itself: while it is being made, one that asks for it later stands in."""
        if key in self._made:
            return self._made[key]
        if key in self._being_made:
            cell = self._being_made[key]
            return Shape(lambda v: cell[0].encode(v), lambda d: cell[0].decode(d), forms, cls=cls)
        self._being_made[key] = cell = []
        try:
            cell.append(make())
        finally:
            del self._being_made[key]
        self._made[key] = cell[0]
        return cell[0]


def _name(annotation: Any, attribute: str = "__name__") -> str:
    """What a member of a union is called in its tag: as it is written, without modules."""
    if annotation is type(None) or annotation is Ellipsis:
        return "None" if annotation is not Ellipsis else "..."
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _name(args[0], attribute)
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin is not None:
        return f"{_name(origin, attribute)}[{', '.join(_name(each, attribute) for each in args)}]"
    return str(getattr(annotation, attribute, annotation))


def _bindings(annotation: Any) -> dict[Any, Any]:
    """What the type variables of a generic class and of its bases stand for."""
    origin = typing.get_origin(annotation) or annotation
    found = dict(zip(getattr(origin, "__parameters__", ()), typing.get_args(annotation), strict=False))
    for base in getattr(origin, "__orig_bases__", ()):
        if typing.get_origin(base) not in (None, typing.Generic, typing.Protocol):
            found = {**_bindings(_substitute(base, found)), **found}
    return found


def _substitute(annotation: Any, bindings: Mapping[Any, Any]) -> Any:
    if isinstance(annotation, typing.TypeVar):
        return bindings.get(annotation, annotation)
    variables = getattr(annotation, "__parameters__", ())
    if not bindings or isinstance(annotation, type) or not variables:
        return annotation
    return annotation[tuple(bindings.get(each, each) for each in variables)]


def _optional(cls: Any, hints: dict[str, Any]) -> set[str]:
    """The keys that may be missing: what a class keeps of it misses those whose annotations were texts."""
    said = {name: typing.get_origin(hint) for name, hint in hints.items()}
    return {
        name
        for name, origin in said.items()
        if origin is typing.NotRequired or (name in cls.__optional_keys__ and origin is not typing.Required)
    }
