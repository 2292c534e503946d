"""Every rule keeps the promises of its examples."""

from __future__ import annotations

import ast

import pytest

from romancy_lint.config import Config, selected
from romancy_lint.pages import page
from romancy_lint.rules import RULES, Rule
from romancy_lint.rules.rule import PRELUDE as EXAMPLE_PRELUDE
from romancy_lint.rules.rule import Bad
from tests.romancy_lint.support import PRELUDE, ROOT, files, fixed, lint

GOOD = [pytest.param(rule, code, id=f"{rule.code}-{n}") for rule in RULES for n, code in enumerate(rule.GOOD)]
BAD = [pytest.param(rule, bad, id=f"{rule.code}-{n}") for rule in RULES for n, bad in enumerate(rule.BAD)]
FIXED = [param for param in BAD if param.values[1].fixed is not None]


def config_for(rule: Rule) -> Config:
    return Config(root=ROOT, extend_select=(rule.code,))


def test_the_prelude_of_examples_is_the_one_of_the_tests():
    assert EXAMPLE_PRELUDE == PRELUDE


@pytest.mark.parametrize(("rule", "code"), GOOD)
def test_good_code_is_silent(rule: Rule, code: str):
    assert lint(code, config=config_for(rule)) == []


@pytest.mark.parametrize(("rule", "bad"), BAD)
def test_bad_code_is_reported_on_its_line(rule: Rule, bad: Bad):
    expected = [n for n, line in enumerate((PRELUDE + bad.code).splitlines(), 1) if "# bad" in line]
    found = lint(bad.code, config=config_for(rule))
    assert [(f.code, f.place.row) for f in found] == [(rule.code, row) for row in expected]


@pytest.mark.parametrize(("rule", "bad"), FIXED)
def test_a_fix_makes_of_bad_code_what_its_example_says(rule: Rule, bad: Bad):
    config = config_for(rule)
    new = fixed(bad.code, unsafe=bad.unsafe, config=config)
    assert new.strip() == bad.fixed.strip()
    assert fixed(new, unsafe=True, config=config) == new
    assert lint(new, config=config) == []


@pytest.mark.parametrize(("rule", "bad"), [p for p in FIXED if p.values[1].unsafe])
def test_an_unsafe_fix_is_not_applied_unless_asked_for(rule: Rule, bad: Bad):
    assert fixed(bad.code, config=config_for(rule)).strip() == bad.code.strip()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_has_a_page(rule: Rule):
    text = page(rule.code)
    assert text.startswith(f"# {rule.name} ({rule.code})")
    assert rule.__doc__ in text
    assert page(rule.name) == text


def test_examples_are_python_and_every_rule_about_code_has_some():
    for rule in RULES:
        for code in (*rule.GOOD, *(bad.code for bad in rule.BAD)):
            ast.parse(code)
        assert rule.code < "ROM100" or (rule.GOOD and rule.BAD), rule.code


def test_codes_and_names_are_unique_and_sorted():
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_rules_that_are_off_by_default_stay_off():
    off = {rule.code for rule in RULES if not rule.default}
    assert off == {"ROM002", "ROM004", "ROM412", "ROM604", "ROM710"}
    assert not off & selected(Config())


def test_programs_in_memory_need_no_files():
    assert not any(path.exists() for path in files("pass", True, {}))
