"""ROM304 class-attribute-mutation."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import UNKNOWN, Class, Container, Global, Object, SetValue, Unknown, Value, strip
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _is_shared(frame: Frame, owner: Class | Object, name: str) -> bool:
    """Whether a mutable attribute lives in the class and not in its instances."""
    resolver = frame.engine.resolver
    if isinstance(owner, Object) and not isinstance(resolver.instance_attribute(owner.node, name), Unknown):
        return False
    if owner.node.node.decorator_list:
        return False
    if all(binding.value is None for binding in owner.node.bindings.get(name, ())):
        return False  # only announced: every instance has its own
    held = resolver.class_attribute(owner.node, name, owner)
    return isinstance(strip(held or UNKNOWN), Container | SetValue)


class ClassWrite(Rule):
    """A workflow must not change class attributes: all instances in the process share them."""

    code = "ROM304"
    name = "class-attribute-mutation"
    why = "is shared by every instance in the process and changed here: use an attribute of one object"
    GOOD = (
        """\
class Stats:
    def __init__(self):
        self.total = 0

@workflow
def wf(ctx: Context):
    stats = Stats()
    stats.total += 1
    yield charge(stats.total)
""",
        """\
class Stats:
    seen: list[int]

    def __init__(self, rows):
        for name in ("seen",):
            setattr(self, name, rows)

@workflow
def wf(ctx: Context):
    stats = Stats([])
    stats.seen.append(1)
    yield charge(type(stats).__name__)
""",
    )
    BAD = (
        Bad("""\
class Stats:
    total = 0

@workflow
def wf(ctx: Context):
    Stats.total += 1  # bad
    yield charge(1)
"""),
        Bad("""\
class Stats:
    total = 0

    def count(self):
        self.__class__.total = 1  # bad
        setattr(Stats, "total", 2)  # bad

@workflow
def wf(ctx: Context):
    Stats().count()
    yield charge(1)
"""),
    )

    def attribute_stored(self, frame: Frame, base: Value, target: ast.Attribute, node: ast.AST, value: Value) -> None:
        inner = strip(base)
        if isinstance(inner, Class) and inner.node.parent is None:
            frame.report(self, node, f"`{inner.node.name}.{target.attr}` {self.why}")

    def mutated(self, frame: Frame, base: Value, target: ast.expr, node: ast.AST) -> None:
        if not isinstance(target, ast.Attribute) or isinstance(base, Global):
            return
        owner = strip(frame.quiet(target.value))
        if isinstance(owner, Class | Object) and owner.node.parent is None and _is_shared(frame, owner, target.attr):
            frame.report(self, node, f"`{owner.node.name}.{target.attr}` {self.why}")
