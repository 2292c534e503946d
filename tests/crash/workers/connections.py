"""A connection whose statements are boundaries, and which waits for a lock by letting others go on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from tests.crash.workers.baton import boundary, wait

T = TypeVar("T")

BEFORE, AFTER = "before", "after"
"""A statement fails and does nothing; a commit is done and fails nevertheless."""


class Conducted(sqlite3.Connection):
    """A connection of a simulated process.

    Attributes:
        committed: called after each commit, while nobody else runs.
        faults: what will go wrong with the next writing statements, first things first.
    """

    committed: Callable[[], None]
    faults: list[str]

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return self._step(sql, super().execute, sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        return self._step(sql, super().executemany, sql, parameters)

    def _step(self, sql: str, run: Callable[..., T], *args: Any) -> T:
        told = " ".join(sql.split(None, 3)[:3]).lower()
        boundary(f"before {told!r}")
        fault = self._fault(told)
        if fault == BEFORE:
            raise _trouble()
        while True:
            try:
                result = run(*args)
                break
            except sqlite3.OperationalError as busy:
                if busy.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not wait(f"waits to {told!r}"):
                    raise
        if told == "commit":
            self.committed()
        if fault == AFTER:
            raise _trouble()
        return result

    def _fault(self, told: str) -> str | None:
        """What goes wrong with this statement: a commit may go through and be reported as failed."""
        is_writing = told.startswith(("begin", "insert", "update", "delete", "commit"))
        if not self.faults or not is_writing or (self.faults[0] == AFTER and told != "commit"):
            return None
        return self.faults.pop(0)


def _trouble() -> sqlite3.OperationalError:
    trouble = sqlite3.OperationalError("disk I/O error")
    trouble.sqlite_errorcode, trouble.sqlite_errorname = sqlite3.SQLITE_IOERR, "SQLITE_IOERR"
    return trouble


def connecting(
    committed: Callable[[], None], faults: list[str], opened: list[sqlite3.Connection]
) -> Callable[[str], sqlite3.Connection]:
    """What an app opens its file with.

    Args:
        committed: called after each commit.
        faults: what will go wrong.
        opened: gets every connection that was opened.
    """

    def connect(path: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=0.0, factory=Conducted
        )
        connection.committed, connection.faults = committed, faults
        opened.append(connection)
        return connection

    return connect
