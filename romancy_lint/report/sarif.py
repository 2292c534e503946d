"""SARIF 2.1.0, with a code flow for the chain of every finding."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from romancy_lint.finding import Finding, Place
from romancy_lint.rules import RULES

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def sarif(findings: list[Finding], texts: dict[str, str]) -> str:
    """One run of one tool."""
    rules = [
        {
            "id": rule.code,
            "name": type(rule).__name__,
            "shortDescription": {"text": rule.__doc__ or rule.name},
            "defaultConfiguration": {"level": _LEVELS[rule.severity], "enabled": rule.default},
        }
        for rule in RULES
    ]
    index = {rule.code: number for number, rule in enumerate(RULES)}
    driver = {"name": "romancy-lint", "rules": rules}
    results = [_result(finding, index) for finding in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(finding: Finding, index: dict[str, int]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index[finding.code],
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [_location(finding.filename, _region(finding.place))],
    }
    if len(finding.chain) > 1:
        steps = [
            {
                "location": {
                    **_location(hop.filename, {"startLine": hop.row}),
                    "message": {"text": hop.function},
                }
            }
            for hop in finding.chain
        ]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    if finding.fix is not None:
        replacements = [
            {"deletedRegion": _region(edit.place), "insertedContent": {"text": edit.content}}
            for edit in finding.fix.edits
        ]
        change = {"artifactLocation": {"uri": quote(finding.filename)}, "replacements": replacements}
        result["fixes"] = [{"description": {"text": finding.fix.message}, "artifactChanges": [change]}]
    return result


def _region(place: Place) -> dict[str, int]:
    return {
        "startLine": place.row,
        "startColumn": place.column,
        "endLine": place.end_row,
        "endColumn": place.end_column,
    }


def _location(filename: str, region: dict[str, int]) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": quote(filename)}, "region": region}}
