"""The fixture `romancy` is there for who installed Romancy, and a test that fails tells its crash."""

import re
from xml.etree import ElementTree

import pytest

from romancy.testing import Sandbox

pytest_plugins = ["pytester"]

SHOP = """
    from __future__ import annotations
    import pytest
    from romancy import Context, Flow, activity, workflow
    from romancy.testing import Sandbox, crash_points, run_with_crashes

    @activity
    def charge(amount: int) -> str:
        return f"receipt for {amount}"

    @activity
    def ship(item: str) -> str:
        return f"parcel of {item}"

    @workflow
    def order(ctx: Context, item: str) -> Flow[str]:
        yield charge(40)
        return (yield from ship(item))
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run tests of the shop as their author would at his desk: on a CI server the summary repeats each failure."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)

    def run(tests: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(shop=SHOP, test_shop="from shop import *\n" + tests)
        return pytester.runpytest("-p", "no:cacheprovider", *arguments)

    return run


def test_the_fixture_is_a_sandbox_that_is_open(romancy):
    assert type(romancy) is Sandbox and romancy.instances() == []


def test_the_fixture_is_shown_with_what_it_does(pytester):
    told = pytester.runpytest("--fixtures", "-p", "no:cacheprovider")
    told.stdout.fnmatch_lines(["romancy -- *plugin.py:*", "*An app in memory on a virtual clock;*"])


def test_a_failed_test_shows_boundary_history_and_how_to_repeat_it(run):
    told = run("""
def test_it(romancy):
    for crash in crash_points(order("hat")):
        assert crash.effects["ship"] < 2
""")
    told.assert_outcomes(failed=1)
    told.stdout.fnmatch_lines(
        [
            "E*the crash that was looked at last*",
            "E*crash point *: before anything is recorded; last activity: ship (instance 'crashed', step 2, *)*",
            "E*it ended completed: 'parcel of hat'",
            "E*bodies that ran: charge 1, ship 2",
            "E*  2 times: ship (instance 'crashed', step 2, attempt 1)",
            "E*recorded when the crash came:",
            "E*  activity_completed 1 charge",
            "E*recorded after it:",
            "E*  activity_completed 2 ship",
            "E*to repeat it alone: crash_points(*, at='*')",
        ],
        consecutive=False,
    )


def test_what_is_told_repeats_the_failure_alone(run):
    failing = """
def test_it(romancy):
    for crash in crash_points(order("hat"){at}):
        print("looked at", crash.at)
        assert crash.effects["charge"] < 2
"""
    told = run(failing.format(at="")).stdout.str()
    (at,) = re.findall(r"crash_points\(…, (at='\d+')\)", told)
    again = run(failing.format(at=f", {at}"))
    again.assert_outcomes(failed=1)
    assert (
        re.findall("^looked at .*", again.stdout.str(), re.MULTILINE) == [f"looked at {at[4:-1]}"]
        and at in again.stdout.str()
    )


HOLDING = {
    "a loop": """
def test_it(romancy):
    for crash in crash_points(order("hat")):
        assert crash.effects["ship"] < 2
""",
    "all": """
def test_it(romancy):
    assert all(crash.effects["ship"] < 2 for crash in crash_points(order("hat")))
""",
    "parameters": """
@pytest.mark.parametrize("crash", crash_points(order("hat")))
def test_it(crash):
    assert crash.effects["ship"] < 2
""",
    "a list": """
@pytest.fixture
def crashes():
    return list(crash_points(order("hat")))

def test_it(crashes):
    for crash in crashes:
        assert crash.effects["ship"] < 2
""",
    "a fixture": """
@pytest.fixture
def crashes():
    for crash in crash_points(order("hat")):
        assert crash.effects["ship"] < 2

def test_it(crashes):
    pass
""",
    "an exception of one line": """
def test_it():
    for crash in crash_points(order("hat")):
        if crash.effects["ship"] > 1:
            pytest.fail("ships twice")
""",
    "unittest": """
import unittest

class TestIt(unittest.TestCase):
    def test_it(self):
        for crash in crash_points(order("hat")):
            self.assertLess(crash.effects["ship"], 2)
