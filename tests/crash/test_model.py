"""The model notices an engine that does otherwise, and a record that says otherwise."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from romancy import calls, saga
from romancy.kernel import branches, calling, execution
from romancy.kernel.branches import Branches
from romancy.worker.turn import Turn
from romancy.workflow import Context
from tests.crash.driving import ROOT
from tests.crash.model import judge
from tests.crash.programs import Act, Block, Child, Gather, Guarded, Race, Scenario, Sleep, Try
from tests.crash.test_programs import EVERYTHING, Run, check
from tests.crash.verdicts import Fact

PLAIN = Act("plain")
CLEANS_UP = Scenario(Block((Race((Sleep(0), Block((Guarded(Block((Sleep(60),)), Block((PLAIN,))),)))), PLAIN)))
FAILS_FAST = Scenario(Block((Try(Block((Gather((Act("declared"), Sleep(60))),)), Block((PLAIN,))),)))

DROPS_A_CHILD = Scenario(Block((Race((Child(Block((Sleep(60),))), Sleep(1))), Sleep(60))))


@pytest.fixture
def folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="romancy-model-", dir=memory if memory.is_dir() else None))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def everything(folder: Path) -> Run:
    return check(folder, EVERYTHING)


# -- engines that do otherwise


def undo_in_order(completed: Sequence[Any]) -> Any:
    return saga.compensate(completed[::-1])


def forget_the_cleanup(self: Branches, branch: Any) -> None:
    branch.cancelled = True
    self._drop(branch.waiting)
    branch.generator.close()
    self.remove(branch)
    self.settle(branch.sink, None, None)


def draw_again(self: Context) -> Any:
    return random_of_the_process


def name_the_next_winner(index: int, value: Any) -> calls.Winner[Any]:
    return calls.Winner(index + 1, value)


class random_of_the_process:  # noqa: N801 - it stands where an object does
    drawn = 0.0

    @classmethod
    def random(cls) -> float:
        cls.drawn += 1
        return cls.drawn


def fire_early(step: str, call: Any, sink: Any, context: Context) -> Any:
    return timer(step, attrs.evolve(call, seconds=call.seconds / 2), sink, context)


timer = calling.PENDING[calls.Sleep]


def never_retry(self: Turn, *args: Any, is_final: bool) -> None:
    attempt_failed(self, *args, is_final=True)


attempt_failed = Turn._attempt_failed


def wait_for_all(self: Branches, join: Any, index: int, value: Any, error: BaseException | None) -> None:
    del join.running[index]
    join.error = join.error or error
    if not join.running:
        self._close_join(join)


def tell_nobody(self: Turn, resident: Any, pending: Any) -> None:
    flight = resident.flights.get(pending.step)
    if flight is not None:
        dropped(self, resident, pending)


dropped = Turn._dropped


def patched(target: Any, name: Any, broken: Any) -> Callable[[pytest.MonkeyPatch], None]:
    if isinstance(target, dict):
        return lambda monkeypatch: monkeypatch.setitem(target, name, broken)
    return lambda monkeypatch: monkeypatch.setattr(target, name, broken)


BROKEN_ENGINES = {
    "undoes the first first": (patched(execution, "compensate", undo_in_order), EVERYTHING),
    "lets cancelled branches not clean up": (patched(Branches, "cancel", forget_the_cleanup), CLEANS_UP),
    "draws other numbers at a replay": (patched(Context, "random", property(draw_again)), EVERYTHING),
    "names another winner": (patched(branches, "Winner", name_the_next_winner), EVERYTHING),
    "fires early": (patched(calling.PENDING, calls.Sleep, fire_early), EVERYTHING),
    "never retries": (patched(Turn, "_attempt_failed", never_retry), EVERYTHING),
    "does not tell children that they are cancelled": (patched(Turn, "_dropped", tell_nobody), DROPS_A_CHILD),
    "waits for all where one failed": (patched(Branches, "_arrive", wait_for_all), FAILS_FAST),
}


@pytest.mark.parametrize(("breaks", "scenario"), BROKEN_ENGINES.values(), ids=BROKEN_ENGINES)
def test_an_engine_that_does_otherwise_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, breaks: Callable[[pytest.MonkeyPatch], None], scenario: Scenario
) -> None:
    check(folder, scenario, restarts=True)
    breaks(monkeypatch)
    with pytest.raises(AssertionError):  # a restart makes some errors, and mends others
        check(folder, scenario)
        check(folder, scenario, restarts=True)


# -- records that say otherwise


def without(facts: list[Fact], kind: str, step: str | None = None) -> list[Fact]:
    return [fact for fact in facts if fact.kind != kind or (step is not None and fact.step != step)]


def changed(facts: list[Fact], kind: str, /, **changes: Any) -> list[Fact]:
    place = next(place for place, fact in enumerate(facts) if fact.kind == kind)
    return [*facts[:place], attrs.evolve(facts[place], **changes), *facts[place + 1 :]]


def moved(facts: list[Fact], kind: str, to: int) -> list[Fact]:
    place = next(place for place, fact in enumerate(facts) if fact.kind == kind)
    rest = [*facts[:place], *facts[place + 1 :]]
    return [attrs.evolve(fact, seq=seq) for seq, fact in enumerate([*rest[:to], facts[place], *rest[to:]])]


def with_another(facts: list[Fact], kind: str, step: str) -> list[Fact]:
    return [*facts, attrs.evolve(facts[0], seq=len(facts), kind=kind, step=step)]


DOCTORED: dict[str, Callable[[list[Fact]], list[Fact]]] = {
    "a completion is missing": lambda facts: without(facts, "activity_completed", "1.2"),
    "a failed attempt is missing": lambda facts: without(facts, "attempt_failed"),
    "a compensation is missing": lambda facts: without(facts, "activity_completed", "c1"),
    "the beginning of the compensation is missing": lambda facts: without(facts, "compensation_started"),
    "the end is missing": lambda facts: without(facts, "workflow_failed"),
    "it ends otherwise": lambda facts: changed(facts, "workflow_failed", kind="workflow_completed"),
    "another value": lambda facts: changed(facts, "activity_completed", value=["plain", "1", 7]),
    "another name": lambda facts: changed(facts, "activity_completed", name="plain"),
    "another error": lambda facts: changed(facts, "activity_failed", value=["ValueError", "7"]),
    "a step that nobody asked for": lambda facts: with_another(facts, "activity_completed", "99"),
    "a cancellation that nobody asked for": lambda facts: changed(facts, "timer_fired", kind="cancel_requested"),
    "a timer that fired early": lambda facts: changed(facts, "timer_fired", at=facts[0].at),
    "a step that was answered before it was asked for": lambda facts: moved(facts, "child_failed", 1),
    "a completion after the compensation began": lambda facts: moved(facts, "compensation_started", 4),
}


@pytest.mark.parametrize("doctor", DOCTORED.values(), ids=DOCTORED)
def test_a_record_that_says_otherwise_is_noticed(everything: Run, doctor: Callable[[list[Fact]], list[Fact]]) -> None:
    runs = everything.records.histories[ROOT]
    histories = {**everything.records.histories, ROOT: (*runs[:-1], tuple(doctor(list(runs[-1]))))}
    assert judge(EVERYTHING.body, ROOT, histories, crashed=False)[ROOT].problems


def test_an_instance_that_nobody_started_is_noticed(everything: Run) -> None:
    histories = {**everything.records.histories, "root/77": everything.records.histories[ROOT]}
    assert judge(EVERYTHING.body, ROOT, histories, crashed=False)[ROOT].problems


def test_an_interruption_is_right_only_after_a_crash(folder: Path) -> None:
    scenario = Scenario(Block((Try(Block((Act("once"),)), Block((PLAIN,))),)))
    run = check(folder, scenario)
    told = ["ActivityInterrupted", "once", "its worker ended before it reported back"]
    facts = changed(list(run.records.histories[ROOT][0]), "activity_completed", kind="activity_failed", value=told)
    after = attrs.evolve(facts[-1], seq=len(facts) - 1, kind="activity_completed", step="2", name="plain", value=None)
    for crashed in (False, True):
        histories = {ROOT: [[*facts[:-1], after, attrs.evolve(facts[-1], seq=len(facts))]]}
        problems = judge(scenario.body, ROOT, histories, crashed=crashed)[ROOT].problems
        assert any("step 1: activity_failed once" in problem for problem in problems) is not crashed
