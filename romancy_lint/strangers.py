"""Files that the analysis had no reason to read: they too may call what a fix would change."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from romancy_lint.finding import Finding
from romancy_lint.project import Project


def told(
    findings: list[Finding], files: Iterable[Path], known: Mapping[str, frozenset[Path]], project: Project
) -> list[Finding]:
    """The findings; a safe fix is unsafe when another checked file has a word that leads to its place.

    `known` says for the file of a finding which files were analysed with it. What was not given to the check is not
    looked at: who checks one file alone learns of that file.
    """
    words = {name for finding in findings for name in _callers(finding)}
    if not words:
        return findings
    pattern = re.compile(rb"\b(?:%s)\b" % b"|".join(re.escape(word.encode()) for word in sorted(words)))
    mentions = {path: {word.decode() for word in pattern.findall(_text(project, path))} for path in files}
    return [_judged(finding, mentions, known.get(finding.filename, frozenset())) for finding in findings]


def _callers(finding: Finding) -> tuple[str, ...]:
    return finding.fix.callers if finding.fix is not None else ()


def _judged(finding: Finding, mentions: Mapping[Path, set[str]], known: frozenset[Path]) -> Finding:
    names = set(_callers(finding))
    if finding.fix is None or not any(names & words for path, words in mentions.items() if path not in known):
        return finding
    return dataclasses.replace(finding, fix=dataclasses.replace(finding.fix, applicability="unsafe", callers=()))


def _text(project: Project, path: Path) -> bytes:
    try:
        return project.read(path)
    except OSError:
        return b""
