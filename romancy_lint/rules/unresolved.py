"""ROM002 unresolved-call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from romancy_lint.rules.rule import Rule
from romancy_lint.rules.set_iteration import shown

if TYPE_CHECKING:
    from romancy_lint.analysis.expressions import Expressions as Frame


class Unresolved(Rule):
    """What a workflow calls should be known; this tells what could not be followed."""

    code = "ROM002"
    name = "unresolved-call"
    why = "could not be followed"
    default = False
    severity = "info"

    def unresolved(self, frame: Frame, node: ast.Call) -> None:
        frame.report(self, node.func, f"`{shown(frame, node.func)}` {self.why}")