""",
}
"""Tests that fail at one crash, however they hold it."""


@pytest.mark.parametrize("tests", HOLDING.values(), ids=HOLDING)
def test_every_report_of_a_failure_repeats_it_and_says_so_once(run, pytester, tests):
    shown = run(tests, "--show-capture=no", "--junitxml=junit.xml").stdout.str()
    (failure,) = (
        each for kind in ("failure", "error") for each in ElementTree.parse(pytester.path / "junit.xml").iter(kind)
    )
    for report in (shown, failure.text):
        assert report.count("the crash that was looked at last:") == 1
        assert report.count("  2 times: ship (instance 'crashed', step 2, attempt 1)") == 1
        assert len(re.findall(r"to repeat it alone: crash_points\(…, at='\d+'\)", report)) == 1


def test_crashes_that_a_test_holds_are_named_where_any_of_them_may_be_meant(run):
    told = run("""
def test_many():
    crashes = list(crash_points(order("hat")))
    assert not all(crashes)

def test_two():
    one, other = run_with_crashes(order("hat"), [3]), run_with_crashes(order("hat"), [4])
    assert one.result != other.result
""")
    told.assert_outcomes(failed=2)
    many, two = told.stdout.str().split("def test_two")
    assert re.findall(r"^E +<crash at='(\d+)': crash point", many, re.MULTILINE) == [f"{each}" for each in range(1, 11)]
    assert re.search(r"^E +and \d+ more$", many, re.MULTILINE)
    assert re.findall(r"^E +<crash at='(\d+)'", two, re.MULTILINE) == ["3"] and "at='4')" in two


def test_a_failure_that_can_carry_no_note_is_reported_all_the_same(run):
    told = run(
        """
class Declined(Exception):
    def __setattr__(self, name, value):
        if name == "__notes__":
            raise AttributeError(name)
        super().__setattr__(name, value)

def test_frozen():
    for crash in crash_points(order("hat")):
        raise Declined()

def test_skipped():
    for crash in crash_points(order("hat")):
        pytest.skip("for a reason")

class Proxy:
    @property
    def __class__(self):
        raise RuntimeError("outside of a request")

def test_proxy():
    proxy = Proxy()
    crash = run_with_crashes(order("hat"), [3])
    assert not crash
""",
        "-rfs",
    )
    told.assert_outcomes(failed=2, skipped=1)
    told.stdout.re_match_lines(["FAILED .*test_frozen - test_shop.Declined.*"])
    assert told.stdout.str().count("to repeat it alone") == 1  # where there is a proxy: neither frozen nor skipped


def test_a_refusal_is_shown_at_the_line_of_the_test(run):
    told = run("""
from romancy.testing import replays

def test_replace(romancy):
    romancy.replace("chrage", lambda amount: "")

def test_misfit(romancy):
    romancy.replace(charge, lambda: "")

def test_call():
    crash_points(order)

def test_number():
    crash_points(order("hat"), depth=0)

def test_at():
    crash_points(order("hat"), at="x")

def test_no_such_crash():
    list(crash_points(order("hat"), at="999"))

def test_schedule():
    run_with_crashes(order("hat"), [0])

def test_replays():
    replays(order, "nowhere/*.json")

def test_effects(romancy):
    assert romancy.effects["chrage"] <= 1
""")
    told.assert_outcomes(failed=9)
    told.stdout.no_fnmatch_line("*romancy/testing/*")
    assert len(re.findall(r"^test_shop.py:\d+: (DefinitionError|KeyError)$", told.stdout.str(), re.MULTILINE)) == 9


def test_only_a_test_that_looked_at_a_crash_shows_one(run):
    told = run("""
def test_one(romancy):
    for crash in crash_points(order("hat")):
        break

def test_two(romancy):
    assert romancy.run(order("hat")) == "nothing"

def test_three(romancy):
    assert all(crash.result == "parcel of hat" for crash in crash_points(order("hat")))
    assert not romancy.instances(), "no fault of a crash"
    assert romancy.effects["charge"], "no fault of a crash"
