"""Another process holds the write lock: writers wait and then say so, readers do not notice, and nothing is lost.

A transaction that begins as a reader and turns writer fails at once where another one wrote meanwhile, whatever the
busy timeout: none of ours does.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from romancy import Romancy
from romancy.errors import StoreError
from romancy.store.sqlite import connect
from tests.damage.conftest import MODULE, Shell, Stage
from tests.damage.workflows import broad, notes, once, walk

WRITES = ("insert", "update", "delete", "replace", "create", "drop", "alter")


@contextmanager
def locked(database: str) -> Iterator[sqlite3.Connection]:
    """What another process does that keeps a transaction open."""
    with closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as other:
        other.execute("begin immediate")
        yield other
        if other.in_transaction:
            other.execute("rollback")


def impatient(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.01)


class Knocking(sqlite3.Connection):
    """Lets a test know that somebody waits for the lock."""

    knocked = threading.Event()

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        if sql == "begin immediate":
            self.knocked.set()
        return super().execute(sql, *rest)


def knocking(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0, factory=Knocking)


def test_a_start_waits_for_the_lock_of_another_process_and_is_not_lost(stage: Stage) -> None:
    with Romancy(stage.database, connect=knocking) as app:
        assert app.run(once(1), timeout=30) == 1
        started: list[Any] = []
        with locked(stage.database) as other:
            Knocking.knocked.clear()
            client = threading.Thread(target=lambda: started.append(app.start(once(2), id="waited")))
            client.start()
            assert Knocking.knocked.wait(30)
            assert started == []
            assert [each.status for each in app.instances()] == ["completed"], "readers go on"
            assert len(Shell(Path(stage.database)).json("list", "--json")) == 1
            other.execute("rollback")
        client.join(30)
        assert started[0].result(30) == 2


def test_a_lock_that_is_never_given_back_stops_a_worker_loudly_and_loses_nothing(stage: Stage) -> None:
    app = Romancy(stage.database, connect=impatient)
    app.open()
    handle = app.start(walk(1), id="w")
    while handle.status != "waiting":
        pass
    with locked(stage.database):
        with pytest.raises(StoreError, match="locked by another process, which keeps a transaction open"):
            app.run(once(1), timeout=60)
        with pytest.raises(StoreError, match="locked"):
            app.run_until_idle()
    app.close()
    with stage.open(worker_id="next") as again:
        assert [each.status for each in again.instances()] == ["waiting"]
        assert stage.sql("pragma integrity_check") == [("ok",)]


def test_commands_that_write_say_in_one_line_who_is_in_the_way(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.open().close()
    monkeypatch.setattr(Romancy.__init__, "__kwdefaults__", {**Romancy.__init__.__kwdefaults__, "connect": impatient})
    shell = Shell(Path(stage.database))
    with locked(stage.database):
        for words in (("start", f"{MODULE}:once", "[1]"), ("worker", MODULE)):
            assert "locked by another process, which keeps a transaction open" in shell.refused(*words)
        assert shell.json("list", "--json") == []


def test_every_write_begins_as_a_writer(stage: Stage) -> None:
    """Otherwise another one's commit in between is an error at once, however long one would have waited."""
    statements: list[tuple[int, str]] = []

    def tracing(path: str) -> sqlite3.Connection:
        connection = connect(path)
        number = len(statements)
        connection.set_trace_callback(lambda sql: statements.append((number, " ".join(sql.split()).lower())))
        return connection

    app = Romancy(stage.database, worker=False, clock=stage.clock, connect=tracing)
    with app:
        stage.sql("create table note (number, content)")
        handles = app.start_many([walk(1), broad(3), notes(2), once(1)])
        app.run_until_idle()
        handles[0].cancel()
        app.run_until_idle()
        stage.sql("update instance set status = 'stuck' where number = 1")
        app.retry(handles[0].id)
        stage.clock.advance(100)
        app.run_until_idle()
    began: dict[int, str] = {}
    wrote = 0
    for number, sql in statements:
        if sql.startswith(("begin", "commit", "rollback")):
            began[number] = sql
        if sql.startswith(WRITES):
            wrote += 1
            assert began.get(number) == "begin immediate", sql
    assert wrote > 50
    assert {sql for _, sql in statements if sql.startswith("begin")} == {"begin", "begin immediate"}


def test_eight_threads_share_one_engine_and_nothing_is_lost_or_done_twice(stage: Stage) -> None:
    results: dict[int, list[int]] = {}

    def use(app: Romancy, number: int) -> None:
        handles = [app.start(once(number * 100 + place), id=f"{number}-{place}") for place in range(10)]
        results[number] = [handle.result(60) for handle in handles] + [app.run(once(number), timeout=60)]
        assert len(app.instances(limit=3)) == 3

    with Romancy(stage.database) as app:
        threads = [threading.Thread(target=use, args=[app, number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert results == {n: [*range(n * 100, n * 100 + 10), n] for n in range(8)}
        assert len(app.instances()) == 88
    assert stage.sql("select count(*) from history where kind = 'activity_completed'") == [(88,)]
