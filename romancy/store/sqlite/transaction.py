"""How the SQLite store writes: one place, which one thread holds at a time, and transactions that begin as writers.

A commit that returned is on the disk. Every write begins with `begin immediate`, since a transaction that starts as a
reader and turns writer fails at once where another one wrote meanwhile, whatever the busy timeout.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from romancy.errors import LeaseLostError, RomancyError, StoreError
from romancy.history import Event
from romancy.store.openings import SQLITE_ERRORS
from romancy.store.place import Exclusive, Place


class Writer(Place):
    """The connection that writes, and the place at it.

    Args:
        connection: the connection.
        path: of its database, for messages.
        boundary: called with a tag before and after each transaction.
    """

    def __init__(self, connection: sqlite3.Connection, path: str, boundary: Callable[[str], None] | None) -> None:
        super().__init__()
        self.connection = connection
        self.path = path
        self.boundary = boundary

    def transaction(self, tag: str) -> Transaction:
        """Hold the place for one transaction."""
        return Transaction(self, tag)


class Transaction:
    """`begin immediate` … `commit`, or a rollback where the block raised or gave up."""

    __slots__ = ("_connection", "_is_abandoned", "_place", "_tag", "_writer")

    def __init__(self, writer: Writer, tag: str) -> None:
        self._writer = writer
        self._connection = writer.connection
        self._tag = tag
        self._is_abandoned = False
        self._place = Exclusive(writer)

    def abandon(self) -> None:
        """Roll back at the end, though nothing was raised."""
        self._is_abandoned = True

    def __enter__(self) -> Transaction:
        self._place.__enter__()
        try:
            self._cut("before")
            begin(self._connection)
        except SQLITE_ERRORS as problem:
            self._place.__exit__()
            raise store_error(self._writer.path, problem) from problem
        except BaseException:  # a Ctrl-C may come when it has begun
            try:
                self._roll_back()
            finally:
                self._place.__exit__()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._end(error)
        finally:
            self._place.__exit__()

    def _end(self, error: BaseException | None) -> None:
        if error is None and not self._is_abandoned:
            self._cut("before commit of")
            try:
                self._connection.execute("commit")
            except SQLITE_ERRORS as problem:
                self._roll_back()
                raise store_error(self._writer.path, problem) from problem
            except BaseException:  # no memory, or a Ctrl-C: what stays open would shut everybody out
                self._roll_back()
                raise
            self._cut("after")
            return
        self._roll_back()
        # What SQL raises inside of a session is the affair of its activity, unless the file is in trouble.
        trouble = error if self._tag != "session" else trouble_behind(error)
        if isinstance(trouble, SQLITE_ERRORS):
            take_any_text(self._connection, trouble)
            raise store_error(self._writer.path, trouble) from error

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("rollback")

    def _cut(self, when: str) -> None:
        boundary = self._writer.boundary
        if boundary is not None:
            boundary(f"{when} {self._tag}")


class SqliteRecording:
    """The transaction of one activity on SQLite."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: str,
        number: int,
        run: int,
        append: Callable[[Sequence[tuple[int, int, int, Event]]], None],
    ) -> None:
        from sqlite_utils import Database

        self._connection = connection
        self._path = path
        self._number = number
        self._run = run
        self._append = append
        self.handle: Any = Database(connection, execute_plugins=False)
        self.is_recorded = False

    def end(self) -> None:
        """Let a handle that outlives its activity write nothing into somebody else's transaction."""
        self.handle.conn = _Over()

    def record(self, event: Event) -> int:
        if not self._connection.in_transaction:
            raise RomancyError(
                "the activity ended the transaction of session() itself, so that its result cannot be recorded with "
                "it: leave commit and rollback to Romancy"
            )
        with told(self._path):
            seq: int = self._connection.execute(
                "select coalesce(max(seq) + 1, 0) from history where instance = ? and run = ?",
                [self._number, self._run],
            ).fetchone()[0]
            self._append([(self._number, self._run, seq, event)])
        self.is_recorded = True
        return seq


class _Over:
    """In the place of a connection that is not the activity's any more."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("this session() has ended with its activity: call session() in the activity that writes")


def begin(connection: sqlite3.Connection) -> None:
    """Wait for the write lock as long as somebody may reasonably hold it, and then say so."""
    for patience in range(12, -1, -1):
        try:
            connection.execute("begin immediate")
            return
        except sqlite3.OperationalError as busy:
            if code_of(busy) != sqlite3.SQLITE_BUSY or patience == 0:
                raise


@contextmanager
def told(path: str) -> Iterator[None]:
    """Trouble with the file is a `StoreError` that names it."""
    try:
        yield
    except (*SQLITE_ERRORS, OSError) as problem:
        raise store_error(path, problem) from problem


def take_any_text(connection: sqlite3.Connection, problem: Exception) -> bool:
    """Where a text could not be read, let those be read that are no UTF-8: one row must not keep others from theirs."""
    if "UTF-8" not in str(problem):
        return False
    connection.text_factory = spelled_out
    return True


def spelled_out(raw: bytes) -> str:
    """A text; bytes that are no UTF-8 are spelled out."""
    return raw.decode("utf-8", "backslashreplace")


_TROUBLES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def trouble_behind(error: BaseException | None) -> sqlite3.Error | None:
    """The trouble with the disk or the file that an error is, or was raised for."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, sqlite3.Error) and code_of(error) in _TROUBLES:
            return error
        error = error.__cause__ or error.__context__
    return None


def code_of(problem: Exception) -> int:
    """SQLite's primary code of an error, or 0 where Python raised it without one."""
    return int(getattr(problem, "sqlite_errorcode", 0) or 0) & 0xFF


def store_error(path: str, problem: Exception) -> StoreError:
    """What to say of trouble with a file."""
    text = f"{path}: {'out of memory' if isinstance(problem, MemoryError) else problem}"
    if code_of(problem) == sqlite3.SQLITE_BUSY:
        text += " by another process, which keeps a transaction open: end it, then start again"
    return StoreError(text)


def lost(token: int) -> LeaseLostError:
    """What to say to a worker whose lease is gone."""
    return LeaseLostError(f"lease {token} was taken over by another worker: nothing was written under it")
