"""A client of an engine: it notes what it was told, which is what a power cut must not take back."""

from __future__ import annotations

import atexit
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from romancy import Handle, Romancy
from romancy.calls import CallWorkflow
from romancy.errors import InstanceCancelledError, InstanceFailedError, InstanceStuckError
from romancy.history import Event
from romancy.store.sqlite import connect as connect_plainly
from romancy.testing import VirtualClock
from tests.crash.power.workflows import WORKFLOWS, witnessed

ENDED = ("completed", "failed", "cancelled", "stuck")


@attrs.frozen
class Started:
    id: str


@attrs.frozen
class CancelAccepted:
    id: str


@attrs.frozen
class Seen:
    """What could be read of one run, which had so many events before."""

    id: str
    run: int
    events: tuple[Event, ...]


@attrs.frozen
class Ended:
    """How an instance ended, and with what, as a text."""

    id: str
    status: str
    value: str


@attrs.frozen
class Passed:
    """The clock shows another time."""

    now: float


Fact = Started | CancelAccepted | Seen | Ended | Passed | Any


class Client:
    """Starts, cancels, lets time pass and looks, on an engine without a thread.

    Args:
        database: the file.
        clock: of the engine.
        note: is told each fact at the moment at which it is known.
        connect: makes the engine's connections.
        worker: the name of the engine's worker; one of another name waits for the lease of the one before to end.
    """

    def __init__(
        self,
        database: Path,
        clock: VirtualClock,
        note: Callable[[Fact], None],
        connect: Callable[[str], sqlite3.Connection] = connect_plainly,
        worker: str = "worker",
    ) -> None:
        self.clock = clock
        self._database = database
        self._note = note
        self._connect = connect
        self._worker = worker
        self._read: dict[tuple[str, int], int] = {}
        self._ended: set[str] = set()

    def __enter__(self) -> Self:
        self.open()
        self._witness = witnessed(self._note)
        self._witness.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.app.close()
        finally:
            self._witness.__exit__(kind, error, trace)

    def open(self) -> None:
        self.app = Romancy(
            self._database,
            worker=False,
            worker_id=self._worker,
            clock=self.clock,
            connect=self._connect,
            chance=random.Random(0),
            workflows=WORKFLOWS,
        )
        try:
            self.app.open()
        finally:
            atexit.unregister(self.app.close)

    def restart(self) -> None:
        """End the engine in order, and begin again."""
        self.app.close()
        self.open()

    @contextmanager
    def beside(self) -> Iterator[Client]:
        """Another engine on the same file, for a while."""
        other = Client(self._database, self.clock, self._note, self._connect, worker="neighbour")
        other.open()
        try:
            yield other
        finally:
            other.app.close()

    def start(self, **calls: CallWorkflow[Any]) -> None:
        """Start these under their names."""
        self.app.start_many([call.options(id=id) for id, call in calls.items()])
        for id in calls:
            self._note(Started(id))

    def cancel(self, id: str) -> None:
        self.app.get(id).cancel()
        self._note(CancelAccepted(id))

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._note(Passed(self.clock()))

    def settle(self) -> None:
        """Work until nothing is left to do now, and look after every turn."""
        while self.app.pump():
            self.look()

    def finish(self, *, step: float = 20.0) -> None:
        """Let time pass, more and more of it, until everything has ended."""
        self.settle()
        for _ in range(60):
            if all(handle.status in ENDED for handle in self.app.instances()):
                self.look()
                return
            self.advance(step)
            step *= 1.5
            self.settle()
        raise AssertionError(
            f"these never ended: {[each.id for each in self.app.instances() if each.status not in ENDED]}"
        )

    def look(self) -> None:
        """Note what can be read now and could not be before."""
        for handle in self.app.instances():
            if handle.id in self._ended:
                continue
            run = self._last_run(handle)
            for each in range(1, run + 1):
                self._look_at(handle, each)
            if handle.status in ENDED:
                self._ended.add(handle.id)
                self._note(ended(handle))

    def _last_run(self, handle: Handle[Any]) -> int:
        run = max((run for id, run in self._read if id == handle.id), default=1)
        while handle.history(run + 1):
            run += 1
        return run

    def _look_at(self, handle: Handle[Any], run: int) -> None:
        events = handle.history(run)
        if len(events) > self._read.get((handle.id, run), 0):
            self._read[handle.id, run] = len(events)
            self._note(Seen(handle.id, run, tuple(events)))


def ended(handle: Handle[Any]) -> Ended:
    """How an instance ended."""
    try:
        value = repr(handle.result(0))
    except InstanceFailedError as failure:
        value = repr(failure.__cause__)
    except InstanceCancelledError:
        value = ""
    except InstanceStuckError as trouble:
        value = str(trouble)
    return Ended(handle.id, handle.status, value)
