"""A process that is forked from one with an open app: it is refused until it opens its own, and the parent goes on."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from romancy import Romancy
from romancy.store import SqliteStore
from romancy.testing.contract import new
from tests.damage.conftest import Shell, Stage
from tests.damage.workflows import once, walk


def in_child(work: Callable[[], object]) -> str:
    """What a forked child has to tell."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                told = str(work())
            except BaseException as error:
                told = f"{type(error).__name__}: {error}"
            os.write(writing, told.encode()[:4000])
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        told = answer.read()
    assert os.waitpid(child, 0)[1] == 0
    return told


def serve_in_forked_children(app: Romancy) -> None:
    """Work in four children of this process, as a server does that loads its application before it forks."""
    app.open()
    assert app.run(once(0), timeout=60) == 0

    def serve(number: int) -> None:
        with app:
            for place in range(5):
                assert app.run(once(place), id=f"{number}-{place}", timeout=60) == place
        os._exit(0)

    context = multiprocessing.get_context("fork")
    children = [context.Process(target=serve, args=[number]) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    assert app.run(once(9), timeout=60) == 9
    assert len(app.instances(status="completed")) == 22
    app.close()


REFUSED = "was opened before this process was forked: open() it again here"

CALLS: dict[str, Callable[[Romancy], object]] = {
    "start": lambda app: app.start(once(1)),
    "run": lambda app: app.run(once(1), timeout=5),
    "get": lambda app: app.get("w"),
    "instances": lambda app: app.instances(),
    "retry": lambda app: app.retry("w"),
}


@pytest.mark.parametrize("worker", [True, False], ids=["a worker", "a client"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_child_is_refused_and_the_parent_goes_on(stage: Stage, worker, call) -> None:
    with Romancy(stage.database, worker=worker) as app:
        app.start(once(1), id="w")
        assert in_child(lambda: call(app)) == f"StoreError: the app on {stage.database} {REFUSED}"
        app.start(once(2), id="x")
        if worker:
            assert app.get("x").result(60) == 2
    assert Shell(Path(stage.database)).findings() == []


def test_a_handle_of_the_parent_is_refused_in_a_child(stage: Stage) -> None:
    with Romancy(stage.database, worker=False) as app:
        handle = app.start(walk(1))
        for use in (lambda: handle.status, lambda: handle.result(0), handle.cancel, handle.history):
            assert REFUSED in in_child(use)
        assert handle.status == "pending"


def test_a_child_that_closes_the_app_closes_nothing_of_the_parent_s(stage: Stage) -> None:
    with Romancy(stage.database) as app:
        assert app.run(once(1), timeout=60) == 1
        assert in_child(app.close) == "None"
        assert app.run(once(2), timeout=60) == 2
        assert stage.sql("select count(*) from worker") == [(1,)]


def test_a_child_that_opens_the_app_has_one_of_its_own(stage: Stage) -> None:
    with Romancy(stage.database) as app:
        assert app.run(once(1), id="parent", timeout=60) == 1

        def work() -> object:
            app.open()
            try:
                return app.run(once(7), id="child", timeout=60), app.get("parent").result(60)
            finally:
                app.close()

        for _ in range(3):
            assert in_child(work) == "(7, 1)"
        assert app.run(once(2), timeout=60) == 2
        assert app.get("child").result(60) == 7
    assert Shell(Path(stage.database)).findings() == []


def test_children_that_open_and_end_leave_the_log_of_the_parent_alone(stage: Stage, tmp_path: Path) -> None:
    """A child that took over its parent's record of locks would end as the last user, and remove the log."""
    with Romancy(stage.database, worker=False) as app:
        app.start(once(1), id="before")
        log = (tmp_path / "app.db-wal").stat().st_ino

        def work() -> object:
            with app:
                return app.start(once(2)).status

        assert in_child(work) == "pending"
        look = "import sqlite3; sqlite3.connect('app.db').execute('select * from opening').fetchall()"
        subprocess.run([sys.executable, "-c", look], cwd=tmp_path, check=True)
        assert (tmp_path / "app.db-wal").stat().st_ino == log
        app.start(once(3), id="after")
        assert len(Shell(Path(stage.database)).json("list", "--json")) == 3


def test_a_child_that_opened_the_app_keeps_the_log_when_its_parent_closes(stage: Stage) -> None:
    """Its locks are its own: were they only its copy of the parent's, the parent would end as the last user."""
    opened, closed = os.pipe(), os.pipe()
    app = Romancy(stage.database, worker=False)
    app.open()
    child = os.fork()
    if child == 0:
        try:
            app.open()
            os.write(opened[1], b".")
            os.read(closed[0], 1)
            app.start(once(1), id="of the child")
        finally:
            os._exit(0)
    os.read(opened[0], 1)
    app.close()
    os.write(closed[1], b".")
    os.waitpid(child, 0)
    for each in (*opened, *closed):
        os.close(each)
    with Romancy(stage.database, worker=False) as again:
        assert [handle.id for handle in again.instances()] == ["of the child"]


def test_workers_that_are_forked_after_the_app_was_opened_each_open_it_and_lose_nothing(stage: Stage) -> None:
    serve_in_forked_children(Romancy(stage.database))
    assert Shell(Path(stage.database)).findings() == []


def test_a_fork_waits_for_the_transaction_that_is_open_and_the_child_may_open_the_file(stage: Stage) -> None:
    """Forks among a worker's commits: none is torn, and no child hangs."""
    with Romancy(stage.database) as app:
        handles = [app.start(walk(number)) for number in range(200)]

        def work() -> object:
            with SqliteStore(stage.database).exclusive():
                return "opened"

        assert {in_child(work) for _ in range(5)} == {"opened"}
        for handle in handles:
            while handle.status != "waiting":
                time.sleep(0.005)
    assert Shell(Path(stage.database)).findings() == []


def test_a_fork_amid_a_transaction_of_its_own_thread_keeps_the_child_from_the_file(stage: Stage) -> None:
    """A session() that forks: were the child to close its copy, it would roll back what the parent writes."""
    store = SqliteStore(stage.database)
    store.create([new("before")], owner=None, now=1.0)
    with store._writer.transaction("test"):
        told = in_child(lambda: SqliteStore(stage.database))
        store._connection.execute("update instance set version = '2'")
    assert "cannot be opened in this process, which was forked amid a transaction on it" in told
    assert store.instance("before").version == "2"
    store.close()
    assert Shell(Path(stage.database)).findings() == []


def test_an_event_loop_that_was_closed_does_not_keep_the_next_one_from_a_result(stage: Stage) -> None:
    with Romancy(stage.database) as app:
        handle = app.start(walk(1))

        async def gives_up() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(_result(handle), 0.05)

        async def waits(number: int) -> Any:
            return await app.start(once(number))

        asyncio.run(gives_up())
        assert asyncio.run(waits(1)) == 1
        asyncio.run(gives_up())
        assert asyncio.run(waits(2)) == 2
        assert app.run(once(3), timeout=60) == 3


async def _result(handle: Any) -> Any:
    return await handle


class Signalling(sqlite3.Connection):
    """Sends a signal to its own process just before each commit."""

    signals = 0

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        if sql == "commit" and threading.current_thread() is not threading.main_thread():
            Signalling.signals += 1
            signal.raise_signal(signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGUSR1)
        return super().execute(sql, *rest)


def test_a_signal_during_a_commit_neither_breaks_nor_repeats_it(stage: Stage) -> None:
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    try:
        Signalling.signals = 0
        with Romancy(
            stage.database,
            connect=lambda path: sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, factory=Signalling
            ),
        ) as app:
            assert [app.run(once(number), timeout=60) for number in range(30)] == list(range(30))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert Signalling.signals > 30 and seen
    assert stage.sql("select count(*) from history where kind = 'activity_completed'") == [(30,)]


@pytest.mark.parametrize("when", ["begin immediate", "commit"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupt_during_a_commit_of_a_client_leaves_it_whole(stage: Stage, when: str, after: bool) -> None:
    """Ctrl-C in `app.start`: the instance is there or it is not, and the app can be used again."""
    left = [""]

    class Interrupting(sqlite3.Connection):
        def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
            if sql != left[0]:
                return super().execute(sql, *rest)
            left[0] = ""
            if after:
                super().execute(sql, *rest)
            raise KeyboardInterrupt

    with Romancy(
        stage.database,
        worker=False,
        connect=lambda path: sqlite3.connect(path, isolation_level=None, factory=Interrupting),
    ) as app:
        left[0] = when
        with pytest.raises(KeyboardInterrupt):
            app.start(once(1), id="i")
        assert app.start(once(1), id="i").status == "pending"
        assert app.start(once(2), id="j").status == "pending"
        assert len(app.instances()) == 2
