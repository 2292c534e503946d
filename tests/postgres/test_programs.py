"""Generated programs end on a server as the model says, whatever messages its connections break at meanwhile."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from romancy import Romancy
from romancy.testing import VirtualClock
from tests.crash import driving, interpreter, invariants
from tests.crash.driving import ROOT, Outcome
from tests.crash.invariants import Acknowledged
from tests.crash.judging import compare_with_the_model
from tests.crash.programs import Act, Block, Gather, Scenario, scenarios
from tests.crash.records import Records
from tests.crash.test_programs import ATTEMPTS, EVERYTHING, FOUND
from tests.postgres.mirror import Mirror
from tests.postgres.server import PostgresServer, query
from tests.postgres.wire import HOWS, Cut, Wire

CUTS = st.lists(st.tuples(st.integers(1, 30), st.sampled_from(HOWS)), min_size=1, max_size=4)
CUTS_OF_COMMITS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(HOWS)), min_size=1, max_size=4)
RUNS = settings(
    max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def with_sessions(scenario: Scenario) -> Scenario:
    """The same program, behind activities whose SQL a break undoes."""
    sessions = Gather((Act("transactional"), Act("transactional", 1)))
    return attrs.evolve(scenario, body=Block((sessions, *scenario.body.statements)))


class Ground:
    """A database that is emptied for each run, a wire to it, and a mirror of it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        with Romancy(url, worker=False):
            pass
        query(url, "create table effect (instance text, run integer, step text)")
        self.mirror = Mirror(url, folder / "mirror.db")
        self.wire = Wire(url)

    def close(self) -> None:
        self.wire.close()
        self.mirror.close()


@pytest.fixture(scope="module")
def ground(server: PostgresServer) -> Iterator[Ground]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        ground = Ground(server.fresh(), Path(folder))
        yield ground
        ground.close()


class Run:
    """One scenario on an emptied database, driven to its end over a wire that breaks."""

    def __init__(
        self, ground: Ground, scenario: Scenario, cuts: list[Cut], *, counted: bytes, apps: int, **options: Any
    ) -> None:
        self.clock = VirtualClock()
        self.effects: list[interpreter.Effect] = []
        self._ground, self._cuts = ground, cuts
        self._seen: Records | None = None
        ground.wire.counted = counted
        ground.mirror.empty()
        workers = [self._app(f"w{n}", options) for n in range(apps)]
        try:
            with interpreter.telling(self.effects.append):
                self.outcome = self._driven(workers, scenario)
        finally:
            self.cuts = ground.wire.cuts
            ground.wire.cut(0, HOWS[0])
            for app in workers:
                app.close()
        told = [Acknowledged("start", ROOT), Acknowledged("end", ROOT, self.outcome.value)]
        if scenario.cancel_after is not None:
            told.append(Acknowledged("cancel", ROOT))
        self.records = self._checked(invariants=invariants.FINAL, acknowledged=told)

    def _app(self, id: str, options: dict[str, Any]) -> Romancy:
        chance = random.Random(id)
        app = Romancy(
            self._ground.wire.url,
            worker_id=id,
            worker=False,
            clock=self.clock,
            chance=chance,
            workflows=[interpreter.perform],
            **options,
        )
        app.open()
        return app

    def _driven(self, workers: list[Romancy], scenario: Scenario) -> Outcome:
        (at, how), *later = self._cuts
        self._ground.wire.cut(at, how, *later)
        handle = driving.begin(workers[0], scenario)
        path: Any = self._ground.mirror
        driving.finish(workers, self.clock, path, cancel_after=scenario.cancel_after, at_rest=self._look)
        return driving.outcome(handle, path)

    def _look(self) -> None:
        """The promises hold whenever nobody has anything to do, not only at the end."""
        self._seen = self._checked(now=self.clock())

    def _checked(self, **given: Any) -> Records:
        path: Any = self._ground.mirror
        return invariants.check(path, effects=self.effects, earlier=self._seen, crashes=len(self.effects), **given)


def check(ground: Ground, scenario: Scenario, cuts: list[Cut], **options: Any) -> Run:
    """The scenario ends as the model says, and only what a session had done is repeated, once for each break."""
    run = Run(ground, scenario, cuts, **options)
    cancelled = scenario.cancel_after is not None
    compare_with_the_model(scenario, run.records, run.outcome, crashed=False, cancelled=cancelled)
    check_repeats(run)
    return run


def check_repeats(run: Run) -> None:
    begun = Counter((*each.call, each.attempt, each.name) for each in run.effects if each.phase == "begin")
    again = {attempt: count for attempt, count in begun.items() if count > 1}
    assert {name for *_, name in again} <= {"transactional"}
    assert sum(count - 1 for count in again.values()) <= run.cuts
    recorded = {
        (id, number, fact.step, fact.attempt, fact.name)
        for id, number, fact in run.records.facts
        if fact.kind in ATTEMPTS
    }
    assert recorded <= begun.keys()


@RUNS
@given(
    scenario=scenarios().map(with_sessions),
    cuts=CUTS,
    apps=st.integers(1, 2),
    max_resident=st.sampled_from([1, 10_000]),
)
def test_a_program_whose_connections_break_ends_as_the_model_says(
    ground: Ground, scenario: Scenario, cuts: list[Cut], apps: int, max_resident: int
) -> None:
    check(ground, scenario, cuts, counted=b"", apps=apps, max_resident=max_resident)


@RUNS
@given(scenario=scenarios().map(with_sessions), cuts=CUTS_OF_COMMITS)
def test_a_program_whose_commits_break_ends_as_the_model_says(
    ground: Ground, scenario: Scenario, cuts: list[Cut]
) -> None:
    check(ground, scenario, cuts, counted=b"commit", apps=1)


@pytest.mark.parametrize("scenario", [*FOUND.values(), EVERYTHING], ids=[*FOUND, "everything"])
@pytest.mark.parametrize("how", HOWS)
def test_a_program_that_breaks_everywhere_ends_as_the_model_says(ground: Ground, scenario: Scenario, how: str) -> None:
    run = check(ground, scenario, [(13, how)] * 6, counted=b"", apps=1)
    assert run.cuts > 0
