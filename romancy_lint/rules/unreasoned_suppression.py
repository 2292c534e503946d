"""ROM004 unreasoned-suppression."""

from __future__ import annotations

from romancy_lint.rules.rule import Rule


class UnreasonedSuppression(Rule):
    """A suppression should say why."""

    code = "ROM004"
    name = "unreasoned-suppression"
    why = "gives no reason"
    default = False
    severity = "info"
