"""Sound code stays silent: no false alarm matters as much as finding things."""

from __future__ import annotations

import textwrap

import pytest

from tests.romancy_lint.support import codes, fixed, lint

TRAPS = {
    "activity bodies": """
        import time, os, random, requests

        @activity
        def act():
            time.sleep(1)
            open("x")
            random.random()
            requests.get("http://x")
            return os.environ["X"]

        @workflow
        def wf(ctx: Context):
            yield act()
    """,
    "unreachable helpers": """
        import time

        def helper():
            return time.time()

        @workflow
        def wf(ctx: Context):
            yield charge(1)
    """,
    "helper used by activities only": """
        import time

        def stamp():
            return time.time()

        @activity
        def act():
            return stamp()

        @workflow
        def wf(ctx: Context):
            yield act()
    """,
    "names in strings, docstrings and annotations": '''
        import datetime, random

        @workflow
        def wf(ctx: Context, when: datetime.datetime, rng: "random.Random | None" = None) -> Flow[datetime.date]:
            """Calls time.time() and random.random()."""
            text: "set[str]" = "time.time()"
            yield charge(text)
    ''',
    "TYPE_CHECKING imports": """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            import time
            from socket import socket

        @workflow
        def wf(ctx: Context, s: "socket | None" = None):
            if TYPE_CHECKING:
                time.time()
            yield charge(1)
    """,
    "parameter called time": """
        import time

        @workflow
        def wf(ctx: Context, time, random):
            yield charge(time.time() + random.random())
    """,
    "from datetime import time": """
        from datetime import time

        @workflow
        def wf(ctx: Context):
            yield charge(time(12, 0).hour)
    """,
    "own functions with famous names": """
        def random():
            return 4

        def now():
            return 5

        def open(path):
            return path

        def input(x):
            return x

        @workflow
        def wf(ctx: Context):
            yield charge(random() + now() + open(1) + input(2))
    """,
    "own methods with famous names": """
        class Clock:
            def __init__(self, t):
                self.t = t

            def now(self):
                return self.t

            def random(self):
                return 1

            def open(self):
                return self

        @workflow
        def wf(ctx: Context, t: int):
            clock = Clock(t)
            yield charge(clock.now() + clock.open().random())
    """,
    "aliases of decorators": """
        from romancy import activity as act, workflow as wf_

        step = act

        @step
        def pay(n):
            print(n)

        @wf_
        def go(ctx):
            yield pay(1)
    """,
    "decorators through the package": """
        import romancy
        import time

        @romancy.activity
        def pay(n):
            return time.time()

        @romancy.workflow
        def go(ctx):
            yield pay(1)
    """,
    "deterministic relatives": """
        import random, time, uuid, os.path, zlib
        from datetime import datetime, timezone, timedelta

        @workflow
        def wf(ctx: Context, ts: float, order: str):
            rng = random.Random(42)
            other = random.Random(order)
            key = uuid.uuid5(uuid.NAMESPACE_DNS, order)
            when = datetime.fromtimestamp(ts, tz=timezone.utc) + timedelta(days=1)
            parts = time.gmtime(ts), time.strftime("%Y", time.gmtime(ts)), time.asctime(time.gmtime(ts))
            path = os.path.join("a", os.path.basename(order))
            yield charge([rng.random(), other.choice([1]), str(key), when, len(parts), path, zlib.crc32(b"x")])
    """,
    "order-free uses of sets": """
        @workflow
        def wf(ctx: Context, xs: list[str], other: set[str]):
            s = set(xs)
            n = len(s) + sum(1 for x in s)
            if "a" in s and any(x == "b" for x in s) and all(s) and s == other and s <= other:
                n += 1
            low, high = min(s), max(s)
            union = {x.upper() for x in s} | other
            for x in sorted(s):
                yield charge(x)
            for x in sorted(x.lower() for x in s):
                yield charge(x)
            for x in sorted(list(union)):
                yield charge(x)
            count = 0
            for x in s:
                if x in other:
                    count += 1
            seen = set()
            for x in s:
                seen.add(x)
            yield charge([n, low, high, count, sorted(seen)])
    """,
    "list of a set that is sorted next": """
        @workflow
        def wf(ctx: Context, xs: list[str]):
            names = list(set(xs))
            names.sort()
            yield charge(names)
    """,
    "dict order": """
        @workflow
        def wf(ctx: Context, xs: list[str]):
            d = dict.fromkeys(xs)
            e = {x: 1 for x in xs}
            for k in d:
                yield charge(k)
            for k, v in e.items():
                yield charge(k)
            last = e.popitem()
            yield charge(list(d.keys()) + [last[0]])
    """,
    "calls yielded later": """
        @workflow
        def wf(ctx: Context, flag: bool, kind: str):
            call = charge(1)
            other = charge(2) if flag else refund(2)
            calls = [charge(n) for n in range(3)]
            more = []
            for n in range(3):
                more.append(refund(n))
            table = {"a": charge, "b": refund}
            yield call
            result = yield other
            yield gather(*calls)
            yield from gather(*more)
            yield table[kind](result)
            chosen = charge if flag else refund
            yield chosen(3)
            later = {"x": charge(1)}
            for c in later.values():
                yield c
    """,
    "calls made by helpers": """
        def make(n):
            return charge(n)

        def several(ns):
            return [charge(n) for n in ns]

        @workflow
        def wf(ctx: Context):
            yield make(1)
            yield gather(*several([1, 2]))
            act = charge
            yield act(2)
            yield charge(1).options(timeout=3)
    """,
    "data generators": """
        def rows(n):
            for i in range(n):
                yield i, i * 2

        def flat(xs):
            for x in xs:
                yield from x

        @workflow
        def wf(ctx: Context):
            for a, b in rows(3):
                yield charge(a + b)
            yield charge(list(flat([[1], [2]])))
            yield charge(sum(a for a, b in rows(2)))
            yield charge(dict(rows(2)))
    """,
    "yield inside expressions": """
        @workflow
        def wf(ctx: Context):
            text = f"{(yield charge(1))}"
            if (yield charge(2)) and not (yield charge(3)):
                yield charge((yield charge(4)))
            squares = [n * n for n in (yield charge(5))]
            while (yield charge(6)):
                pass
            return text, squares
    """,
    "yield in except, else and finally": """
        @workflow
        def wf(ctx: Context):
            try:
                yield charge(1)
            except ValueError:
                yield refund(1)
                raise
            else:
                yield charge(2)
            finally:
                yield refund(2)
    """,
    "BaseException that is raised again": """
        @workflow
        def wf(ctx: Context):
            failed = False
            try:
                yield charge(1)
            except BaseException:
                failed = True
                raise
            return failed
    """,
    "locals that shadow globals": """
        CACHE = {}
        COUNT = 0

        @activity
        def touch():
            global COUNT
            COUNT += 1
            CACHE["x"] = 1

        @workflow
        def wf(ctx: Context):
            CACHE = {}
            COUNT = 1
            CACHE["a"] = COUNT
            yield touch()
            yield charge(CACHE)
    """,
    "deep copies of templates": """
        import copy

        TEMPLATE = {"items": []}
        NAMES = ["a"]

        @workflow
        def wf(ctx: Context):
            mine = copy.deepcopy(TEMPLATE)
            mine["items"].append(1)
            names = list(NAMES)
            names.append("b")
            other = {**TEMPLATE}
            other["x"] = 1
            more = NAMES + ["c"]
            more.append("d")
            yield charge([mine, names, other, more])
    """,
    "pure decorators, properties, managers and caches": """
        import contextlib, functools

        def traced(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)
            return wrapper

        @traced
        def double(n):
            return 2 * n

        @functools.lru_cache(maxsize=None)
        def triple(n):
            return 3 * n

        @contextlib.contextmanager
        def scope(name):
            yield name

        class Order:
            def __init__(self, n):
                self.n = n

            @property
            def total(self):
                return self.n * 2

            @functools.cached_property
            def label(self):
                return str(self.n)

        @workflow
        def wf(ctx: Context):
            order = Order(3)
            with scope("a") as name, contextlib.suppress(KeyError):
                yield charge(name)
            yield charge(double(1) + triple(2) + order.total + len(order.label))
    """,
    "a pure override of an impure method": """
        import time

        class Base:
            def stamp(self):
                return time.time()

            def run(self):
                return self.stamp()

        class Fixed(Base):
            def stamp(self):
                return 0

        @workflow
        def wf(ctx: Context):
            yield charge(Fixed().stamp() + Fixed().run())
    """,
    "two classes with the same method": """
        import time

        class Wall:
            def read(self):
                return time.time()

        class Frozen:
            def read(self):
                return 0

        @workflow
        def wf(ctx: Context, clock: Frozen):
            yield charge(clock.read() + Frozen().read())
    """,
    "loggers of the workflow": """
        def note(log, text):
            log.info(text)

        @workflow
        def wf(ctx: Context):
            log = ctx.log
            log.info("x")
            note(ctx.log, "y")
            yield charge(1)
    """,
    "random generators that are handed on": """
        def pick(rng, xs):
            return rng.choice(xs)

        @workflow
        def wf(ctx: Context):
            yield charge(pick(ctx.random, [1, 2]))
    """,
    "instance state": """
        class Cart:
            def __init__(self):
                self.items = []
                self.seen = set()

            def add(self, item):
                self.items.append(item)
                self.seen.add(item)

        @workflow
        def wf(ctx: Context):
            cart = Cart()
            cart.add(1)
            yield charge(cart.items)
    """,
    "dataclass defaults": """
        from dataclasses import dataclass, field

        @dataclass
        class Order:
            items: list[str] = field(default_factory=list)
            tags: dict[str, str] = field(default_factory=dict)

        @workflow
        def wf(ctx: Context):
            order = Order()
            order.items.append("a")
            order.tags["k"] = "v"
            yield charge(f"{order}")
    """,
    "registries filled at import": """
        HANDLERS = {}

        def register(function):
            HANDLERS[function.__name__] = function
            return function

        @register
        def double(n):
            return n * 2

        @workflow
        def wf(ctx: Context):
            yield charge(HANDLERS["double"](1))
    """,
    "exceptions of libraries": """
        import requests, socket, subprocess

        @workflow
        def wf(ctx: Context):
            try:
                yield charge(1)
            except (requests.RequestException, socket.timeout, subprocess.CalledProcessError, OSError):
                raise
    """,
    "main guards": """
        import sys, time

        @workflow
        def wf(ctx: Context):
            yield charge(1)

        if __name__ == "__main__":
            print(time.time(), sys.argv)
    """,
    "narrowed sets": """
        @workflow
        def wf(ctx: Context, xs: set[str] | list[str]):
            if isinstance(xs, set):
                xs = sorted(xs)
            for x in xs:
                yield charge(x)
    """,
    "single-element unpacking": """
        @workflow
        def wf(ctx: Context, xs: set[str]):
            (only,) = xs
            yield charge(only)
    """,
    "child workflows and timers": """
        @workflow
        def child(ctx: Context, n: int) -> Flow[int]:
            return (yield charge(n))

        @workflow
        def wf(ctx: Context):
            a = yield child(1)
            winner = yield from race(charge(1), sleep(5))
            both = yield from gather(child(1), pair(2))
            yield sleep(minutes=5)
            return a, winner.index, both

        def pair(n) -> Flow[int]:
            yield charge(n)
            return n
    """,
    "nested helpers": """
        @workflow
        def wf(ctx: Context):
            def both(n):
                a = yield charge(n)
                b = yield refund(n)
                return a + b

            total = yield from both(1)
            add = lambda x: x + total
            yield charge(add(1))
    """,
    "recursion and cycles": """
        def even(n):
            return n == 0 or odd(n - 1)

        def odd(n):
            return n != 0 and even(n - 1)

        def walk(n):
            if n:
                yield charge(n)
                yield from walk(n - 1)

        @workflow
        def wf(ctx: Context):
            yield from walk(3)
            yield charge(even(4))
    """,
    "workflow used by plain code": """
        import time

        @workflow
        def wf(ctx: Context):
            yield charge(1)

        def main(app):
            start = time.time()
            app.run(wf())
            print(time.time() - start)
    """,
    "enum, namedtuple and constants": """
        import enum
        from typing import NamedTuple

        class Color(enum.Enum):
            RED = 1

        class Point(NamedTuple):
            x: int
            y: int

        LIMITS = {"a": 1}
        NAMES = ("a", "b")
        RATE = 0.5

        @workflow
        def wf(ctx: Context):
            for name in NAMES:
                yield charge([name, LIMITS["a"] * RATE, Color.RED.value, f"{Point(1, 2)} {Color.RED}"])
    """,
    "activity that calls another one's function": """
        @activity
        def both(n):
            return charge.fn(n) + refund.fn(n)

        @workflow
        def wf(ctx: Context):
            yield both(1)
    """,
    "builtin exceptions of activities": """
        from romancy.errors import ActivityError

        class Declined(Exception): ...

        @activity(raises=[Declined])
        def pay(n): ...

        @workflow
        def wf(ctx: Context):
            try:
                yield pay(1)
            except (Declined, ValueError, ActivityError):
                yield refund(1)
    """,
    "parts of tuples that are no sets": """
        def parts() -> list[tuple[str, set[str], list[str]]]: ...

        @workflow
        def wf(ctx: Context, both: dict[str, tuple[set[str], list[str]]], flag: bool):
            for name, tags, rows in parts():
                yield charge([f"{name}", sorted(tags), [r for r in rows]])
            tags, rows = both["a"]
            first, *rest = rows
            pair = ({"a"}, [1]) if flag else ({"b"}, [2])
            chosen, numbers = pair
            yield charge([list(numbers), first, rest, len(chosen), len(tags)])
    """,
    "classes made inside of functions": """
        def build():
            class Row:
                total = 0

            Row.total = 3
            return Row

        @workflow
        def wf(ctx: Context):
            yield charge(build().total)
    """,
    "activities that close over a test": """
        def test_it():
            seen = []
            count = 0

            @activity
            def act(n):
                nonlocal count
                count += 1
                seen.append(n)

            @workflow
            def wf(ctx):
                yield act(1)
    """,
    "helpers that raise their own exceptions": """
        class Empty(Exception): ...

        def check(n):
            if not n:
                raise Empty

        @workflow
        def wf(ctx: Context):
            try:
                n = yield charge(1)
                check(n)
            except Empty:
                yield refund(1)
    """,
}


