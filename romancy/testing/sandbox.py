"""An app for tests: in memory, on a clock that moves when it must or is told to, with activities that can be faked."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar, overload

from romancy.activity import Activity
from romancy.app import Handle, Romancy
from romancy.calls import CallWorkflow
from romancy.testing.clock import VirtualClock
from romancy.testing.effects import Effects
from romancy.testing.fakes import Fakes, checked_fake
from romancy.testing.stepwise import Choose, Script, Stepwise, first
from romancy.worker.activities import Flight, Run
from romancy.worker.loop import Loop

P = ParamSpec("P")
T = TypeVar("T")

_MOMENT = 0.05
"""Seconds that pass where something is due and its worker only looks for it later."""


class Sandbox(Romancy):
    """An app without threads, server or sleep: it runs on the test's own thread, and waiting lets virtual time pass.

    Args:
        database: in memory by default; the path of a file keeps what happened.
        clock: the time; a clock of its own by default.
        fakes: bodies in the place of those of activities, by name.
        choose: what happens next where several activities, or an activity and a timer, could.
        ran: called after each activity, with what happened.
        options: those of `Romancy`.

    Attributes:
        clock: its time.
        effects: how often the body of each activity ran, by name.
    """

    def __init__(
        self,
        database: str | os.PathLike[str] = ":memory:",
        *,
        clock: VirtualClock | None = None,
        fakes: Fakes | None = None,
        choose: Choose = first,
        ran: Callable[[str], None] = lambda _: None,
        **options: Any,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.script = Script({} if fakes is None else fakes, Effects(), ran)
        self._choose = choose
        self._stepwise: Stepwise | None = None
        options = {"chance": random.Random(0), "worker_id": "sandbox", **options}
        super().__init__(database, worker=False, clock=self.clock, executor=self._step, **options)

    @property
    def effects(self) -> Effects:
        return self.script.effects

    @overload
    def replace(self, activity: Activity[P, T], fake: Callable[P, T]) -> None: ...
    @overload
    def replace(self, activity: str, fake: Callable[..., Any]) -> None: ...
    def replace(self, activity: Activity[..., Any] | str, fake: Callable[..., Any]) -> None:
        """Run something else in the place of an activity's body, here and in the crash points of the same test.

        Its result is carried under the annotations of the activity, and its exceptions under its `raises=`, as those
        of the body would be.

        Args:
            activity: the activity, or its name.
            fake: takes what the activity takes; plain or `async def`.

        Raises:
            DefinitionError: there is no such activity, or the fake does not take its arguments.
        """
        name, body = checked_fake(activity, fake)
        self.script.fakes[name] = body

    def start(self, call: CallWorkflow[T], *, id: str | None = None) -> Handle[T]:
        """Start an instance, and run what can run without letting time pass; see `Romancy.start`."""
        handle = super().start(call, id=id)
        self.run_until_idle()
        return handle

    def advance(
        self,
        length: float | timedelta = 0.0,
        /,
        *,
        seconds: float = 0.0,
        minutes: float = 0.0,
        hours: float = 0.0,
        days: float = 0.0,
    ) -> None:
        """Let time pass, with everything that becomes due in it happening at its own instant.

        Args:
            length: seconds, or a `timedelta`.
            seconds: added to it, as are `minutes`, `hours` and `days`.
        """
        until = VirtualClock(self.clock())
        until.advance(length, seconds=seconds, minutes=minutes, hours=hours, days=days)
        self.run_until_idle()
        while self.let_pass(until()):
            pass

    def let_pass(self, until: float = float("inf")) -> bool:
        """Let time pass to when something is due next, and run what is; returns whether there was something.

        Args:
            until: an instant that is not passed, in seconds since the epoch.
        """
        due = self._driven().next_instant()
        if due > until or due == float("inf"):
            if until != float("inf"):
                self.clock.advance(until - self.clock())
            self.run_until_idle()
            return False
        now = self.clock()
        self.clock.advance(due - now if due > now else _MOMENT)
        self.run_until_idle()
        return True

    def pump(self) -> bool:
        """Run one activity, or let a timer come first where `choose` says so, and turn the loop once."""
        if self._stepwise is not None and self._is_timer_chosen(self._stepwise):
            self.clock.advance(max(0.0, self._driven().next_timer() - self.clock()))
            return self._driven().turn()
        happened = super().pump()
        return happened or (self._stepwise is not None and self._stepwise.width() > 0)

    def _is_timer_chosen(self, stepwise: Stepwise) -> bool:
        """Ask what comes next, where it is open: one of the activities in flight, or the timer beside them."""
        width = stepwise.width()
        has_timer = width > 0 and self._driven().next_timer() < float("inf")
        chosen = self._choose(width + has_timer) if width + has_timer > 1 else 0
        stepwise.chosen = min(chosen, max(0, width - 1))
        return has_timer and chosen == width

    def _step(self, attempt: Run, landed: Callable[[Flight], None]) -> Stepwise:
        self._stepwise = Stepwise(attempt, landed, self.script)
        return self._stepwise

    # -- waits, in virtual time

    def _instant(self) -> float:
        return self.clock()

    def _wait_a_moment(self, until: float | None) -> float:
        if not self.pump() and not self.let_pass(float("inf") if until is None else until) and until is None:
            raise TimeoutError(
                f"at {self.clock.now():%Y-%m-%d %H:%M:%S} of the virtual clock nothing more will happen by itself: the "
                "instance waits for what no activity, timer or child of it brings about"
            )
        return 0.0

    def _driven(self) -> Loop:
        if self._loop is None:
            super().pump()
        assert self._loop is not None
        return self._loop
