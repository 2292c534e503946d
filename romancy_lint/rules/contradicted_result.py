"""ROM702 contradicted-result."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Container, Durable, Instance, Object, SetValue, Unknown, Value, options, strip
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


_WIDER = {("int", "float"), ("int", "complex"), ("float", "complex"), ("bool", "int"), ("bool", "float")}
_KNOWN = frozenset(["int", "float", "complex", "bool", "str", "bytes", "list", "dict", "tuple", "set", "frozenset"])


def excludes(frame: Frame, declared: Value, actual: Value) -> bool:
    """Whether no value of one type can be of the other."""
    return all(_excludes(frame, d, a) for d in options(declared) for a in options(actual))


def _excludes(frame: Frame, declared: Value, actual: Value) -> bool:
    if isinstance(declared, Unknown) or isinstance(actual, Unknown):
        return False
    if isinstance(declared, Object) and isinstance(actual, Object):
        resolver = frame.engine.resolver
        up = list(resolver.lineage(actual.node))
        down = list(resolver.lineage(declared.node))
        unsure = any(not hasattr(base, "name") for base in (*up, *down)) or _is_protocol(declared, frame)
        return not (declared.node in up or actual.node in down or unsure)
    left, right = _plain(declared), _plain(actual)
    if left and right:
        return left != right and (right, left) not in _WIDER
    return (left is not None and _is_class(frame, actual)) or (right is not None and _is_class(frame, declared))


def _is_protocol(value: Object, frame: Frame) -> bool:
    return frame.engine.resolver.is_subclass(value.node, "typing.Protocol")


def _is_class(frame: Frame, value: Value) -> bool:
    """A class of the project that is certainly no builtin: it has no bases outside of the project."""
    if not isinstance(value, Object):
        return False
    return all(hasattr(base, "bindings") for base in frame.engine.resolver.lineage(value.node))


def _plain(value: Value) -> str | None:
    match value:
        case Instance(type=name) if name.startswith("builtins.") and name[9:] in _KNOWN:
            return name[9:]
        case SetValue(kind=kind):
            return kind
        case Container(kind="dict" | "tuple" as kind):
            return kind
    return None


class ContradictedResult(Rule):
    """The annotation of a yielded result must agree with what the activity returns."""

    code = "ROM702"
    name = "contradicted-result"
    why = "contradicts the return type of the activity"
    GOOD = (
        """\
@activity
def size(n: int) -> int: ...

@workflow
def wf(ctx: Context):
    n: int | None = yield size(1)
    m: float = yield size(2)
    yield charge((n, m))
""",
    )
    BAD = (
        Bad("""\
@activity
def size(n: int) -> int: ...

@workflow
def wf(ctx: Context):
    n: str = yield size(1)  # bad
    yield charge(n)
"""),
    )

    def annotated_result(self, frame: Frame, node: ast.AnnAssign) -> None:
        if not isinstance(node.value, ast.Yield | ast.YieldFrom) or node.value.value is None:
            return
        call = strip(frame.quiet(node.value.value))
        if not isinstance(call, Durable) or call.target is None or call.target.returns is None:
            return
        returns = call.target.returns
        if call.kind == "workflow":
            if not isinstance(returns, ast.Subscript):
                return
            returns = returns.slice
        declared = frame.engine.resolver.annotation(frame.module, node.annotation)
        actual = frame.engine.resolver.annotation(call.target.module, returns)
        if excludes(frame, declared, actual):
            there = f"`{call.target.module.source.read(returns)}` of `{call.target.name}`"
            frame.report(self, node.annotation, f"`{frame.text(node.annotation)}` {self.why}: {there}")
