"""From opening to closing: what an app does before, between and after."""

import threading
import time
from contextlib import closing
from typing import NotRequired, TypedDict
from zoneinfo import ZoneInfo

import pytest

from romancy import Context, RetryPolicy, Romancy, activity, activity_context, race, session, sleep, workflow
from romancy.errors import (
    ActivityTimeoutError,
    DefinitionError,
    InstanceFailedError,
    InstanceStuckError,
    LeaseLostError,
    StoreError,
)
from romancy.store import SqliteStore, WorkerIdentity
from romancy.testing import VirtualClock
from romancy.worker import background

let_go = threading.Event()


@activity
def one() -> int:
    return 1


@workflow
def counts(ctx: Context):
    return (yield one())


@activity
def holds() -> None:
    let_go.wait(30)


@workflow
def leaves_a_loser_behind(ctx: Context):
    winner = yield race(holds(), one())
    return winner.index


@workflow
def holds_on(ctx: Context):
    yield holds()


def test_an_app_goes_on_after_it_served_until_idle(tmp_path):
    with Romancy(tmp_path / "app.db") as app:
        assert app.run(counts(), timeout=20) == 1
        app.serve(until_idle=True)
        assert app.run(counts(), timeout=20) == 1


def test_a_closed_app_says_so_and_can_be_opened_again(tmp_path):
    app = Romancy(tmp_path / "app.db")
    with app:
        handle = app.start(counts(), id="c")
        handle.result(20)
    with pytest.raises(StoreError, match="is closed"):
        app.start(counts())
    with pytest.raises(StoreError, match="is closed"):
        _ = handle.status
    with app:
        assert handle.result(20) == 1
        assert app.run(counts(), timeout=20) == 1


def test_a_worker_whose_thread_cannot_start_gives_back_its_lease(tmp_path):
    app = Romancy(tmp_path / "app.db")
    before = threading.stack_size(1 << 50)
    try:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            app.open()
    finally:
        threading.stack_size(before)
    with closing(SqliteStore(str(tmp_path / "app.db"), read_only=True)) as store:
        assert store.leases() == []
    with app:
        assert app.run(counts(), timeout=20) == 1


def test_of_two_workers_of_one_name_the_older_ends_and_the_newer_works(tmp_path):
    clock = VirtualClock()
    with (
        Romancy(tmp_path / "app.db", worker=False, clock=clock, worker_id="w") as older,
        Romancy(tmp_path / "app.db", worker=False, clock=clock, worker_id="w") as newer,
    ):
        older.run_until_idle()
        newer.run_until_idle()
        handle = older.start(counts())
        with pytest.raises(LeaseLostError, match=r"took the name 'w' \(process \d+ on .*a worker_id of its own"):
            older.run_until_idle()
        newer.run_until_idle()
        assert handle.result(0) == 1


def test_a_worker_whose_successor_of_the_same_name_died_begins_again(tmp_path):
    clock = VirtualClock()
    with Romancy(tmp_path / "app.db", worker=False, clock=clock, worker_id="w") as older:
        older.run_until_idle()
        with closing(SqliteStore(tmp_path / "app.db")) as store:
            store.register(WorkerIdentity(id="w", host="elsewhere", pid=1, born=""), clock(), clock() + 30)
        clock.advance(31)
        handle = older.start(counts())
        older.run_until_idle()
        assert handle.result(0) == 1


def test_a_worker_that_is_asked_to_end_twice_still_waits_for_activities(tmp_path, monkeypatch):
    monkeypatch.setattr(background, "MOMENT", 0.0)
    let_go.clear()
    try:
        with Romancy(tmp_path / "app.db") as app:
            handle = app.start(holds_on(), id="h")
            worker = app._background
            while not worker.loop.flights.out:
                worker.join(0.005)
            worker.ask(False)
            worker.ask(False)
            assert not worker.is_overdue()
            let_go.set()
            while worker.is_alive():
                worker.join(0.05)
            assert handle.status == "completed"
    finally:
        let_go.set()


