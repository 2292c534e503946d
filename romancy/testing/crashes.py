"""Kills a workflow's process at every boundary, brings it back each time, and shows how it ended.

What a crash leaves behind is exact: the file as the operating system has it, without a goodbye. Each crash point is a
run of its own, from an empty file to the boundary and on, so that fakes which keep something see what the world would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

import attrs

from romancy.calls import CallWorkflow
from romancy.errors import DefinitionError
from romancy.history import Event
from romancy.testing.cuts import Boundary
from romancy.testing.effects import Effects
from romancy.testing.fakes import fakes_in_force
from romancy.testing.lives import workplace
from romancy.testing.trials import BrokenPromise, Ending, Trial

T = TypeVar("T")


@attrs.define(kw_only=True, repr=False)
class Crash(Generic[T]):
    """How an instance ended whose process was killed on the way, once or several times.

    Attributes:
        boundaries: where it was killed, one for each crash; none where it ended before the first one came.
        status: that it ended with.
        effects: how often the body of each activity ran, in all lives together; `effects.duplicates` names attempts
            whose body ran more than once.
        history: what was recorded in the end.
        recorded: what was recorded of it when the last crash came.
        at: names this crash: `crash_points(call, at=…)` repeats it alone.
    """

    boundaries: tuple[Boundary, ...]
    status: str
    effects: Effects
    history: list[Event]
    recorded: list[Event]
    at: str
    _outcome: T | BaseException

    @property
    def result(self) -> T:
        """What the workflow returned.

        Raises:
            InstanceFailedError: it raised; the other errors of `Handle.result` likewise, and `TimeoutError` where it
                waits for something that never comes.
        """
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def __repr__(self) -> str:
        return f"<crash at={self.at!r}: {self._where()}>"

    def __str__(self) -> str:
        return "\n".join(
            [
                self._where(),
                f"it ended {self.status}; bodies that ran: {dict(self.effects)}",
                *(f"  ran {count} times: {effect}" for effect, count in self.effects.duplicates.items()),
                "recorded when the crash came:",
                *_lines(self.recorded),
                "recorded after it:",
                *_lines(self.history[len(self.recorded) :]),
                f"to repeat it alone: crash_points(…, at={self.at!r})",
            ]
        )

    def _where(self) -> str:
        return "; then ".join(map(str, self.boundaries)) or "no crash"


latest: ContextVar[Crash[Any] | None] = ContextVar("romancy_latest_crash", default=None)
"""The crash that a test looks at, for the report of its failure."""


def crash_points(
    call: CallWorkflow[T], *, depth: int = 1, orders: int = 24, at: str | None = None
) -> Iterator[Crash[T]]:
    """Run an instance again and again, each time killed at another boundary and brought back, until all had their turn.

    Its activities really run, once for each crash point and more: replace those that must not. Time is virtual. Crashes
    come after each commit, after each activity's body before it is recorded, and after each acknowledgement; the
    boundaries between those leave the same file behind, and are not tried twice.

    Args:
        call: what calling a workflow returned.
        depth: how many crashes at most: with 2, each recovery is killed at each of its boundaries as well.
        orders: how many orders at most of what is in flight at the same time (the activities of a `gather`, a timer
            beside them) are tried; `crash_points` begins with that in which they were called, and varies it from there.
        at: try one crash alone: the `at` of a `Crash`.

    Yields:
        How the instance ended; each is judged by the test, and by what Romancy promises.

    Raises:
        BrokenPromise: a start, or what was recorded, was lost, or something recorded ran again.
        DefinitionError: `call` is no call of a workflow, or `at` is none of a crash.
    """
    if not isinstance(call, CallWorkflow):
        raise DefinitionError(f"crash_points({call!r}): give the call of a workflow, as in crash_points(order('o-1'))")
    if at is not None:
        order, schedule = _parsed(at)
        yield _tried(call, order, schedule)[0]
        return
    waiting, tried = deque[tuple[int, ...]]([()]), 0
    while waiting and tried < orders:
        order = waiting.popleft()
        tried += 1
        trial = _tried(call, order, ())[1]
        waiting += _other_orders(order, trial.life.choices.taken)
        yield from _crashes(call, order, trial, (), depth)


def run_with_crashes(call: CallWorkflow[T], schedule: Sequence[int], order: Sequence[int] = ()) -> Crash[T]:
    """Run one instance, killed at the crash points of a schedule.

    Args:
        call: what calling a workflow returned.
        schedule: for each life, the number of the crash point, from 1, at which it ends; a life that has fewer ends by
            itself, and is the last.
        order: what comes first where several things are in flight: a number from 0 for each such choice.

    Raises:
        BrokenPromise: as `crash_points` does.
    """
    return _tried(call, order, schedule)[0]


def _crashes(
    call: CallWorkflow[T], order: tuple[int, ...], trial: Trial[T], schedule: tuple[int, ...], depth: int
) -> Iterator[Crash[T]]:
    """Die in the last life of a trial, at each of its crash points that no other order has had."""
    for number in range(_shared(order, trial) if not schedule else 1, len(trial.life.cuts.states) + 1):
        crash, next_trial = _tried(call, order, (*schedule, number))
        yield crash
        if depth > 1:
            yield from _crashes(call, order, next_trial, (*schedule, number), depth - 1)


def _shared(order: tuple[int, ...], trial: Trial[Any]) -> int:
    """The first crash point after the choice that makes this order another one than those tried before."""
    return trial.life.choices.states[len(order) - 1] + 1 if order else 1


def _other_orders(order: tuple[int, ...], taken: Sequence[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """Every order that departs from this one at one later choice: all of them together are all that there are."""
    answers = [answer for answer, _ in taken]
    for place in range(len(order), len(taken)):
        for other in range(1, taken[place][1]):
            yield (*answers[:place], other)


def _tried(call: CallWorkflow[T], order: Sequence[int], schedule: Sequence[int]) -> tuple[Crash[T], Trial[T]]:
    at = "/".join(".".join(map(str, numbers)) for numbers in (schedule, order) if numbers or numbers is schedule)
    with workplace() as folder:
        trial = Trial(call, folder, order, fakes_in_force())
        try:
            ending = trial.run(schedule)
        except BrokenPromise as broken:
            broken.add_note("; then ".join(str(death.boundary) for death in trial.deaths))
            broken.add_note(f"to repeat it alone: crash_points(…, at={at!r})")
            raise
    crash = _crash(trial, ending, at)
    latest.set(crash)
    return crash, trial


def _crash(trial: Trial[T], ending: Ending[T], at: str) -> Crash[T]:
    recorded = trial.deaths[-1].recorded.get((ending.id, ending.run), []) if trial.deaths else ending.history
    return Crash(
        boundaries=tuple(death.boundary for death in trial.deaths),
        status=ending.status,
        effects=Effects(trial.log),
        history=ending.history,
        recorded=recorded,
        at=at,
        outcome=ending.outcome,
    )


def _parsed(at: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    try:
        schedule, _, order = at.partition("/")
        return _numbers(order), _numbers(schedule)
    except ValueError:
        raise DefinitionError(
            f"crash_points(at={at!r}): copy the `at` of a crash, such as '17' or '17.4/0.2'"
        ) from None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(".")) if text else ()


def _lines(events: Sequence[Event]) -> list[str]:
    if not events:
        return ["  nothing"]
    shown = []
    for event in events:
        told = attrs.asdict(event)
        place = f" {told['step']} {told.get('name', '')}" if "step" in told else ""
        shown.append(f"  {event.kind}{place.rstrip()}")
    return shown