""")
    told.assert_outcomes(passed=1, failed=2)
    told.stdout.no_fnmatch_line("*the crash that was looked at last*")


def test_a_broken_promise_shows_where_it_was_broken(run):
    told = run("""
import sqlite3
from romancy.testing import lives
copy = lives.copy

def losing(database, target):
    copy(database, target)
    with sqlite3.connect(target) as connection:
        connection.execute("delete from instance")

def test_it(romancy, monkeypatch):
    monkeypatch.setattr(lives, "copy", losing)
    for crash in crash_points(order("hat")):
        pass
""")
    told.assert_outcomes(failed=1)
    told.stdout.fnmatch_lines(
        ["E*BrokenPromise: the instance is gone*", "E*crash point *acknowledged*", "E*to repeat it alone:*at='3'*"]
    )


def test_each_test_gets_a_sandbox_of_its_own_also_in_parallel_and_in_async_tests(run):
    told = run(
        """
import asyncio

@pytest.mark.parametrize("number", range(8))
def test_it(romancy, number):
    romancy.replace("ship", lambda item: f"{item} {number}")
    assert romancy.instances() == []

    async def client():
        return await romancy.start(order("hat"), id="o"), {crash.result for crash in crash_points(order("hat"))}

    assert asyncio.run(client()) == (f"hat {number}", {f"hat {number}"})

def test_a_failure_is_told(romancy):
    async def client():
        for crash in crash_points(order("hat"), at="3"):
            assert crash.result == "nothing"

    asyncio.run(client())
""",
        "-n",
        "2",
    )
    told.assert_outcomes(passed=8, failed=1)
    told.stdout.fnmatch_lines(["E*the crash that was looked at last*", "E*to repeat it alone: crash_points(*, at='3')"])


def test_hypothesis_refuses_the_fixture_and_the_block_works(run):
    told = run("""
from hypothesis import given, settings, strategies as st
from romancy.testing.strategies import completion_orders, crash_schedules

@given(item=st.sampled_from("abc"))
def test_the_fixture(romancy, item):
    assert romancy.run(order(item)) == f"parcel of {item}"

@settings(deadline=None, max_examples=5, derandomize=True)
@given(item=st.sampled_from("abc"), schedule=crash_schedules())
def test_the_block(item, schedule):
    with Sandbox() as romancy:
        romancy.replace("ship", lambda item: f"no {item}")
        assert romancy.run(order(item)) == run_with_crashes(order(item), schedule).result == f"no {item}"

@settings(deadline=None, max_examples=30, derandomize=True)
@given(schedule=crash_schedules(max_crashes=1, max_point=12))
def test_a_failure(schedule):
    assert run_with_crashes(order("hat"), schedule).effects["ship"] < 2
""")
    told.assert_outcomes(passed=1, failed=2)
    told.stdout.fnmatch_lines(["*FailedHealthCheck: *'romancy'*", "*: test_a_failure(*", "*schedule=[[]*[]],*"])
    told.stdout.fnmatch_lines(["E*crash point *ship (instance 'crashed'*"])


def test_the_fixture_may_stand_beside_the_module_of_its_name(run):
    run("""
import romancy as library

def test_it(romancy: library.testing.Sandbox):
    assert isinstance(romancy, library.Romancy)
    with library.Romancy(":memory:") as app:
        assert app.run(order("hat")) == romancy.run(order("hat"))
""").assert_outcomes(passed=1)


def test_the_fixture_can_be_replaced_by_one_with_other_options(pytester, run):
    pytester.makeconftest("""
import pytest
from romancy.testing import Sandbox

@pytest.fixture
def romancy(tmp_path):
    with Sandbox(tmp_path / "app.db", guard=True) as app:
        app.replace("ship", lambda item: "nothing")
        yield app
""")
    run("""
def test_it(romancy):
    assert romancy.run(order("hat")) == "nothing" and romancy.database.endswith("app.db")
    assert next(iter(crash_points(order("hat")))).result == "nothing"
""").assert_outcomes(passed=1)