def test_closing_does_not_wait_for_what_will_be_dropped(tmp_path):
    let_go.clear()
    try:
        with Romancy(tmp_path / "app.db") as app:
            assert app.run(leaves_a_loser_behind(), timeout=20) == 1
        assert not let_go.is_set(), "closed while the loser still runs"
    finally:
        let_go.set()


def test_workflow_code_that_uses_the_app_is_told_what_to_write(tmp_path):
    with Romancy(tmp_path / "app.db") as app:

        @workflow
        def asks(ctx: Context):
            app.run(counts())  # romancy: ignore[ROM413] what the claim is about
            yield one()

        with pytest.raises(InstanceFailedError) as failed:
            app.run(asks(), timeout=20)
    assert isinstance(failed.value.__cause__, DefinitionError)
    assert "yield the call" in str(failed.value.__cause__)


def test_a_session_that_is_held_too_long_times_out_and_its_sql_is_rolled_back(tmp_path):
    @activity(timeout=0.2, retry=RetryPolicy(max_attempts=1))
    def keeps() -> None:
        session().execute("create table if not exists kept (x)")
        until = time.monotonic() + 30
        while not activity_context().is_cancelled and time.monotonic() < until:
            let_go.wait(0.01)

    @workflow
    def waits(ctx: Context):
        yield keeps()

    let_go.clear()
    with Romancy(tmp_path / "app.db") as app:
        with pytest.raises(InstanceFailedError) as failed:
            app.run(waits(), timeout=30)
        assert isinstance(failed.value.__cause__, ActivityTimeoutError)
        assert app.run(tables(), timeout=20) == 0


@activity
def kept_tables() -> int:
    return session().execute("select count(*) from sqlite_master where name = 'kept'").fetchone()[0]


@workflow
def tables(ctx: Context):
    return (yield kept_tables())


def test_a_session_ends_with_its_activity(stage, app):
    leaked = []

    @activity
    def leaks() -> None:
        leaked.append(session())

    @workflow
    def waits(ctx: Context):
        yield leaks()

    stage.finish(app, app.start(waits()))
    with pytest.raises(RuntimeError, match="has ended with its activity"):
        leaked[0].execute("create table late (x)")


def test_a_letter_that_cannot_be_read_parks_its_instance_only(stage, app):
    @workflow
    def sleeps(ctx: Context):
        yield sleep(60)

    app.start(sleeps(), id="damaged")
    app.run_until_idle()
    stage.sql("insert into inbox (instance, kind, data, at) values (1, 'zzz', '{', 1)")
    stage.sql("update instance set wake_at = 0 where id = 'damaged'")
    other = stage.finish(app, app.start(counts()))
    assert other.result(0) == 1
    with pytest.raises(InstanceStuckError, match="'zzz' is no letter"):
        app.get("damaged").result(0)


def test_instants_that_are_none_do_not_stop_the_others(stage, app):
    @workflow
    def sleeps(ctx: Context):
        yield sleep(60)

    app.start(sleeps(), id="damaged")
    app.run_until_idle()
    stage.sql("update instance set wake_at = 'x', created = 'y' where id = 'damaged'")
    assert stage.finish(app, app.start(counts())).result(0) == 1
    assert {each.id for each in app.instances()} >= {"damaged"}


def test_the_guard_lets_time_zones_be_read(stage):
    @workflow
    def looks(ctx: Context):
        yield one()
        return str(ctx.now().astimezone(ZoneInfo("Asia/Tokyo")).tzinfo)

    ZoneInfo.clear_cache()
    app = stage.open(guard=True, verify=1.0)
    assert stage.finish(app, app.start(looks())).result(0) == "Asia/Tokyo"


class Order(TypedDict):
    item: str
    note: "NotRequired[str]"


def test_a_key_that_need_not_be_there_may_be_missing(stage, app):
    @activity
    def echoes(order: Order) -> Order:
        return order

    @workflow
    def waits(ctx: Context):
        return (yield echoes({"item": "lamp"}))

    assert stage.finish(app, app.start(waits())).result(0) == {"item": "lamp"}