@pytest.mark.parametrize("name", TRAPS)
def test_sound_code_is_silent(name: str):
    assert [f"{f.code} {f.place.row} {f.message}" for f in lint(textwrap.dedent(TRAPS[name]))] == []


def test_project_modules_with_famous_names_are_their_own():
    main = """
        from app import random, clock
        from app.time import sleep as pause
        import app.time

        @workflow
        def wf(ctx: Context):
            pause(1)
            app.time.sleep(2)
            yield charge(random.choice([1]) + clock.time())
    """
    own = {
        "app__init": "",
        "app__random": "def choice(xs):\n    return xs[0]\n",
        "app__clock": "def time():\n    return 0\n",
        "app__time": "def sleep(n):\n    return n\n",
    }
    assert codes(main, **own) == []


def test_a_module_beside_the_file_shadows_the_standard_library():
    main = """
        import random

        @workflow
        def wf(ctx: Context):
            yield charge(random.choice([1]))
    """
    assert codes(main, random="def choice(xs):\n    return xs[0]\n") == []


def test_modules_without_workflows_are_not_looked_at():
    assert codes(prelude=False, tool="import time\nprint(time.time())\n") == []


def test_declaring_options_of_a_parser_reads_no_command_line():
    options = "import argparse\n@workflow\ndef wf(ctx: Context):\n    parser = argparse.ArgumentParser()\n"
    options += "    parser.add_argument('--n', type=int)\n"
    assert codes(options + "    yield charge(1)\n") == []
    assert codes(options + "    yield charge(parser.parse_args().n)\n") == ["ROM132"]


