"""Nested defaults, keys of sorts, definitions in branches, changes of the environment: all are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from romancy_lint.cli import main
from tests.romancy_lint.support import codes

WF = "@workflow\ndef wf(ctx: Context, xs, ys: list[str]):\n"
NESTED = {
    "function": "def inner(t={}):\n        return t",
    "keyword": "def inner(*, t={}):\n        return t",
    "lambda": "inner = lambda t={}: t",
}


@pytest.mark.parametrize("form", NESTED)
def test_the_default_of_a_nested_function_is_computed_when_the_workflow_runs(form: str):
    text = f"import time\n{WF}    {NESTED[form]}\n    yield charge(inner())\n"
    assert codes(text.format("time.time()")) == ["ROM101"]
    assert codes(text.format("ctx.now()")) == []


def test_the_default_of_a_function_of_the_module_is_computed_by_the_import():
    text = f"import time\ndef outer(t=time.time()):\n    return t\n{WF}    yield charge(outer())\n"
    assert codes(text) == ["ROM308"]


@pytest.mark.parametrize("what", ["xs", "ys", "list(xs)"])
@pytest.mark.parametrize("key", ["helper", "lambda x: helper(x)"])
def test_the_key_of_a_sort_is_followed(what: str, key: str):
    text = f"import random\ndef helper(x):\n    return {{}}\n{WF}    {what}.sort(key={key})\n    yield charge(xs)\n"
    assert codes(text.format("random.random()")) == ["ROM111"]
    assert codes(text.format("len(x)")) == []


BRANCHES = {
    "if": "if len(__file__) > 3:\n    def h():\n        return {}\nelse:\n    def h():\n        return {}\n",
    "try": "try:\n    import fast\n    def h():\n        return {}\n"
    "except ImportError:\n    def h():\n        return {}\n",
    "if after": "def h():\n    return {}\nif len(__file__) > 3:\n    def h():\n        return {}\n",
}


@pytest.mark.parametrize("form", BRANCHES)
@pytest.mark.parametrize("bodies", [("time.time()", "1"), ("1", "time.time()")])
def test_each_of_several_definitions_in_branches_is_followed(form: str, bodies: tuple[str, str]):
    start = f"{WF}    yield charge(h())\n"
    assert codes("import time\n" + BRANCHES[form].format(*bodies) + start) == ["ROM101"]
    assert codes("import time\n" + BRANCHES[form].format("1", "2") + start) == []


def test_a_definition_outside_of_branches_replaces_those_before_it():
    replaced = BRANCHES["if"].format("time.time()", "time.time()") + "def h():\n    return 1\n"
    assert codes(f"import time\n{replaced}{WF}    yield charge(h())\n") == []


@pytest.mark.parametrize("call", ["setdefault('A', '1')", "update(A='1')", "pop('A')", "popitem()", "clear()"])
@pytest.mark.parametrize("name", ["os.environ", "environ"])
def test_a_method_that_changes_the_environment_changes_the_process(name: str, call: str):
    head = f"import os\nfrom os import environ\n{WF}    "
    assert codes(f"{head}{name}.{call}\n    yield charge(1)\n") == ["ROM208"]
    assert codes(f"{head}{name}.get('A')\n    yield charge(1)\n") == ["ROM131"]
    assert codes(f"{head}xs.{call}\n    yield charge(1)\n") == []


def test_waiting_for_a_signal_blocks():
    assert codes(f"import signal\n{WF}    signal.pause()\n    yield charge(1)\n") == ["ROM103"]
    assert codes(f"import signal\n{WF}    yield charge(signal.strsignal(2))\n") == []


def test_a_notebook_is_refused_when_it_is_named(tmp_path: Path):
    notebook = tmp_path / "orders.ipynb"
    notebook.write_text("{}", "utf-8")
    (tmp_path / "orders.py").write_text("x = 1\n", "utf-8")
    refused = CliRunner().invoke(main, ["check", "--no-cache", str(notebook)])
    assert refused.exit_code == 2
    assert "notebooks are not read" in refused.output
    assert CliRunner().invoke(main, ["check", "--no-cache", str(tmp_path)]).exit_code == 0
