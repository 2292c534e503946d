"""The special methods that Python calls by itself; of several, the first that a class has."""

from __future__ import annotations

import ast

from romancy_lint.names.types import ORDERED

TRUTH = ("__bool__", "__len__")
EQUAL = ("__eq__",)
LESS, GREATER = ("__lt__", "__gt__"), ("__gt__", "__lt__")
FORMAT, STR, REPR = ("__format__", "__str__", "__repr__"), ("__str__", "__repr__"), ("__repr__",)

OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
    ast.BitOr: "or",
    ast.BitAnd: "and",
    ast.BitXor: "xor",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
}
SIGNS: dict[type[ast.unaryop], tuple[str, ...]] = {
    ast.USub: ("__neg__",),
    ast.UAdd: ("__pos__",),
    ast.Invert: ("__invert__",),
}
#: What a comparison calls on its left, and, when that has nothing, on its right.
COMPARISONS: dict[type[ast.cmpop], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ast.Eq: (EQUAL, EQUAL),
    ast.NotEq: (("__ne__", "__eq__"), ("__ne__", "__eq__")),
    ast.Lt: (("__lt__",), ("__gt__",)),
    ast.LtE: (("__le__",), ("__ge__",)),
    ast.Gt: (("__gt__",), ("__lt__",)),
    ast.GtE: (("__ge__",), ("__le__",)),
}

_INDEX = ("__index__",)
#: What functions call on their first argument.
ASKED: dict[str, tuple[str, ...]] = {
    "builtins.len": ("__len__",),
    "builtins.bool": TRUTH,
    "builtins.abs": ("__abs__",),
    "builtins.int": ("__int__", "__index__", "__trunc__"),
    "builtins.float": ("__float__", "__index__"),
    "builtins.complex": ("__complex__", "__float__", "__index__"),
    "builtins.round": ("__round__",),
    "builtins.divmod": ("__divmod__",),
    "builtins.pow": ("__pow__",),
    "builtins.bytes": ("__bytes__",),
    "builtins.next": ("__next__",),
    "builtins.dir": ("__dir__",),
    "builtins.reversed": ("__reversed__",),
    "builtins.hex": _INDEX,
    "builtins.oct": _INDEX,
    "builtins.bin": _INDEX,
    "builtins.chr": _INDEX,
    "builtins.range": _INDEX,
    "operator.index": _INDEX,
    "math.floor": ("__floor__", "__float__", "__index__"),
    "math.ceil": ("__ceil__", "__float__", "__index__"),
    "math.trunc": ("__trunc__",),
    "copy.copy": ("__copy__",),
    "copy.deepcopy": ("__deepcopy__",),
    "os.fspath": ("__fspath__",),
}
#: What functions call on the items of their argument, or on their arguments.
COMPARING = {"builtins.sorted": LESS, "builtins.min": LESS, "builtins.max": GREATER}
#: What is called to write a value out, by the way in which that happens.
TEXTS = {"str": STR, "repr": REPR, "format": FORMAT}

_FIRST, _REST, _EVERY = slice(0, 1), slice(1, None), slice(None)
_WHOLE = ["list", "tuple", "set", "frozenset", "sorted", "sum", "any", "all", "iter"]
_WALKING = {
    **dict.fromkeys([name for name in ORDERED if name not in ("builtins.dict", "builtins.reversed")], _FIRST),
    **dict.fromkeys([f"builtins.{name}" for name in _WHOLE], _FIRST),
    **dict.fromkeys(["collections.deque", "collections.Counter", "math.fsum", "math.prod"], _FIRST),
    **dict.fromkeys(["builtins.map", "builtins.filter", "functools.reduce", "itertools.starmap"], _REST),
    **dict.fromkeys(["builtins.zip", "itertools.chain", "itertools.product", "heapq.merge"], _EVERY),
}
_EXTREMES = ("builtins.min", "builtins.max")
#: Every function that calls special methods of its arguments.
CALLING = frozenset([*ASKED, *COMPARING, *_WALKING])


def walked(name: str, count: int) -> slice:
    """Which of so many arguments a function walks over."""
    return _FIRST if name in _EXTREMES and count == 1 else _WALKING.get(name, slice(0))