@pytest.mark.parametrize(
    "use",
    [
        "calls = (charge(1), charge(2))\n    yield gather(*calls)",
        "calls = (charge(1), charge(2))\n    yield calls[n]",
        "calls = {charge(i) for i in range(n)}\n    if calls:\n        yield calls.pop()  # noqa: ROM123 x",
        "calls = {i: charge(i) for i in range(n)}\n    yield calls[0]",
        "calls = list(map(charge, [1, 2]))\n    yield gather(*calls)",
        "calls = list(map(charge, [1, 2]))\n    def later():\n        return calls\n    yield gather(*later())",
        "calls = [charge(i) for i in range(n)]\n    if any(c for c in calls):\n        yield gather(*calls)",
        "calls = [charge(i) for i in range(n)]\n    [c for c in calls]\n    yield gather(*calls)",
        "calls = []\n    [calls.append(charge(i)) for i in range(n)]\n    yield gather(*calls)",
        "keep([charge(1), charge(2)])\n    yield charge(3)",
        "a, b = charge(1), charge(2)\n    yield a\n    yield b",
        "a, b = yield gather(charge(1), charge(2))\n    yield charge(a + b)",
    ],
)
def test_collected_calls_that_are_used_are_silent(use: str):
    head = "def keep(calls):\n    return calls\n"
    assert codes(f"{head}@workflow\ndef wf(ctx: Context, n: int):\n    {use}\n") == []


