"""How much is done for large programs, counted and not timed: twice the program is at most about twice the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from romancy_lint.analysis.expressions import Expressions
from romancy_lint.analysis.walker import Walker
from tests.romancy_lint.support import codes

WORKFLOW = "@workflow\ndef wf(ctx: Context, xs: list[int], flag: bool):\n    yield charge(1)\n"
SINK = "import time\ndef sink(*a):\n    return time.time()\n"


class Work:
    """What was done: functions walked, and expressions evaluated."""

    visits = 0
    steps = 0


@contextmanager
def counted() -> Iterator[Work]:
    work = Work()
    visit, evaluate = Walker.visit, Expressions.eval

    def counting_visit(self, *arguments):
        before = self.walked
        walk = visit(self, *arguments)
        work.visits = max(work.visits, self.walked, before)
        return walk

    def counting_eval(self, node):
        work.steps += 1
        return evaluate(self, node)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Walker, "visit", counting_visit)
        patch.setattr(Expressions, "eval", counting_eval)
        yield work


def deep(n: int) -> str:
    """Each function calls the next."""
    chain = "".join(f"def f{i}(x):\n    return f{i + 1}(x)\n" for i in range(n))
    return f"{SINK}{chain}def f{n}(x):\n    return sink(x)\n{WORKFLOW}    f0(xs)\n"


def wide(n: int) -> str:
    """The workflow calls all of them, and each calls the same two."""
    functions = "".join(f"def f{i}(x):\n    return common(x) + other(x)\n" for i in range(n))
    calls = "".join(f"    f{i}({i})\n" for i in range(n))
    return f"{SINK}def common(x):\n    return sink(x)\ndef other(x):\n    return x\n{functions}{WORKFLOW}{calls}"


def doubling(n: int) -> str:
    """Each calls the next twice, with different values: two to the power of n paths."""
    calls = "f{m}([x, 'a']) + f{m}({{'k': x}}) + f{m}(lambda: x)"
    ladder = "".join(f"def f{i}(x):\n    return {calls.format(m=i + 1)}\n" for i in range(n))
    return f"{SINK}{ladder}def f{n}(x):\n    return sink(x)\n{WORKFLOW}    f0(xs)\n"


def layered(n: int) -> str:
    """Layers of four, each of which calls all of the next layer with what it was given and with itself."""
    lines = []
    for i in range(n):
        for j in range(4):
            calls = "".join(f"    f{i + 1}_{k}(f{i}_{j}, x)\n" for k in range(4))
            lines.append(f"def f{i}_{j}(g, x):\n{calls}    return g\n")
    last = "".join(f"def f{n}_{j}(g, x):\n    return sink(g)\n" for j in range(4))
    return f"{SINK}{''.join(lines)}{last}{WORKFLOW}    f0_0(len, xs)\n"


def ring(n: int) -> str:
    """A cycle in which every turn hands on a larger value."""
    functions = "".join(f"def f{i}(x, g):\n    return f{(i + 1) % n}((x, {i}), lambda: g)\n" for i in range(n))
    return f"{SINK}{functions}{WORKFLOW}    f0(xs, len)\n    sink()\n"


def heirs(n: int) -> str:
    """A receiver that may be any of many classes, each of which calls back through the base."""
    base = "class Base:\n    def go(self, other: 'Base'):\n        raise NotImplementedError\n"
    body = "(Base):\n    def go(self, other: Base):\n        return other.go(self)\n"
    classes = "".join(f"class C{i}{body}" for i in range(n))
    last = "class Last(Base):\n    def go(self, other: Base):\n        return sink(self)\n"
    start = "@workflow\ndef wf(ctx: Context, base: Base):\n    yield charge(1)\n    base.go(base)\n"
    return f"{SINK}{base}{last}{classes}{start}"


def branching(n: int) -> str:
    """One function with many branches, each of which may give a name another value."""
    branch = "    if flag:\n        v = (1, v)\n    elif xs:\n        v = [v]\n    use(v)\n"
    branches = branch * n
    return f"{SINK}def use(v):\n    return v\n{WORKFLOW}    v = None\n{branches}    sink(v)\n"


def delegating(n: int) -> str:
    """Generator helpers that delegate to two others, with loops around the yields."""
    helpers = "".join(
        f"def f{i}(ctx, x):\n    for y in x:\n        yield charge(y)\n    a = yield from f{i + 1}(ctx, [x])\n"
        f"    b = yield from f{min(i + 2, n)}(ctx, (x,))\n    return a, b\n"
        for i in range(n)
    )
    last = f"def f{n}(ctx, x):\n    yield charge(sink(x))\n"
    return f"{SINK}{helpers}{last}{WORKFLOW}    yield from f0(ctx, xs)\n"


def workflows(n: int) -> str:
    """Many workflows over the same helpers, each starting the one before."""
    chain = "".join(f"def f{i}(x):\n    return f{i + 1}(x)\n" for i in range(20)) + "def f20(x):\n    return sink(x)\n"
    first = "@workflow\ndef w0(ctx: Context):\n    yield charge(f0(0))\n"
    rest = "".join(
        f"@workflow\ndef w{i}(ctx: Context):\n    yield w{i - 1}()\n    yield charge(f0({i}))\n" for i in range(1, n)
    )
    return f"{SINK}{chain}{first}{rest}"


SHAPES: dict[Callable[[int], str], int] = {
    deep: 400, wide: 400, doubling: 100, layered: 60, ring: 100, heirs: 40, branching: 200, delegating: 100,
    workflows: 150,
}  # fmt: skip


@pytest.mark.parametrize(("shape", "size"), SHAPES.items(), ids=lambda value: getattr(value, "__name__", str(value)))
def test_twice_the_program_is_at_most_a_bit_more_than_twice_the_work(shape: Callable[[int], str], size: int):
    done = []
    for n in (size, 2 * size):
        text = shape(n)
        with counted() as work:
            assert codes(text) == ["ROM101"]
        lines = text.count("\n")
        assert work.visits <= 12 * lines
        done.append((work.visits, work.steps, lines))
    (visits, steps, lines), (more_visits, more_steps, more_lines) = done
    assert more_visits <= 1.3 * visits * more_lines / lines
    assert more_steps <= 1.3 * steps * more_lines / lines
