"""An apsw connection that behaves like one of the standard library, as far as the engine and sqlite-utils can tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import apsw

_CLASSES: dict[int, type[sqlite3.Error]] = {
    apsw.SQLITE_INTERNAL: sqlite3.InternalError,
    apsw.SQLITE_NOTFOUND: sqlite3.InternalError,
    apsw.SQLITE_CORRUPT: sqlite3.DatabaseError,
    apsw.SQLITE_NOTADB: sqlite3.DatabaseError,
    apsw.SQLITE_TOOBIG: sqlite3.DataError,
    apsw.SQLITE_CONSTRAINT: sqlite3.IntegrityError,
    apsw.SQLITE_MISMATCH: sqlite3.IntegrityError,
    apsw.SQLITE_MISUSE: sqlite3.InterfaceError,
    apsw.SQLITE_RANGE: sqlite3.InterfaceError,
}
_PATIENCE = 5000
"""Milliseconds that a connection waits for the lock of another one, as the engine's own connections do."""


class Cursor:
    """What a statement left: its rows, fetched at once, and what it did."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: Iterator[tuple[Any, ...]] = iter(())
        self.description: tuple[tuple[Any, ...], ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        before = self._connection.total_changes
        self._rows = iter(self._run(lambda cursor: cursor.execute(sql, parameters or None)))
        self._count(before, is_query=self.description is not None and not _changes(sql))
        return self

    def executemany(self, sql: str, parameters: Iterable[Any]) -> Cursor:
        before = self._connection.total_changes
        self._run(lambda cursor: cursor.executemany(sql, parameters))
        self._count(before, is_query=False)
        return self

    def _count(self, before: int, *, is_query: bool) -> None:
        self.rowcount = -1 if is_query else self._connection.total_changes - before
        self.lastrowid = self._connection.apsw.last_insert_rowid()

    def _run(self, step: Callable[[apsw.Cursor], apsw.Cursor]) -> list[tuple[Any, ...]]:
        self.description = None
        cursor = self._connection.apsw.cursor()
        cursor.exec_trace = self._describe
        try:
            return list(step(cursor))
        except apsw.Error as problem:
            raise translated(problem) from problem
        finally:
            cursor.close(True)

    def _describe(self, cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        columns = cursor.get_description()
        self.description = tuple((name, *(None,) * 6) for name, *_ in columns) or None
        return True

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def close(self) -> None:
        self._rows = iter(())


class Connection:
    """Without implicit transactions, for any thread."""

    isolation_level = None

    def __init__(self, path: str, vfs: str, checkpoint: int | None = None) -> None:
        self._checkpoint = checkpoint
        try:
            self.apsw = apsw.Connection(path, vfs=vfs)
        except apsw.Error as problem:
            raise translated(problem) from problem
        self.apsw.set_busy_timeout(_PATIENCE)
        if checkpoint is not None:
            self.apsw.wal_autocheckpoint(checkpoint)

    @property
    def in_transaction(self) -> bool:
        return self.apsw.in_transaction

    @property
    def total_changes(self) -> int:
        return self.apsw.total_changes()

    def cursor(self) -> Cursor:
        return Cursor(self)

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        if self._checkpoint is not None and sql.startswith("pragma wal_autocheckpoint"):
            return self.cursor()
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any]) -> Cursor:
        return self.cursor().executemany(sql, parameters)

    def executescript(self, sql: str) -> Cursor:
        return self.cursor().execute(sql)

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("commit")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("rollback")

    def close(self) -> None:
        try:
            self.apsw.close()
        except apsw.Error as problem:
            raise translated(problem) from problem


class CarelessConnection(Connection):
    """One that says `synchronous = full` and does `synchronous = normal`: what it commits is not synced."""

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        words = sql.lower().split()
        if words == ["pragma", "synchronous", "=", "full"]:
            return super().execute("pragma synchronous = normal")
        if words == ["pragma", "synchronous"]:
            return super().execute("select 2")
        return super().execute(sql, parameters)


class HastyConnection(Connection):
    """One that says that it has committed before it has: it does so when the next transaction begins."""

    _owes = False

    @property
    def in_transaction(self) -> bool:
        return self.apsw.in_transaction and not self._owes

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        if sql == "commit":
            self._owes = True
            return self.cursor()
        if sql.startswith(("begin", "pragma journal_mode", "pragma wal_checkpoint")):
            self._pay()
        return super().execute(sql, parameters)

    def close(self) -> None:
        self._pay()
        super().close()

    def _pay(self) -> None:
        if self._owes:
            self._owes = False
            super().execute("commit")


def connecting(
    vfs: str, make: type[Connection] = Connection, checkpoint: int | None = None
) -> Callable[[str], sqlite3.Connection]:
    """What `Romancy(connect=…)` takes.

    Args:
        vfs: the name of the file system.
        make: what to connect with.
        checkpoint: pages in the write-ahead log after which SQLite moves them to the main file, whatever the engine
            asks for; as it does by default.
    """

    return lambda path: cast(sqlite3.Connection, make(path, vfs, checkpoint))


def translated(problem: apsw.Error) -> sqlite3.Error:
    """The standard library's error for one of apsw's."""
    code: int = getattr(problem, "extendedresult", apsw.SQLITE_ERROR)
    error = _CLASSES.get(code & 0xFF, sqlite3.OperationalError)(str(problem))
    error.sqlite_errorcode = code
    names = {**apsw.mapping_result_codes, **apsw.mapping_extended_result_codes}
    error.sqlite_errorname = str(names.get(code, ""))
    return error


def _changes(sql: str) -> bool:
    return sql.split(None, 1)[0].lower() in ("insert", "update", "delete", "replace")
