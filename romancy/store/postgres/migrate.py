"""The schema: numbered files that are applied once each, whoever comes first, and are never changed again."""

from __future__ import annotations

from importlib import resources

from romancy.errors import SchemaError
from romancy.store.postgres.link import Link
from romancy.store.postgres.server import Connection, Server

SCHEMAS = ("0001_initial.sql",)


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
        SchemaError: more than this Romancy knows.
    """
    found = connection.execute("select to_regclass(%s) is not null", [f"{server.schema}.migration"]).fetchone()
    if found is None or not found[0]:
        return 0
    row = connection.execute(server.sql("select coalesce(max(version), 0) from romancy.migration")).fetchone()
    version: int = row[0] if row else 0
    if version > len(SCHEMAS):
        raise SchemaError(
            f"{server.shown} has schema {version}, and this Romancy knows {len(SCHEMAS)}: upgrade Romancy to open it"
        )
    return version


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
