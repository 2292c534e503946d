"""What Python calls without being told to is followed, and nothing else: each form is run, and what ran is compared."""

from __future__ import annotations

import contextlib
import re
import textwrap

import pytest

from tests.romancy_lint.support import PRELUDE, codes, lint

#: Special methods, and what they do when they are called.
METHODS = {
    "__len__(self)": "return 2",
    "__bool__(self)": "return True",
    "__iter__(self)": "return iter((1, 2))",
    "__contains__(self, item)": "return True",
    "__reversed__(self)": "return iter((2, 1))",
    "__missing__(self, key)": "return 1",
    "__setitem__(self, key, value)": "return None",
    "__delitem__(self, key)": "return None",
    "__enter__(self)": "return 1",
    "__exit__(self, *exc)": "return None",
    "__call__(self)": "return 1",
    "__str__(self)": "return ''",
    "__repr__(self)": "return ''",
    "__format__(self, spec)": "return ''",
    "__eq__(self, other)": "return True",
    "__ne__(self, other)": "return False",
    "__lt__(self, other)": "return True",
    "__gt__(self, other)": "return True",
    "__le__(self, other)": "return True",
    "__ge__(self, other)": "return True",
    "__add__(self, other)": "return 1",
    "__radd__(self, other)": "return 1",
    "__iadd__(self, other)": "return self",
    "__or__(self, other)": "return 1",
    "__ror__(self, other)": "return 1",
    "__matmul__(self, other)": "return 1",
    "__mod__(self, other)": "return 1",
    "__rmod__(self, other)": "return 1",
    "__neg__(self)": "return 1",
    "__pos__(self)": "return 1",
    "__invert__(self)": "return 1",
    "__abs__(self)": "return 1",
    "__int__(self)": "return 1",
    "__float__(self)": "return 1.0",
    "__index__(self)": "return 1",
    "__round__(self, digits=0)": "return 1",
    "__divmod__(self, other)": "return 1",
    "__pow__(self, other)": "return 1",
    "__getitem__(self, key)": "if key > 1:\n            raise IndexError\n        return 1",
    "__getattr__(self, name)": "return 1",
    "__setattr__(self, name, value)": "return None",
    "__delattr__(self, name)": "return None",
    "__copy__(self)": "return self",
    "__deepcopy__(self, memo)": "return self",
}

USES = [
    "len(c)",
    "bool(c)",
    "if c:\n    pass",
    "while not c:\n    break",
    "x = 1 if c else 2",
    "x = not c",
    "x = c and 1",
    "x = c or 1",
    "x = 1 and c",
    "assert c",
    "x = [1 for n in (1,) if c]",
    "x = 1 in c",
    "x = 1 not in c",
    "x = c in [1]",
    "for x in c:\n    pass",
    "x = [n for n in c]",
    "x = {n: 1 for n in c}",
    "x = [*c]",
    "x = {*c}",
    "max(*c)",
    "x, y = c",
    "x, *y = c",
    "list(c)",
    "tuple(c)",
    "set(c)",
    "sorted(c)",
    "sum(c)",
    "min(c)",
    "any(c)",
    "list(enumerate(c))",
    "list(zip(c, c))",
    "list(map(str, c))",
    "list(filter(None, c))",
    "','.join(str(n) for n in c)",
    "[].extend(c)",
    "iter(c)",
    "list(reversed(c))",
    "c[0]",
    "c[0] = 1",
    "del c[0]",
    "c[0] += 1",
    "with c:\n    pass",
    "with c as x:\n    pass",
    "c()",
    "str(c)",
    "repr(c)",
    "format(c)",
    "f'{c}'",
    "f'{c!r}'",
    "f'{c!s}'",
    "'{}'.format(c)",
    "'%s' % c",
    "'%s %s' % (c, 1)",
    "c == 1",
    "1 == c",
    "c == d",
    "c != 1",
    "1 != c",
    "c < 1",
    "1 < c",
    "c <= 1",
    "1 >= c",
    "0 < c < 1",
    "c is d",
    "c + 1",
    "1 + c",
    "c + d",
    "c += 1",
    "[] + c",
    "c | 1",
    "1 | c",
    "c @ 1",
    "c % 1",
    "1 % c",
    "-c",
    "+c",
    "~c",
    "abs(c)",
    "int(c)",
    "float(c)",
    "round(c)",
    "round(c, 1)",
    "divmod(c, 1)",
    "pow(c, 1)",
    "hex(c)",
    "range(c)",
    "sorted([c, d])",
    "min(c, d)",
    "max([c, d])",
    "any([c])",
    "all([c, d])",
    "c.field",
    "c.unknown",
    "getattr(c, 'unknown')",
    "c.field = 1",
    "setattr(c, 'field', 1)",
    "del c.field",
    "copy.copy(c)",
    "isinstance(c, int)",
    "x = [c, d]",
    "x = {'k': c}",
    "c.plain()",
]

