"""Applies fixes round after round until nothing changes; what would not parse is not applied."""

from __future__ import annotations

import ast
import difflib
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from romancy_lint.config import Config
from romancy_lint.finding import Edit, Finding, Fix
from romancy_lint.project import shown
from romancy_lint.runner import Report, run
from romancy_lint.source import Source, decode, encode

_ROUNDS = 20


@dataclass
class Fixed:
    """What fixing did: the new bytes of changed files, the findings that were repaired, and what is left."""

    changed: dict[Path, bytes] = field(default_factory=dict)
    originals: dict[Path, bytes] = field(default_factory=dict)
    repaired: list[Finding] = field(default_factory=list)
    report: Report = field(default_factory=lambda: Report([]))


def fix_files(
    files: list[Path],
    config: Config,
    *,
    unsafe: bool,
    texts: dict[Path, bytes] | None = None,
    named: frozenset[Path] = frozenset(),
) -> Fixed:
    """Fixes files in memory, to a fixed point; `named` ones are parsed whatever they mention."""
    done = Fixed()
    current: dict[Path, bytes] = dict(texts or {})
    for _ in range(_ROUNDS):
        done.report = run(files, config, texts=dict(current), named=named)
        progress = False
        by_path = _fixable(done.report, unsafe)
        for path, findings in by_path.items():
            data = current[path] if path in current else path.read_bytes()
            text, encoding = decode(data)
            new, applied = apply(text, findings)
            if applied and new != text:
                done.originals.setdefault(path, data)
                current[path] = done.changed[path] = encode(new, encoding)
                done.repaired += applied
                progress = True
        if not progress:
            break
    else:
        done.report = run(files, config, texts=dict(current), named=named)
    done.changed = {path: data for path, data in done.changed.items() if data != done.originals[path]}
    return done


def _fixable(report: Report, unsafe: bool) -> dict[Path, list[Finding]]:
    found: dict[Path, list[Finding]] = {}
    for finding in report.findings:
        if finding.fix is not None and (unsafe or finding.fix.applicability == "safe"):
            found.setdefault(report.paths[finding.filename], []).append(finding)
    return found


def apply(text: str, findings: Iterable[Finding]) -> tuple[str, list[Finding]]:
    """The text with as many fixes as do not overlap, and those that were applied."""
    findings = list(findings)
    new = _attempt(text, findings)
    if new is None:
        findings = [finding for finding in findings if _attempt(text, [finding]) is not None]
        new = _attempt(text, findings)
    while new is None and findings:
        findings = findings[: len(findings) // 2]
        new = _attempt(text, findings)
    return new or (text, [])


def _attempt(text: str, findings: list[Finding]) -> tuple[str, list[Finding]] | None:
    """Applies fixes together; None when the result is no Python."""
    try:
        source = Source(text, "<fix>")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    chosen: list[Finding] = []
    taken: list[tuple[int, int, str]] = []
    edits: set[tuple[int, int, str]] = set()
    for finding in findings:
        assert finding.fix is not None
        spans = [_span(source, edit) for edit in finding.fix.edits]
        if any(_overlaps(span, other) for span in spans for other in taken if (*span,) != other):
            continue
        taken += spans
        edits.update(spans)
        chosen.append(finding)
    new = text
    newline = "\r\n" if "\r\n" in text else "\n"
    for start, end, content in sorted(edits, reverse=True):
        new = new[:start] + content.replace("\n", newline) + new[end:]
    try:
        return _settled(source.tree, new, [f.fix for f in chosen if f.fix]), chosen
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _settled(before: ast.Module, text: str, fixes: list[Fix]) -> str:
    """The text with imports that fit; it compiles wherever it did before."""
    from romancy_lint.tidy import tidy

    new = tidy(text, before, {name for fix in fixes for name in fix.imports})
    ast.parse(new)
    return new


def _span(source: Source, edit: Edit) -> tuple[int, int, str]:
    place = edit.place
    return source.offset(place.row, place.column), source.offset(place.end_row, place.end_column), edit.content


def _overlaps(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    if one[0] == other[0] or (one[0] < other[1] and other[0] < one[1]):
        return True
    return one[1] == other[0] == other[1] or other[1] == one[0] == one[1]


def diff(path: Path, before: bytes, after: bytes) -> str:
    """A unified diff."""
    old, new = decode(before)[0], decode(after)[0]
    name = shown(path)
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), name, name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def write(path: Path, data: bytes) -> None:
    """Replaces a file by one that appears whole, with the same permissions."""
    target = path.resolve()
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:  # which names the temporary file, that nobody knows
        raise OSError(error.errno, f"cannot be rewritten: {error.strerror}", shown(path)) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        shutil.copymode(target, name)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
