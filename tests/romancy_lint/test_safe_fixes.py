"""A safe fix is an equal expression that runs inside of workflows alone; every fix that is offered is Python."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from romancy import Romancy
from romancy_lint.cli import main
from romancy_lint.config import Config
from romancy_lint.finding import Edit, Finding, Fix, Place
from romancy_lint.fixes import apply, fix_files
from tests.romancy_lint.support import PRELUDE, ROOT, codes, files, fixed, lint

CLOCK = """
import time, uuid
from dataclasses import dataclass, field

def stamp():
    return time.time()

def inner():
    return stamp()

class Box:
    def __init__(self):
        self.at = time.time()

@dataclass
class Order:
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

@workflow
def wf(ctx: Context):
    yield charge([inner(), Box().at, Order().key])
"""
PLACES = {"stamp": 0, "Box": 1, "Order": 2}


def kinds(code: str, **others: str) -> list[str | None]:
    """How applicable the fix of each finding of the module is."""
    return [f.fix.applicability if f.fix else None for f in lint(code, **others) if f.filename.endswith("main.py")]


def imported(code: str) -> dict[str, Any]:
    """What a module holds after it was imported."""
    namespace: dict[str, Any] = {"__name__": "fixed"}
    exec(compile(PRELUDE + textwrap.dedent(code), "fixed", "exec", dont_inherit=True), namespace)
    return namespace


def ran(code: str, path: Path) -> object:
    """What the workflow `wf` of a module gives back."""
    definition = imported(code)["wf"]
    with Romancy(str(path), worker=False) as app:
        handle = app.start(definition())
        app.run_until_idle()
        return handle.result(10)


# -- references ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "new"),
    [
        ("from uuid import uuid4\n", "lambda: Context.current().uuid4()"),
        ("from time import time as uuid4\n", "lambda: Context.current().now().timestamp()"),
        ("from random import random as uuid4\n", "lambda: Context.current().random.random()"),
    ],
)
def test_a_factory_becomes_a_function_and_not_what_needs_a_workflow_at_import(line: str, new: str, tmp_path: Path):
    code = f"""\
from dataclasses import dataclass, field
{line}
@dataclass
class Order:
    id: object = field(default_factory=uuid4)

@workflow
def wf(ctx: Context):
    order = Order()
    yield sleep(0)
    return str(order.id)
"""
    result = fixed(code)
    assert f"field(default_factory={new})" in result
    assert lint(result) == []
    assert ran(result, tmp_path / "app.db")


@pytest.mark.parametrize(
    "given", ["attrs.field(factory=uuid4)", "attrs.Factory(uuid4)", "attrs.field(default=attrs.Factory(uuid4))"]
)
def test_factories_of_other_libraries_are_found_once_and_become_functions(given: str):
    code = f"""
import attrs
from uuid import uuid4

@attrs.define
class Order:
    id: object = {given}

@workflow
def wf(ctx: Context):
    yield charge(Order().id)
"""
    assert codes(code) == ["ROM113"]
    assert given.replace("uuid4", "lambda: Context.current().uuid4()") in fixed(code)


def test_a_function_that_is_called_later_was_not_computed_at_import():
    code = """
import random

class Dice:
    roll = property(lambda self: random.random())

@workflow
def wf(ctx: Context):
    yield charge(Dice().roll)
"""
    assert codes(code) == ["ROM111"]
    assert "property(lambda self: Context.current().random.random())" in fixed(code, unsafe=True)


# -- calls through variables ---------------------------------------------------------------------------------------
def test_a_call_through_a_variable_is_swapped_where_the_function_is_named(tmp_path: Path):
    code = """
import random
import time
from functools import partial

@workflow
def wf(ctx: Context, fair: bool = False):
    roll = partial(random.randint, 6, 6)
    draw = random.random if fair else random.gauss
    clock = time.time
    yield sleep(0)
    return [roll(), type(draw(5, 1)).__name__, clock() > 1]
"""
    result = fixed(code)
    assert "partial(ctx.random.randint, 6, 6)" in result
    assert "draw = ctx.random.random if fair else ctx.random.gauss" in result
    assert "clock = lambda: ctx.now().timestamp()" in result
    assert lint(result) == []
    assert ran(result, tmp_path / "app.db") == [6, "float", True]


@pytest.mark.parametrize(
    "given",
    [
        "roll = partial(random.randint, 1, 6)\n@workflow\ndef wf(ctx: Context):\n    yield charge(roll())\n",
        "def go(roll=random.random):\n    return roll()\n@workflow\ndef wf(ctx: Context):\n    yield charge(go())\n",
        "@workflow\ndef wf(ctx: Context, x: int):\n    roll = random.random\n    if x:\n        roll = str\n"
        "    yield charge(roll())\n",
        "@workflow\ndef wf(ctx: Context, x: str):\n    yield charge({'a': random.random}[x]())\n",
    ],
)
def test_what_is_not_named_in_the_workflow_or_not_always_the_same_gets_no_fix(given: str):
    assert set(kinds(f"import random\nfrom functools import partial\n{given}")) <= {None}
    assert set(codes(f"import random\nfrom functools import partial\n{given}")) <= {"ROM111"}


def test_a_context_that_may_be_missing_is_not_used():
    code = """