def test_calls_that_another_module_made_are_not_looked_for_here():
    helpers = "from main import charge\n" + "\n" * 40 + "def batch():\n    return [charge(n) for n in range(3)]\n"
    main = "from helpers import batch\n@workflow\ndef wf(ctx: Context):\n    calls = batch()\n    yield charge(1)\n"
    assert codes(main, helpers=helpers) == []


@pytest.mark.parametrize(
    "body",
    [
        "names: list[str]\n    def __post_init__(self):\n        self.names = sorted(self.names)",
        "names: frozenset[str]\n    def first(self):\n        return min(self.names)",
        "names: list[str]\n    def add(self, name):\n        self.names.append(name)",
    ],
)
def test_fields_that_are_only_announced_belong_to_each_instance(body: str):
    text = f"from dataclasses import dataclass\n@dataclass\nclass Cart:\n    {body}\n"
    text += "class Plain:\n    names: list[str]\n    def __init__(self, names):\n        self.names = names\n"
    text += "@workflow\ndef wf(ctx: Context, cart: Cart, plain: Plain):\n    cart.names.append('x')\n"
    text += "    plain.names.append('x')\n    yield charge(len(cart.names) + len(plain.names))\n"
    assert codes(text.replace("cart.names.append('x')", "pass") if "frozen" in body else text) == []


