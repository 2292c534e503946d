"""Workflow programs made by chance: sound ones, and ones with a single defect of a known rule planted in them."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

ACTIVITIES = '''\
"""What the programs ask for; what an activity gives is different each time."""
import os
import random
import time
from typing import Any

from romancy import RetryPolicy, activity


@activity
def echo(value: Any) -> Any:
    return value


@activity
def draw(limit: int) -> int:
    return random.randrange(limit)


@activity
def moment() -> float:
    return time.time() + os.getpid()


@activity
def split(text: str) -> set[str]:
    return set(text.split())


@activity(retry=RetryPolicy(max_attempts=1))
def refuse(why: str) -> None:
    raise ValueError(why)
'''

_HEAD = """\
import collections
import contextlib
import copy
import dataclasses
import decimal
import functools
import hashlib
import itertools
import json
import os.path
import random
import uuid
import zlib
from datetime import UTC, datetime, timedelta

from activities import draw, echo, moment, refuse, split
from romancy import Context, Flow, gather, race, sleep, workflow

TEMPLATE = {"kind": "order", "lines": []}
TABLE = {"double": lambda n: n * 2, "square": lambda n: n * n}


@dataclasses.dataclass
class Cart:
    names: list[str] = dataclasses.field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.names)

    def add(self, name: str) -> int:
        self.names.append(name)
        return self.size

    def __iter__(self):
        return iter(self.names)


@functools.lru_cache
def power(number: int) -> int:
    return number**3


@contextlib.contextmanager
def bracket(out: list, name: str):
    out.append(f"<{name}>")
    yield name.upper()
    out.append(f"</{name}>")


def code_of(text: str) -> int:
    return zlib.crc32(text.encode()) % 97


def stamp() -> str:
    return Context.current().now().isoformat()


def evens(limit: int):
    for number in range(limit):
        if number % 2 == 0:
            yield number


