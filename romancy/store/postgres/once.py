"""A transaction that must not be carried out twice, though the answer to its commit may get lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from romancy.store.postgres.link import Work
from romancy.store.postgres.server import Connection, Server

T = TypeVar("T")

_MOMENT = 0.01
"""Seconds between two looks at a transaction that still goes on."""


def once(server: Server, verb: Callable[[Connection], T]) -> Work[T]:
    """The work of one transaction; where it is run again, it asks what became of it the first time.

    Only PostgreSQL can say so: elsewhere it is carried out again.
    """
    before: list[tuple[str, T]] = []

    def work(connection: Connection, again: bool) -> T:
        if again and before and _was_committed(connection, before[-1][0]):
            return before[-1][1]
        before.clear()
        with connection.transaction():
            answer = verb(connection)
            if server.is_postgres:
                row = connection.execute("select pg_current_xact_id()::text").fetchone()
                assert row is not None
                before.append((row[0], answer))
        return answer

    return work


def _was_committed(connection: Connection, transaction: str) -> bool:
    """What is still on its way when its connection broke is waited for."""
    while True:
        row = connection.execute("select pg_xact_status(%s::xid8)", [transaction]).fetchone()
        if row != ("in progress",):
            return row == ("committed",)
        time.sleep(_MOMENT)
