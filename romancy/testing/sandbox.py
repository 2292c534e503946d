"""An app for tests: in memory, on a clock that moves when it must or is told to, with activities that can be faked."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, overload

from romancy.activity import Activity
from romancy.app import Romancy
from romancy.calls import CallWorkflow
from romancy.calls import seconds as length_of
from romancy.handle import Handle
from romancy.store.protocol import TERMINAL, Instance
from romancy.store.sqlite import Connect, connect
from romancy.testing.clock import VirtualClock, total
from romancy.testing.effects import Effects
from romancy.testing.fakes import Fakes, checked_fake, fakes_in_force, put_in_force
from romancy.testing.stepwise import Choose, Script, Stepwise, first
from romancy.worker.activities import Flight, Run
from romancy.worker.loop import Loop
from romancy.worker.turn import Ended

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

_MOMENT = 0.05
"""Seconds that pass where something is due and its worker only looks for it later."""
_GRAIN = 1e-6
"""Seconds that sums of lengths of time may be off by rounding."""

_driver: ContextVar[Sandbox] = ContextVar("romancy_sandbox")


class EndlessError(TimeoutError):
    """What a test waits for goes on and on, and never comes to rest."""


class Sandbox(Romancy):
    """An app without threads, server or sleep: it runs on the test's own thread, and waiting lets virtual time pass.

    What is started runs at once, until it waits for time to pass. `result()` lets time pass until the instance has
    ended. Every instance that ends is replayed and compared: one whose code is not deterministic becomes `stuck`. In a
    `with` block its fakes hold for `crash_points` as well.

    Args:
        database: in memory by default; the path of a file keeps what happened.
        clock: the time; a clock of its own by default.
        fakes: bodies in the place of those of activities, by name.
        choose: what happens next where several activities, or an activity and a timer, could.
        ran: called after each activity, with what happened.
        together: whether all activities in flight report back before the workflow goes on, and not one at a time.
        at_once: whether starting, cancelling and retrying run what can run before they return.
        patience: how many things may happen at one instant, or in one wait without a timeout, before `EndlessError`.
        options: those of `Romancy`.

    Attributes:
        clock: its time.
        effects: how often the body of each activity ran, by name.
        remedy: what `EndlessError` advises.
    """

    remedy = (
        "A workflow without an end is waited for with result(timeout=…) or advance(…); one that takes more, in "
        "Sandbox(patience=…)"
    )

    def __init__(
        self,
        database: str | os.PathLike[str] = ":memory:",
        *,
        clock: VirtualClock | None = None,
        fakes: Fakes | None = None,
        choose: Choose = first,
        ran: Callable[[str], None] = lambda _: None,
        together: bool = False,
        at_once: bool = True,
        patience: int = 10_000,
        connect: Connect = connect,
        **options: Any,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.script = Script({} if fakes is None else fakes, Effects(), ran, together)
        self._choose = choose
        self._stepwise: Stepwise | None = None
        self._is_prompt = at_once
        self._patience = patience
        self._waited = 0
        self._awaited = ""
        self._new_connection = connect
        self._connections: list[sqlite3.Connection] = []
        options = {"chance": random.Random(0), "worker_id": "sandbox", "verify": 1.0, **options}
        super().__init__(
            database, worker=False, clock=self.clock, executor=self._step, connect=self._connected, **options
        )

    def __enter__(self) -> Self:
        self._fakes_before = fakes_in_force()
        super().__enter__()
        put_in_force(self.script.fakes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        put_in_force(self._fakes_before)
        super().__exit__(kind, error, trace)

    def close(self) -> None:
        """Hand everything back and close the database; see `Romancy.close`."""
        super().close()
        self._connections.clear()

    @property
    def effects(self) -> Effects:
        return self.script.effects

    @overload
    def replace(self, activity: Activity[P, T], fake: Callable[P, T | Coroutine[Any, Any, T]]) -> None: ...
    @overload
    def replace(self, activity: Activity[[A], T], fake: Callable[[A], T]) -> None: ...
    @overload
    def replace(self, activity: Activity[[A, B], T], fake: Callable[[A, B], T]) -> None: ...
    @overload
    def replace(self, activity: Activity[[A, B, C], T], fake: Callable[[A, B, C], T]) -> None: ...
    @overload
    def replace(self, activity: str, fake: Callable[..., Any]) -> None: ...
    def replace(self, activity: Activity[..., Any] | str, fake: Callable[..., Any]) -> None:
        """Run something else in the place of an activity's body, here and in the crash points of the same test.

        Its result is carried under the annotations of the activity, and its exceptions under its `raises=`, as those
        of the body would be. Compensations are activities, too: replace them by their function's name.

        Args:
            activity: the activity, or its name.
            fake: takes what the activity takes; plain or `async def`.

        Raises:
            DefinitionError: there is no such activity, or the fake does not take its arguments.
        """
        __tracebackhide__ = True
        name, body = checked_fake(activity, fake)
        self.script.fakes[name] = body

    def sql(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run a statement of SQL on the database, for tables of your own beside those of Romancy; returns its rows."""
        with self._opened().exclusive():
            return self._connections[0].execute(statement, parameters).fetchall()

    # -- instances, which run at once

    def start_many(self, calls: Iterable[CallWorkflow[T]]) -> list[Handle[T]]:
        """Start instances, and run what can run without letting time pass; see `Romancy.start_many`."""
        handles = super().start_many(calls)
        self._run_at_once()
        return handles

    def retry(self, id: str) -> Handle[Any]:
        """Take a stuck instance up again, and run what can run; see `Romancy.retry`."""
        handle = super().retry(id)
        self._run_at_once()
        return handle

    def _tell_cancel(self, id: str) -> None:
        super()._tell_cancel(id)
        self._run_at_once()

    def _run_at_once(self) -> None:
        if self._is_prompt:
            self.run_until_idle()

    # -- time

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

        In a fake it makes the activity take that long, in crash points too. A negative length turns the clock back.

        Args:
            length: seconds, or a `timedelta`.
            seconds: added to it, as are `minutes`, `hours` and `days`.

        Raises:
            DefinitionError: it is no finite length of time.
            EndlessError: something goes on and on without letting time pass.
        """
        app = _driver.get(self)
        passes = length_of(length) + total(seconds=seconds, minutes=minutes, hours=hours, days=days)
        until = app.clock() + passes
        app.run_until_idle()
        if passes < 0:
            app.clock.advance_to(until)
        while app.let_pass(until):
            pass

    def let_pass(self, until: float = float("inf")) -> bool:
        """Let time pass to when something is due next, and run what is; returns whether there was something.

        Args:
            until: an instant that is not passed, in seconds since the epoch.
        """
        due = self._driven().next_instant()
        if due > until + _GRAIN or due == float("inf"):
            if until != float("inf"):
                self.clock.advance_to(max(until, self.clock()))
            self.run_until_idle()
            return False
        now = self.clock()
        self.clock.advance_to(due if due > now else now + _MOMENT)
        self.run_until_idle()
        return True

    def run_until_idle(self) -> None:
        """Run everything that can run without letting time pass.

        Raises:
            EndlessError: something goes on and on.
        """
        for _ in range(self._patience):
            if not self.pump():
                return
        raise self._endless(f"{self._patience:,} things happened at one instant, and more would")

    def pump(self) -> bool:
        """Run one activity, or let a timer come first where `choose` says so, and turn the loop once."""
        token = _driver.set(self)
        try:
            return self._pump()
        finally:
            _driver.reset(token)

    def _pump(self) -> bool:
        if self._stepwise is not None and self._is_timer_chosen(self._stepwise):
            self.clock.advance_to(max(self.clock(), self._driven().next_timer()))
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

    def _ending(self, id: str) -> Ended | None:
        self._awaited = id
        ended = super()._ending(id)
        if ended is not None:
            self._waited = 0
        return ended

    def _wait_a_moment(self, until: float | None) -> float:
        self._waited += 1
        if self._waited > self._patience:
            raise self._endless(f"{self._patience:,} things happened in one wait, and the instance goes on still")
        if self.pump():
            return 0.0
        if until is not None:
            self._waited = 0
            self.let_pass(until)
        elif not self.let_pass():
            found = self._obstacles(self._stored(self._awaited))
            more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
            raise TimeoutError(
                f"at {self._told_time()} of the virtual clock nothing more will happen by itself: "
                f"{'; '.join(found[:3])}{more}"
            )
        return 0.0

    def _obstacles(self, instance: Instance) -> list[str]:
        """What an instance waits for, where time does not bring it: those below it that do not go on."""
        if self._registry.find(instance.workflow) is None:
            return [f"instance {instance.id!r} is of workflow {instance.workflow!r}, which this app does not know"]
        found = []
        for child in self._opened().children(instance.number, instance.run):
            if child.status == "stuck":
                found.append(
                    f"instance {instance.id!r} waits for its child {child.id!r}, which is stuck: {child.error}"
                )
            else:
                found += self._obstacles(child)
        return found or [f"instance {instance.id!r} waits for what no activity, timer or child of it brings about"]

    def _endless(self, what: str) -> EndlessError:
        self._waited = 0
        stored = self._opened().instances(status=None, workflow=None, limit=None, after=None)
        alive = [each for each in stored if each.status not in (*TERMINAL, "stuck")]
        alive.sort(key=lambda each: each.changed, reverse=True)
        told = ", ".join(f"{each.workflow} {each.id!r} (run {each.run})" for each in alive[:3])
        return EndlessError(f"{what}, at {self._told_time()} of the virtual clock: {told}. {self.remedy}")

    def _told_time(self) -> str:
        return f"{self.clock.now():%Y-%m-%d %H:%M:%S}"

    def drop(self) -> None:
        """Free what the end of the process would have freed, without a goodbye: nothing is written any more."""
        if self._stepwise is not None:
            self._stepwise.drop()
        for connection in self._connections:
            connection.close()

    def _connected(self, path: str) -> sqlite3.Connection:
        connection = self._new_connection(path)
        self._connections.append(connection)
        return connection

    def _driven(self) -> Loop:
        if self._loop is None:
            super().pump()
        assert self._loop is not None
        return self._loop
