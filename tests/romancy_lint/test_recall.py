"""What is wrong is found however it is spelled and wherever it stands: defects times ways to reach them."""

# ruff: noqa: E501 - programs are kept on one line each

from __future__ import annotations

import textwrap

import pytest

from tests.romancy_lint.support import codes, lint

#: code -> module, function, arguments
NAMES = {
    "ROM101": ("time", "time", ""),
    "ROM102": ("time", "perf_counter", ""),
    "ROM103": ("time", "sleep", "1"),
    "ROM111": ("random", "random", ""),
    "ROM112": ("secrets", "token_hex", "8"),
    "ROM113": ("uuid", "uuid4", ""),
    "ROM125": ("asyncio", "as_completed", "[]"),
    "ROM131": ("os", "getenv", "'X'"),
    "ROM133": ("socket", "gethostname", ""),
    "ROM134": ("locale", "getlocale", ""),
    "ROM135": ("gc", "get_objects", ""),
    "ROM201": ("os", "listdir", "'.'"),
    "ROM202": ("urllib.request", "urlopen", "'http://x'"),
    "ROM203": ("sqlite3", "connect", "'x.db'"),
    "ROM204": ("subprocess", "run", "['true']"),
    "ROM205": ("threading", "Lock", ""),
    "ROM207": ("logging", "warning", "'x'"),
    "ROM208": ("os", "chdir", "'/'"),
    "ROM209": ("importlib", "import_module", "'x'"),
}