#: Lists are made with a hint of how long they get, which changes nothing.
HINTED = {
    "list(c)", "tuple(c)", "sorted(c)", "x = [*c]", "x, *y = c", "max(*c)", "[].extend(c)", "list(zip(c, c))",
    "list(enumerate(c))", "list(map(str, c))", "list(filter(None, c))",
}  # fmt: skip


def program(methods: list[str], body: str) -> str:
    """A class with these methods, each of which first does what `body` says."""
    lines = ["class C:", "    field = 0", "    def plain(self):", "        return 1"]
    for signature in methods:
        lines += [f"    def {signature}:", f"        {body.format(name=signature.partition('(')[0])}"]
        lines += [f"        {METHODS[signature]}"]
    return "\n".join(lines) + "\n"


def called(methods: list[str], use: str) -> set[str]:
    """The special methods that run when Python does what a use says."""
    seen: list[str] = []
    text = "import copy\n" + program(methods, "seen.append('{name}')") + "c, d = C(), C()\nseen.clear()\n" + use
    with contextlib.suppress(TypeError, ValueError, AttributeError):
        exec(text, {"seen": seen})
    return set(seen)


def followed(methods: list[str], use: str) -> set[str]:
    """The special methods that the linter finds a clock in."""
    text = "import copy\nimport time\n" + program(methods, "time.time()  # {name}")
    text += "@workflow\ndef wf(ctx: Context):\n    c, d = C(), C()\n" + textwrap.indent(use, "    ")
    return clocks(text + "\n    yield charge(1)\n")


def clocks(text: str) -> set[str]:
    """The comments behind the clocks that are found."""
    lines = (PRELUDE + text).splitlines()
    return {lines[f.place.row - 1].partition("# ")[2] for f in lint(text) if f.code == "ROM101"}


@pytest.mark.parametrize("use", USES)
def test_what_python_calls_is_followed_and_nothing_else(use: str):
    methods = list(METHODS)
    while True:
        ran = called(methods, use)
        assert followed(methods, use) == (ran - {"__len__"} if use in HINTED else ran), methods
        if not ran:
            break
        methods = [signature for signature in methods if signature.partition("(")[0] not in ran]


DESCRIPTOR = """\
class D:
    def __get__(self, instance, owner):
        mark("get")
        return 1
    def __set__(self, instance, value):
        mark("set")
    def __delete__(self, instance):
        mark("delete")
class Getter:
    def __get__(self, instance, owner):
        mark("getter")
        return 1
class Lazy:
    def __init__(self, function):
        self.function = function
    def __get__(self, instance, owner):
        mark("lazy")
        return self.function(instance)
class Wrapped:
    def __init__(self, function):
        self.function = function
    def __get__(self, instance, owner):
        return lambda: 1
    def __call__(self):
        return 1
class C:
    field = D()
    plain = Getter()
    own = Getter()
    def __init__(self):
        self.own = 1
    @property
    def both(self):
        mark("read")
        return 1
    @both.setter
    def both(self, value):
        mark("write")
    @both.deleter
    def both(self):
        mark("drop")
    @Lazy
    def total(self):
        mark("total")
        return 1
    @Wrapped
    def never(self):
        mark("never")
        return 1
class Part(C):
    @C.both.setter
    def both(self, value):
        mark("write of the part")
class Config:
    known = 1
    def __init__(self):
        self.own = 1
        self.first, self.second = 1, 2
    def __getattr__(self, name):
        mark("any")
        return 1
class Loose:
    def __init__(self):
        self.__dict__.update(own=1)
    def __getattr__(self, name):
        mark("loose")
        return 1
class Counted(dict):
    def __missing__(self, key):
        mark("missing")
        return 1
class Listed(list):
    def __len__(self):
        mark("listed")
        return 1
class Own:
    def __deepcopy__(self, memo):
        mark("deep")
        return self
"""
ATTRIBUTES = [
    "C().field",
    "C.field",
    "C().field = 1",
    "C().field += 1",
    "del C().field",
    "setattr(C(), 'field', 1)",
    "getattr(C(), 'field')",
    "C().plain",
    "C().own",
    "C().both",
    "C().both = 1",
    "C().both += 1",
    "del C().both",
    "C().total",
    "C().never",
    "Part().both",
    "Part().total",
    "Part().both = 1",
    "Part().field",
    "Config().known",
    "Config().own",
    "Config().first",
    "Config().other",
    "Config().other()",
    "Config().other = 1",
    "Loose().own",
    "Counted()[1]",
    "Counted().get(1)",
    "Counted()[1] = 2",
    "1 in Counted()",
    "bool(Listed())",
    "if Listed():\n    pass",
    "for x in Listed():\n    pass",
    "copy.copy(Own())",
    "copy.deepcopy(Own())",
]


