"""ROM302 global-mutation."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import Global, Instance, ModuleValue, Value, strip
from romancy_lint.rules.rule import Bad, Rule

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class GlobalMutation(Rule):
    """A workflow must not change module-level objects: every replay changes them again."""

    code = "ROM302"
    name = "global-mutation"
    why = "is shared by the whole process and changed here: use a local"
    GOOD = (
        """\
CACHE = {}

@workflow
def wf(ctx: Context):
    CACHE = {}
    CACHE["a"] = 1
    yield charge(CACHE)
""",
        """\
import copy

TEMPLATE = {"a": 1}

@workflow
def wf(ctx: Context):
    mine = copy.deepcopy(TEMPLATE)
    mine["a"] = 2
    yield charge(mine)
""",
        """\
ITEMS = [3, 1, 2]
TABLE = {"a": [1]}

@workflow
def wf(ctx: Context, n: int):
    mine = ITEMS[n:]
    mine.extend([4])
    ITEMS[:].append(5)
    ITEMS[1:].sort()
    TABLE["a"][:].append(1)
    yield charge(mine)
""",
    )
    BAD = (
        Bad("""\
CACHE = {}

@workflow
def wf(ctx: Context):
    CACHE["a"] = 1  # bad
    yield charge(1)
"""),
        Bad("""\
SEEN = []

@workflow
def wf(ctx: Context):
    SEEN.append(1)  # bad
    yield charge(1)
"""),
        Bad("""\
import itertools

IDS = itertools.count()

@workflow
def wf(ctx: Context):
    yield charge(next(IDS))  # bad
"""),
        Bad("""\
ROWS = [[1], [2]]

@workflow
def wf(ctx: Context):
    ROWS[0].append(3)  # bad
    ROWS[1:] = []  # bad
    yield charge(1)
"""),
        Bad("""\
import bisect, heapq

QUEUE = [1]

@workflow
def wf(ctx: Context, mine: list[int]):
    heapq.heappush(QUEUE, 2)  # bad
    bisect.insort(QUEUE, 3)  # bad
    ctx.random.shuffle(QUEUE)  # bad
    heapq.heappush(mine, 2)
    yield charge(1)
"""),
        Bad("""\
class Settings:
    pass

SETTINGS = Settings()

@workflow
def wf(ctx: Context):
    setattr(SETTINGS, "mode", 1)  # bad
    setattr(Settings(), "mode", 1)
    yield charge(1)
"""),
    )

    def mutated(self, frame: Frame, base: Value, target: ast.expr, node: ast.AST) -> None:
        if isinstance(base, Global):
            frame.report(self, node, f"`{base.name}` {self.why}")

    def attribute_stored(self, frame: Frame, base: Value, target: ast.Attribute, node: ast.AST, value: Value) -> None:
        if isinstance(base, ModuleValue):
            frame.report(self, node, f"`{target.attr}` of module `{base.module.name}` {self.why}")
        elif isinstance(base, Global) and strip(base) != Instance("threading.local"):
            frame.report(self, node, f"`{base.name}` {self.why}")
