"""Statements that fail: before they did anything, or after a commit was made and only its answer was lost.

The engine has to tell trouble with storage from trouble in a workflow: it tries again, or stops loudly, and no error of
SQLite may stand in a result.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs

from romancy import Romancy
from romancy.errors import StoreError
from romancy.testing import Sandbox, VirtualClock
from tests.crash import driving, interpreter
from tests.crash.driving import ROOT, Outcome
from tests.crash.images import Happened, Lived, Mode
from tests.crash.interpreter import Effect, perform
from tests.crash.programs import Scenario, to_json
from tests.crash.records import read

T = TypeVar("T")

ERRORS = {
    "busy": (sqlite3.OperationalError, sqlite3.SQLITE_BUSY, "database is locked"),
    "locked": (sqlite3.OperationalError, sqlite3.SQLITE_LOCKED, "database table is locked"),
    "full": (sqlite3.OperationalError, sqlite3.SQLITE_FULL, "database or disk is full"),
    "input/output": (sqlite3.OperationalError, sqlite3.SQLITE_IOERR_WRITE, "disk I/O error"),
    "no database": (sqlite3.DatabaseError, sqlite3.SQLITE_NOTADB, "file is not a database"),
    "interrupted": (sqlite3.OperationalError, sqlite3.SQLITE_INTERRUPT, "interrupted"),
    "no memory": (MemoryError, None, ""),
}


@attrs.frozen(kw_only=True)
class Fault:
    """What goes wrong: the statement of that number, and as many as `lasts` after it.

    `after` says that a commit is carried out, and fails only then; other statements fail before they do anything.
    """

    at: int
    error: str
    lasts: int = 1
    after: bool = False


class Faulty(sqlite3.Connection):
    """A connection whose statements are counted, and some of which fail."""

    faults: Faults

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return self.faults.around(sql, lambda: super(Faulty, self).execute(sql, parameters))

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        return self.faults.around(sql, lambda: super(Faulty, self).executemany(sql, parameters))


class Faults:
    """Counts statements and lets some fail.

    Args:
        fault: which ones; none by default.

    Attributes:
        count: how many statements there were.
        raised: how many failed.
        is_ours: whether a statement is the engine's, and not one of an activity.
    """

    def __init__(self, fault: Fault | None = None) -> None:
        self.count = 0
        self.raised = 0
        self.is_armed = False
        self.is_ours: Callable[[], bool] = lambda: True
        self._fault = fault

    def connect(self, path: str) -> sqlite3.Connection:
        """A connection as `Romancy(connect=…)` wants it."""
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.0, factory=Faulty)
        connection.faults = self
        return connection

    def around(self, sql: str, run: Callable[[], T]) -> T:
        """Run a statement, or let it fail; a rollback always works, as it does where SQLite rolled back itself."""
        if not self.is_armed or sql.startswith("rollback"):
            return run()
        self.count += 1
        fault = self._fault
        if fault is None or not fault.at <= self.count < fault.at + fault.lasts:
            return run()
        if fault.error not in _OF_THE_FILE and not self.is_ours():
            return run()
        if fault.after and sql == "commit":
            run()
        self.raised += 1
        raise _error(fault.error)


_OF_THE_FILE = ("full", "input/output", "no database")
"""What is wrong with the file also where an activity's own SQL meets it; another error there is the activity's."""


def _error(name: str) -> Exception:
    kind, code, text = ERRORS[name]
    error: Exception = kind(text)
    if code is not None:
        error.sqlite_errorcode = code  # type: ignore[attr-defined]
    return error


class FaultyRun:
    """One scenario on a file whose statements fail now and then; its client tries again, as clients do.

    Args:
        scenario: the program.
        path: a file that is not there yet.
        mode: how its worker works.
        fault: what goes wrong.
    """

    def __init__(self, scenario: Scenario, path: Path, mode: Mode, fault: Fault | None = None) -> None:
        self.faults = Faults(fault)
        self.restarts = 0
        self._scenario = scenario
        self._path = path
        self._mode = mode
        self._clock = VirtualClock()
        self._effects: list[Effect] = []
        self.faults.is_ours = lambda: not (self._effects and self._effects[-1].phase == "begin")

    def live(self) -> Lived:
        """Run to the end; an engine that gave up is opened again."""
        with interpreter.telling(self._effects.append):
            outcome = self._insist(self._script)
        happened = Happened(
            effects=tuple(self._effects),
            allowance=self.faults.raised,
            started=True,
            cancelled=self._scenario.cancel_after is not None,
            outcome=outcome,
            crashes=self.faults.raised,  # each may cut off what is in flight
        )
        return Lived(
            outcome=outcome, records=read(self._path), happened=happened, images=[], boundaries=0, path=self._path
        )

    def _script(self) -> Outcome:
        with self._app() as app:
            self.faults.is_armed = True
            handle = self._insist(lambda: Romancy.start(app, perform(to_json(self._scenario.body)), id=ROOT))
            driving.finish(
                [app],
                self._clock,
                self._path,
                cancel_after=self._scenario.cancel_after,
                cancel=lambda: self._insist(handle.cancel),
            )
            return self._insist(lambda: driving.outcome(handle, self._path))

    def _app(self) -> Sandbox:
        mode = self._mode
        return Sandbox(
            self._path,
            clock=self._clock,
            connect=self.faults.connect,
            max_resident=mode.max_resident,
            verify=mode.verify,
            together=mode.together,
        )

    def _insist(self, verb: Callable[[], T]) -> T:
        """Do it again until no fault is left."""
        while True:
            raised = self.faults.raised
            try:
                return verb()
            except (StoreError, MemoryError):
                if self.faults.raised == raised:
                    raise
                self.restarts += 1