@pytest.mark.parametrize(
    "name", ["socket.timeout", "socket.gaierror", "requests.Timeout", "queue.Empty", "logging.Filter"]
)
def test_making_an_exception_does_nothing(name: str):
    head = "import socket, queue, logging, requests\n@workflow\ndef wf(ctx: Context):\n    yield charge(1)\n"
    assert codes(head + f"    error = {name}()\n") == []


@pytest.mark.parametrize(
    "use",
    [
        "seen = {}\n    seen[id(xs)] = 1",
        "seen = {id(x): x for x in xs}",
        "seen = {id(xs): 1}",
        "seen = {id(x) for x in xs}",
        "seen = set()\n    seen.add(id(xs))",
        "seen = id(xs) in {}",
        "seen = id(xs) == id(ctx)",
        "seen = {}.get(id(xs))",
    ],
)
def test_an_id_that_is_only_a_key_or_compared_is_silent(use: str):
    assert codes(f"@workflow\ndef wf(ctx: Context, xs: list):\n    {use}\n    yield charge(1)\n") == []


@pytest.mark.parametrize("use", ["id(xs)", "id(xs) < id(ctx)", "sorted(xs, key=id)", "f'{object()}'", "repr(object())"])
def test_an_id_that_leaks_is_found(use: str):
    assert "ROM114" in codes(f"@workflow\ndef wf(ctx: Context, xs: list):\n    yield charge({use})\n")