def ran(head: str, use: str) -> set[str]:
    """What a program marks when Python runs it."""
    seen: list[str] = []
    names: dict[str, object] = {"mark": seen.append}
    exec(f"import abc, copy, functools\n{head}", names)
    with contextlib.suppress(TypeError, AttributeError):
        exec(use, names)
    return set(seen)


def seen_by_the_linter(head: str, use: str) -> set[str]:
    """Which of the marks the linter finds, where each is a clock."""
    text = re.sub(r'mark\("([^"]*)"\)', r"time.time()  # \1", head)
    body = textwrap.indent(use, "    ")
    return clocks(
        f"import abc, copy, functools, time\n{text}@workflow\ndef wf(ctx: Context):\n{body}\n    yield charge(1)\n"
    )


@pytest.mark.parametrize("use", ATTRIBUTES)
def test_descriptors_and_attributes_that_are_made_up_are_followed(use: str):
    assert seen_by_the_linter(DESCRIPTOR, use) == ran(DESCRIPTOR, use)


GENERIC = """\
import collections.abc
from functools import singledispatch, singledispatchmethod
class A: ...
class B(A): ...
class E: ...
@singledispatch
def show(x, *rest):
    mark("any")
@show.register
def _(x: int):
    mark("int")
@show.register(str)
def _(x):
    mark("str")
@show.register
def _(x: A):
    mark("a")
@show.register
def _(x: bytes | float):
    mark("bytes or float")
@show.register
def _(x: collections.abc.Sequence):
    mark("sequence")
def keyed(x):
    mark("dict")
show.register(dict, keyed)
class C:
    @singledispatchmethod
    def show(self, x):
        mark("method any")
    @show.register
    def _(self, x: int):
        mark("method int")
    @show.register(A)
    def shown(self, x):
        mark("method a")
"""


@pytest.mark.parametrize(
    "argument", ["1", "True", "'x'", "b'x'", "1.5", "A()", "B()", "E()", "[1]", "(1, 2)", "{1: 2}", "{1}", "None"]
)
@pytest.mark.parametrize("call", ["show({})", "C().show({})"])
def test_of_a_generic_function_the_handler_that_runs_is_followed(argument: str, call: str):
    use = call.format(argument)
    assert seen_by_the_linter(GENERIC, use) == ran(GENERIC, use)


def test_of_a_generic_function_every_handler_is_followed_when_the_argument_may_be_anything():
    text = re.sub(r'mark\("([^"]*)"\)', r"time.time()  # \1", GENERIC)
    start = "@workflow\ndef wf(ctx: Context, x):\n    show(x)\n    yield charge(1)\n"
    assert clocks(f"import time\n{text}{start}") == {"any", "int", "str", "a", "bytes or float", "sequence", "dict"}


def test_a_handler_in_another_module_is_followed():
    main = "import handlers\nfrom shapes import show\n@workflow\ndef wf(ctx: Context, x: int):\n"
    main += "    yield charge(show(x))\n"
    shapes = "from functools import singledispatch\n@singledispatch\ndef show(x):\n    return 1\n"
    for kind, expected in {"int": ["ROM101"], "str": []}.items():
        handlers = f"import time\nfrom shapes import show\n@show.register\ndef _(x: {kind}):\n"
        handlers += "    return time.time()\n"
        assert codes(main, shapes=shapes, handlers=handlers) == expected
