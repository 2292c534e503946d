"""Opening a SQLite file: whose it is, which schema it has, and whether its write-ahead log is still there."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from romancy.errors import SchemaError, StoreError

APPLICATION_ID = 0x526F6D61  # "Roma"
SCHEMAS = ("0001_initial.sql",)


def refuse_foreign_file(path: Path) -> bool:
    """Look at a file before SQLite touches it, and say whether its write-ahead log is there, if it ever had one.

    Raises:
        StoreError: it is a folder, or the folder for it is missing.
        SchemaError: it is no SQLite database, another program's, or one of a newer Romancy.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise StoreError(f"the folder {path.parent} is missing: create it, or name another file")
    log = Path(f"{path}-wal")
    header = _header(path)
    if header and not header.startswith(b"SQLite format 3\0"):
        raise SchemaError(f"{path} is no SQLite database: name another file")
    if len(header) == 100:
        application_id = int.from_bytes(header[68:72], "big")
        if application_id:  # it has none as well while another process makes it: its log says more than its header
            _refuse_schema(path, application_id, int.from_bytes(header[60:64], "big"))
    elif log.exists() and log.stat().st_size:
        raise SchemaError(f"{path} is empty and its write-ahead log is not: restore the file, or delete both")
    return log.exists() or not header


def _header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(100)
    except FileNotFoundError:
        return b""
    except OSError as problem:
        raise StoreError(f"{path}: {problem.strerror}") from problem


def _refuse_schema(path: Path | str, application_id: int, version: int) -> None:
    if application_id != APPLICATION_ID:
        raise SchemaError(f"{path} is the database of another program: give Romancy a file of its own")
    if version > len(SCHEMAS):
        raise SchemaError(
            f"{path} has schema {version}, and this Romancy knows {len(SCHEMAS)}: upgrade Romancy to open it"
        )


def migrate(connection: sqlite3.Connection, path: str, *, had_log: bool) -> None:
    """Set the pragmas, bring the schema to this version, and make sure that nothing that was committed got lost.

    Args:
        connection: to the database at `path`.
        path: the file, or `":memory:"`.
        had_log: whether the write-ahead log was there before this connection was.

    Raises:
        SchemaError: the file cannot be used, or its write-ahead log is gone.
    """
    in_memory = path == ":memory:"
    if not in_memory:
        _patiently(lambda: _refuse_tables_of_others(connection, path))
        _patiently(lambda: _expect(connection, path, "journal_mode", "wal"))
    _expect(connection, path, "synchronous", "full", reads=2)
    for pragma in ("trusted_schema = off", "cell_size_check = on", "mmap_size = 0"):
        connection.execute(f"pragma {pragma}")
    if _number(connection, "user_version") < len(SCHEMAS):
        _upgrade(connection, path)
    if not in_memory:
        _refuse_schema(path, _number(connection, "application_id"), _number(connection, "user_version"))
        _confirm_opening(connection, path, had_log)


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
            if busy.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
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


def _confirm_opening(connection: sqlite3.Connection, path: str, had_log: bool) -> None:
    """Refuse a file whose write-ahead log was taken away after a crash, with what was committed there.

    Each opening writes its number twice: into the main file, and then, by a commit of its own, into the log. A file
    that has the first and not the second lost its log.
    """
    if not had_log and not _is_confirmed(connection):
        raise _log_is_gone(path)
    _write(connection, "update opening set opened = opened + 1")
    connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    _write(connection, "update opening set confirmed = opened")


def connect_to_read(path: str, patience: float) -> sqlite3.Connection:
    """A connection that neither makes the database nor writes to it.

    Args:
        path: the file.
        patience: seconds to wait for the lock of another process.

    Raises:
        StoreError: there is no such file.
        SchemaError: it is none of ours, of another version, or its write-ahead log is gone.
    """
    if not Path(path).exists():
        raise StoreError(f"there is no database {path}: name one that is there")
    # Where another process opens the file between the two looks, its log is seen at the second.
    for _ in range(2):
        had_log = refuse_foreign_file(Path(path))
        connection = sqlite3.connect(
            f"{Path(path).absolute().as_uri()}?mode=rw",
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
            opened, confirmed = connection.execute("select opened, confirmed from opening").fetchone()
        except BaseException:
            connection.close()
            raise
        if opened == confirmed or had_log:
            return connection
        connection.close()
    raise _log_is_gone(path)


def _log_is_gone(path: str) -> SchemaError:
    return SchemaError(
        f"{path}-wal is missing, and with it what was committed before the last crash: put it back beside {path}"
    )


def _is_confirmed(connection: sqlite3.Connection) -> bool:
    """Whether the last opening wrote both of its numbers; another process may be about to write the second."""
    for _ in range(20):
        opened, confirmed = connection.execute("select opened, confirmed from opening").fetchone()
        if opened == confirmed:
            return True
        time.sleep(0.05)
    return False


def _write(connection: sqlite3.Connection, statement: str) -> None:
    connection.execute("begin immediate")
    connection.execute(statement)
    connection.execute("commit")
