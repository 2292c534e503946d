"""A stage for engine tests on PostgreSQL: one database, a clock that stands still, and apps that the test drives."""

from __future__ import annotations

import atexit
import itertools
import random
from collections.abc import Callable
from typing import Any

import psycopg

from romancy import Romancy
from romancy.testing import VirtualClock


class Stage:
    """Opens apps on one database and one clock; an app that is killed writes nothing any more.

    Args:
        url: of an empty database.
    """

    boundaries = frozenset(("before create", "after create", "before commit", "after commit"))
    """Where a process dies, among other places, that dies at any boundary."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = VirtualClock()
        self._beside = psycopg.connect(url, autocommit=True, options="-c search_path=public,romancy")
        self._seeds = itertools.count()
        self._opened: list[tuple[Romancy, list[psycopg.Connection[Any]]]] = []

    def open(self, *, worker_id: str | None = "w", **options: Any) -> Romancy:
        """An app without a worker of its own; a second one of the same worker id takes over from the first."""
        connections: list[psycopg.Connection[Any]] = []
        options = {"worker": False, "clock": self.clock, "chance": random.Random(next(self._seeds)), **options}
        app = Romancy(self.url, worker_id=worker_id, connect=_noting(connections), **options)
        self._opened.append((app, connections))
        app.open()
        return app

    def kill(self, app: Romancy) -> None:
        """What the end of its process would do: its connections end, and nothing is handed back."""
        atexit.unregister(app.close)
        for opened, connections in self._opened:
            if opened is app:
                for connection in connections:
                    connection.close()
        self._opened = [each for each in self._opened if each[0] is not app]

    def sql(self, statement: str, *values: object) -> list[Any]:
        """What a program beside Romancy does to the database."""
        cursor = self._beside.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        for app, _ in reversed(self._opened):
            app.close()
        self._beside.close()


def _noting(connections: list[psycopg.Connection[Any]]) -> Callable[..., psycopg.Connection[Any]]:
    def connect(**parameters: Any) -> psycopg.Connection[Any]:
        connections.append(psycopg.connect(**parameters))
        return connections[-1]

    return connect
