"""The statement that a worker runs most, sent through libpq itself: half of its time is the driver's otherwise."""

from __future__ import annotations

from weakref import WeakSet

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus

from romancy.store.postgres.server import Connection, Server

_FORGOTTEN = b"26000"
"""psycopg lets the server forget every prepared statement of a connection after some errors."""


class SwiftStatement:
    """A statement that changes rows and returns none.

    Args:
        server: the database.
        name: under which it is prepared, unlike any that psycopg gives.
        text: the statement, its values written as `$1`, `$2`, ….
    """

    def __init__(self, server: Server, name: str, text: str) -> None:
        self._server = server
        self._name = name.encode()
        self._text = server.sql(text)
        self._prepared: WeakSet[Connection] = WeakSet()

    def run(self, connection: Connection, values: list[bytes]) -> int:
        """How many rows it changed.

        Raises:
            psycopg.Error: it failed.
        """
        libpq = connection.pgconn
        if self._server.is_pooled:
            result = libpq.exec_params(self._text, values)
        else:
            if connection not in self._prepared:
                self._prepare(connection)
            result = libpq.exec_prepared(self._name, values)
            if result.error_field(DiagnosticField.SQLSTATE) == _FORGOTTEN:
                self._prepare(connection)
                result = libpq.exec_prepared(self._name, values)
        _check(result)
        return result.command_tuples or 0

    def _prepare(self, connection: Connection) -> None:
        _check(connection.pgconn.prepare(self._name, self._text))
        self._prepared.add(connection)


def _check(result: psycopg.pq.abc.PGresult) -> None:
    if result.status == ExecStatus.COMMAND_OK:
        return
    state = result.error_field(DiagnosticField.SQLSTATE)
    told = (result.error_message or b"").decode("utf-8", "replace").strip()
    raise (psycopg.errors.lookup(state.decode()) if state else psycopg.OperationalError)(told)
