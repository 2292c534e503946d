"""The schema: numbered files that are applied once each, whoever comes first, and are never changed again."""

from __future__ import annotations

from importlib import resources

import psycopg

from romancy.errors import SchemaError
from romancy.store.postgres.link import Link
from romancy.store.postgres.server import Connection, Server

SCHEMAS = ("0001_initial.sql",)
_TABLES = ("worker", "instance", "history", "inbox")
_THERE = "select name from unnest(%s::text[]) as name where to_regclass(%s::text || '.' || name) is not null"
_OTHER_COLUMNS = (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction, psycopg.errors.DatatypeMismatch)
_VERSION = "select coalesce(max(version), 0) from romancy.migration"


def migrate(server: Server, link: Link) -> int:
    """Bring the schema to this version; returns how many files were applied.

    Raises:
        SchemaError: a newer Romancy has been here.
        StoreError: the database refuses it.
    """
    if link.run(lambda connection, _: checked(server, connection)) == len(SCHEMAS):
        return 0
    return link.run(lambda connection, _: _upgrade(server, connection))


def refuse_older(server: Server, link: Link) -> None:
    """Whoever only reads makes no tables.

    Raises:
        SchemaError: the tables are missing, or of another version.
    """
    if link.run(lambda connection, _: checked(server, connection)) < len(SCHEMAS):
        raise SchemaError(
            f"{server.shown} has no tables of this Romancy in its schema {server.schema!r}: romancy migrate makes them"
        )


def checked(server: Server, connection: Connection) -> int:
    """How many files were applied.

    Raises:
        SchemaError: more than this Romancy knows, or its tables are another program's, or not all there.
    """
    names = ("migration", *_TABLES)
    there = {name for (name,) in connection.execute(_THERE, [list(names), server.schema]).fetchall()}
    if "migration" not in there:
        if there:
            raise _foreign(server, min(there))
        return 0
    version = _version(server, connection)
    missing = [name for name in _TABLES if name not in there]
    if version and len(missing) == len(_TABLES):
        raise _foreign(server, "migration")
    if version > len(SCHEMAS):
        raise newer(server, version)
    if version and missing:
        raise SchemaError(
            f"{server.shown} lacks the table {missing[0]} in its schema {server.schema}: "
            "stop the workers and restore a backup"
        )
    return version


def _version(server: Server, connection: Connection) -> int:
    try:
        row = connection.execute(server.sql(_VERSION)).fetchone()
    except _OTHER_COLUMNS:
        raise _foreign(server, "migration") from None
    if row is None or not isinstance(row[0], int):
        raise _foreign(server, "migration")
    return row[0]


def _foreign(server: Server, table: str) -> SchemaError:
    return SchemaError(
        f"{server.shown} has a table {table} of another program in its schema {server.schema}: "
        "choose another schema with ?schema="
    )


def newer(server: Server, version: int) -> SchemaError:
    """What to say where a newer Romancy has been."""
    return SchemaError(
        f"{server.shown} has schema {version}, and this Romancy knows {len(SCHEMAS)}: upgrade Romancy to open it"
    )


def _upgrade(server: Server, connection: Connection) -> int:
    """Apply what is missing: of workers that start together one does it, and the others wait for its commit.

    Where there is no lock to wait at, two may do it at once: each statement is then harmless the second time.
    """
    with connection.transaction():
        if server.is_postgres:
            connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"romancy {server.schema}"])
        before = checked(server, connection)
        for version in range(before + 1, len(SCHEMAS) + 1):
            _apply(server, connection, version)
    return len(SCHEMAS) - before


def _apply(server: Server, connection: Connection, version: int) -> None:
    if version == 1:
        found = connection.execute("select to_regnamespace(%s) is not null", [server.schema]).fetchone()
        if found is None or not found[0]:
            connection.execute(server.sql("create schema if not exists romancy.").rstrip(b"."))
        connection.execute(
            server.sql("create table if not exists romancy.migration (version bigint primary key, applied timestamptz)")
        )
    name = SCHEMAS[version - 1]
    script = (resources.files("romancy.store") / "schema" / "postgres" / name).read_text("utf-8")
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(server.sql(statement))
    connection.execute(server.sql("insert into romancy.migration values (%s, now()) on conflict do nothing"), [version])
