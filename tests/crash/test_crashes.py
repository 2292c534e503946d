"""Programs that are crashed at every boundary, and whose statements fail, end as the model says nevertheless."""

from pathlib import Path
from typing import Any

import pytest

from romancy import Romancy
from romancy.testing import Sandbox, VirtualClock
from romancy.testing.cuts import Cuts, Killed
from romancy.testing.lives import Life, workplace
from tests.crash import driving
from tests.crash.campaign import Crashes, Troubles, crash_programs, fault_programs, quiet
from tests.crash.driving import ROOT
from tests.crash.faults import ERRORS
from tests.crash.images import MODES, NORMAL, Mode
from tests.crash.interpreter import perform
from tests.crash.programs import Act, Block, Child, Gather, Raise, Saga, Scenario, Sleep, to_json

SQL = Scenario(Block((Act("transactional"),)))
FAMILY = Scenario(Block((Gather((Act("once"), Saga("works"), Sleep(5))), Child(Block((Act("flaky", 1),))), Raise())))
LONG = Scenario(
    Block((Act("plain"), Gather((Act("plain"), Saga("works"), Sleep(5))), Child(Block((Act("flaky", 1),))), Raise()))
)
IDS = [each.name for each in MODES]


@pytest.mark.parametrize("seed", [101, 102])
def test_drawn_programs_survive_a_crash_at_every_boundary(seed: int) -> None:
    counts = crash_programs(seed, 2)
    assert counts["recoveries after crash 1"] > 40
    assert counts["torn logs"] > 5


@pytest.mark.parametrize("mode", MODES, ids=IDS)
def test_a_family_of_workflows_survives_a_crash_at_every_boundary_in_every_mode(mode: Mode) -> None:
    crashes = Crashes(1)
    with quiet():
        crashes.survive(FAMILY, mode)
    assert crashes.counts["recoveries after crash 1"] > 40


@pytest.mark.parametrize("mode", MODES, ids=IDS)
def test_a_family_of_workflows_that_is_killed_after_every_event_comes_to_its_end(mode: Mode) -> None:
    with quiet():
        assert Crashes(1).stumble(LONG, mode) > 6


def test_drawn_programs_survive_statements_that_fail() -> None:
    counts = fault_programs(101, 4, times=10)
    assert counts["runs with faults"] == 40
    assert counts["failed statements"] >= 40


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_trouble_with_any_statement_of_an_activity_with_sql_is_nobody_s_failure(error: str, after: bool) -> None:
    troubles = Troubles(1)
    with quiet():
        troubles.survive_each(SQL, NORMAL, error, after=after)
    assert troubles.counts["failed statements"] > 20


def test_whoever_is_killed_writes_nothing_more() -> None:
    number, after = 0, set[str]()
    is_over = False
    while not is_over:
        number += 1
        with workplace() as folder:
            life = Life(folder / "app.db", clock=VirtualClock(), dies_at=number, from_the_opening=True)
            is_over = _lives_on(life, folder)
            after |= set(life.cuts.afterlife)
    assert number > 20
    assert {each for each in after if "rollback" not in each} == set()


def _lives_on(life: Life, folder: Path) -> bool:
    def script(app: Sandbox, _: Cuts) -> Any:
        handle = Romancy.start(app, perform(to_json(FAMILY.body)), id=ROOT)
        driving.finish([app], app.clock, life.database)
        return handle.status

    try:
        assert life.live(script) == "failed"
    except Killed:
        life.leave(folder / "left.db")
        return False
    return True
