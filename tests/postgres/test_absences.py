"""A server that is away or takes no writes: how long a call tries, what it says then, and what goes on afterwards."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import psycopg
import pytest

from romancy import Context, Flow, Romancy, starts, workflow
from romancy.errors import StoreError
from romancy.store.postgres import PostgresStore, link
from romancy.testing.contract import NOW, new
from romancy.worker import loop
from romancy.worker.intake import Beginning
from tests.postgres.server import PostgresServer, query
from tests.postgres.stage import Stage
from tests.postgres.wire import terminate


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may stop."""
    server = PostgresServer()
    yield server
    server.close()


@workflow
def greeting(ctx: Context) -> Flow[str]:
    yield from ()
    return "hello"


@pytest.mark.parametrize("verb", ["start", "run"])
def test_a_start_is_given_up_after_its_time_though_the_worker_tries_on(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(link, "PATIENCE", 0.2)
    monkeypatch.setattr(starts, "PATIENCE", 0.2)
    monkeypatch.setattr(loop, "_PATIENCE", 10**6)
    told: list[BaseException] = []
    with Romancy(own_server.fresh(), workflows=[greeting]) as app:
        own_server.stop()

        def call() -> None:
            try:
                getattr(app, verb)(greeting(), id="g")
            except BaseException as error:
                told.append(error)

        calling = threading.Thread(target=call, daemon=True)
        calling.start()
        calling.join(60)
        own_server.start()
        assert [type(error) for error in told] == [StoreError]
        assert "it is not known whether instance 'g' was stored" in str(told[0])
        assert app.run(greeting(), id="g", timeout=60) == "hello"
        assert [handle.id for handle in app.instances()] == ["g"]


def test_a_start_that_was_given_up_is_not_stored_afterwards(stage: Stage) -> None:
    app = stage.open()
    app.run_until_idle()
    assert app._loop is not None
    given_up, wanted = Beginning(new("given up"), Future()), Beginning(new("wanted"), Future())
    given_up.refuse(StoreError("it took too long"))
    for beginning in (given_up, wanted):
        app._loop.messages.put(beginning)
    app.run_until_idle()
    assert stage.sql("select id from instance") == [("wanted",)]
    assert not wanted.created.result(0).existed
    given_up.settle(wanted.created.result(0))
    assert isinstance(given_up.created.exception(0), StoreError), "whoever asked has heard of it already"


def test_a_worker_that_gave_up_says_what_to_do_and_its_app_can_be_opened_again(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PATIENCE", 0.1)
    monkeypatch.setattr(loop, "_PATIENCE", 1)
    app = Romancy(own_server.fresh(), workflows=[greeting])
    app.open()
    own_server.stop()
    assert app._background is not None
    app._background.join(60)
    own_server.start()
    told = r"the worker of this app has stopped: (?s:.*); mend that, then close\(\) the app and open\(\) it again"
    for verb in (app.run, app.start):
        with pytest.raises(StoreError, match=told):
            verb(greeting())
    app.close()
    with app:
        assert app.run(greeting(), timeout=60) == "hello"


class Road:
    """Makes connections, counts them, and can be closed; something may happen at a chosen one."""

    def __init__(self) -> None:
        self.count = 0
        self.is_closed = False
        self.events: dict[int, Any] = {}

    def __call__(self, **parameters: Any) -> psycopg.Connection[Any]:
        self.count += 1
        self.events.get(self.count, lambda: None)()
        if self.is_closed:
            raise psycopg.OperationalError("the road is closed")
        return psycopg.connect(**parameters)


@pytest.mark.parametrize("verb", ["create", "counts"])
def test_a_call_that_waited_for_its_turn_while_the_server_was_away_does_not_try_as_long_again(
    url: str, verb: str
) -> None:
    road, now, asked = Road(), [0.0], threading.Event()

    def ticks() -> float:
        asked.set()
        return now[0]

    told: list[StoreError] = []
    with closing(PostgresStore(url, connect=road)) as store:
        verbs = {"create": lambda: store.create([new("i")], owner=None, now=NOW), "counts": store.counts}

        def call() -> None:
            try:
                verbs[verb]()
            except StoreError as error:
                told.append(error)

        terminate(url)
        road.is_closed, road.count = True, 0
        with store.exclusive(), store._reading:
            store._server.clock.ticks = ticks
            calling = threading.Thread(target=call, daemon=True)
            calling.start()
            assert asked.wait(30)
            now[0] = link.PATIENCE + 1
        calling.join(30)
        assert len(told) == 1
        assert "the road is closed" in str(told[0]) or "terminating" in str(told[0])
        assert road.count <= 1


# -- a server that takes no writes

READ_ONLY = "alter database {} set default_transaction_read_only = on"


def test_a_server_that_takes_no_writes_is_called_that_once(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(link, "PATIENCE", 0.5)
    url, road = server.fresh(), Road()
    with closing(PostgresStore(url, connect=road)) as store:
        query(url, READ_ONLY.format(_name(url)))
        terminate(url)
        road.count = 0
        with caplog.at_level(logging.INFO, "romancy"), pytest.raises(StoreError, match="name the primary"):
            store.create([new("i")], owner=None, now=NOW)
        assert road.count > 2, "it is tried again, for a failover ends it"
    lost, refused = caplog.messages
    assert "the connection is lost, trying again" in lost
    assert "the server takes no writes, trying again" in refused
    assert "name the primary" in refused


def test_a_failover_ends_it(server: PostgresServer) -> None:
    url, road = server.fresh(), Road()
    with closing(PostgresStore(url, connect=road)) as store:
        query(url, READ_ONLY.format(_name(url)))
        terminate(url)

        def fail_over() -> None:
            writing = f"{url}&options=-c%20default_transaction_read_only%3Doff"
            query(writing, f"alter database {_name(url)} reset all")

        road.events[road.count + 3] = fail_over
        assert not store.create([new("i")], owner=None, now=NOW)[0].existed
        assert store.instance("i") is not None


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
