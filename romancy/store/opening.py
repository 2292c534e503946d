"""Opening the database that a name stands for: a SQLite file, or a PostgreSQL database by its URL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from romancy.errors import DefinitionError, SchemaError
from romancy.store.address import is_url
from romancy.store.protocol import Database
from romancy.store.sqlite import SqliteStore, connect

if TYPE_CHECKING:
    from romancy.store.postgres import PostgresStore


def open_store(
    database: str, *, connect: Any = connect, boundary: Callable[[str], None] | None = None, read_only: bool = False
) -> Database:
    """The store of a database, made or brought to this version where it has to be.

    Args:
        database: a path, `":memory:"`, or a `postgresql://` URL.
        connect: makes its connections; tests pass their own.
        boundary: called with a tag before and after everything that leaves the process.
        read_only: neither make the database nor write to it; only the verbs of a reader work then.

    Raises:
        StoreError: it cannot be opened; `SchemaError` when it is none of ours, or of a newer version.
        DefinitionError: what PostgreSQL needs is not installed.
    """
    if not is_url(database):
        return SqliteStore(database, connect=connect, boundary=boundary, read_only=read_only)
    return _open_postgres(database, connect, boundary, read_only)


def _open_postgres(url: str, made_by: Any, boundary: Callable[[str], None] | None, read_only: bool) -> PostgresStore:
    try:
        from romancy.store.postgres import PostgresStore
    except ImportError as missing:
        raise DefinitionError(
            f"postgresql:// databases need psycopg, which cannot be imported here ({missing}): "
            "install romancy[postgres]"
        ) from None
    options = {} if made_by is connect else {"connect": made_by}
    return PostgresStore(url, boundary=boundary, read_only=read_only, **options)


def exists(database: str) -> bool:
    """Whether there is a database of that name, with tables of this Romancy.

    Raises:
        StoreError: it cannot be reached.
    """
    if not is_url(database):
        return Path(database).exists()
    try:
        open_store(database, read_only=True).close()
    except SchemaError:
        return False
    return True
