"""Kills a workflow's process at every boundary, brings it back each time, and shows how it ended.

What a crash leaves behind is exact: the file as the operating system has it, without a goodbye. Each crash point is a
run of its own, from an empty file to the boundary and on, so that fakes which keep something see what the world would.
"""

from __future__ import annotations

import random
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from romancy.calls import CallWorkflow
from romancy.errors import DefinitionError
from romancy.history import Event
from romancy.testing.crash import NO_TABLE, REPEATED, TABLES, Crash, lines_of
from romancy.testing.cuts import copy
from romancy.testing.effects import Effects
from romancy.testing.fakes import Fakes, fakes_in_force
from romancy.testing.lives import workplace
from romancy.testing.sandbox import EndlessError, Sandbox
from romancy.testing.trials import BrokenPromise, Ending, Trial

T = TypeVar("T")

__tracebackhide__ = True
"""A refusal is shown by pytest at the line of the test."""

Prepare = Callable[[Sandbox], object]
"""What makes the world anew before each run: tables, and fakes that keep something."""

latest: deque[Crash[Any]] = deque(maxlen=1)
"""The crash that a test looks at, for the report of its failure."""


def crash_points(
    call: CallWorkflow[T],
    *,
    depth: int = 1,
    orders: int = 24,
    at: str | None = None,
    prepare: Prepare | None = None,
    patience: int = 10_000,
) -> Iterator[Crash[T]]:
    """Run an instance again and again, each time killed at another boundary and brought back, until all had their turn.

    Its activities really run, once for each crash point and more: replace those that must not. Time is virtual, and
    begins anew with each. Crashes come after each commit, after each activity's body before it is recorded, and after
    each acknowledgement; the boundaries between those leave the same file behind, and are not tried twice. Each run is
    replayed and compared when it has ended: one whose code is not deterministic is `stuck`.

    Args:
        call: what calling a workflow returned.
        depth: how many crashes at most: with 2, each recovery is killed at each of its boundaries as well.
        orders: how many orders at most of what is in flight at the same time (the activities of a `gather`, a timer
            beside them) are tried; `crash_points` begins with that in which they were called, and varies it from there.
            Where there are more, a warning says so at the end.
        at: try one crash alone: the `at` of a `Crash`.
        prepare: called before each run with an app on its database, and never killed: it may make tables with
            `app.sql(…)`, and give `app.replace(…)` fakes that keep something and begin anew with each run.
        patience: how many things may happen between one crash and the next before `EndlessError`.

    Yields:
        How the instance ended; each is judged by the test, and by what Romancy promises.

    Raises:
        BrokenPromise: a start, or what was recorded, was lost, or something recorded ran again.
        EndlessError: the instance goes on and on.
        DefinitionError: `call` is no call of a workflow, `at` is none of a crash of it, or a number is too small.
    """
    _refuse_too_small("crash_points", depth=depth, orders=orders, patience=patience)
    trials = _Trials("crash_points", call, prepare, patience)
    return trials.every(depth, orders) if at is None else trials.one(*_parsed(at))


def run_with_crashes(
    call: CallWorkflow[T],
    schedule: Sequence[int] = (),
    order: Sequence[int] = (),
    *,
    prepare: Prepare | None = None,
    patience: int = 10_000,
) -> Crash[T]:
    """Run one instance, killed at the crash points of a schedule.

    Args:
        call: what calling a workflow returned.
        schedule: for each life, the number of the crash point, from 1, at which it ends; a life that has fewer ends by
            itself, and is the last.
        order: what comes first where several things are in flight: a number from 0 for each such choice, where one
            that is too high means the last.
        prepare: as in `crash_points`; `patience` likewise.

    Raises:
        BrokenPromise: as `crash_points` does; `EndlessError` and `DefinitionError` likewise.
    """
    _refuse_numbers("run_with_crashes", schedule, order)
    _refuse_too_small("run_with_crashes", patience=patience)
    return _Trials("run_with_crashes", call, prepare, patience).tried(tuple(schedule), tuple(order))[0]


