"""ROM304 class-attribute-mutation."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Class, Container, Global, Object, SetValue, Unknown, Value, strip
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
    held = resolver.class_attribute(owner.node, name, owner)
    return held is not None and isinstance(strip(held), Container | SetValue) and name in owner.node.bindings


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
