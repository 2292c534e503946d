"""Opening a SQLite file: whose it is, and which schema it has."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from romancy.errors import SchemaError, StoreError
from romancy.store.openings import LOG_BYTES, arm, begin_numbers, connected, log_of, refuse_lost_log

APPLICATION_ID = 0x526F6D61  # "Roma"
SCHEMAS = ("0001_initial.sql",)
_SMALLEST = 512
"""The bytes of the smallest page; a file of a single byte SQLite would take for an empty one."""


def refuse_foreign_file(path: Path) -> None:
    """Look at a file before SQLite touches it.

    Raises:
        StoreError: it is a folder, has several names, or the folder for it is missing.
        SchemaError: it is no SQLite database, another program's, or one of a newer Romancy.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise StoreError(f"the folder {path.parent} is missing: create it, or name another file")
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is no file: name one")
    if path.exists() and path.stat().st_nlink > 1:
        raise StoreError(
            f"{path} has a second name (a hard link), and each name would get a log of its own: copy it, and open that"
        )
    size = path.stat().st_size if path.exists() else 0
    log = log_of(path)
    if 0 < size < _SMALLEST and not _was_being_made(path):
        raise SchemaError(f"{path} is no SQLite database: name another file")
    if size:
        _refuse_header(path)
    elif log.exists() and log.stat().st_size:
        raise SchemaError(f"{path} is empty and its write-ahead log is not: restore the file, or delete both")


def _refuse_header(path: Path) -> None:
    """SQLite reads it, for whoever opens and closes a file himself lets go of the locks of the whole process on it."""
    try:
        with closing(connected(path, alone=True)) as connection:
            application_id, version = _number(connection, "application_id"), _number(connection, "user_version")
    except sqlite3.DatabaseError as problem:
        code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_CORRUPT or (code == sqlite3.SQLITE_NOTADB and _was_being_made(path)):
            return  # without its log, or its journal, it is what a power cut left: whoever opens it with them says more
        if code == sqlite3.SQLITE_NOTADB:
            raise SchemaError(f"{path} is no SQLite database: name another file") from None
        raise StoreError(f"{path}: {_reason(path, problem)}") from problem
    if application_id:  # it has none as well while another process makes it: its log says more than its header
        _refuse_schema(path, application_id, version)


def _was_being_made(path: Path) -> bool:
    """Whether the first page was being written when the power went: its journal makes the file empty again."""
    journal = Path(f"{os.path.realpath(path)}-journal")
    return journal.exists() and journal.stat().st_size > 0


def _reason(path: Path, problem: sqlite3.DatabaseError) -> str:
    return str(problem) if os.access(path, os.R_OK) else "Permission denied"


def refuse_read_only(path: Path) -> None:
    """Raises `StoreError` where the file, or the folder in which its log belongs, cannot be written."""
    place = Path(os.path.realpath(path))
    if place.exists() and not os.access(place, os.W_OK):
        raise StoreError(f"{path} is read-only: it can be looked at, and not worked on")
    if not os.access(place.parent, os.W_OK):
        told = f"the folder {place.parent} is read-only, and the log of {path} belongs there"
        raise StoreError(f"{told}: make it writable, or move the file")


def _refuse_schema(path: Path | str, application_id: int, version: int) -> None:
    if application_id != APPLICATION_ID:
        raise SchemaError(f"{path} is the database of another program: give Romancy a file of its own")
    if version > len(SCHEMAS):
        raise SchemaError(
            f"{path} has schema {version}, and this Romancy knows {len(SCHEMAS)}: upgrade Romancy to open it"
        )


