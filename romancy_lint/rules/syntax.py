"""ROM000 syntax-error."""

from __future__ import annotations

from romancy_lint.rules.rule import Rule


class SyntaxProblem(Rule):
    """A file that cannot be read or parsed is a finding, never skipped in silence."""

    code = "ROM000"
    name = "syntax-error"
    why = "cannot be read"
