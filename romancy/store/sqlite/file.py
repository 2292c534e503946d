"""The file that a store has open: whether it is still the one that its path names, and how long its log has grown."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress

from romancy.errors import StoreError
from romancy.store.openings import LOG_BYTES, SQLITE_ERRORS, arm, connected, log_of, settle


class OpenFile:
    """A database that is open.

    Args:
        path: its file, which is there.
        connection: the one that writes.
    """

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._log = os.fspath(log_of(path))
        self._identity = self._seen()
        self._next = LOG_BYTES

    def refuse_moved(self) -> None:
        """What is written to a file without a name, nobody will find.

        Raises:
            StoreError: the path names no file any more, or another one.
        """
        if self._seen() != self._identity:
            raise StoreError(
                f"{self._path} was moved, removed or replaced while it was open: what was committed since then is in "
                "the old file; put it back, or start again on the new one"
            )

    def _seen(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 it is asked for twenty times a second
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def shorten_log(self) -> None:
        """Bring a long log into the main file; where a reader keeps it from that, again when it has grown further."""
        if self._log_size() > self._next:
            arm(self._connection)
            size = self._log_size()
            self._next = LOG_BYTES if size <= LOG_BYTES else size + LOG_BYTES

    def _log_size(self) -> int:
        try:
            return os.stat(self._log).st_size  # noqa: PTH116 it is asked for twenty times a second
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Close the connection; where its numbers cannot be made equal, so that the log stays."""
        try:
            settle(self._connection)
        except SQLITE_ERRORS:
            leave(self._connection, self._path)
        self._connection.close()


def leave(connection: sqlite3.Connection, path: str) -> None:
    """Close a connection and leave the log where it is: SQLite removes it with the last one that could write."""
    with suppress(*SQLITE_ERRORS), closing(connected(path)) as reader:
        reader.execute("select 1 from sqlite_master").fetchall()
        connection.close()
    connection.close()
