"""A stage for engine tests: one database, a clock that stands still, and apps that the test drives itself."""

import atexit
import itertools
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from romancy import Handle, Romancy
from romancy.store.sqlite import connect
from romancy.testing import VirtualClock
from romancy.workflow import definitions

ENDED = ("completed", "failed", "cancelled", "stuck")


class Stage:
    """Opens apps on one database and one clock; an app that is killed writes nothing any more."""

    boundaries = frozenset(
        ("before create", "before commit of create", "after create", "before commit", "after commit")
    )
    """Where a process dies, among other places, that dies at any boundary."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.clock = VirtualClock()
        self._seeds = itertools.count()
        self._opened: list[tuple[Romancy, list[sqlite3.Connection]]] = []

    def open(self, *, worker_id: str | None = "w", **options: Any) -> Romancy:
        """An app without a worker of its own; a second one of the same worker id takes over from the first."""
        connections: list[sqlite3.Connection] = []

        def connecting(path: str) -> sqlite3.Connection:
            connections.append(connect(path))
            return connections[-1]

        options = {"worker": False, "clock": self.clock, "chance": random.Random(next(self._seeds)), **options}
        app = Romancy(self.database, worker_id=worker_id, connect=connecting, **options)
        self._opened.append((app, connections))
        app.open()
        return app

    def kill(self, app: Romancy) -> None:
        """What the end of its process would do: open transactions are rolled back, and nothing is handed back."""
        atexit.unregister(app.close)
        for opened, connections in self._opened:
            if opened is app:
                for connection in connections:
                    connection.close()
        self._opened = [each for each in self._opened if each[0] is not app]

    def finish(self, app: Romancy, handle: Handle[Any], *, step: float = 60.0, limit: int = 1000) -> Handle[Any]:
        """Let time pass until the instance has ended."""
        app.run_until_idle()
        for _ in range(limit):
            if handle.status in ENDED:
                return handle
            self.clock.advance(step)
            app.run_until_idle()
        raise AssertionError(f"{handle} is {handle.status} after {limit} steps of {step:g} s")

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """What a program beside Romancy does to the file."""
        connection = sqlite3.connect(self.database)
        try:
            with connection:
                return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def close(self) -> None:
        for app, _ in reversed(self._opened):
            app.close()


@pytest.fixture(autouse=True)
def own_workflows(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests may name their workflows alike: each knows those of its module and those that it defines itself."""
    everything = definitions[:]
    modules = (request.module.__name__, "tests.romancy.shapes")
    definitions[:] = [
        each for each in everything if each.fn.__module__ in modules and "<locals>" not in each.fn.__qualname__
    ]
    yield
    definitions[:] = everything


@pytest.fixture
def stage(tmp_path: Path, own_workflows: None) -> Iterator[Stage]:
    stage = Stage(str(tmp_path / "app.db"))
    yield stage
    stage.close()


@pytest.fixture
def clock(stage: Stage) -> VirtualClock:
    return stage.clock


@pytest.fixture
def app(stage: Stage) -> Romancy:
    return stage.open()
