"""ROM101 wall-clock."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.naming import deferred, named
from romancy_lint.finding import Fix
from romancy_lint.rules.rule import ANYWHERE, Bad, Rule, expression

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame

#: How many arguments say the time themselves.
_TIMED = {
    "time.localtime": 1,
    "time.gmtime": 1,
    "time.ctime": 1,
    "time.asctime": 1,
    "time.strftime": 2,
    "email.utils.formatdate": 1,
    "email.utils.localtime": 1,
    "django.utils.timezone.localtime": 1,
    "django.utils.timezone.localdate": 1,
}

_WITHOUT_ARGUMENTS = frozenset(
    {"time.time", "time.time_ns", "datetime.datetime.today", "datetime.datetime.utcnow", "datetime.date.today"}
)


def has_time(name: str, call: ast.Call) -> bool:
    """Whether the call was given the time that it speaks of."""
    given = len(call.args) + len(call.keywords)
    none = any(isinstance(a, ast.Constant) and a.value is None for a in call.args)
    return name in _TIMED and given >= _TIMED[name] and not none


def replacements(ctx: str, zone: str | None) -> dict[str, str]:
    """What stands for each clock in a workflow; naive stays naive."""
    aware = "" if zone is None else f".astimezone({zone})"
    naive = ".replace(tzinfo=None)"
    return (
        {
            "time.time": f"{ctx}.now().timestamp()",
            "time.time_ns": f"int({ctx}.now().timestamp() * 1_000_000_000)",
            "datetime.datetime.now": f"{ctx}.now(){aware or naive}",
            "datetime.datetime.today": f"{ctx}.now(){naive}",
            "datetime.datetime.utcnow": f"{ctx}.now(){naive}",
            "datetime.date.today": f"{ctx}.now().date()",
            "pandas.Timestamp.now": f"{ctx}.now(){aware or naive}",
        }
        if zone != "None"
        else {}
    )


class WallClock(Rule):
    """A workflow must not read the wall clock: its replay would see another time."""

    code = "ROM101"
    name = "wall-clock"
    why = "reads the clock: a replay sees another time; `ctx.now()` is the recorded one"
    modes = ANYWHERE
    fixes = "safe"
    GOOD = (
        """\
from datetime import datetime

@workflow
def wf(ctx: Context):
    now = ctx.now()
    yield charge(datetime.fromisoformat("2024-01-01").year + now.year)
""",
        """\
import time

@workflow
def wf(ctx: Context):
    yield charge(time.gmtime(0).tm_year)
""",
    )
    BAD = (
        Bad(
            """\
import time

@workflow
def wf(ctx: Context):
    yield charge(time.time())  # bad
""",
            """\
@workflow
def wf(ctx: Context):
    yield charge(ctx.now().timestamp())  # bad
""",
        ),
        Bad(
            """\
import datetime as dt

@workflow
def wf(ctx: Context):
    yield charge(dt.datetime.now(dt.timezone.utc).year)  # bad
""",
            """\
import datetime as dt

@workflow
def wf(ctx: Context):
    yield charge(ctx.now().astimezone(dt.timezone.utc).year)  # bad
""",
        ),
        Bad(
            """\
from datetime import date

@workflow
def wf(ctx: Context):
    yield charge(date.today().year)  # bad
""",
            """\
@workflow
def wf(ctx: Context):
    yield charge(ctx.now().date().year)  # bad
""",
        ),
    )

    def used(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> None:
        if call is not None and has_time(name, call):
            if name in ("time.localtime", "time.ctime"):
                frame.fire_use("ROM134", name, node, call)
            return
        frame.report(self, node, self.message(name), self._fix(frame, name, node, call), expression(frame, node, call))

    def _fix(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> Fix | None:
        found = named(frame, name, node, call)
        if found is None:
            return None
        place, called = found
        if not called:
            return self._deferred(frame, name, place)
        assert call is not None
        given = [*call.args, *(keyword.value if keyword.arg else keyword for keyword in call.keywords)]
        if len(given) > 1 or any(isinstance(argument, ast.Starred | ast.keyword) for argument in given):
            return None
        ctx, imports = frame.context_expression()
        replacement = replacements(ctx, frame.text(given[0]) if given else None).get(name)
        if replacement is None:
            return None
        return Fix("safe", "Read the time of the workflow", (frame.replace(call, replacement),), imports)

    def _deferred(self, frame: Frame, name: str, place: ast.expr) -> Fix | None:
        """A clock that is handed on becomes a function that reads the other clock when it is called."""
        if name not in _WITHOUT_ARGUMENTS:
            return None
        ctx, imports = frame.context_expression(given=True)
        content = deferred(frame, place, replacements(ctx, None)[name])
        return Fix("safe", "Read the time of the workflow", (frame.replace(place, content),), imports)
