"""Generated programs end as the model says, in every mode, and leave a file that keeps every promise."""

import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from romancy import Romancy
from romancy.testing import VirtualClock
from tests.crash import driving, interpreter, invariants, records
from tests.crash.driving import ROOT
from tests.crash.invariants import Acknowledged
from tests.crash.judging import compare_with_the_model
from tests.crash.programs import (
    Act,
    Block,
    Child,
    Detached,
    Draw,
    Gather,
    Guarded,
    Race,
    Raise,
    Recur,
    Saga,
    Scenario,
    Sleep,
    Try,
    from_json,
    scenarios,
    to_json,
)

MEMORY = Path("/dev/shm")
RUNS = settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="romancy-programs-", dir=MEMORY if MEMORY.is_dir() else None))
    yield made
    shutil.rmtree(made)


class Run:
    """One scenario on a fresh file, driven to its end by one or more apps, which it restarts whenever they rest."""

    def __init__(
        self, folder: Path, scenario: Scenario, *, apps: int = 1, restarts: bool = False, **options: Any
    ) -> None:
        self.path = folder / "app.db"
        for left in folder.glob("app.db*"):
            left.unlink()
        self.effects: list[interpreter.Effect] = []
        self.seen: records.Records | None = None
        self.clock = VirtualClock()
        workers = [self._app(f"w{n}", options) for n in range(apps)]
        self.restarting = workers if restarts else []
        try:
            with interpreter.telling(self.effects.append):
                handle = driving.begin(workers[0], scenario)
                driving.finish(workers, self.clock, self.path, cancel_after=scenario.cancel_after, at_rest=self._look)
            self.outcome = driving.outcome(handle, self.path)
        finally:
            for app in workers:
                app.close()
        self.records = invariants.check(
            self.path,
            invariants=invariants.FINAL,
            effects=self.effects,
            acknowledged=self._acknowledged(scenario),
            earlier=self.seen,
        )

    def _app(self, id: str, options: dict[str, Any]) -> Romancy:
        chance = random.Random(id)
        app = Romancy(self.path, worker_id=id, worker=False, clock=self.clock, chance=chance, **options)
        app.open()
        return app

    def _look(self) -> None:
        """The promises hold whenever nobody has anything to do, not only at the end."""
        self.seen = invariants.check(self.path, effects=self.effects, earlier=self.seen, now=self.clock())
        for app in self.restarting:
            app.close()
            app.open()

    def _acknowledged(self, scenario: Scenario) -> list[Acknowledged]:
        told = [Acknowledged("start", ROOT), Acknowledged("end", ROOT, self.outcome.value)]
        return told if scenario.cancel_after is None else [*told, Acknowledged("cancel", ROOT)]


def check(folder: Path, scenario: Scenario, **options: Any) -> Run:
    """The scenario ends as the model says, and every attempt that is recorded was made once."""
    run = Run(folder, scenario, **options)
    cancelled = scenario.cancel_after is not None
    compare_with_the_model(scenario, run.records, run.outcome, crashed=False, cancelled=cancelled)
    assert Counter((*each.call, each.attempt) for each in run.effects if each.phase in ("end", "raise")) >= Counter(
        (id, number, fact.step, fact.attempt) for id, number, fact in run.records.facts if fact.kind in ATTEMPTS
    )
    return run


ATTEMPTS = ("activity_completed", "attempt_failed", "activity_failed")
PLAIN, TRANSACTIONAL, SAGA = Act("plain"), Act("transactional"), Saga("works")
FOUND = {
    "cancelled where it recurs, after a race whose loser completed": Scenario(
        Block((Race((PLAIN, SAGA)), Recur(1))), cancel_after=1
    ),
    "a child in the run after one that a letter ended": Scenario(Block((Child(Block((PLAIN,))), Recur(1)))),
    "a letter answers what was about to be started again": Scenario(
        Block((Gather((Act("transactional", 1), Child(Block((PLAIN,))))),))
    ),
    "a timer in the run after one that ended while others needed room": Scenario(
        Block((Detached(Block((Sleep(1), PLAIN, Recur(1)))), Recur(1)))
    ),
}
"""Programs that went wrong once."""


def found(test: Callable[..., None]) -> Callable[..., None]:
    """Every program that went wrong once, before those that are drawn."""
    for scenario in FOUND.values():
        test = example(scenario)(test)
    return test


@found
@given(scenarios())
@RUNS
def test_a_program_ends_as_the_model_says(folder: Path, scenario: Scenario) -> None:
    check(folder, scenario)


@found
@given(scenarios())
@RUNS
def test_a_program_that_is_always_replayed_ends_as_the_model_says(folder: Path, scenario: Scenario) -> None:
    check(folder, scenario, restarts=True, max_resident=1, verify=1.0)


@found
@given(scenarios())
@RUNS
def test_a_program_that_two_workers_share_ends_as_the_model_says(folder: Path, scenario: Scenario) -> None:
    check(folder, scenario, apps=2, max_resident=2)


@given(scenarios())
@RUNS
def test_a_program_survives_its_way_through_json(folder: Path, scenario: Scenario) -> None:
    assert from_json(json.loads(json.dumps(to_json(scenario.body)))) == scenario.body


def test_what_completed_is_undone_where_a_workflow_is_cancelled_as_it_recurs(folder: Path) -> None:
    run = check(folder, FOUND["cancelled where it recurs, after a race whose loser completed"])
    assert run.outcome.status == "cancelled"
    assert [each.name for each in run.effects if each.phase == "end"] == ["plain", "saga_works", "undo_works"]


def test_a_program_of_everything_takes_every_turn(folder: Path) -> None:
    """What the model says is compared with something in every kind of statement."""
    run = check(folder, EVERYTHING)
    kinds = Counter(fact.kind for _, _, fact in run.records.facts)
    assert kinds.keys() >= {*ATTEMPTS, "activity_started", "timer_fired", "child_started", "child_completed"}
    assert kinds.keys() >= {"child_failed", "compensation_started", "workflow_recurred", "workflow_failed"}
    assert run.outcome.compensation_errors == [["OSError", "attempt 2"]]


EVERYTHING = Scenario(
    Block(
        (
            Recur(1),
            Gather((Sleep(1), Act("flaky", 2), Act("once"), Block((Act("transactional", 1), Draw("random"))))),
            Try(Block((Child(Block((SAGA, Raise()))),)), Block((Detached(Block((Draw("now"),))),))),
            Race((Block((Guarded(Block((Sleep(60), PLAIN)), Block((TRANSACTIONAL,))),)), Child(Block((PLAIN,))))),
            Gather((Act("declared"), Act("undeclared"), Act("terminal"), Sleep(0)), return_exceptions=True),
            Saga("fails"),
            Gather((Saga("flaky"), SAGA)),
            Act("exhausted"),
        )
    )
)