"""

_SOUND = (
    "out.append((yield echo({n})))",
    "out.append((yield from echo({word!r})))",
    "number = yield from draw(100)\nout.append(number)",
    "out.append(round((yield moment()), 3))",
    "words = yield from split('{word} b c {word} d')\nfor each in sorted(words):\n    out.append((yield echo(each)))",
    "words = yield from split('x y z')\nout.append([len(words), 'x' in words, min(words), max(words), words == set()])",
    "out.append(sorted(set(items) | {{{word!r}}}))",
    "for each in sorted(set(items)):\n    out.append((yield echo(each)))",
    "for each in dict.fromkeys(items):\n    out.append((yield echo(each)))",
    "for key, value in {{'a': 1, {word!r}: {n}}}.items():\n    out.append([key, (yield echo(value))])",
    "names = list(set(items))\nnames.sort()\nout.append(names)",
    "yield sleep(0.001)",
    "out.extend((yield from gather(*(draw(n + 1) for n in range({small})))))",
    "calls = [echo(each) for each in items]\nout.append((yield gather(*calls)))",
    "winner = yield from race(draw(9), draw(9))\nout.append([winner.index, winner.value])",
    "winner = yield race(echo({n}), sleep(3600))\nout.append(winner.index)",
    "call = echo({word!r})\nout.append({n})\nout.append((yield call))",
    "calls = {{'one': echo(1), 'two': echo(2)}}\nfor name in ('two', 'one'):\n    out.append((yield calls[name]))",
    "out.append(ctx.random.choice(items))\nout.append(ctx.random.randint(1, {n}))",
    "out.append(random.Random({n}).random())\nout.append(random.Random({word!r}).randint(1, 100))",
    "out.append(ctx.now().isoformat())\nyield echo((ctx.now() + timedelta(days={n})).isoformat())",
    "out.append(stamp())",
    "out.append(str(ctx.uuid4()))",
    "out.append(str(uuid.uuid5(uuid.NAMESPACE_URL, {word!r})))",
    "out.append(hashlib.sha256({word!r}.encode()).hexdigest()[:8])\nout.append(code_of({word!r}))",
    "out.append(datetime.fromtimestamp({n}, tz=UTC).isoformat())",
    "out.append(datetime.fromisoformat('2024-02-03T04:05:06').year)",
    "out.append(json.dumps({{'b': 1, 'a': [{n}]}}, sort_keys=True))",
    "out.append(os.path.join('a', {word!r}))",
    "with decimal.localcontext() as local:\n    local.prec = 4\n    out.append(str(decimal.Decimal({n}) / 7))",
    "ctx.log.info('at %s', {n})",
    "try:\n    yield refuse({word!r})\nexcept ValueError as error:\n    out.append(str(error))\nfinally:\n"
    "    yield echo('after')",
    "try:\n    out.append((yield draw(3)))\nexcept Exception:\n    raise\nelse:\n    out.append('fine')",
    "cart = Cart()\nfor each in items:\n    out.append(cart.add(each))\nout.append(list(cart))",
    "out.append(power({n}) + functools.reduce(lambda a, b: a + b, range({small}), 0))",
    "with bracket(out, {word!r}) as name:\n    out.append((yield echo(name)))",
    "out.append([value for value in evens({n})])\nout.append(list(itertools.accumulate(range({small}))))",
    "counts = collections.Counter(items)\nout.append(counts.most_common())",
    "order = copy.deepcopy(TEMPLATE)\norder['lines'].append({word!r})\nout.append(order)",
    "out.append(TABLE['double']({n}) + TABLE['square']({small}))",
    "kept = {{id(each): each for each in items}}\nout.append(len(kept) > 0)",
    "if (total := (yield draw({n} + 5))) > 3:\n    out.append(total)",
    'out.append(f"{{(yield echo({n}))}} and {{{word!r}:>8}}")',
    "def local(value):\n    return [value, ctx.run]\nout.append(local({n}))",
    "left = {small}\nwhile left:\n    left -= 1\n    out.append((yield draw(left + 1)))",
    "match (yield draw(3)):\n    case 0:\n        out.append('none')\n    case n if n > 1:\n"
    "        out.append('many')\n    case _:\n        out.append('one')",
    "out.append(sorted(items, key=lambda each: (len(each), each)))",
    "out.append([repr({word!r}), str({n}.5), (3).bit_length()])",
    "out.extend((yield from pair(ctx, {n})))",
    "out.append((yield from side({small})))",
    "out.append((yield side({small})))",
)
"""Statements that replay: what they add to `out` is the same in every process that is handed the same history."""

DEFECTS: dict[str, tuple[str, ...]] = {
    "ROM101": ("time.time()", "datetime.now().isoformat()", "time.strftime('%c')"),
    "ROM102": ("time.perf_counter()", "time.monotonic_ns()", "time.process_time()"),
    "ROM103": ("time.sleep(0.001)",),
    "ROM111": ("random.random()", "random.choice(range(10**9))", "random.Random().random()"),
    "ROM112": ("secrets.token_hex(8)", "os.urandom(8).hex()", "random.SystemRandom().random()"),
    "ROM113": ("str(uuid.uuid4())", "uuid.uuid1().hex"),
    "ROM114": ("hash('a word')", "id(object())", "repr(object())"),
    "ROM121": ("[each for each in set('abcdefghijkl')]", "sorted(set('abcdefghijkl'), key=lambda c: 0)"),
    "ROM122": ("list(set('abcdefghijkl'))", "''.join(set('abcdefghijkl'))", "str(set('abcdefghijkl'))"),
    "ROM123": ("set('abcdefghijkl').pop()", "next(iter(set('abcdefghijkl')))"),
    "ROM125": ("[each.cancel() for each in asyncio.as_completed([])]",),
    "ROM131": ("os.environ['PLACE']", "os.getenv('PLACE')", "os.path.expandvars('$PLACE')"),
    "ROM132": ("sys.argv[1]", "list(sys.argv)"),
    "ROM133": ("os.getpid()", "os.getcwd()", "os.path.abspath('x')"),
    "ROM134": ("datetime.fromtimestamp(0).isoformat()", "time.tzname[0]"),
    "ROM135": ("sys.getrefcount(None)", "len(gc.get_objects())"),
    "ROM201": ("os.listdir('.')", "open('here.txt').read()", "pathlib.Path('here.txt').read_text()"),
    "ROM202": ("socket.create_connection(('127.0.0.1', 9))", "urllib.request.urlopen('http://127.0.0.1:9')"),
    "ROM203": ("sqlite3.connect(':memory:').total_changes",),
    "ROM204": ("subprocess.run(['true']).returncode", "os.system('true')"),
    "ROM205": ("threading.Lock().acquire()", "threading.Thread(target=print).start()"),
    "ROM206": ("print('hello')",),
    "ROM207": ("logging.getLogger('x').info('hello')", "logging.warning('hello')"),
    "ROM208": ("os.chdir('.')", "os.putenv('A', 'b')", "signal.signal(signal.SIGUSR1, signal.SIG_DFL)"),
    "ROM209": ("eval('1 + 1')", "importlib.import_module('json').__name__"),
    "ROM401": ("echo(1) and None", "str(echo(1))", "echo(1) == 1"),
    "ROM403": ("len(pair(ctx, 1))",),
}
"""Expressions with a defect of each rule, which a sound program may not hold."""

SHOWN = {
    "ROM101", "ROM102", "ROM111", "ROM112", "ROM113", "ROM114", "ROM121", "ROM122", "ROM123", "ROM131", "ROM132",
    "ROM133", "ROM134", "ROM201",
}  # fmt: skip
"""Defects whose value differs in any other process of other settings: their programs must fail to replay."""

_MODULES = (
    "asyncio", "gc", "importlib", "logging", "os", "pathlib", "secrets", "signal", "socket", "sqlite3", "subprocess",
    "sys", "threading", "time", "urllib.request",
)  # fmt: skip

_PLACES = {
    "body": ("", "out.append({defect})"),
    "statement": ("", "value = {defect}\nout.append(value)"),
    "branch": ("", "if len(items) > 0:\n    out.append({defect})"),
    "loop": ("", "for _ in range(1):\n    yield echo(1)\n    out.append({defect})"),
    "handler": ("", "try:\n    yield refuse('x')\nexcept ValueError:\n    out.append({defect})"),
    "helper": ("def planted():\n    return {defect}\n\n\n", "out.append(planted())"),
    "two helpers": (
        "def planted():\n    return {defect}\n\n\ndef outer(n):\n    return planted() if n else None\n\n\n",
        "out.append(outer(1))",
    ),
    "method": ("class Planted:\n    def go(self):\n        return {defect}\n\n\n", "out.append(Planted().go())"),
    "property": (
        "class Planted:\n    @property\n    def value(self):\n        return {defect}\n\n\n",
        "out.append(Planted().value)",
    ),
    "nested": ("", "def planted():\n    return {defect}\nout.append(planted())"),
    "lambda": ("", "planted = lambda: {defect}\nout.append(planted())"),
    "generator": (
        "def planted(ctx):\n    yield echo(1)\n    return {defect}\n\n\n",
        "out.append((yield from planted(ctx)))",
    ),
}
"""Where a defect is planted: what stands above the workflow, and what stands in it."""


@dataclass(frozen=True)
class Program:
    """The text of one module, whose workflow `main_<number>` takes a list of words."""

    number: int
    text: str
    code: str | None = None
    row: int = 0

    @property
    def name(self) -> str:
        return f"program_{self.number}"


def sound(number: int, chance: random.Random) -> Program:
    """A program in which nothing is wrong."""
    return Program(number, _program(number, chance, "", ""))


def planted(number: int, chance: random.Random, code: str, defect: str) -> Program:
    """A sound program with one defect."""
    above, inside = chance.choice([place for name, place in _PLACES.items() if _fits(name, code)])
    above, inside = above.replace("{defect}", defect), inside.replace("{defect}", defect)
    imports = "".join(f"import {name}\n" for name in _MODULES)
    text = _program(number, chance, above, inside, imports)
    rows = [row for row, line in enumerate(text.splitlines(), 1) if defect in line]
    return Program(number, text, code, rows[0])


def _fits(place: str, code: str) -> bool:
    """Calls of the language are made where they can be yielded."""
    return code < "ROM400" or place in ("body", "branch", "loop")


def _program(number: int, chance: random.Random, above: str, inside: str, imports: str = "") -> str:
    head = imports + _HEAD + above
    pair = "def pair(ctx: Context, number: int):\n    out, items = [], ['p', 'q', 'p']\n"
    pair += _indented(_block(chance, 2, 1, own=False))
    pair += "    out.append((yield from echo(number)))\n    return out\n\n\n"
    side = f'@workflow(name="side_{number}")\ndef side(ctx: Context, number: int) -> Flow[int]:\n'
    side += "    number += yield from draw(10)\n    return number\n\n\n"
    body = [*_block(chance, chance.randint(2, 7), 2), *([inside] if inside else []), *_block(chance, 2, 1)]
    end = chance.choice(["return out"] * 5 + ["raise ValueError(json.dumps(out))"])
    lines = f'@workflow(name="main_{number}")\ndef main(ctx: Context, items: list[str]) -> Flow[list]:\n'
    lines += "    out = [(yield echo(0))]\n"
    return head + pair + side + lines + _indented([*body, end])


def _block(chance: random.Random, length: int, depth: int, *, own: bool = True) -> list[str]:
    """Statements, some of them inside of others."""
    usable = _SOUND if own else [each for each in _SOUND if "pair(" not in each and "side(" not in each]
    found = []
    for _ in range(length):
        text = chance.choice(usable).format(
            n=chance.randint(1, 30), small=chance.randint(1, 4), word=chance.choice(["lamp", "größe", "a b", "z"])
        )
        if depth and chance.random() < 0.3:
            wrap: Callable[[str], str] = chance.choice(_WRAPPED)
            text = wrap("\n".join([text, *_block(chance, 1, depth - 1, own=own)]))
        found.append(text)
    return found


def _indented(statements: list[str]) -> str:
    return textwrap.indent("\n".join(statements) + "\n", "    ")


_WRAPPED: tuple[Callable[[str], str], ...] = (
    lambda text: "if (yield draw(2)):\n" + textwrap.indent(text, "    ") + "\nelse:\n    out.append('else')",
    lambda text: "for turn in range(2):\n" + textwrap.indent(text, "    "),
    lambda text: "try:\n" + textwrap.indent(text, "    ") + "\nfinally:\n    out.append('finally')",
    lambda text: "if len(items) > 1 and ctx.random.random() < 0.7:\n" + textwrap.indent(text, "    "),
    lambda text: "with contextlib.suppress(KeyError):\n" + textwrap.indent(text, "    "),
)