def test_a_call_object_that_may_be_none_may_be_asked_for_but_a_fresh_one_may_not():
    head = "@workflow\ndef wf(ctx: Context, n: int):\n    call = charge(n) if n else None\n"
    assert codes(head + "    yield (call or charge(3))\n    x = call and (yield call)\n") == []
    assert codes(head + "    yield (call or charge(3))\n    x = charge(4) and n\n") == ["ROM401"]


@pytest.mark.parametrize(
    "use",
    [
        "n and (yield charge(1))",
        "(yield charge(1)) if n else (yield refund(1))",
        "call = n and charge(1)\n    yield call",
        "call = charge(1) if n else refund(1)\n    yield call",
        "yield (n and charge(1)) or refund(1)",
        "call = charge(1)\n    n and print_it(call)\n    yield call",
        "call = charge(1)\n    n and call\n    yield call",
        "call = charge(1)\n    call if n else None\n    yield call",
        "n and calls.append(charge(1))\n    yield gather(*calls)",
        "calls.append(charge(1)) if n else None\n    yield gather(*calls)",
        "several = {charge(1), refund(1)}\n    yield gather(*several)",
        "several = {charge(1), refund(1)}\n    first = several\n    yield gather(*first)",
        "keep({charge(1), refund(1)})",
        "call = charge(1)\n    seen = {call}\n    yield call",
    ],
)
def test_a_call_that_is_yielded_later_may_be_chosen_and_kept(use: str):
    head = "def print_it(call):\n    return None\ndef keep(calls):\n    return calls\n"
    start = f"@workflow\ndef wf(ctx: Context, n: int):\n    calls = []\n    {use}\n    yield charge(9)\n"
    found = codes(head + start)
    assert "ROM401" not in found and "ROM405" not in found


@pytest.mark.parametrize(
    ("statement", "repaired"),
    [
        ("n and charge(1)", "n and (yield charge(1))"),
        ("charge(1) if n else None", "(yield charge(1)) if n else None"),
    ],
)
def test_a_call_that_is_chosen_and_dropped_is_yielded_by_the_fix(statement: str, repaired: str):
    text = "@workflow\ndef wf(ctx: Context, n: int):\n    {}\n    yield charge(9)\n"
    assert fixed(text.format(statement), unsafe=True) == text.format(repaired)


@pytest.mark.parametrize("use", ["Price() + 1", "1 + Price()"])
def test_an_operator_that_a_method_may_refuse_gives_what_it_gives_otherwise(use: str):
    head = "class Price:\n    def __add__(self, other):\n        if other:\n            return unknown(other)\n"
    head += "        return NotImplemented\n    __radd__ = __add__\n"
    assert codes(f"{head}@workflow\ndef wf(ctx: Context):\n    yield charge({use})\n") == []
