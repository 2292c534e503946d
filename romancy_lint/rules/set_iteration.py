"""ROM121 set-iteration."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import SetValue, Value
from romancy_lint.finding import Fix
from romancy_lint.names.types import COMPARABLE, ORDERED
from romancy_lint.rules.rule import ANYWHERE, Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


HOW = frozenset(["loop", "comprehension", "sorted by key", "extend", "yield from", *ORDERED.values()])


def shown(frame: Frame, node: ast.expr) -> str:
    """The text of an expression, cut to one short line."""
    text = frame.text(node).splitlines()[0]
    return text if len(text) <= 40 else text[:37] + "..."


def is_total(key: ast.expr) -> bool:
    """Whether a sort key tells all elements apart: it is the element, its text, or a tuple that holds it."""
    if isinstance(key, ast.Name):
        return key.id in ("str", "repr")
    if not (isinstance(key, ast.Lambda) and key.args.args):
        return False
    name = key.args.args[0].arg
    parts = key.body.elts if isinstance(key.body, ast.Tuple) else [key.body]
    return any(isinstance(part, ast.Name) and part.id == name for part in parts)


def ordering_fix(frame: Frame, value: Value, node: ast.expr) -> Fix | None:
    """Walk a display of constants as a tuple when none of them comes twice, anything else sorted."""
    known = isinstance(value, SetValue) and value.element in COMPARABLE
    if isinstance(node, ast.Set):
        values = constants(node)
        if values is not None and len(set(values)) == len(values):
            text = frame.text(node)
            inner = text[1:-1] if len(values) > 1 else f"{frame.text(node.elts[0])},"
            return Fix("safe", "Walk a tuple", (frame.replace(node, f"({inner})"),))
        known = values is not None and len({type(v) for v in values}) == 1 and type(values[0]).__name__ in COMPARABLE
    return Fix("safe" if known else "unsafe", "Walk it in order", frame.wrap("sorted", node))


def constants(node: ast.Set) -> list[object] | None:
    """The elements of a display, when all of them are constants."""
    try:
        return [ast.literal_eval(element) for element in node.elts]
    except ValueError:
        return None


class SetIteration(Rule):
    """The order in which a set is walked depends on the hash seed of the process."""

    code = "ROM121"
    name = "set-iteration"
    why = "is a set, whose order differs between processes: `sorted(…)` it, or keep a list or dict"
    modes = ANYWHERE
    fixes = "safe where the elements are known to be comparable, else unsafe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context, names: set[str]):
    for name in sorted(names):
        yield charge(name)
""",
        """\
@workflow
def wf(ctx: Context, names: list[str]):
    for name in dict.fromkeys(names):
        yield charge(name)
""",
    )
    BAD = (
        Bad(
            """\
@workflow
def wf(ctx: Context, names: set[str]):
    for name in names:  # bad
        yield charge(name)
""",
            """\
@workflow
def wf(ctx: Context, names: set[str]):
    for name in sorted(names):  # bad
        yield charge(name)
""",
        ),
        Bad(
            """\
@workflow
def wf(ctx: Context):
    for n in {1, 2}:  # bad
        yield charge(n)
""",
            """\
@workflow
def wf(ctx: Context):
    for n in (1, 2):  # bad
        yield charge(n)
""",
        ),
        Bad(
            """\
@workflow
def wf(ctx: Context, names: set[str]):
    for name in sorted(names, key=len):  # bad
        yield charge(name)
""",
            """\
@workflow
def wf(ctx: Context, names: set[str]):
    for name in sorted(names, key=lambda item: (len(item), item)):  # bad
        yield charge(name)
""",
            unsafe=True,
        ),
    )

    def unordered(self, frame: Frame, value: Value, node: ast.expr, how: str) -> None:
        if how not in HOW:
            return
        if how == "sorted by key":
            self._keyed(frame, node)
            return
        frame.report(self, node, f"`{shown(frame, node)}` {self.why}", ordering_fix(frame, value, node))

    def _keyed(self, frame: Frame, node: ast.expr) -> None:
        call = frame.parent(node)
        key = next((k.value for k in call.keywords if k.arg == "key"), None) if isinstance(call, ast.Call) else None
        if key is None or is_total(key):
            return
        fix = None
        if isinstance(key, ast.Name | ast.Attribute):
            content = f"lambda item: ({frame.text(key)}(item), item)"
            fix = Fix("unsafe", "Break ties by the element itself", (frame.replace(key, content),))
        message = "elements of a set that are equal under the key come out in an order that differs between processes"
        frame.report(self, node, f"`{shown(frame, node)}`: {message}", fix)
