"""A decorator with options that is kept under a name makes what it makes where it is written out."""

from __future__ import annotations

import pytest

from romancy_lint.config import Config
from tests.romancy_lint.support import ROOT, codes

HEAD = "import functools, time\nimport romancy\n"

#: how `durable` is made of `activity` or `workflow`, and how it is used
KEPT = {
    "with options": ("durable = {kind}({option})", "@durable"),
    "without options": ("durable = {kind}()", "@durable"),
    "with further options": ("durable = {kind}({option})", "@durable()"),
    "through the package": ("durable = romancy.{kind}({option})", "@durable"),
    "annotated": ("durable: object = {kind}({option})", "@durable"),
    "a partial": ("durable = functools.partial({kind}, {option})", "@durable"),
    "a partial that is called": ("durable = functools.partial({kind}, {option})", "@durable()"),
    "a partial on the spot": ("", "@functools.partial({kind}, {option})"),
    "a partial of a partial": (
        "once = functools.partial({kind}, {option})\ndurable = functools.partial(once, version=2)",
        "@durable",
    ),
    "in a class": ("class Of:\n    durable = {kind}({option})", "@Of.durable"),
    "either": ("durable = {kind}({option}) if time else {kind}()", "@durable"),
    "made by a function": ("def made():\n    return {kind}({option})", "@made()"),
    "applied by a function": ("def durable(function):\n    return {kind}(function)", "@durable"),
    "imported": ("from decorators import durable", "@durable"),
    "of an imported module": ("import decorators", "@decorators.durable"),
}
OTHER = "import romancy\ndurable = romancy.{kind}({option})\n"


def program(form: str, kind: str, option: str, definition: str) -> tuple[str, dict[str, str]]:
    made, use = (part.format(kind=kind, option=option) for part in KEPT[form])
    return f"{HEAD}{made}\n{use}\n{definition}\n", {"decorators": OTHER.format(kind=kind, option=option)}


@pytest.mark.parametrize("form", KEPT)
def test_what_a_kept_activity_decorator_makes_may_do_anything(form: str):
    text, others = program(form, "activity", "timeout=3", "def act():\n    return time.time()")
    assert codes(f"{text}@workflow\ndef wf(ctx: Context):\n    yield act()\n", **others) == []
    assert codes(f"{text}@workflow\ndef wf(ctx: Context):\n    act()\n    yield charge(1)\n", **others) == ["ROM401"]


@pytest.mark.parametrize("form", KEPT)
def test_what_a_kept_workflow_decorator_makes_is_a_workflow(form: str):
    text, others = program(form, "workflow", "name='x'", "def wf(ctx):\n    yield charge({})")
    assert codes(text.format("time.time()"), **others) == ["ROM101"]
    assert codes(text.format("ctx.now().timestamp()"), **others) == []


@pytest.mark.parametrize("made", ["durable(price)", "activity(timeout=3)(price)", "functools.partial(activity)(price)"])
def test_a_function_given_to_a_kept_decorator_is_an_activity(made: str):
    head = f"{HEAD}durable = activity(timeout=3)\ndef price():\n    return time.time()\nact = {made}\n"
    assert codes(f"{head}@workflow\ndef wf(ctx: Context):\n    yield act()\n") == []
    assert codes(f"{head}@workflow\ndef wf(ctx: Context):\n    yield charge(price())\n") == ["ROM402"]


def test_a_decorator_of_another_library_stays_what_it_was():
    head = "import time\nimport other\ndurable = other.activity(timeout=3)\n"
    start = "@workflow\ndef wf(ctx: Context):\n    yield charge(act())\n"
    assert codes(f"{head}@durable\ndef act():\n    return time.time()\n{start}") == ["ROM101"]


@pytest.mark.parametrize("given", ["", "timeout=3", "'queue'"])
def test_a_configured_decorator_may_be_kept_as_well(given: str):
    config = Config(root=ROOT, activity_decorators=("other.task",), workflow_decorators=("other.flow",))
    head = f"import time\nimport other\ntask = other.task({given})\nflow = other.flow({given})\n"
    text = head + "@task\ndef act():\n    return time.time()\n@flow\ndef wf(ctx):\n    yield act()\n"
    assert codes(text, config=config) == []
    assert codes(f"{text}    yield charge(time.time())\n", config=config) == ["ROM101"]


RAISES = """
class Declined(Exception): ...
class Broken(Exception): ...
{made}
@durable{more}
def pay(): ...
@workflow
def wf(ctx: Context):
    try:
        yield pay()
    except {caught}:
        yield charge(1)
"""


@pytest.mark.parametrize(
    ("made", "more"),
    [
        ("durable = activity(raises=[Declined])", ""),
        ("durable = activity(timeout=3)", "(raises=[Declined])"),
        ("durable = activity(raises=[Broken])", "(raises=[Declined])"),
    ],
)
def test_the_options_of_a_kept_decorator_hold_for_what_it_makes(made: str, more: str):
    assert codes(RAISES.format(made=made, more=more, caught="Declined")) == []
    assert codes(RAISES.format(made=made, more=more, caught="Broken")) == ["ROM701"]


def test_options_that_cannot_be_told_may_be_anything():
    made = "options = {}\ndurable = activity(**options)"
    assert codes(RAISES.format(made=made, more="", caught="Broken")) == []


def test_a_name_that_two_workflows_share_through_their_decorator_is_found():
    two = "".join(f"@durable\ndef wf{n}(ctx: Context):\n    yield charge(1)\n" for n in (1, 2))
    assert codes(f"durable = workflow(name='x')\n{two}") == ["ROM704"]
    assert codes(f"durable = workflow()\n{two}") == []
