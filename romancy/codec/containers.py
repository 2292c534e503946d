"""Lists, sets, tuples and dicts, with what their annotations say of their members."""

from __future__ import annotations

import collections
from collections import abc
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from romancy.codec.text import Unfit, at_key, dump, load
from romancy.codec.values import ANY, ANY_SCALAR, SCALAR_SHAPES, TEXT, Shape, same, suggesters, unfit

# What an annotation makes when it is decoded, and what it takes; where only a protocol is declared, a tuple does too.
_LISTS: dict[Any, tuple[Any, Any]] = {
    list: (list, (list,)),
    abc.Sequence: (list, (list, tuple)),
    abc.MutableSequence: (list, (list,)),
    abc.Collection: (list, (list, tuple)),
    abc.Iterable: (list, (list, tuple)),
    abc.Reversible: (list, (list, tuple)),
    abc.Container: (list, (list, tuple)),
    collections.deque: (collections.deque, (collections.deque,)),
}
_SETS: dict[Any, tuple[Any, Any]] = {
    set: (set, (set,)),
    frozenset: (frozenset, (frozenset,)),
    abc.Set: (frozenset, (set, frozenset)),
    abc.MutableSet: (set, (set,)),
}
_MAPPINGS: dict[Any, tuple[Any, Any]] = {
    dict: (dict, (dict,)),
    abc.Mapping: (dict, (dict,)),
    abc.MutableMapping: (dict, (dict,)),
    collections.OrderedDict: (collections.OrderedDict, (collections.OrderedDict,)),
    collections.defaultdict: (collections.defaultdict, (collections.defaultdict,)),
    collections.Counter: (collections.Counter, (collections.Counter,)),
}


def is_container(origin: Any) -> bool:
    """Whether a class, without its parameters, is one that `container` knows."""
    return origin in _LISTS or origin in _SETS or origin in _MAPPINGS


def container(origin: Any, items: Sequence[Shape]) -> Shape:
    """The shape of a list, set or dict of these members; none given: of anything.

    Args:
        origin: the class without its parameters, such as `list` or `collections.abc.Mapping`.
        items: the shapes of its parameters, in order.
    """
    if origin in _LISTS:
        made, accepted = _LISTS[origin]
        return _array(made, accepted, items[0] if items else ANY)
    if origin in _SETS:
        made, accepted = _SETS[origin]
        return _set(made, accepted, ANY_SCALAR if not items or items[0].anything else items[0])
    key = SCALAR_SHAPES[str] if not items or items[0].anything else items[0]
    item = SCALAR_SHAPES[int] if origin is collections.Counter else items[1] if items else ANY
    return _mapping(origin, key, item)


def _array(made: Any, accepted: Any, item: Shape) -> Shape:
    name, kinds, write, read = made.__name__, item.kinds, item.encode, item.decode
    read_kinds = kinds if kinds else None

    def encode(value: Any) -> list[Any]:
        if not isinstance(value, accepted):
            raise unfit(value, name)
        if kinds.issuperset(map(type, value)):
            return value if type(value) is list else list(value)
        return _convert(write, value)

    def decode(data: Any) -> Any:
        if type(data) is not list:
            raise unfit(data, name)
        if read is not same and not (read_kinds is not None and read_kinds.issuperset(map(type, data))):
            data = _convert(read, data)
        return data if made is list else made(data)

    return Shape(encode, decode, frozenset({list}), cls=made)


def _set(made: Any, accepted: Any, item: Shape) -> Shape:
    def encode(value: Any) -> list[Any]:
        if not isinstance(value, accepted):
            raise unfit(value, made.__name__)
        # The order of a set differs from process to process; its text must not.
        return sorted(_convert(item.encode, value, "{a member}"), key=dump)

    def decode(data: Any) -> Any:
        if type(data) is not list:
            raise unfit(data, made.__name__)
        return made(_convert(item.decode, data))

    return Shape(encode, decode, frozenset({list}), cls=made)


def _convert(convert: Callable[[Any], Any], items: Iterable[Any], place: str = "") -> list[Any]:
    done: list[Any] = []
    try:
        for each in items:
            done.append(convert(each))
    except Unfit as error:
        error.within(place or f"[{len(done)}]")
        raise
    return done


def fixed_tuple(shapes: Sequence[Shape]) -> Shape:
    """The shape of `tuple[A, B]`."""
    declared = f"a tuple of {len(shapes)}"

    def convert(verb: str, items: Iterable[Any]) -> list[Any]:
        done: list[Any] = []
        try:
            for shape, each in zip(shapes, items, strict=True):
                done.append(getattr(shape, verb)(each))
        except Unfit as error:
            error.within(f"[{len(done)}]")
            raise
        return done

    def encode(value: Any) -> list[Any]:
        if type(value) is not tuple or len(value) != len(shapes):
            raise unfit(value, declared)
        return convert("encode", value)

    def decode(data: Any) -> Any:
        if type(data) is not list or len(data) != len(shapes):
            raise unfit(data, declared)
        return tuple(convert("decode", data))

    return Shape(encode, decode, frozenset({list}), cls=tuple)


def variadic_tuple(item: Shape) -> Shape:
    """The shape of `tuple[A, ...]`."""
    return _array(tuple, (tuple,), item)


def _mapping(origin: Any, key: Shape, item: Shape) -> Shape:
    made, accepted = _MAPPINGS[origin]
    name, kinds, write, read = made.__name__, item.kinds, item.encode, item.decode
    has_text_keys = key is SCALAR_SHAPES[str]
    write_key, read_key = _key_as_text(key)
    make = _maker(made, item)

    def encode(value: Any) -> dict[str, Any]:
        if not (type(value) is made or isinstance(value, accepted)):
            raise unfit(value, name)
        if has_text_keys:
            for key, each in value.items():
                if type(each) not in kinds or type(key) is not str:
                    break
            else:
                return value if type(value) is dict else dict(value)
        return _convert_pairs(write_key, write, value)

    def decode(data: Any) -> Any:
        if type(data) is not dict:
            raise unfit(data, name)
        if not (has_text_keys and (read is same or (kinds and kinds.issuperset(map(type, data.values()))))):
            data = _convert_pairs(read_key, read, data)
        return data if make is dict else make(data)

    return Shape(encode, decode, frozenset({dict}), cls=made)


def _convert_pairs(
    convert_key: Callable[[Any], Any], convert: Callable[[Any], Any], pairs: dict[Any, Any]
) -> dict[Any, Any]:
    done: dict[Any, Any] = {}
    key: Any = None
    try:
        for key, value in pairs.items():
            done[convert_key(key)] = convert(value)
    except Unfit as error:
        error.within(at_key(key))
        raise
    return done


def _key_as_text(key: Shape) -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    """A key that is no text is written as its JSON text: 1 as `"1"`."""
    if key.forms == TEXT:
        return key.encode, key.decode
    return lambda value: dump(key.encode(value)), lambda text: key.decode(load(text))


def _maker(made: Any, item: Shape) -> Callable[[Any], Any]:
    if made is not collections.defaultdict:
        return made  # type: ignore[no-any-return]
    factory = item.cls if item.cls in (int, float, str, bool, list, dict, set) else None
    return lambda data: collections.defaultdict(factory, data)


def _suggest(cls: type) -> str | None:
    return f"{cls.__name__}[…]" if is_container(cls) and cls not in (list, dict) else None


suggesters.append(_suggest)