import time

def stamp(ctx: Context = None):
    return time.time()

@workflow
def wf(ctx: Context):
    yield charge(stamp(ctx))
"""
    assert "return Context.current().now().timestamp()" in fixed(code)


# -- other callers -------------------------------------------------------------------------------------------------
def test_what_workflows_alone_run_is_fixed_safely():
    assert kinds(CLOCK) == ["safe", "safe", "safe"]
    assert kinds(CLOCK, other="import main\nprint(main.wf)\n") == ["safe", "safe", "safe"]


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    "where",
    [
        "\ndef main():\n    print({name}())\n",
        "\nBOOT = {name}()\n",
        "\n@activity\ndef act():\n    return {name}()\n",
        "\n__all__ = ['{name}']\n",
        "\nENTRY = 'main:{name}'\n",
    ],
)
def test_other_code_of_the_module_that_runs_a_place_makes_its_fix_unsafe(name: str, where: str):
    expected = ["unsafe" if PLACES[name] == number else "safe" for number in range(3)]
    assert kinds(CLOCK + where.format(name=name)) == expected


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    "others",
    [
        {"other": "from main import {name}\nprint({name}())\n"},
        {"tests__test_main": "import main\ndef test_it():\n    assert main.{name}()\n"},
        {"app": "from romancy import Romancy\nfrom main import {name} as made\n\ndef go():\n    return made()\n"},
    ],
)
def test_another_module_that_runs_a_place_makes_its_fix_unsafe(name: str, others: dict[str, str]):
    expected = ["unsafe" if PLACES[name] == number else "safe" for number in range(3)]
    assert kinds(CLOCK, **{key: text.format(name=name) for key, text in others.items()}) == expected


def test_a_caller_of_a_caller_counts():
    assert kinds(CLOCK, other="from main import inner\ninner()\n")[0] == "unsafe"
    assert kinds(CLOCK + "\ndef main():\n    inner()\n")[0] == "unsafe"


def test_a_class_that_arguments_or_results_are_made_of_is_run_by_others():
    assert kinds(CLOCK + "\n@activity\ndef act(order: Order) -> Box: ...\n") == ["safe", "unsafe", "unsafe"]


def test_a_file_that_does_not_mention_romancy_is_seen_though_the_rest_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "orders.py").write_text(PRELUDE + CLOCK)
    for given, said in (
        ("x = 1\n", "3 can be repaired with `--fix`\n"),
        ("from orders import stamp\n", "2 can be repaired with `--fix`, 1 more with `--unsafe-fixes`\n"),
        ("x = 1\n", "3 can be repaired with `--fix`\n"),
    ):
        (tmp_path / "other.py").write_text(given)
        assert said in CliRunner().invoke(main, ["check"]).stderr
    assert "3 can be repaired" in CliRunner().invoke(main, ["check", "orders.py"]).stderr


def test_after_a_fix_only_what_it_left_for_another_option_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.py").write_text(PRELUDE + CLOCK + "    return charge(1)\n")
    result = CliRunner().invoke(main, ["check", "--fix"])
    assert "3 repaired, 1 finding in 1 file\n" in result.stderr
    assert "1 can be repaired with `--fix --unsafe-fixes`\n" in result.stderr
    result = CliRunner().invoke(main, ["check", "--fix", "--unsafe-fixes"])
    assert "1 repaired, no findings in 1 file\n" in result.stderr
    assert "can be repaired" not in result.stderr


# -- sets ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "new", "kind"),
    [
        ("{1, 2}", "(1, 2)", "safe"),
        ("{None, 1}", "(None, 1)", "safe"),
        ("{-1}", "(-1,)", "safe"),
        ("{1, 1, 2}", "sorted({1, 1, 2})", "safe"),
        ("{1, True}", "sorted({1, True})", "unsafe"),
        ("{None, 1, 1}", "sorted({None, 1, 1})", "unsafe"),
        ("{y, z}", "sorted({y, z})", "unsafe"),
        ("{*xs}", "sorted({*xs})", "unsafe"),
        ("names", "sorted(names)", "unsafe"),
        ("others", "sorted(others)", "unsafe"),
        ("set(xs)", "sorted(set(xs))", "unsafe"),
        ("numbers", "sorted(numbers)", "safe"),
    ],
)
def test_a_walk_keeps_its_length_and_sorts_only_what_can_be_compared(given: str, new: str, kind: str):
    code = f"""
