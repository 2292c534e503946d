"""ROM134 locale-and-zone."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.analysis.values import External
from romancy_lint.finding import Edit, Fix, Place
from romancy_lint.rules.rule import ANYWHERE, Bad, Rule, expression

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


def _utc(frame: Frame) -> tuple[str, tuple[str, ...]]:
    """How this module says UTC."""
    for name in frame.module.bindings:
        value = frame.engine.resolver.module_name(frame.module, name)
        if value == External("datetime.timezone"):
            return f"{name}.utc", ()
        if value == External("datetime"):
            return f"{name}.timezone.utc", ()
    return "timezone.utc", ("datetime:timezone",)


class LocaleZone(Rule):
    """Locale and local time zone belong to the host: a workflow names its zone."""

    code = "ROM134"
    name = "locale-and-zone"
    why = "depends on the locale or time zone of this host: name the zone"
    modes = ANYWHERE
    fixes = "unsafe"
    GOOD = (
        """\
from datetime import datetime, timezone

@workflow
def wf(ctx: Context):
    yield charge(datetime.fromtimestamp(0, tz=timezone.utc).year)
""",
    )
    BAD = (
        Bad(
            """\
from datetime import datetime

@workflow
def wf(ctx: Context):
    yield charge(datetime.fromtimestamp(0).year)  # bad
""",
            """\
from datetime import datetime, timezone

@workflow
def wf(ctx: Context):
    yield charge(datetime.fromtimestamp(0, tz=timezone.utc).year)  # bad
""",
            unsafe=True,
        ),
        Bad("""\
import time

@workflow
def wf(ctx: Context, at: float):
    yield charge(time.localtime(at).tm_hour)  # bad
"""),
        Bad("""\
import time

@workflow
def wf(ctx: Context, at: float):
    yield charge(time.ctime(at))  # bad
"""),
    )

    def used(self, frame: Frame, name: str, node: ast.expr, call: ast.Call | None) -> None:
        enough = {"datetime.datetime.fromtimestamp": 2, "datetime.datetime.astimezone": 1}.get(name)
        if enough is not None and (call is None or len(call.args) + len(call.keywords) >= enough):
            return
        fix = None
        if call is not None and enough is not None:
            zone, imports = _utc(frame)
            lead = ", " if call.args or call.keywords else ""
            place = frame.module.source.place(call)
            at = Place(place.end_row, place.end_column - 1, place.end_row, place.end_column - 1)
            fix = Fix("unsafe", "Name the zone", (Edit(at, f"{lead}tz={zone}"),), imports)
        frame.report(self, node, self.message(name), fix, expression(frame, node, call))
