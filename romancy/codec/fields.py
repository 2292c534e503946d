"""Classes with fields, as objects; cattrs generates the functions that take their instances apart and build them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs

from romancy.codec.text import Unfit, shown
from romancy.codec.values import Shape, Unsupported, suggesters, unfit


@attrs.frozen
class Field:
    """A field of a class: its name, what `__init__` calls it, whether that takes it, and whether it has a default."""

    name: str
    alias: str
    init: bool = True
    has_default: bool = False


def fields_of(cls: Any) -> list[Field] | None:
    """The fields of an attrs class, a dataclass or a named tuple; None for any other class.

    Raises:
        Unsupported: building an instance takes what the instance does not keep.
    """
    if attrs.has(cls):
        return [Field(f.name, str(f.alias), f.init, f.default is not attrs.NOTHING) for f in attrs.fields(cls)]
    if dataclasses.is_dataclass(cls):
        _refuse_init_only(cls)
        missing = dataclasses.MISSING
        return [
            Field(f.name, f.name, f.init, not (f.default is missing and f.default_factory is missing))
            for f in dataclasses.fields(cls)
        ]
    if issubclass(cls, tuple) and hasattr(cls, "_field_defaults"):
        return [Field(name, name, True, name in cls._field_defaults) for name in cls._fields]
    return None


def _refuse_init_only(cls: Any) -> None:
    held = {each.name for each in dataclasses.fields(cls)}
    for name, each in cls.__dataclass_fields__.items():
        is_init_only = name not in held and isinstance(each.type, dataclasses.InitVar)
        if is_init_only and each.default is dataclasses.MISSING:
            raise Unsupported(f"{cls.__qualname__} has the InitVar {name}, which its instances do not keep")


def record(cls: Any, fields: Sequence[Field], shapes: Mapping[str, Shape]) -> Shape:
    """The shape of a class with fields: an object with a member for each.

    A stored field that the class has no more is refused, not dropped: it may have been renamed. A missing one takes its
    default.
    """
    name = cls.__name__
    known = {field.name for field in fields}
    required = [field.name for field in fields if not field.has_default and field.init]
    take, build = _generated(cls, fields, shapes)

    def encode(value: Any) -> Any:
        if type(value) is not cls:
            raise unfit(value, name)
        try:
            return take(value)
        except Unfit:
            _raise_with_path((f.name, shapes[f.name].encode, getattr(value, f.name)) for f in fields)
            raise
        except AttributeError as error:
            raise Unfit(f"lacks a field: {error}", value) from None

    def decode(data: Any) -> Any:
        check_members(data, name, known, required)
        try:
            return build(data)
        except Unfit:
            _raise_with_path((each, shapes[each].decode, held) for each, held in data.items())
            raise
        except RecursionError:
            raise
        except Exception as error:
            raise Unfit(f"cannot become {name}: {type(error).__name__}: {error}", data) from None

    return Shape(encode, decode, frozenset({dict}), cls=cls)


def _raise_with_path(conversions: Any) -> None:
    for name, convert, value in conversions:
        try:
            convert(value)
        except Unfit as error:
            error.within(f".{name}")
            raise


def check_members(data: Any, name: str, known: set[str], required: Sequence[str]) -> None:
    """Refuse what is no object, and an object with members that no field wants or without those that one does.

    Raises:
        Unfit: as said.
    """
    if type(data) is not dict:
        raise unfit(data, name)
    if not known.issuperset(data):
        spare = next(each for each in data if each not in known)
        raise Unfit(f"has {shown(spare)}, which is no field of {name}: keep fields that were recorded", data)
    for each in required:
        if each not in data:
            raise Unfit(f"lacks the field {each} of {name}: give a field that was added a default", data)


def typed_dict(cls: Any, shapes: Mapping[str, Shape], optional: Collection[str]) -> Shape:
    """The shape of a `TypedDict` of which some keys may be missing."""
    name, known, required = cls.__name__, set(shapes), sorted(set(shapes) - set(optional))

    def converter(verb: str) -> Callable[[Any], Any]:
        converts = {each: getattr(shape, verb) for each, shape in shapes.items()}

        def convert(value: Any) -> dict[str, Any]:
            check_members(value, name, known, required)
            done = {}
            for each, held in value.items():
                try:
                    done[each] = converts[each](held)
                except Unfit as error:
                    error.within(f".{each}")
                    raise
            return done

        return convert

    return Shape(converter("encode"), converter("decode"), frozenset({dict}), cls=dict)


def _generated(
    cls: Any, fields: Sequence[Field], shapes: Mapping[str, Shape]
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    # Imported here: cattrs takes longer to import than everything else, and plain values do without.
    from cattrs import Converter
    from cattrs.gen import make_dict_structure_fn_from_attrs, make_dict_unstructure_fn_from_attrs, override

    attributes = _as_attributes(fields)
    late = {field.name: shapes[field.name].decode for field in fields if not field.init}
    converter = Converter(detailed_validation=False)
    variables = {each.__name__: Any for each in getattr(cls, "__parameters__", ())}
    # Typed as Any: cattrs takes the hooks of fields and its own options through the same keywords.
    unstructure_hooks: Any = {each.name: override(unstruct_hook=shapes[each.name].encode) for each in fields}
    structure_hooks: Any = {each.name: override(struct_hook=_structure_hook(shapes[each.name])) for each in fields}
    take = make_dict_unstructure_fn_from_attrs(
        attributes,
        cls,
        converter,
        _cattrs_use_linecache=False,
        _cattrs_include_init_false=True,
        **unstructure_hooks,
    )
    build = make_dict_structure_fn_from_attrs(
        [each for each in attributes if each.name not in late],
        cls,
        converter,
        variables,
        _cattrs_use_linecache=False,
        **structure_hooks,
    )
    return take, _with_late_fields(lambda data: build(data, cls), late)


def _structure_hook(shape: Shape) -> Callable[[Any, Any], Any]:
    return lambda data, _: shape.decode(data)


def _with_late_fields(build: Callable[[Any], Any], late: Mapping[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """Fields that `__init__` does not take are set after it, past what a frozen class forbids."""
    if not late:
        return build

    def build_all(data: Any) -> Any:
        built = build(data)
        for name, decode in late.items():
            if name in data:
                object.__setattr__(built, name, decode(data[name]))
        return built

    return build_all


def _as_attributes(fields: Sequence[Field]) -> list[Any]:
    """The fields as attrs describes them, which is how cattrs wants them; types are left to the shapes."""
    described = {
        each.name: attrs.field(
            default=None if each.has_default else attrs.NOTHING,
            init=each.init,
            alias=each.alias,
            kw_only=True,
            type=Any,
        )
        for each in fields
    }
    return list(attrs.fields(attrs.make_class("Fields", described)))


def inside(value: Any) -> list[tuple[str, Any]]:
    """The fields of an instance, as pieces of paths; none for what has no fields."""
    if isinstance(value, type) or not (attrs.has(type(value)) or dataclasses.is_dataclass(value)):
        return []
    names = (each.name for each in fields_of(type(value)) or ())
    return [(f".{name}", getattr(value, name, None)) for name in names]


def _suggest(cls: type) -> str | None:
    has_fields = attrs.has(cls) or dataclasses.is_dataclass(cls) or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    return cls.__name__ if has_fields else None


suggesters.append(_suggest)
