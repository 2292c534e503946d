"""Fixes keep what they do not mean, parse, and are fixed points."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import romancy_lint
from romancy_lint.config import Config
from romancy_lint.fixes import fix_files, write
from romancy_lint.rules import RULES
from tests.romancy_lint.support import PRELUDE, ROOT, files, fixed, lint

EVERYTHING = """\
import time  # clocks
import random, uuid
from datetime import date, datetime, timezone

@workflow
def wf(ctx: Context, names: set[str], seen=[]):
    # the start
    started = time.time()  # now
    seen.append(started)
    time.sleep( 5 )
    charge( 1 )
    today = date.today()
    aware = datetime.now(timezone.utc)
    print( "started" )
    for name in names:   # every name
        yield charge(
            name,  # first
        )
    ids = [str(uuid.uuid4()) for _ in range(2)]
    pick = random.choice(ids)
    text = ",".join(names)
    if charge(2):
        yield refund([pick, text, today, aware, list(set(ids))])
    rows = [(yield charge(n)) for n in range(3)]
    try:
        yield charge(rows)
    except:
        yield refund(1)
"""


def test_a_file_whose_every_finding_can_be_fixed_is_clean_afterwards():
    new = fixed(EVERYTHING, unsafe=True)
    assert lint(new) == []
    compile(PRELUDE + new, "x", "exec")
    assert "# clocks" not in new
    for comment in ("# the start", "# now", "# every name", "# first"):
        assert comment in new
    assert "yield sleep(5)" in new
    assert fixed(new, unsafe=True) == new


def test_imports_are_added_once_and_dropped_when_unused():
    texts = files(
        """
        from helpers import a, b

        @workflow
        def wf(ctx: Context):
            yield charge(a() + b())
        """,
        True,
        {"helpers": "import time, json\n\n\ndef a():\n    return time.time()\n\n\ndef b():\n    return time.time()\n"},
    )
    done = fix_files(sorted(texts), Config(root=ROOT), unsafe=False, texts=texts)
    assert done.changed[ROOT / "helpers.py"].decode() == (
        "import json\nfrom romancy import Context\n\n\ndef a():\n    return Context.current().now().timestamp()\n\n\n"
        "def b():\n    return Context.current().now().timestamp()\n"
    )


def test_a_helper_that_other_code_calls_too_is_only_fixed_when_asked_for():
    code = """
        import time

        def stamp():
            return time.time()

        @workflow
        def wf(ctx: Context):
            yield charge(stamp())

        def main():
            print(stamp())
    """
    [finding] = lint(code)
    assert finding.fix is not None
    assert finding.fix.applicability == "unsafe"
    [finding] = lint(code.replace("print(stamp())", "pass"))
    assert finding.fix is not None
    assert finding.fix.applicability == "safe"


def test_a_taken_name_is_not_shadowed():
    code = "from time import sleep\nfrom romancy import workflow, activity\n\n@activity\ndef act(): ...\n\n@workflow\n"
    code += "def wf(ctx):\n    sleep(5)\n    yield act()\n"
    new = fixed(code, unsafe=True, prelude=False)
    assert "yield romancy.sleep(5)" in new
    assert "import romancy\n" in new
    assert lint(new, prelude=False) == []


def test_the_library_checks_and_fixes(tmp_path):
    path = tmp_path / "orders.py"
    text = "import time\n" + PRELUDE + "@workflow\ndef wf(ctx: Context):\n    yield charge(time.time())\n"
    path.write_text(text)
    assert [finding.code for finding in romancy_lint.check([path])] == ["ROM101"]
    new = romancy_lint.fix(text)
    assert "ctx.now().timestamp()" in new
    assert romancy_lint.fix(new) == new
    assert romancy_lint.fix("def f(:\n") == "def f(:\n"


SNIPPETS = [code for rule in RULES for code in (*rule.GOOD, *(bad.code for bad in rule.BAD))] + [EVERYTHING]
LINES = sorted({line for code in SNIPPETS for line in code.splitlines()})
WORDS = [
    "yield ",
    "yield from ",
    "await ",
    "*",
    "(",
    ")",
    "[",
    "]",
    ":",
    ",",
    "lambda: ",
    "not ",
    "é",
    "\t",
    "\\",
    "''",
    "#",
    "async ",
]


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Sound and unsound examples, with lines moved, doubled, dropped, mixed and bitten."""
    lines = (PRELUDE + draw(st.sampled_from(SNIPPETS))).splitlines()
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                lines.insert(at, draw(st.sampled_from(LINES)))
            case 1:
                lines.pop(at)
            case 2:
                lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
            case 3:
                column = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:column] + draw(st.sampled_from(WORDS)) + lines[at][column:]
            case 4:
                lines[at] = "    " + lines[at]
        lines = lines or [""]
    return "\n".join(lines) + "\n"


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs())
def test_mutated_programs_never_crash_it_and_fixes_always_parse(code: str):
    new = romancy_lint.fix(code, unsafe=True, filename="/nowhere/main.py")
    if new != code:
        ast.parse(new)
        assert romancy_lint.fix(new, unsafe=True, filename="/nowhere/main.py") == new


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(max_size=200))
def test_any_text_is_answered(text: str):
    data = (text + "\n# romancy").encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    lint(data, prelude=False)


def test_an_import_goes_where_sorted_imports_have_it():
    code = "import time\nfrom romancy import Context, activity, workflow\n\n@activity\ndef act(): ...\n\n@workflow\n"
    code += "def wf(ctx: Context):\n    time.sleep(5)\n    yield act()\n"
    assert "from romancy import Context, activity, sleep, workflow\n" in fixed(code, unsafe=True, prelude=False)


def test_what_is_nested_too_deeply_is_reported_and_the_rest_is_checked():
    code = "import time\n@workflow\ndef deep(ctx):\n    yield charge(" + "+".join(["1"] * 30_000) + ")\n"
    code += "@workflow\ndef wf(ctx):\n    yield charge(time.time())\n"
    assert [finding.code for finding in lint(code)] == ["ROM000", "ROM101"]
    assert [finding.code for finding in lint("x = " + "not " * 30_000 + "1\n")] == ["ROM000"]


def test_a_file_that_cannot_be_rewritten_is_the_one_that_is_named(tmp_path: Path):
    with pytest.raises(OSError) as refused:
        write(tmp_path / "gone" / "orders.py", b"")
    assert str(refused.value.filename).endswith("gone/orders.py")
    assert "cannot be rewritten" in str(refused.value)
