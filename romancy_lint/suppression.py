"""Comments that silence findings, and the findings about such comments."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass, field

from romancy_lint.config import suggestion
from romancy_lint.finding import Edit, Finding, Fix, Place
from romancy_lint.rules import BY_CODE

_IGNORE = re.compile(r"#\s*romancy:\s*(?P<kind>ignore-file|ignore)\s*(?:\[(?P<codes>[^\]]*)\])?(?P<reason>[^#]*)")
_NOQA = re.compile(r"#\s*noqa\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*)(?P<reason>[^#]*)", re.IGNORECASE)


@dataclass
class Comment:
    """One suppression: where it stands, what it silences, and what of it was used."""

    row: int
    start: int
    end: int
    codes: tuple[str, ...]
    whole_file: bool
    reason: str
    is_noqa: bool = False
    rows: range = range(0)
    used: set[str] = field(default_factory=set)

    def silences(self, finding: Finding) -> bool:
        if not self.whole_file and finding.place.row not in self.rows and finding.place.end_row not in self.rows:
            return False
        matching = [code for code in self.codes if finding.code.startswith(code)]
        if not self.codes and not self.is_noqa:
            matching = [""]
        self.used.update(matching)
        return bool(matching)


def comments(text: str) -> list[Comment]:
    """The suppressions of a module."""
    if "romancy:" not in text and "noqa" not in text.lower():
        return []
    found: list[Comment] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                found += _of_comment(token)
    except (tokenize.TokenError, SyntaxError):
        return found
    return found


def _of_comment(token: tokenize.TokenInfo) -> list[Comment]:
    row, column = token.start
    found = []
    for match in _IGNORE.finditer(token.string):
        codes = _codes(match["codes"])
        alone = not token.line[:column].strip()
        rows = range(row, row + 2) if alone else range(row, row + 1)
        whole = match["kind"] == "ignore-file"
        found.append(
            Comment(row, column + match.start(), column + match.end(), codes, whole, match["reason"].strip(), rows=rows)
        )
    for match in _NOQA.finditer(token.string):
        ours = tuple(code for code in _codes(match["codes"]) if code.startswith("ROM"))
        if ours:
            start, end = column + match.start(), column + match.end()
            rows = range(row, row + 1)
            found.append(Comment(row, start, end, ours, False, match["reason"].strip(), is_noqa=True, rows=rows))
    return found


def _codes(text: str | None) -> tuple[str, ...]:
    return tuple(code.upper() for code in re.split(r"[\s,]+", text or "") if code)


def apply(findings: Iterable[Finding], text_of: dict[str, str], on: frozenset[str]) -> tuple[list[Finding], int]:
    """The findings that no comment silences, with those about the comments themselves, and the number silenced."""
    by_file = {filename: comments(text) for filename, text in text_of.items()}
    # Every comment is asked, also after one has silenced a finding: each has to know whether it is of use.
    asked = [(f, [c.silences(f) for c in by_file.get(f.filename, [])]) for f in findings]
    kept = [finding for finding, answers in asked if True not in answers]
    silenced = len(list(findings)) - len(kept)
    for filename, several in by_file.items():
        lines = text_of[filename].splitlines()
        for comment in several:
            about = _about(filename, comment, lines, on)
            kept += [f for f in about if f.code in on and not _silenced_itself(f, several)]
    return sorted(kept, key=lambda finding: finding.sort_key), silenced


def _silenced_itself(finding: Finding, several: list[Comment]) -> bool:
    return any(finding.code in c.codes and (c.whole_file or finding.place.row in c.rows) for c in several)


def _about(filename: str, comment: Comment, lines: list[str], on: frozenset[str]) -> list[Finding]:
    place = Place(comment.row, comment.start + 1, comment.row, comment.end + 1)

    def finding(code: str, message: str, fix: Fix | None = None) -> Finding:
        rule = BY_CODE[code]
        return Finding(filename, place, code, rule.name, message, rule.severity, fix)

    found = []
    unknown = [c for c in comment.codes if not any(known.startswith(c) for known in BY_CODE)]
    for code in unknown:
        found.append(finding("ROM001", f"no rule is called `{code}`{suggestion(code, BY_CODE)}"))
    if not comment.codes:
        found.append(finding("ROM001", "a suppression must name the rules that it silences: `ignore[ROM101]`"))
    idle = [c for c in comment.codes if c not in comment.used and c not in unknown and _is_on(c, on)]
    if idle:
        rest = [code for code in _written(comment, lines) if code.upper() not in idle]
        remedy = "take it out of the suppression" if rest else "delete the suppression"
        fix = _shortening(comment, lines, rest) if rest else _deletion(comment, lines)
        found.append(finding("ROM003", f"`{', '.join(idle)}` is not found here: {remedy}", fix))
    if not comment.reason:
        found.append(finding("ROM004", "say why: `# romancy: ignore[…] reason`"))
    return found


def _is_on(prefix: str, on: frozenset[str]) -> bool:
    return any(code.startswith(prefix) for code in on)


def _span(comment: Comment, lines: list[str]) -> tuple[int, int]:
    """Where the codes of a comment stand in its line."""
    match = (_NOQA if comment.is_noqa else _IGNORE).match(lines[comment.row - 1], comment.start)
    assert match is not None, "what was read as a comment reads so again"
    return match.span("codes")


def _written(comment: Comment, lines: list[str]) -> list[str]:
    """All codes of a comment, also those of other linters, as they are spelt."""
    start, end = _span(comment, lines)
    return [code for code in re.split(r"[\s,]+", lines[comment.row - 1][start:end]) if code]


def _shortening(comment: Comment, lines: list[str], rest: list[str]) -> Fix:
    start, end = _span(comment, lines)
    place = Place(comment.row, start + 1, comment.row, end + 1)
    return Fix("safe", "Take it out of the suppression", (Edit(place, ", ".join(rest)),))


def _deletion(comment: Comment, lines: list[str]) -> Fix:
    line = lines[comment.row - 1]
    before = line[: comment.start]
    rest = line[comment.end :]
    if not before.strip() and not rest.strip() and comment.row < len(lines):
        place = Place(comment.row, 1, comment.row + 1, 1)
    else:
        end = comment.end if rest.strip() else len(line)
        place = Place(comment.row, len(before.rstrip()) + 1, comment.row, end + 1)
        if rest.strip():
            place = Place(comment.row, comment.start + 1, comment.row, end + 1)
    return Fix("safe", "Delete the suppression", (Edit(place, ""),))
