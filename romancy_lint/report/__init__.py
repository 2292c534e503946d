"""How findings are written: a written table of formats, each a pure function from findings to text."""

from __future__ import annotations

from collections.abc import Callable

from romancy_lint.finding import Finding
from romancy_lint.report import machines, people, sarif

FORMATS: dict[str, Callable[[list[Finding], dict[str, str]], str]] = {
    "full": people.full,
    "concise": people.concise,
    "json": machines.json_array,
    "json-lines": machines.json_lines,
    "github": machines.github,
    "gitlab": machines.gitlab,
    "junit": machines.junit,
    "sarif": sarif.sarif,
}

__all__ = ["FORMATS"]
