"""Looks names up in the tables, with what a project's configuration adds to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from romancy_lint.names.sources import CALLED, READ
from romancy_lint.names.types import ALIASES


class NameTable:
    """Exact names, `prefix.*` and `!exception` rows, answered from a dictionary and remembered."""

    def __init__(self, rows: Mapping[str, Iterable[str]], deterministic: Iterable[str] = ()) -> None:
        self._exact: dict[str, str] = {}
        self._below: dict[str, str] = {}
        self._never: set[tuple[str, str]] = set()
        self._allowed = frozenset(deterministic)
        self._known: dict[str, str | None] = {}
        for code, names in rows.items():
            for name in names:
                self._add(name, code)

    def _add(self, name: str, code: str) -> None:
        if name.startswith("!"):
            self._never.add((code, name[1:]))
        elif name.endswith(".*"):
            self._below[name[:-2]] = code
        else:
            self._exact[name] = code

    def code(self, name: str) -> str | None:
        """The rule that a name belongs to."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> str | None:
        prefixes = _prefixes(name)
        if any(prefix in self._allowed or f"{prefix}.*" in self._allowed for prefix in prefixes):
            return None
        if name in self._exact:
            return self._exact[name]
        for prefix in prefixes[1:]:
            code = self._below.get(prefix)
            if code is not None and not self._is_exception(code, prefixes):
                return code
        return None

    def _is_exception(self, code: str, prefixes: list[str]) -> bool:
        return (code, prefixes[0]) in self._never or any((code, f"{prefix}.*") in self._never for prefix in prefixes)


def _prefixes(name: str) -> list[str]:
    """A dotted name and the names above it, near ones first."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def tables(
    nondeterministic: Mapping[str, str] = {},
    deterministic: Iterable[str] = (),
) -> tuple[NameTable, NameTable]:
    """The tables of names flagged when called and when read; `nondeterministic` maps further names to codes."""
    called = {code: list(names) for code, names in CALLED.items()}
    for name, code in nondeterministic.items():
        called.setdefault(code, []).append(name)
    allowed = tuple(deterministic)
    return NameTable(called, allowed), NameTable(READ, allowed)


@cache
def canonical(name: str) -> str:
    """The usual spelling of a name that has several."""
    if name in ALIASES:
        return ALIASES[name]
    head, dot, tail = name.rpartition(".")
    while dot:
        if head in ALIASES:
            return f"{ALIASES[head]}.{tail}"
        head, dot, more = head.rpartition(".")
        tail = f"{more}.{tail}"
    return name