WF = "@workflow\ndef wf(ctx: Context):\n"
FORMS = {
    "plain import": "import {module}\n" + WF + "    x = {module}.{name}({args})\n    yield charge(1)\n",
    "import alias": "import {module} as m\n" + WF + "    x = m.{name}({args})\n    yield charge(1)\n",
    "from import": "from {module} import {name}\n" + WF + "    x = {name}({args})\n    yield charge(1)\n",
    "from alias": "from {module} import {name} as n\n" + WF + "    x = n({args})\n    yield charge(1)\n",
    "star import": "from {module} import *\n" + WF + "    x = {name}({args})\n    yield charge(1)\n",
    "import inside": WF + "    from {module} import {name}\n    x = {name}({args})\n    yield charge(1)\n",
    "try import": "try:\n    import {module} as m\nexcept ImportError:\n    m = None\n"
    + WF
    + "    x = m.{name}({args})\n    yield charge(1)\n",
    "assigned at the top": "import {module}\nf = {module}.{name}\n" + WF + "    x = f({args})\n    yield charge(1)\n",
    "assigned inside": "import {module}\n" + WF + "    f = {module}.{name}\n    x = f({args})\n    yield charge(1)\n",
    "conditional name": "import {module}\n"
    + WF
    + "    f = {module}.{name} if ctx else len\n    x = f({args})\n    yield charge(1)\n",
    "getattr": "import {module} as m\n" + WF + "    x = getattr(m, '{name}')({args})\n    yield charge(1)\n",
    "one helper": "import {module}\ndef h():\n    return {module}.{name}({args})\n" + WF + "    yield charge(h())\n",
    "three helpers": "import {module}\ndef a():\n    return {module}.{name}({args})\ndef b():\n    return a()\n"
    "def c():\n    return b()\n" + WF + "    yield charge(c())\n",
    "method": "import {module}\nclass C:\n    def m(self):\n        return {module}.{name}({args})\n"
    + WF
    + "    yield charge(C().m())\n",
    "inherited method": "import {module}\nclass A:\n    def m(self):\n        return {module}.{name}({args})\n"
    "class B(A): pass\n" + WF + "    b = B()\n    yield charge(b.m())\n",
    "method through self": "import {module}\nclass C:\n    def go(self):\n        return self.m()\n    def m(self):\n"
    "        return {module}.{name}({args})\n" + WF + "    yield charge(C().go())\n",
    "annotated receiver": "import {module}\nclass C:\n    def m(self):\n        return {module}.{name}({args})\n"
    "@workflow\ndef wf(ctx: Context, c: C):\n    yield charge(c.m())\n",
    "abstract receiver": "import {module}\nfrom abc import ABC, abstractmethod\nclass A(ABC):\n    @abstractmethod\n"
    "    def m(self): ...\nclass B(A):\n    def m(self):\n        return {module}.{name}({args})\n"
    "@workflow\ndef wf(ctx: Context, c: A):\n    yield charge(c.m())\n",
    "static method": "import {module}\nclass C:\n    @staticmethod\n    def m():\n        return {module}.{name}({args})\n"
    + WF
    + "    yield charge(C.m())\n",
    "class method": "import {module}\nclass C:\n    @classmethod\n    def m(cls):\n        return {module}.{name}({args})\n"
    + WF
    + "    yield charge(C.m())\n",
    "super": "import {module}\nclass A:\n    def m(self):\n        return {module}.{name}({args})\n"
    "class B(A):\n    def m(self):\n        return super().m()\n" + WF + "    yield charge(B().m())\n",
    "property": "import {module}\nclass C:\n    @property\n    def p(self):\n        return {module}.{name}({args})\n"
    + WF
    + "    yield charge(C().p)\n",
    "constructor": "import {module}\nclass C:\n    def __init__(self):\n        self.x = {module}.{name}({args})\n"
    + WF
    + "    yield charge(C().x)\n",
    "attribute of self": "import {module}\nclass C:\n    def __init__(self):\n        self.f = {module}.{name}\n"
    "    def go(self):\n        return self.f({args})\n" + WF + "    yield charge(C().go())\n",
    "operator": "import {module}\nclass C:\n    def __add__(self, o):\n        return {module}.{name}({args})\n"
    + WF
    + "    yield charge(C() + 1)\n",
    "iteration": "import {module}\nclass C:\n    def __iter__(self):\n        {module}.{name}({args})\n        return iter([])\n"
    + WF
    + "    for x in C():\n        yield charge(x)\n",
    "item": "import {module}\nclass C:\n    def __getitem__(self, k):\n        return {module}.{name}({args})\n"
    + WF
    + "    yield charge(C()[1])\n",
    "callable object": "import {module}\nclass C:\n    def __call__(self):\n        return {module}.{name}({args})\n"
    + WF
    + "    c = C()\n    yield charge(c())\n",
    "text of an object": "import {module}\nclass C:\n    def __str__(self):\n        return {module}.{name}({args})\n"
    + WF
    + "    yield charge(str(C()) + f'{{C()}}')\n",
    "context manager": "import {module}\nclass C:\n    def __enter__(self):\n        return {module}.{name}({args})\n"
    "    def __exit__(self, *a): ...\n" + WF + "    with C() as x:\n        yield charge(x)\n",
    "contextmanager function": "import {module}, contextlib\n@contextlib.contextmanager\ndef m():\n"
    "    {module}.{name}({args})\n    yield\n" + WF + "    with m():\n        yield charge(1)\n",
    "decorator": "import {module}\ndef deco(f):\n    def w(*a):\n        {module}.{name}({args})\n        return f(*a)\n"
    "    return w\n@deco\ndef h():\n    return 1\n" + WF + "    yield charge(h())\n",
    "decorated": "import {module}\ndef deco(f):\n    def w(*a):\n        return f(*a)\n    return w\n@deco\ndef h():\n"
    "    return {module}.{name}({args})\n" + WF + "    yield charge(h())\n",
    "decorator with options": "import {module}\ndef deco(n):\n    def outer(f):\n        def w(*a):\n            return f(*a)\n"
    "        return w\n    return outer\n@deco(3)\ndef h():\n    return {module}.{name}({args})\n"
    + WF
    + "    yield charge(h())\n",
    "nested function": "import {module}\n"
    + WF
    + "    def h():\n        return {module}.{name}({args})\n    yield charge(h())\n",
    "lambda": "import {module}\n" + WF + "    h = lambda: {module}.{name}({args})\n    yield charge(h())\n",
    "callback of a helper": "import {module}\ndef twice(f):\n    return f({args})\n"
    + WF
    + "    yield charge(twice({module}.{name}))\n",
    "callback of map": "import {module}\n"
    + WF
    + "    yield charge(list(map(lambda x: {module}.{name}({args}), [1])))\n",
    "partial": "import {module}, functools\n"
    + WF
    + "    f = functools.partial({module}.{name})\n    yield charge(f({args}))\n",
    "default factory": "import {module}\nfrom dataclasses import dataclass, field\ndef make():\n"
    "    return {module}.{name}({args})\n@dataclass\nclass C:\n    x: object = field(default_factory=make)\n"
    + WF
    + "    yield charge(C().x)\n",
    "delegated generator": "import {module}\ndef h() -> Flow[int]:\n    yield charge({module}.{name}({args}))\n"
    + WF
    + "    yield from h()\n",
    "gathered generator": "import {module}\ndef h():\n    yield charge({module}.{name}({args}))\n"
    + WF
    + "    yield gather(h(), charge(1))\n",
    "data generator": "import {module}\ndef h():\n    yield {module}.{name}({args})\n"
    + WF
    + "    for x in h():\n        yield charge(x)\n",
    "dispatch table": "import {module}\ndef h():\n    return {module}.{name}({args})\nT = {{'a': h}}\n"
    "@workflow\ndef wf(ctx: Context, k):\n    yield charge(T[k]())\n",
    "in a branch": "import {module}\n" + WF + "    if (yield charge(1)):\n        x = {module}.{name}({args})\n",
    "in except": "import {module}\n"
    + WF
    + "    try:\n        yield charge(1)\n    except ValueError:\n        x = {module}.{name}({args})\n",
    "in a comprehension": "import {module}\n" + WF + "    yield charge([{module}.{name}({args}) for _ in range(2)])\n",
    "in match": "import {module}\n"
    + WF
    + "    match (yield charge(1)):\n        case 1:\n            x = {module}.{name}({args})\n",
    "unpacked": "import {module}\n" + WF + "    f, g = {module}.{name}, len\n    x = f({args})\n    yield charge(1)\n",
    "class attribute": "import {module}\nclass C:\n    f = staticmethod({module}.{name})\n    g = {module}.{name}\n"
    + WF
    + "    x = C.g({args})\n    yield charge(1)\n",
    "static attribute": "import {module}\nclass C:\n    f = staticmethod({module}.{name})\n"
    + WF
    + "    x = C.f({args})\n    yield charge(1)\n",
    "cached by call": "import {module}, functools\ndef slow():\n    return {module}.{name}({args})\n"
    "fast = functools.lru_cache(slow)\n" + WF + "    yield charge(fast())\n",
    "workflow in a test function": "import {module}\ndef test_it():\n    @workflow\n    def wf(ctx):\n"
    "        x = {module}.{name}({args})\n        yield charge(1)\n",
    "decorated by call": "import {module}\ndef wf(ctx):\n    x = {module}.{name}({args})\n    yield charge(1)\nflow = workflow(wf)\n",
}


