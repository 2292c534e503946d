"""Formats for machines."""

from __future__ import annotations

import hashlib
import json
from xml.sax.saxutils import escape, quoteattr

from romancy_lint.finding import Finding


def json_array(findings: list[Finding], texts: dict[str, str]) -> str:
    """One array; empty when clean."""
    return json.dumps([finding.to_dict() for finding in findings], indent=2) + "\n"


def json_lines(findings: list[Finding], texts: dict[str, str]) -> str:
    """One object a line."""
    return "".join(json.dumps(finding.to_dict()) + "\n" for finding in findings)


def github(findings: list[Finding], texts: dict[str, str]) -> str:
    """Workflow commands of GitHub Actions."""
    levels = {"error": "error", "warning": "warning", "info": "notice"}
    return "".join(
        f"::{levels[f.severity]} title={_property(f'romancy-lint ({f.code})')},file={_property(f.filename)},"
        f"line={f.place.row},col={f.place.column},endLine={f.place.end_row},endColumn={f.place.end_column}"
        f"::{_data(f'{f.filename}:{f.place.row}:{f.place.column}: {f.code} {f.message}')}\n"
        for f in findings
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def gitlab(findings: list[Finding], texts: dict[str, str]) -> str:
    """GitLab's code quality report."""
    levels = {"error": "major", "warning": "minor", "info": "info"}
    seen: dict[str, int] = {}
    out = []
    for f in findings:
        base = f"{f.filename}:{f.code}:{f.message}"
        seen[base] = seen.get(base, 0) + 1
        print_ = hashlib.sha256(f"{base}:{seen[base]}".encode()).hexdigest()[:32]
        positions = {
            "begin": {"line": f.place.row, "column": f.place.column},
            "end": {"line": f.place.end_row, "column": f.place.end_column},
        }
        out.append(
            {
                "description": f"{f.code}: {f.message}",
                "check_name": f.code,
                "fingerprint": print_,
                "severity": levels[f.severity],
                "location": {"path": f.filename, "positions": positions},
            }
        )
    return json.dumps(out, indent=2) + "\n"


def junit(findings: list[Finding], texts: dict[str, str]) -> str:
    """JUnit XML: a suite a file, a failed case a finding."""
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        by_file.setdefault(finding.filename, []).append(finding)
    count = len(findings)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f'<testsuites name="romancy-lint" tests="{max(count, 1)}" failures="{count}" errors="0">')
    if not by_file:
        lines.append('  <testsuite name="romancy-lint" tests="1" failures="0" errors="0">')
        lines.append('    <testcase name="romancy-lint" classname="romancy-lint"/>\n  </testsuite>')
    for filename, several in by_file.items():
        head = f'tests="{len(several)}" failures="{len(several)}" errors="0"'
        lines.append(f"  <testsuite name={_attribute(filename)} {head}>")
        lines += [_case(finding) for finding in several]
        lines.append("  </testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _case(f: Finding) -> str:
    name = f"{f.code} at {f.place.row}:{f.place.column}"
    body = f"{f.filename}:{f.place.row}:{f.place.column}: {f.code} {f.message}"
    return (
        f"    <testcase name={_attribute(name)} classname={_attribute(f.filename)}>\n"
        f"      <failure message={_attribute(f.message)} type={_attribute(f.code)}>{escape(_clean(body))}</failure>\n"
        "    </testcase>"
    )


def _attribute(text: str) -> str:
    return quoteattr(_clean(text))


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return "".join(c for c in text if c in "\t\n\r" or (ord(c) >= 32 and not 0xD800 <= ord(c) <= 0xDFFF))
