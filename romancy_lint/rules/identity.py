"""ROM114 identity."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Instance, Object, Value, options, strip, type_name
from romancy_lint.rules.rule import ANYWHERE, Bad, Rule, expression

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


_PLAIN_BASES = ("builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol")


def _is_number(frame: Frame, node: ast.expr) -> bool:
    return type_name(frame.quiet(node)) in ("builtins.int", "builtins.bool", "builtins.float")


def _is_key(frame: Frame, node: ast.expr) -> bool:
    """Whether an `id()` is only compared or looked up, which comes out the same wherever objects lie."""
    around = frame.parent(node)
    if isinstance(around, ast.Call) and isinstance(around.func, ast.Attribute):
        return around.func.attr in ("get", "add", "discard", "remove", "pop", "setdefault") and node in around.args[:1]
    match around:
        case ast.Dict(keys=keys):
            return node in keys
        case ast.DictComp(key=key):
            return key is node
        case ast.Compare(ops=ops):
            return all(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn | ast.Is | ast.IsNot) for op in ops)
        case ast.Subscript(slice=index):
            return index is node
    return isinstance(around, ast.Set) or (isinstance(around, ast.SetComp) and around.elt is node)


def has_address(frame: Frame, value: Object) -> bool:
    """Whether `str()` of an object shows where it lies in memory."""
    resolver = frame.engine.resolver
    for base in resolver.lineage(value.node):
        name = getattr(base, "name", "")
        if not hasattr(base, "node") and name not in _PLAIN_BASES:
            return False
        decorators = getattr(getattr(base, "node", None), "decorator_list", [])
        if decorators or getattr(getattr(base, "node", None), "keywords", []):
            return False
    return not resolver.defines(value.node, "__repr__", "__str__", "__format__")


class Identity(Rule):
    """Hashes and addresses belong to one process: `hash()`, `id()` and the default `repr` differ in the next."""

    code = "ROM114"
    name = "identity"
    why = "differs between processes: use a field of the object, `zlib.crc32` or `hashlib`"
    modes = ANYWHERE
    GOOD = (
        """\
import zlib

@workflow
def wf(ctx: Context):
    yield charge(zlib.crc32(b"key") % 16)
""",
        """\
@workflow
def wf(ctx: Context):
    yield charge(hash(12))
""",
    )
    BAD = (
        Bad("""\
@workflow
def wf(ctx: Context):
    yield charge(hash("key") % 16)  # bad
"""),
        Bad("""\
class Row:
    pass

@workflow
def wf(ctx: Context):
    row = Row()
    yield charge(f"{row}")  # bad
"""),
    )

    def used(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> None:
        if call is not None and call.args and name == "builtins.hash" and _is_number(frame, call.args[0]):
            return
        if frame.function is not None and frame.function.name in ("__hash__", "__eq__", "__repr__"):
            return
        if name == "builtins.id" and _is_key(frame, node):
            return
        frame.report(self, node, self.message(name), expression=expression(frame, node, call))

    def written(self, frame: Frame, value: Value, node: ast.expr, how: str) -> None:
        inner = [strip(option) for option in options(value)]
        if inner == [Instance("builtins.object")]:
            frame.report(self, node, "the repr of an `object()` is its address, which differs between processes")
        if len(inner) == 1 and isinstance(inner[0], Object) and not inner[0].declared and has_address(frame, inner[0]):
            kind = inner[0].node.name
            frame.report(self, node, f"the default repr of `{kind}` holds its address, which differs between processes")