CASES = [
    (code, form)
    for code, (module, _, _) in NAMES.items()
    for form in FORMS
    if (form, module) != ("star import", "socket")  # `socket.__all__` of some versions lacks gethostname
]


@pytest.mark.parametrize(("code", "form"), CASES)
def test_a_name_is_found_in_every_form(code: str, form: str):
    module, name, args = NAMES[code]
    if form == "delegated generator" and code in ("ROM125", "ROM203", "ROM205"):
        expected = {code}
        assert expected <= set(codes(FORMS[form].format(module=module, name=name, args=args)))
        return
    found = codes(FORMS[form].format(module=module, name=name, args=args))
    assert found.count(code) == 1, found


MODULES = {
    "from import": ("from helpers import h", "h()", {"helpers": "{body}"}),
    "module attribute": ("import helpers", "helpers.h()", {"helpers": "{body}"}),
    "package": ("from app.helpers import h", "h()", {"app__init": "", "app__helpers": "{body}"}),
    "dotted": ("import app.helpers", "app.helpers.h()", {"app__init": "", "app__helpers": "{body}"}),
    "re-export": ("from app import h", "h()", {"app__init": "from .helpers import h", "app__helpers": "{body}"}),
    "renamed re-export": (
        "from app import go",
        "go()",
        {"app__init": "from app.helpers import h as go", "app__helpers": "{body}"},
    ),
    "star re-export": ("from app import *", "h()", {"app__init": "from .helpers import *", "app__helpers": "{body}"}),
    "submodule as a name": ("from app import helpers", "helpers.h()", {"app__init": "", "app__helpers": "{body}"}),
    "namespace package": ("from app.helpers import h", "h()", {"app__helpers": "{body}"}),
    "src layout": ("from app.helpers import h", "h()", {"src__app__init": "", "src__app__helpers": "{body}"}),
    "relative chain": (
        "from app.a.b import h",
        "h()",
        {"app__init": "", "app__a__init": "", "app__a__b": "from ..c import h", "app__c": "{body}"},
    ),
    "cycle": ("import one", "one.h()", {"one": "import two\n{body}", "two": "import one"}),
    "class elsewhere": ("from helpers import C", "C().m()", {"helpers": "{body}"}),
    "import alias of a clock": ("from helpers import clock", "clock.time()", {"helpers": "import time as clock"}),
    "assigned elsewhere": ("from helpers import now", "now()", {"helpers": "import time\nnow = time.time"}),
}
BODY = "import time\ndef h():\n    return time.time()\nclass C:\n    def m(self):\n        return time.time()\n"


