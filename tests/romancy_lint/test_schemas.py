"""What the linter writes for machines is valid under the schemas of those formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema

from romancy_lint.config import Config
from romancy_lint.finding import Edit, Finding, Fix, Hop, Place
from romancy_lint.report import FORMATS
from romancy_lint.rules import RULES
from tests.romancy_lint.support import ROOT, lint

SCHEMAS = Path(__file__).parent / "schemas"


def everything() -> list[Finding]:
    """What is found in the bad examples of every rule."""
    found = []
    for rule in RULES:
        for bad in rule.BAD:
            found += lint(bad.code, config=Config(root=ROOT, extend_select=(rule.code,)))
    return found


def awkward() -> list[Finding]:
    """Findings whose names and texts have to be escaped."""
    place, text = Place(1, 1, 2, 3), "a <b> & \"c\" 'd' ]]> größe \x00\x1b\ud800 \U0001f600 50% \n end"
    fix = Fix("unsafe", text, (Edit(place, text),))
    chain = (Hop("<lambda>", "a folder/ü&.py", 1), Hop("f", "x.py", 2))
    first = Finding("a folder/ü&<1>.py", place, "ROM101", "wall-clock", text, "error", fix, "wf", chain)
    severities = [Finding("C#.py", place, "ROM206", "console", "m", severity) for severity in ("warning", "info")]
    return [first, *severities, Finding("bad.py", Place(1, 1, 1, 1), "ROM000", "syntax-error", text)]


CASES = {"clean": list, "every rule": everything, "awkward": awkward}


@pytest.fixture(scope="module")
def sarif() -> jsonschema.Draft4Validator:
    schema: dict[str, Any] = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text())
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())


@pytest.fixture(scope="module")
def junit() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd"))


@pytest.mark.parametrize("case", CASES)
def test_sarif_is_valid(sarif: jsonschema.Draft4Validator, case: str):
    findings = CASES[case]()
    told = json.loads(FORMATS["sarif"](findings, {}))
    assert [f"{list(error.path)}: {error.message}" for error in sarif.iter_errors(told)] == []
    assert len(told["runs"][0]["results"]) == len(findings)


@pytest.mark.parametrize("case", CASES)
def test_junit_is_valid(junit: xmlschema.XMLSchema, case: str):
    findings = CASES[case]()
    text = FORMATS["junit"](findings, {})
    assert [f"{error.path}: {error.reason}" for error in junit.iter_errors(text)] == []
    assert text.count("<failure") == len(findings)


def test_the_schemas_refuse_what_is_wrong(sarif: jsonschema.Draft4Validator, junit: xmlschema.XMLSchema):
    told = json.loads(FORMATS["sarif"](awkward(), {}))
    told["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert not sarif.is_valid(told)
    assert not junit.is_valid(FORMATS["junit"](awkward(), {}).replace("testcase", "case"))
