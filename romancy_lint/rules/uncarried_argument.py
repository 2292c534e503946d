"""ROM601 uncarried-argument."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator as Iterating
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.values import (
    Class,
    Container,
    External,
    Function,
    Generator,
    Instance,
    Iterator,
    ModuleValue,
    Partial,
    SetValue,
    Value,
    options,
    strip,
)
from romancy_lint.finding import Fix
from romancy_lint.names.types import COMPARABLE, UNCARRIED
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def parameters_of(function: FunctionNode) -> list[ast.arg]:
    """The positional parameters that a caller fills."""
    args = function.node.args
    every = [*args.posonlyargs, *args.args]
    first = 1 if function.owner is not None else 0
    if function.marks is not None and function.marks.kind == "workflow":
        first += 1
    rest = [args.vararg] * 20 if args.vararg else []
    return every[first:] + rest


def _says_nothing(annotation: ast.expr | None) -> bool:
    """No annotation, or one that every value fits."""
    if annotation is None:
        return True
    written = annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
    return str(written).rpartition(".")[2] in ("object", "Any")


def members(node: ast.expr) -> Iterating[ast.expr]:
    """What stands in a list, tuple or dict that is written out, however deep."""
    match node:
        case ast.List(elts=inner) | ast.Tuple(elts=inner) | ast.Dict(values=inner):
            for each in inner:
                yield from (each, *members(each))


def uncarried(frame: Frame, value: Value) -> str | None:
    """What a value is, in words, when no codec can store it."""
    found = [_words(frame, strip(option)) for option in options(value)]
    return found[0] if found and all(found) else None


def _words(frame: Frame, value: Value) -> str | None:
    match value:
        case Function() | Partial():
            return "a function"
        case Class():
            return "a class"
        case ModuleValue():
            return "a module"
        case Generator(operations=False) | Container(kind="generator"):
            return "a generator"
        case Iterator():
            return "an iterator"
        case Instance(type=name) if name in UNCARRIED:
            return UNCARRIED[name]
        case External(name=name) if name.startswith("builtins.") and name.count(".") == 1:
            return "a class" if isinstance(getattr(builtins, name[9:], None), type) else "a function"
        case External(name=name) if frame.engine.call_table.code(name) or "." not in name:
            return "a function" if "." in name else "a module"
    return None


def listing_fix(frame: Frame, node: ast.expr, value: Value) -> Fix | None:
    """A generator becomes a list comprehension, an iterator a list."""
    if isinstance(node, ast.GeneratorExp):
        text = frame.text(node)
        around = frame.parent(node)
        if text.startswith("(") and text.endswith(")"):
            alone = isinstance(around, ast.Call) and around.args == [node] and not around.keywords
            only = alone and isinstance(around, ast.Call) and frame.text(around).endswith(")" + text[-1]) is False
            content = f"([{text[1:-1]}])" if only else f"[{text[1:-1]}]"
            return Fix("safe", "Make a list", (frame.replace(node, content),))
        return None
    if isinstance(strip(value), Iterator) and isinstance(node, ast.Call):
        return Fix("safe", "Make a list", frame.wrap("list", node))
    return None


class UncarriedArgument(Rule):
    """Arguments of calls are stored as values: functions, generators, iterators, files and locks cannot be."""

    code = "ROM601"
    name = "uncarried-argument"
    why = "cannot be stored as an argument"
    fixes = "safe"
    GOOD = (
        """\
@workflow
def wf(ctx: Context, values: list[int]):
    yield charge([v * 2 for v in values])
""",
        """\
@activity
def keep(names: set[str]): ...

@workflow
def wf(ctx: Context, names: set[str]):
    yield keep(names)
""",
        """\
@activity
def note(row: object): ...

@workflow
def wf(ctx: Context, value: int):
    yield note({"at": ctx.now(), "values": [value, (value, None)]})
""",
    )
    BAD = (
        Bad(
            """\
@workflow
def wf(ctx: Context, values: list[int]):
    yield charge(v * 2 for v in values)  # bad
""",
            """\
@workflow
def wf(ctx: Context, values: list[int]):
    yield charge([v * 2 for v in values])  # bad
""",
        ),
        Bad(
            """\
@workflow
def wf(ctx: Context):
    yield charge(map(str, [1]))  # bad
""",
            """\
@workflow
def wf(ctx: Context):
    yield charge(list(map(str, [1])))  # bad
""",
        ),
        Bad("""\
@workflow
def wf(ctx: Context):
    yield charge(lambda: 1)  # bad
"""),
        Bad("""\
@workflow
def wf(ctx: Context):
    yield charge({"how": [lambda: 1]})  # bad
"""),
        Bad(
            """\
@activity
def keep(names: object): ...

@workflow
def wf(ctx: Context, names: set[str]):
    yield keep(names)  # bad
""",
            """\
@activity
def keep(names: object): ...

@workflow
def wf(ctx: Context, names: set[str]):
    yield keep(sorted(names))  # bad
""",
        ),
    )

    def durable_call(
        self, frame: Frame, function: FunctionNode, node: ast.expr, given: list[Value], named: dict[str, Value]
    ) -> None:
        if not isinstance(node, ast.Call):
            return
        starred = any(isinstance(a, ast.Starred) for a in node.args)
        bound = len(given) - len(node.args)
        here = zip(node.args, given[bound:], parameters_of(function)[bound:], strict=False)
        positional = [] if starred else list(here)
        for argument, value, parameter in positional:
            self._look(frame, function, argument, value, parameter)
        known = {p.arg: p for p in function.parameters}
        for keyword in node.keywords:
            if keyword.arg in known and keyword.arg in named:
                self._look(frame, function, keyword.value, named[keyword.arg], known[keyword.arg])

    def _look(self, frame: Frame, function: FunctionNode, node: ast.expr, value: Value, parameter: ast.arg) -> None:
        what = uncarried(frame, value)
        if what is not None:
            frame.report(self, node, f"{what} {self.why}", listing_fix(frame, node, value))
            return
        for member in members(node):
            held = uncarried(frame, frame.quiet(member))
            if held is not None:
                frame.report(self, member, f"{held} {self.why}")
        inner = strip(value)
        declared = frame.engine.resolver.annotation(function.module, parameter.annotation)
        if (
            isinstance(inner, SetValue)
            and not isinstance(declared, SetValue)
            and (_says_nothing(parameter.annotation) or isinstance(declared, Container))
        ):
            fix = Fix(
                "safe" if inner.element in COMPARABLE else "unsafe",
                "Sort it",
                frame.wrap("sorted", node),
            )
            message = f"a set {self.why} of `{function.name}`, whose `{parameter.arg}` is not annotated as a set"
            frame.report(self, node, message, fix)
