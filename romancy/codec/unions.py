"""Unions: members whose JSON could be mistaken for another's are told apart by a tag, which is data and no name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from romancy.codec.text import Unfit
from romancy.codec.values import ANY, Shape, unfit


def union(names: Sequence[str], shapes: Sequence[Shape]) -> Shape:
    """The shape of a union: a member that needs a tag is written as `{"$type": name, "value": …}`.

    Args:
        names: what each member is called in a tag; all different.
        shapes: the shape of each.
    """
    if any(each.anything for each in shapes) and all(each.anything or each.is_json for each in shapes):
        return ANY
    tagged = _need_tags(shapes)
    by_name = {name: shape for name, shape, tag in zip(names, shapes, tagged, strict=True) if tag}
    declared = " | ".join(names)

    def encode(value: Any) -> Any:
        refusals = []
        for index in _candidates(shapes, value):
            try:
                encoded = shapes[index].encode(value)
            except Unfit as error:
                refusals.append(error)
            else:
                return {"$type": names[index], "value": encoded} if tagged[index] else encoded
        raise _most_telling(refusals, value, declared)

    def decode(data: Any) -> Any:
        if by_name and type(data) is dict and data.keys() == {"$type", "value"}:
            named = by_name.get(data["$type"]) if type(data["$type"]) is str else None
            if named is not None:
                return named.decode(data["value"])
        refusals = []
        # What was written while its member was alone in the annotation has no tag.
        for shape in shapes:
            if type(data) in shape.forms:
                try:
                    return shape.decode(data)
                except Unfit as error:
                    refusals.append(error)
        raise _most_telling(refusals, data, declared)

    forms = [frozenset({dict}) if tag else shape.forms for shape, tag in zip(shapes, tagged, strict=True)]
    kinds = [shape.kinds for shape, tag in zip(shapes, tagged, strict=True) if not tag]
    is_json = all(each.is_json for each in shapes)
    return Shape(encode, decode, frozenset().union(*forms), frozenset().union(*kinds), is_json=is_json)


def _candidates(shapes: Sequence[Shape], value: Any) -> dict[int, None]:
    """The members to try: first those of exactly this class, then the others in order."""
    kind = type(value)
    exact = [index for index, shape in enumerate(shapes) if kind is shape.cls]
    exact += [index for index, shape in enumerate(shapes) if kind in shape.kinds]
    return dict.fromkeys([*exact, *range(len(shapes))])


def _most_telling(refusals: list[Unfit], value: Any, declared: str) -> Unfit:
    deepest = max(refusals, key=lambda each: len(each.path), default=None)
    return deepest if deepest is not None and deepest.path else unfit(value, declared)


def _need_tags(shapes: Sequence[Shape]) -> list[bool]:
    tagged = [any(_confusable(a, b) for b in shapes if b is not a) for a in shapes]
    # A tag is an object, so what is an object itself must not pass for one.
    return [tag or (any(tagged) and dict in shape.forms) for tag, shape in zip(tagged, shapes, strict=True)]


def _confusable(a: Shape, b: Shape) -> bool:
    return bool(a.forms & b.forms) and not (a.is_json and b.is_json)
