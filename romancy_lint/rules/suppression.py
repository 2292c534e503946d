"""ROM001 invalid-suppression."""

from __future__ import annotations

from romancy_lint.rules.rule import Rule


class InvalidSuppression(Rule):
    """A suppression must name rules that exist."""

    code = "ROM001"
    name = "invalid-suppression"
    why = "names a rule that does not exist"
    severity = "warning"