@pytest.mark.parametrize("form", MODULES)
def test_other_modules_are_followed(form: str):
    head, call, others = MODULES[form]
    main = f"{head}\n{WF}    yield charge({call})\n"
    own = {name: text.format(body=BODY) for name, text in others.items()}
    assert codes(main, **own) == ["ROM101"]


SETS = {
    "literal": "s = {'a', 'b'}",
    "call": "s = set(xs)",
    "frozenset": "s = frozenset(xs)",
    "comprehension": "s = {x for x in xs}",
    "algebra": "s = set(xs) | {'a'}",
    "method": "s = set(xs).union(['a'])",
    "keys": "s = d.keys() & {'a'}",
    "keys of both": "s = d.keys() - {}.keys()",
    "copy": "s = given.copy()",
    "annotation": "s: set[str] = load()",
    "parameter": "s = given",
    "returned": "s = unique(xs)",
    "annotated return": "s = declared(xs)",
    "attribute": "s = Box(xs).items",
    "activity result": "s = yield names()",
    "walrus": "(s := set(xs))",
    "conditional": "s = set(xs) if xs else given",
    "unpacked": "s, t = set(xs), 1",
    "branch": "s = []\n    if xs:\n        s = set(xs)",
}
USES = {
    "ROM121": [
        "for x in s:\n        yield charge(x)",
        "yield charge([f for f in s])",
        "yield charge(list(enumerate(s)))",
    ],
    "ROM122": ["yield charge(list(s))", "yield charge(','.join(s))", "yield charge(f'{s}')", "yield charge([*s])"],
    "ROM123": ["yield charge(s.pop())", "a, b = s\n    yield charge(a)", "yield charge(next(iter(s)))"],
}
SET_HEAD = """
from typing import AbstractSet
def load(): ...
def unique(xs):
    return set(xs)
def declared(xs) -> AbstractSet[str]:
    ...
class Box:
    def __init__(self, xs):
        self.items = set(xs)
@activity
def names() -> set[str]: ...
@workflow
def wf(ctx: Context, xs: list[str], d: dict[str, int], given: set[str]):
"""


@pytest.mark.parametrize("made", SETS)
@pytest.mark.parametrize("code", USES)
def test_sets_are_followed_from_where_they_are_made_to_where_their_order_shows(made: str, code: str):
    for use in USES[code]:
        found = codes(f"{SET_HEAD}    {SETS[made]}\n    {use}\n    yield charge(1)\n")
        assert code in found, (use, found)