def refuse_newer(connection: sqlite3.Connection, path: str) -> None:
    """Raises `SchemaError` where a newer Romancy has been here since it was opened."""
    version = _number(connection, "user_version")
    if version > len(SCHEMAS):
        _refuse_schema(path, APPLICATION_ID, version)


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Set the pragmas, bring the schema to this version, and make sure that a log that is lost will be missed.

    Args:
        connection: to the database at `path`.
        path: the file, or `":memory:"`.

    Raises:
        SchemaError: the file cannot be used.
    """
    in_memory = path == ":memory:"
    if not in_memory:
        _patiently(lambda: _refuse_tables_of_others(connection, path))
        _patiently(lambda: _expect(connection, path, "journal_mode", "wal"))
    _expect(connection, path, "synchronous", "full", reads=2)
    # The log is brought into the main file by `arm`; where that does not come to it, by SQLite, later.
    for pragma in (
        *("trusted_schema = off", "cell_size_check = on", "mmap_size = 0"),
        *("wal_autocheckpoint = 10000", f"journal_size_limit = {LOG_BYTES}"),
    ):
        connection.execute(f"pragma {pragma}")
    if _number(connection, "user_version") < len(SCHEMAS):
        _upgrade(connection, path)
    if not in_memory:
        _refuse_schema(path, _number(connection, "application_id"), _number(connection, "user_version"))
        arm(connection)


def _refuse_tables_of_others(connection: sqlite3.Connection, path: str) -> None:
    """Before anything is written: a database without our mark may be empty, and nothing else."""
    connection.execute("begin")
    try:
        marked = _number(connection, "application_id") == APPLICATION_ID
        if not marked and connection.execute("select 1 from sqlite_master limit 1").fetchone():
            raise SchemaError(f"{path} is the database of another program: give Romancy a file of its own")
    finally:
        connection.execute("commit")


def _expect(connection: sqlite3.Connection, path: str, pragma: str, value: str, *, reads: Any = None) -> None:
    connection.execute(f"pragma {pragma} = {value}")
    answer = connection.execute(f"pragma {pragma}").fetchone()[0]
    if answer != (value if reads is None else reads):
        raise StoreError(f"{path}: SQLite answers {pragma} = {answer} and not {value}: is this a network file system?")


def _patiently(verb: Callable[[], None]) -> None:
    """Going to WAL does not wait for the lock of another process that does the same."""
    for _ in range(100):
        try:
            return verb()
        except sqlite3.OperationalError as busy:
            if getattr(busy, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(0.05)
    return verb()


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    number: int = connection.execute(f"pragma {pragma}").fetchone()[0]
    return number


def _upgrade(connection: sqlite3.Connection, path: str) -> None:
    """Apply what is missing in one transaction, so that of two processes that start together one does it."""
    from sqlite_utils import Database, Migrations

    connection.execute("begin immediate")
    try:
        migrations = Migrations("romancy")
        for name in SCHEMAS:
            migrations(name=name)(_apply(name))
        migrations.apply(Database(connection, execute_plugins=False))
        begin_numbers(connection)
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute(f"pragma user_version = {len(SCHEMAS)}")
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("pragma wal_checkpoint(truncate)")


def _apply(name: str) -> Callable[[Any], None]:
    from importlib import resources

    script = (resources.files("romancy.store") / "schema" / name).read_text("utf-8")

    def migration(database: Any) -> None:
        for statement in _statements(script):
            database.conn.execute(statement)

    return migration


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def connect_to_read(path: str, patience: float) -> sqlite3.Connection:
    """A connection that neither makes the database nor writes to it, nor tidies up what a crash left.

    Args:
        path: the file.
        patience: seconds to wait for the lock of another process.

    Raises:
        StoreError: there is no such file.
        SchemaError: it is none of ours, of another version, or its write-ahead log is gone.
    """
    if not Path(path).exists():
        raise StoreError(f"there is no database {path}: name one that is there")
    refuse_foreign_file(Path(path))
    refuse_lost_log(path, thoroughly=False)
    connection = sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?{_way_to_read(path)}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=patience,
    )
    try:
        connection.execute("pragma query_only = on")
        _refuse_tables_of_others(connection, path)
        if _number(connection, "user_version") < len(SCHEMAS):
            raise SchemaError(f"{path} is of an older Romancy, or of none: start a worker on it once")
        _refuse_schema(path, _number(connection, "application_id"), _number(connection, "user_version"))
    except BaseException:
        connection.close()
        raise
    return connection


def _way_to_read(path: str) -> str:
    """With a log, as a reader, which leaves it alone; where nothing can be written and no log is, without locks."""
    if log_of(path).exists():
        return "mode=ro"
    folder = Path(os.path.realpath(path)).parent
    return "mode=rw" if os.access(path, os.W_OK) and os.access(folder, os.W_OK) else "mode=ro&immutable=1"
