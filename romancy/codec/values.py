"""`Shape`, how values of one annotation become JSON's own types and come back, and the shapes of JSON's own types.

A value comes back equal to what was given, or is refused where it stands; nothing is coerced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from romancy.codec.text import Unfit, at_key, shown

NoneType = type(None)
SCALARS: frozenset[type] = frozenset({NoneType, bool, int, float, str})
FORMS: frozenset[type] = SCALARS | {list, dict}
TEXT: frozenset[type] = frozenset({str})


class Unsupported(Exception):
    """An annotation that has no shape; the message says why, and what to write."""


@attrs.frozen(eq=False)
class Shape:
    """How values of one annotation become JSON's own types, and come back.

    Attributes:
        encode: from a value to JSON's own types; raises `Unfit`.
        decode: from those to an equal value; raises `Unfit`.
        forms: the Python types of the JSON that `encode` may return.
        kinds: exact types of values that are their own JSON, whatever the value.
        is_json: whether every value is its own JSON.
        anything: whether the annotation is missing or says nothing.
        cls: the class whose instances have this shape, which decides among the members of a union.
    """

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    forms: frozenset[type]
    kinds: frozenset[type] = frozenset()
    is_json: bool = False
    anything: bool = False
    cls: Any = None


def unfit(value: Any, declared: str) -> Unfit:
    """The refusal of a value that is not what is declared."""
    return Unfit(f"is {shown(value)} where {declared} is declared", value)


def same(data: Any) -> Any:
    """The data itself."""
    return data


def _scalar(cls: type, *others: type) -> Shape:
    kinds = frozenset({cls, *others})

    def encode(value: Any) -> Any:
        if type(value) in kinds:
            return value
        if isinstance(value, cls):
            plain = cls.__str__(value) if cls is str else cls.__new__(cls, value)
            if type(plain) is cls and plain == value:
                return plain
        raise unfit(value, cls.__name__)

    def decode(data: Any) -> Any:
        if type(data) in kinds:
            return data
        raise unfit(data, cls.__name__)

    return Shape(encode, decode, kinds, kinds, is_json=True, cls=cls)


def _none(value: Any) -> None:
    if value is not None:
        raise unfit(value, "None")


_NONE = frozenset({NoneType})

# A bool passes for an int and an int for a float, as they do for type checkers; each comes back as what it was.
SCALAR_SHAPES: dict[Any, Shape] = {
    int: _scalar(int, bool),
    float: _scalar(float, int, bool),
    str: _scalar(str),
    bool: _scalar(bool),
    NoneType: Shape(_none, _none, _NONE, _NONE, is_json=True, cls=NoneType),
}


def plain(value: Any) -> Any:
    """The value itself, when it is made of nothing but JSON's own types.

    Raises:
        Unfit: it holds something else.
    """
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind is dict:
        if not TEXT.issuperset(map(type, value)):
            _refuse_keys(value)
        if not SCALARS.issuperset(map(type, value.values())):
            for key, each in value.items():
                _plain_inside(each, key)
    elif kind is list or kind is tuple:
        if not SCALARS.issuperset(map(type, value)):
            for index, each in enumerate(value):
                _plain_inside(each, index)
    else:
        raise Unfit(_why_not_plain(value), value)
    return value


def _plain_inside(value: Any, place: str | int) -> None:
    if type(value) not in SCALARS:
        try:
            plain(value)
        except Unfit as error:
            error.within(at_key(place))
            raise


def _refuse_keys(value: dict[Any, Any]) -> None:
    for key in value:
        if type(key) is not str:
            told = f"has the key {shown(key)}, and JSON's keys are texts: annotate it, such as {suggestion(value)}"
            raise Unfit(told, value)


def _why_not_plain(value: Any) -> str:
    wanted = suggestion(value)
    if wanted is None:
        return f"is {shown(value)}, which cannot be carried as JSON"
    return f"is {shown(value)}, which nothing here declares: annotate it, such as {wanted}"


suggesters: list[Callable[[Any], str | None]] = []
"""What further modules know of annotations under which a value could be carried."""


def suggestion(value: Any) -> str | None:
    """The annotation under which a value could be carried; None where there is none."""
    if type(value) in SCALARS:
        return None
    if type(value) is dict:
        return f"dict[{' | '.join(sorted({type(key).__name__ for key in value}))}, …]"
    for suggest in suggesters:
        found = suggest(type(value))
        if found is not None:
            return found
    return next((cls.__name__ for cls in (str, int, float, list, tuple, dict) if isinstance(value, cls)), None)


ANY = Shape(plain, same, FORMS, SCALARS, anything=True)


def _plain_scalar(value: Any) -> Any:
    if type(value) in SCALARS:
        return value
    raise Unfit(_why_not_plain(value), value)


ANY_SCALAR = Shape(_plain_scalar, _plain_scalar, SCALARS, SCALARS, is_json=True)
"""For the members of a set that nothing is said of: what JSON carries and a set can hold."""