#: How a class may say that a field is a set.
FIELDS = {
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass Cart:\n    tags: set[str]\n",
    "factory": "from dataclasses import dataclass, field\n@dataclass\nclass Cart:\n"
    "    tags: set[str] = field(default_factory=set)\n",
    "optional": "from dataclasses import dataclass\n@dataclass\nclass Cart:\n    tags: set[str] | None = None\n",
    "attrs": "import attrs\n@attrs.frozen\nclass Cart:\n    tags: frozenset[str] = attrs.field(factory=frozenset)\n",
    "attrs factory": "import attrs\n@attrs.define\nclass Cart:\n    tags: set[str] = attrs.Factory(set)\n",
    "named tuple": "from typing import NamedTuple\nclass Cart(NamedTuple):\n    tags: frozenset[str]\n",
    "inherited": "from dataclasses import dataclass\n@dataclass\nclass Basket:\n    tags: set[str]\n"
    "@dataclass\nclass Cart(Basket):\n    n: int\n",
    "plain class": "class Cart:\n    tags: set[str]\n    def __init__(self, tags):\n        self.tags = tags\n",
}
HOLDERS = {
    "parameter": "cart: Cart):\n    pass\n",
    "constructed": "xs: list[str]):\n    cart = Cart({'a', 'b'})\n",
    "element": "carts: list[Cart]):\n    cart = carts[0]\n",
    "activity result": "n: int):\n    cart = yield fetch(n)\n",
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("holder", HOLDERS)
def test_a_field_that_is_annotated_as_a_set_is_one(field: str, holder: str):
    head = FIELDS[field] + "@activity\ndef fetch(n) -> Cart: ...\n@workflow\ndef wf(ctx: Context, " + HOLDERS[holder]
    assert codes(head + "    for tag in cart.tags:\n        yield charge(tag)\n") == ["ROM121"]
    assert codes(head + "    yield charge(','.join(cart.tags))\n") == ["ROM122"]
    assert codes(head + "    for tag in sorted(cart.tags):\n        yield charge(tag)\n") == []


#: How a dictionary type may say that the value of a key is a set.
KEYS = {
    "plain": "from typing import TypedDict\nclass State(TypedDict):\n    tags: set[str]\n    names: list[str]\n",
    "not required": "from typing import NotRequired, TypedDict\nclass State(TypedDict, total=False):\n"
    "    tags: NotRequired[frozenset[str]]\n    names: list[str]\n",
    "inherited": "from typing import TypedDict\nclass Less(TypedDict):\n    tags: set[str]\nclass State(Less):\n"
    "    names: list[str]\n",
    "extension": "import typing_extensions\nclass State(typing_extensions.TypedDict):\n    tags: 'set[str]'\n"
    "    names: list[str]\n",
}
STATES = {
    "parameter": "state: State):\n    pass\n",
    "constructed": "xs: list[str]):\n    state = State(tags=set(xs), names=xs)\n",
    "declared": "n: int):\n    state: State = yield anything(n)\n",
    "element": "states: list[State]):\n    state = states[0]\n",
    "activity result": "n: int):\n    state = yield fetch(n)\n",
}


@pytest.mark.parametrize("declared", KEYS)
@pytest.mark.parametrize("holder", STATES)
@pytest.mark.parametrize("key", ["state['{}']", "state.get('{}', [])", "state.pop('{}')", "state.setdefault('{}', [])"])
def test_the_value_of_a_key_that_is_annotated_as_a_set_is_one(declared: str, holder: str, key: str):
    tags, names = key.format("tags"), key.format("names")
    head = KEYS[declared] + "@activity\ndef fetch(n) -> State: ...\n@activity\ndef anything(n): ...\n"
    head += f"@workflow\ndef wf(ctx: Context, {STATES[holder]}"
    assert codes(f"{head}    for tag in {tags}:\n        yield charge(tag)\n") == ["ROM121"]
    assert codes(f"{head}    yield charge(','.join({tags}))\n") == ["ROM122"]
    assert codes(f"{head}    for tag in sorted({tags}):\n        yield charge(tag)\n") == []
    assert codes(f"{head}    for name in {names}:\n        yield charge(name)\n") == []


@pytest.mark.parametrize("use", ["state[key]", "state['other']", "state", "plain['tags']", "values['tags']"])
def test_what_no_dictionary_type_says_is_no_set(use: str):
    head = KEYS["plain"] + "class Plain:\n    tags: set[str]\n    def __getitem__(self, key):\n        return []\n"
    head += "@workflow\ndef wf(ctx: Context, state: State, plain: Plain, values: dict[str, list[str]], key: str):\n"
    assert codes(f"{head}    for x in {use}:\n        yield charge(x)\n") == []


@pytest.mark.parametrize(
    "made",
    [
        "groups = collections.defaultdict(set)\n    for x in xs:\n        groups[len(x)].add(x)\n    s = groups[1]",
        "s, t = yield gather(load(), charge(1))",
        "s, t = yield from gather(load(), load())",
        "t, s = yield gather(sleep(1), load())",
    ],
)
def test_sets_come_out_of_groups_and_of_gather(made: str):
    head = "import collections\n@activity\ndef load() -> set[str]: ...\n"
    head += f"@workflow\ndef wf(ctx: Context, xs: list[str]):\n    {made}\n"
    assert codes(head + "    for x in s:\n        yield charge(x)\n") == ["ROM121"]
    assert codes(head + "    for x in sorted(s):\n        yield charge(x)\n") == []


@pytest.mark.parametrize(
    "use",
    [
        "logging.error('x')",
        "error('x')",
        "log.error('x')",
        "given.error('x')",
        "log.exception('x')",
        "logging.getLogger('a').error('x')",
    ],
)
def test_every_level_of_a_logger_is_found(use: str):
    head = "import logging\nfrom logging import error\nlog = logging.getLogger(__name__)\n"
    head += "@workflow\ndef wf(ctx: Context, given: logging.Logger):\n"
    assert codes(f"{head}    {use}\n    yield charge(1)\n") == ["ROM207"]


@pytest.mark.parametrize("call", ["socket.setdefaulttimeout(3)", "codecs.register_error('x', print)"])
def test_a_function_whose_name_ends_like_that_of_an_exception_is_found(call: str):
    assert codes(f"import socket, codecs\n{WF}    {call}\n    yield charge(1)\n") == ["ROM208"]


PROTOCOL = {
    "dropped": "charge(1)",
    "condition": "if charge(1):\n        pass",
    "negated": "x = not charge(1)",
    "loop": "for x in charge(1):\n        pass",
    "while": "while charge(1):\n        break",
    "f-string": "x = f'{charge(1)}'",
    "comparison": "x = charge(1) == 2",
    "operand": "x = charge(1) + 2",
    "subscript": "x = charge(1)['id']",
    "attribute": "x = charge(1).id",
    "argument of a builtin": "x = len(charge(1))",
    "argument of a call": "yield refund(charge(1))",
    "unused variable": "call = charge(1)",
    "unused list": "calls = [charge(n) for n in range(3)]",
    "appended and forgotten": "calls = []\n    for n in range(3):\n        calls.append(charge(n))",
    "dropped list": "[charge(n) for n in range(3)]",
    "dropped set": "{charge(n) for n in range(3)}",
    "dropped dict": "{n: charge(n) for n in range(3)}",
    "last of and": "ctx and charge(1)",
    "last of or": "ctx or charge(1)",
    "last of a known value and": "f'{ctx}' and charge(1)",
    "one of two": "charge(1) if ctx else None",
    "the other of two": "None if ctx else charge(1)",
    "nested in choices": "ctx and (None if ctx else (ctx or charge(1)))",
    "helper in a choice": "ctx and make(1)",
    "list in a choice": "ctx and [charge(n) for n in range(3)]",
    "dropped set display": "{charge(1)}",
    "unused set display": "calls = {charge(1)}",
    "dropped generator": "(charge(n) for n in range(3))",
    "dropped map": "list(map(charge, [1, 2]))",
    "dropped helper": "[make(n) for n in range(3)]",
    "unused set": "calls = {charge(n) for n in range(3)}",
    "unused dict": "calls = {n: charge(n) for n in range(3)}",
    "unused map": "calls = list(map(charge, [1, 2]))",
    "any": "x = any(charge(n) for n in range(3))",
    "all": "if all([charge(n) for n in range(3)]):\n        pass",
    "returned": "if ctx:\n        return charge(1)",
    "timer": "sleep(5)",
    "gather": "gather(charge(1), charge(2))",
    "child": "other(1)",
    "through a helper": "make(1)",
    "through a variable": "act = charge\n    act(1)",
    "tested variable": "ok = charge(1)\n    if ok:\n        pass",
    "assert": "assert charge(1)",
}


@pytest.mark.parametrize("form", PROTOCOL)
def test_a_call_that_is_not_yielded_is_found(form: str):
    head = "@workflow\ndef other(ctx, n):\n    yield charge(n)\ndef make(n):\n    return charge(n)\n"
    found = codes(f"{head}{WF}    yield charge(0)\n    {PROTOCOL[form]}\n    yield charge(9)\n")
    assert found == ["ROM401"]


@pytest.mark.parametrize(
    "statement",
    [
        "(charge(1), charge(2))",
        "calls = (charge(1), charge(2))",
        "[charge(1), sleep(2)]",
        "{charge(1), charge(2)}",
        "calls = {charge(1), sleep(2)}",
        "charge(1) if ctx else charge(2)",
        "ctx and (charge(1) if ctx else sleep(2))",
    ],
)
def test_each_of_several_calls_that_are_dropped_is_found(statement: str):
    assert codes(f"{WF}    yield charge(0)\n    {statement}\n    yield charge(9)\n") == ["ROM401"] * 2


HELPERS = {
    "function": ("def h(n):\n    r = yield charge(n)\n    return r\n", "h(1)", {}),
    "flow": ("def h(n) -> Flow[int]:\n    r = yield from charge(n)\n    return r\n", "h(1)", {}),
    "method": ("class C:\n    def h(self, n):\n        r = yield charge(n)\n        return r\n", "C().h(1)", {}),
    "other module": (
        "from helpers import h\n",
        "h(1)",
        {
            "helpers": "from romancy import activity\n@activity\ndef pay(n): ...\ndef h(n):\n    r = yield pay(n)\n    return r\n"
        },
    ),
    "two deep": ("def g(n):\n    yield charge(n)\ndef h(n):\n    return (yield from g(n))\n", "h(1)", {}),
}
MISTAKES = {
    "x = {call}\n    yield charge(x)": "ROM403",
    "{call}": "ROM403",
    "if {call}:\n        pass": "ROM403",
    "[{call} for _ in range(3)]": "ROM403",
    "x = any({call} for _ in range(3))": "ROM403",
    "x = yield {call}": "ROM404",
    "x = list({call})": "ROM409",
    "for x in {call}:\n        pass": "ROM409",
    "x = next({call})": "ROM409",
}


@pytest.mark.parametrize("kind", HELPERS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_helper_that_yields_must_be_delegated_to(kind: str, mistake: str):
    head, call, others = HELPERS[kind]
    found = codes(f"{head}{WF}    yield charge(0)\n    {mistake.format(call=call)}\n", **others)
    assert found == [MISTAKES[mistake]]


def test_a_finding_stands_at_the_expression_once_with_the_chain():
    main = "from pricing import price\n" + WF + "    yield charge(price(1))\n    yield charge(price(2))\n"
    pricing = "import time\n\ndef price(n):\n    return _rate() * n\n\ndef _rate():\n    return time.time()\n"
    [finding] = lint(main, pricing=pricing)
    assert (finding.filename, finding.place.row, finding.place.column) == ("/nowhere/pricing.py", 7, 12)
    assert finding.workflow == "wf"
    assert [hop.function for hop in finding.chain] == ["wf", "price", "_rate", "time.time()"]
    assert finding.message.endswith(
        "[wf (main.py:11) -> price (pricing.py:3) -> _rate (pricing.py:6) -> time.time() (pricing.py:7)]"
    )


def test_a_helper_three_modules_away_is_judged_by_who_calls_it():
    found = codes(
        textwrap.dedent("""
        from a import f

        @workflow
        def wf(ctx: Context):
            yield charge(f())
        """),
        a="from b import f\n",
        b="import c\ndef f():\n    return c.g()\ndef unused():\n    import random\n    return random.random()\n",
        c="import random\ndef g():\n    return random.random()\n",
    )
    assert found == ["ROM111"]


@pytest.mark.parametrize("others", [0, 5, 30])
def test_every_class_that_implements_an_abstract_method_is_followed(others: int):
    classes = "".join(f"class C{n}(Base):\n    def go(self):\n        return {n}\n" for n in range(others))
    base = "import time\nclass Base:\n    def go(self):\n        raise NotImplementedError\n"
    last = "class Last(Base):\n    def go(self):\n        return time.time()\n"
    start = "@workflow\ndef wf(ctx: Context, base: Base):\n    yield charge(base.go())\n"
    assert codes(base + classes + last + start) == ["ROM101"]
