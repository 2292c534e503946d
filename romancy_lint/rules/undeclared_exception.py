"""ROM701 undeclared-exception."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.model import FunctionNode
from romancy_lint.analysis.scope import own_nodes, yields_in
from romancy_lint.analysis.values import Class, Container, Durable, External, strip
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def only_yields(body: list[ast.stmt]) -> bool:
    """Whether nothing in a block could raise but the calls that it yields."""
    yielded: set[int] = set()
    for part in yields_in(body):
        yielded.update(id(inner) for inner in ast.walk(part) if isinstance(inner, ast.Call))
    for node in own_nodes(body):
        if isinstance(node, ast.Raise | ast.With | ast.FunctionDef | ast.Lambda | ast.Await):
            return False
        if isinstance(node, ast.Call) and id(node) not in yielded:
            return False
    for part in yields_in(body):
        call = part.value
        if not isinstance(call, ast.Call):
            return False
        inside = [n for a in (*call.args, *(k.value for k in call.keywords)) for n in ast.walk(a)]
        if any(isinstance(n, ast.Call) for n in inside):
            return False
    return True


def raised(frame: Frame, function: FunctionNode) -> list[Class | None]:
    """The classes that an activity declares; None for one that cannot be told."""
    marks = frame.engine.resolver.marks(function)
    option = marks.options.get("raises")
    if option is None:
        return [None] if marks.more_options else []
    value = strip(frame.engine.resolver.at_import(option.module, option.node))
    items = value.items if isinstance(value, Container) and value.items else (value,)
    found: list[Class | None] = []
    for item in items:
        inner = strip(item)
        if isinstance(inner, Class):
            found.append(inner)
        elif not isinstance(inner, External):
            found.append(None)
    return found


def related(frame: Frame, one: Class, other: Class) -> bool:
    """Whether one class derives from the other."""
    resolver = frame.engine.resolver
    return any(base is other.node for base in resolver.lineage(one.node)) or any(
        base is one.node for base in resolver.lineage(other.node)
    )


class UndeclaredException(Rule):
    """An exception of an activity comes back as itself only when it is a builtin or declared in `raises=`."""

    code = "ROM701"
    name = "undeclared-exception"
    why = "is never raised here: it is not declared in `raises=`, so it arrives as `ActivityError`"
    GOOD = (
        """\
class Declined(Exception):
    pass

@activity(raises=(Declined,))
def pay(n): ...

@workflow
def wf(ctx: Context):
    try:
        yield pay(1)
    except Declined:
        yield refund(1)
""",
    )
    BAD = (
        Bad("""\
class Declined(Exception):
    pass

@workflow
def wf(ctx: Context):
    try:
        yield charge(1)
    except Declined:  # bad
        yield refund(1)
"""),
    )

    def attempted(self, frame: Frame, node: ast.Try) -> None:
        if not only_yields(node.body):
            return
        targets = [self._target(frame, part) for part in yields_in(node.body)]
        if not targets or any(target is None for target in targets):
            return
        activities = [target for target in targets if target is not None]
        declared = [cls for target in activities for cls in raised(frame, target)]
        if any(cls is None for cls in declared):
            return
        for handler in node.handlers:
            parts = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type] if handler.type else []
            for part in parts:
                cls = strip(frame.quiet(part))
                if isinstance(cls, Class) and not any(related(frame, cls, known) for known in declared if known):
                    names = ", ".join(f"`{name}`" for name in sorted({a.name for a in activities}))
                    frame.report(self, part, f"`{frame.text(part)}` {self.why} ({names})")

    def _target(self, frame: Frame, node: ast.Yield | ast.YieldFrom) -> FunctionNode | None:
        value = strip(frame.quiet(node.value)) if node.value is not None else None
        return value.target if isinstance(value, Durable) and value.kind == "activity" else None
