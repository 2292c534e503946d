"""ROM003 unused-suppression."""

from __future__ import annotations

from romancy_lint.rules.rule import Rule


class UnusedSuppression(Rule):
    """A suppression that silences nothing hides the next defect."""

    code = "ROM003"
    name = "unused-suppression"
    why = "silences nothing: delete it"
    severity = "warning"
    fixes = "safe"