class _Trials(Generic[T]):
    """Trials of one call, each from the same file on."""

    def __init__(self, verb: str, call: CallWorkflow[T], prepare: Prepare | None, patience: int) -> None:
        if not isinstance(call, CallWorkflow):
            raise DefinitionError(f"{verb}({call!r}): give the call of a workflow, as in {verb}(order('o-1'))")
        self._call = call
        self._fakes = fakes_in_force()
        self._prepare = prepare
        self._patience = patience
        self._remedy = f"{verb} is for workflows that end; one that takes more is tried with {verb}(…, patience=…)"
        files = ExitStack()
        self._empty = files.enter_context(workplace()) / "empty.db"
        weakref.finalize(self, files.close)
        _make(self._empty, self._fakes)

    def one(self, schedule: tuple[int, ...], order: tuple[int, ...]) -> Iterator[Crash[T]]:
        crash = self.tried(schedule, order)[0]
        if len(crash.boundaries) < len(schedule):
            at = _named(schedule, order)
            raise DefinitionError(f"crash_points(at={at!r}): with this code and this call there is no such crash point")
        yield crash

    def every(self, depth: int, orders: int) -> Iterator[Crash[T]]:
        waiting, tried = deque[tuple[int, ...]]([()]), 0
        while waiting and tried < orders:
            order = waiting.popleft()
            tried += 1
            trial = self.tried((), order)[1]
            room = orders + 1 - tried - len(waiting)  # one more than are tried tells that there are more
            waiting += islice(_other_orders(order, trial.life.choices.taken), max(0, room))
            yield from self._crashes(order, trial, (), depth)
        latest.clear()
        if waiting:
            warnings.warn(
                f"crash_points tried {tried} of the orders in which what is in flight at the same time can complete, "
                f"and left others: orders=… tries more",
                stacklevel=2,
            )

    def _crashes(
        self, order: tuple[int, ...], trial: Trial[T], schedule: tuple[int, ...], depth: int
    ) -> Iterator[Crash[T]]:
        """Die in the last life of a trial, at each of its crash points that no other order has had."""
        for number in range(_shared(order, trial) if not schedule else 1, len(trial.life.cuts.states) + 1):
            crash, next_trial = self.tried((*schedule, number), order)
            yield crash
            if depth > 1:
                yield from self._crashes(order, next_trial, (*schedule, number), depth - 1)

    def tried(self, schedule: tuple[int, ...], order: tuple[int, ...]) -> tuple[Crash[T], Trial[T]]:
        files = ExitStack()
        try:
            folder = files.enter_context(workplace())
            fakes = dict(self._fakes)
            copy(self._empty, folder / "0.db")
            if self._prepare is not None:
                _make(folder / "0.db", fakes, self._prepare)
            trial = Trial(self._call, folder, order, fakes, patience=self._patience, remedy=self._remedy)
            crash = _crash(trial, trial.run(schedule), order)
        except BaseException as problem:
            files.close()
            if isinstance(problem, (BrokenPromise, EndlessError)):
                _tell(problem, trial, _named(schedule, order))
            raise
        weakref.finalize(crash, files.close)
        latest.append(crash)
        return crash, trial


def _make(database: Path, fakes: Fakes, prepare: Prepare = lambda app: None) -> None:
    """Make a database, or go on making it."""
    app = Sandbox(database, fakes=fakes, chance=random.Random("prepare"))
    app.open()
    try:
        prepare(app)
    finally:
        app.close()


def _tell(problem: BaseException, trial: Trial[Any], at: str) -> None:
    for death in trial.deaths:
        problem.add_note(str(death.boundary))
        for (id, run), events in death.recorded.items():
            problem.add_note("\n".join([f"recorded of {id!r} (run {run}) when that crash came:", *lines_of(events)]))
    problem.add_note(f"{REPEATED}, at={at!r})" if at else "no crash had come before")


def _shared(order: tuple[int, ...], trial: Trial[Any]) -> int:
    """The first crash point after the choice that makes this order another one than those tried before."""
    return trial.life.choices.states[len(order) - 1] + 1 if order else 1


def _other_orders(order: tuple[int, ...], taken: Sequence[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """Every order that departs from this one at one later choice: all of them together are all that there are."""
    answers = [answer for answer, _ in taken]
    for place in range(len(order), len(taken)):
        for other in range(1, taken[place][1]):
            yield (*answers[:place], other)


def _crash(trial: Trial[T], ending: Ending[T], order: Sequence[int]) -> Crash[T]:
    recorded = trial.deaths[-1].recorded.get((ending.id, ending.run), []) if trial.deaths else ending.history
    if isinstance(ending.outcome, BaseException) and NO_TABLE in str(ending.outcome):
        ending.outcome.add_note(TABLES)
    return Crash(
        boundaries=tuple(death.boundary for death in trial.deaths),
        status=ending.status,
        effects=Effects(trial.log),
        history=ending.history,
        recorded=recorded,
        at=_named([death.boundary.number for death in trial.deaths], order),
        outcome=ending.outcome,
        database=trial.life.database,
        beside=_beside(trial, ending),
    )


def _beside(trial: Trial[Any], ending: Ending[Any]) -> dict[str, tuple[Sequence[Event], Sequence[Event]]]:
    """The records of the instance whose activity was the last before the crash, where it is another one."""
    death = trial.deaths[-1] if trial.deaths else None
    if death is None or death.bodies == 0:
        return {}
    last = trial.log[death.bodies - 1]
    if last.instance_id == ending.id:
        return {}
    place = last.instance_id, last.run
    return {repr(last.instance_id): (death.recorded.get(place, []), ending.histories.get(place, []))}


def _named(schedule: Sequence[int], order: Sequence[int]) -> str:
    told = ".".join(map(str, schedule))
    return f"{told}/{'.'.join(map(str, order))}" if order else told


def _parsed(at: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    schedule, _, order = str(at).partition("/")
    try:
        parsed = _numbers(schedule), _numbers(order)
        _refuse_numbers("crash_points", *parsed)
    except (ValueError, DefinitionError):
        raise DefinitionError(
            f"crash_points(at={at!r}): copy the `at` of a crash, such as '17' or '17.4/0.2'"
        ) from None
    return parsed


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(".")) if text else ()


def _refuse_too_small(verb: str, **numbers: int) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise DefinitionError(f"{verb}({name}={number!r}): write a whole number, 1 or more")


def _refuse_numbers(verb: str, schedule: Sequence[int], order: Sequence[int]) -> None:
    for name, numbers, least in (("schedule", schedule, 1), ("order", order, 0)):
        if not isinstance(numbers, Sequence) or any(not isinstance(each, int) or each < least for each in numbers):
            shown = list(numbers) if isinstance(numbers, tuple) else numbers
            raise DefinitionError(f"{verb}(…, {name}={shown!r}): write a list of whole numbers, {least} or more")
