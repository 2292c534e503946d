"""A process that is forked from one with an open app: it is refused until it opens its own, and the parent goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from romancy import Romancy
from romancy.store.address import masked
from romancy.store.postgres import PostgresStore
from romancy.testing.contract import NOW, new
from tests.damage.test_forks import CALLS, REFUSED, in_child, serve_in_forked_children
from tests.damage.workflows import once, walk
from tests.postgres.server import query

OURS = "from pg_stat_activity where datname = current_database() and application_name = 'romancy'"


def opened(url: str, **options: Any) -> Romancy:
    return Romancy(url, workflows=[once, walk], **options)


@pytest.mark.parametrize("worker", [True, False], ids=["a worker", "a client"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_child_is_refused_and_the_parent_goes_on(url: str, worker: bool, call: Callable[[Romancy], object]) -> None:
    with opened(url, worker=worker) as app:
        app.start(once(1), id="w")
        assert in_child(lambda: call(app)) == f"StoreError: the app on {masked(url)} {REFUSED}"
        app.start(once(2), id="x")
        if worker:
            assert app.get("x").result(60) == 2


def test_a_child_that_closes_the_app_closes_nothing_of_the_parent_s(url: str) -> None:
    with opened(url) as app:
        assert app.run(once(1), timeout=60) == 1
        before = query(url, f"select pid {OURS} order by pid")
        assert in_child(app.close) == "None"
        assert app.run(once(2), timeout=60) == 2
        assert query(url, f"select pid {OURS} order by pid") == before


def test_a_child_that_opens_the_app_has_one_of_its_own(url: str) -> None:
    with opened(url) as app:
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


def test_workers_that_are_forked_after_the_app_was_opened_each_open_it_and_lose_nothing(url: str) -> None:
    serve_in_forked_children(opened(url))


def test_forks_amid_the_commits_of_a_worker_tear_none_and_no_child_hangs(url: str) -> None:
    with opened(url) as app:
        handles = [app.start(walk(number)) for number in range(100)]

        def work() -> object:
            app.close()
            with closing(PostgresStore(url)) as store:
                return store.create([new("child")], owner=None, now=NOW)[0].instance.status

        assert {in_child(work) for _ in range(5)} == {"pending"}
        for handle in handles:
            while handle.status != "waiting":
                time.sleep(0.005)


def test_what_a_child_does_with_a_connection_of_its_parent_fails_and_does_not_reach_the_server(url: str) -> None:
    with closing(PostgresStore(url)) as store:
        connection = store._writer._connection
        assert connection is not None
        told = in_child(lambda: connection.execute("create table of_the_child ()"))
        assert told.startswith("OperationalError: ")
        assert query(url, "select to_regclass('of_the_child')") == [(None,)]
        assert store.create([new("i")], owner=None, now=NOW)[0].instance.id == "i"


def test_a_child_that_lives_on_does_not_keep_the_sessions_of_a_parent_that_was_killed(url: str) -> None:
    """Else what the parent had locked would stay locked."""
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        try:
            store = PostgresStore(url)
            child = os.fork()
            if child:
                os.write(writing, b"%d\n" % child)
            signal.pause()
            store.close()
        finally:
            os._exit(1)
    with os.fdopen(reading) as told:
        child = int(told.readline())
    os.close(writing)
    try:
        assert query(url, f"select count(*) > 0 {OURS}") == [(True,)]
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        until = time.monotonic() + 20.0
        while query(url, f"select 1 {OURS}"):
            assert time.monotonic() < until, "the sessions stay"
            time.sleep(0.01)
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)