from typing import Optional

@workflow
def wf(ctx: Context, y: int, z: int, xs: list[str | None], names: set[str | None], others: set[Optional[int]],
       numbers: set[int]):
    for x in {given}:
        yield charge(x)
"""
    [finding] = [f for f in lint(code) if f.code == "ROM121"]
    assert finding.fix is not None
    assert ([edit.content for edit in finding.fix.edits], finding.fix.applicability) == ([new], kind)


def test_what_variables_hold_may_be_none_and_is_not_sorted_safely():
    code = """
@workflow
def wf(ctx: Context, name: str):
    other = None
    if name:
        other = "a"
    both = {name, other}
    for x in both:
        yield charge(x)
"""
    assert kinds(code) == ["unsafe"]


def test_a_list_of_a_set_is_sorted_safely_only_when_its_elements_can_be_compared():
    code = "@workflow\ndef wf(ctx: Context, a: set[str], b: set[str | None]):\n    yield charge([list(a), list(b)])\n"
    assert kinds(code) == ["safe", "unsafe"]


# -- what parses ---------------------------------------------------------------------------------------------------
UNPARENTHESISED = """
def pair(n):
    a = yield charge(n)
    return a

@activity
def load() -> set[int]: ...

@workflow
def wf(ctx: Context, n: int):
    for m in (yield load()):
        yield charge(m)
    charge(1).options(timeout=3)
    kept = charge(2).options(timeout=4).options(retry=None)
    if n == 1:
        return charge.fn(3)
    if n == 2:
        return pair(4)
    return charge(5)
"""


def test_a_yield_gets_the_parentheses_that_it_needs_and_the_options_of_its_call():
    result = fixed(UNPARENTHESISED, unsafe=True)
    for line in (
        "for m in sorted((yield load())):",
        "    yield charge(1).options(timeout=3)\n",
        "return (yield charge(3))",
        "return (yield from pair(4))",
        "return (yield charge(5))",
    ):
        assert line in result
    assert [f.code for f in lint(result) if f.fix is not None] == []


def test_every_fix_that_is_offered_parses():
    for finding in lint(UNPARENTHESISED):
        if finding.fix is not None:
            new, applied = apply(PRELUDE + UNPARENTHESISED, [finding])
            assert applied == [finding]
            ast.parse(new)


@pytest.mark.parametrize("argument", ["(yield charge(1))", "*(yield charge(1))"])
def test_a_fix_that_would_not_parse_or_compile_is_not_offered(argument: str):
    code = f"@workflow\ndef wf(ctx: Context):\n    yield charge(1)\n    raise StopIteration({argument})\n"
    [finding] = lint(code)
    assert (finding.code, finding.fix) == ("ROM505", None)


def test_many_fixes_are_made_at_once_beside_one_that_cannot_be():
    text = "".join(f"a{n} = 1\n" for n in range(60))

    def finding(row: int, content: str) -> Finding:
        fix = Fix("safe", "change it", (Edit(Place(row, 1, row, 3), content),))
        return Finding("x.py", Place(row, 1, row, 3), "ROM101", "x", "x", fix=fix)

    broken = finding(30, "(")
    given = [broken if row == 30 else finding(row, f"b{row % 10}") for row in range(1, 10)] + [broken]
    new, applied = apply(text, given)
    assert broken not in applied
    assert len(applied) == 9
    assert [line[0] for line in new.splitlines()[:10]] == ["b"] * 9 + ["a"]


def test_fixing_leaves_nothing_that_it_could_have_fixed():
    code = "import time\n@workflow\ndef wf(ctx: Context):\n"
    code += "".join(f"    yield charge(time.time() + {n})\n" for n in range(50)) + "    return charge(1)\n"
    texts = files(code, True, {})
    done = fix_files(sorted(texts), Config(root=ROOT), unsafe=True, texts=texts)
    assert len(done.repaired) == 51
    assert done.report.findings == []


# -- arguments that are bound already ------------------------------------------------------------------------------
def test_arguments_that_a_partial_binds_count():
    code = """
from functools import partial

@activity
def act(x: int, y: int = 0, *, z: int = 0) -> int: ...

@activity
def two(x: int, y: int) -> int: ...

@workflow
def wf(ctx: Context, xs: list[int]):
    one = partial(act, 1)
    yield partial(two, *xs)()
    yield one()
    yield one(2, z=3)
    yield partial(one, 2, z=4)()
    yield partial(act, *[1])()
"""
    assert codes(code) == []
    assert codes(code + "    yield one(1, 2)\n") == ["ROM705"]
    assert codes(code + "    yield partial(one, w=1)()\n") == ["ROM705"]
    assert codes(code + "    yield partial(act, y=1)()\n") == ["ROM705"]
    assert codes(code + "    yield one(lambda: 1)\n") == ["ROM601"]
