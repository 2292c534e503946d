"""What a check of `romancy doctor` says."""

from __future__ import annotations

import attrs

OK, WARN, FAIL = "ok", "warn", "fail"


@attrs.frozen
class Check:
    """One line: what was looked at, `ok`, `warn` or `fail`, and what was found with what to do about it."""

    name: str
    status: str
    told: str
