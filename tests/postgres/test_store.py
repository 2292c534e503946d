"""What PostgreSQL has beyond the contract: a schema of its own, sessions side by side, bells, and the server's time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from romancy import Context, Flow, Romancy, activity, gather, session, workflow
from romancy.errors import DefinitionError, LeaseLostError, RomancyError, SchemaError, StoreError
from romancy.store.address import address_of, masked
from romancy.store.postgres import PostgresStore
from romancy.store.postgres.clock import ServerClock
from romancy.store.protocol import Tick
from romancy.testing.contract import NOW, done, new, state, worker
from tests.postgres.server import query
from tests.postgres.wire import terminate


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(url)) as store:
        yield store


# -- the schema


def test_two_schemas_of_one_database_know_nothing_of_each_other(url: str) -> None:
    one, other = f"{url}&schema=shop", f"{url}&schema=depot"
    with closing(PostgresStore(one)) as shop, closing(PostgresStore(other)) as depot:
        shop.create([new("i")], owner=None, now=NOW)
        assert shop.instance("i") is not None
        assert depot.instance("i") is None
    tables = query(url, "select distinct table_schema from information_schema.tables where table_name = 'history'")
    assert sorted(tables) == [("depot",), ("shop",)]


@pytest.mark.parametrize("name", ["", "Shop", "a-b", "x;drop", "1st", '"q"'])
def test_a_name_that_no_schema_should_have_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="lower-case letters"):
        address_of(f"postgresql://host/db?schema={name}")


def test_an_older_romancy_meets_newer_tables_and_says_so(url: str, store: PostgresStore) -> None:
    query(url, "insert into romancy.migration values (99, now())")
    for options in ({}, {"read_only": True}):
        with pytest.raises(SchemaError, match=r"has schema 99, and this Romancy knows 1: upgrade Romancy"):
            PostgresStore(url, **options)


def test_whoever_only_reads_makes_no_tables(url: str) -> None:
    with pytest.raises(SchemaError, match="romancy migrate makes them"):
        PostgresStore(url, read_only=True)
    assert query(url, "select to_regnamespace('romancy')") == [(None,)]


# -- passwords


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@host/db",
        "postgres://me:s3cret@one:5432,two:5433/db?schema=a",
        "postgresql://me:a%40s3cret@host/db",
        "postgresql://host/db?user=me&password=s3cret&schema=b",
        "postgresql://host/db?sslpassword=s3cret",
        "postgresql://me:s3cret:x@host/db",
    ],
)
def test_a_password_is_never_shown(url: str) -> None:
    assert "s3cret" not in masked(url)
    assert "***" in masked(url)
    assert "host" in masked(url) or "one" in masked(url)


def test_an_address_that_cannot_be_read_is_refused_without_its_password() -> None:
    with pytest.raises(DefinitionError) as refused:
        PostgresStore("postgresql://me:s3cret@host/db?nonsense=1")
    assert "s3cret" not in str(refused.value)
    with pytest.raises(StoreError) as failed:
        PostgresStore("postgresql://me:s3cret@127.0.0.1:1/db?connect_timeout=2")
    assert "s3cret" not in str(failed.value)


# -- leases and letters among several stores


def test_a_zombie_is_fenced_in_every_kind_of_write(url: str, store: PostgresStore) -> None:
    token = store.register(worker("zombie"), NOW, NOW + 30)
    instance = store.create([new("i")], owner=token, now=NOW)[0].instance
    with store.recording(token, instance.number, 1) as recording, closing(PostgresStore(url)) as other:
        recording.handle.execute("create table effect (n integer)")
        assert other.take_over(token, NOW + 31, 10) == 1
        with pytest.raises(LeaseLostError):
            recording.record(done("1"))
    assert query(url, "select to_regclass('public.effect')") == [(None,)]
    assert len(store.history(instance.number, 1)) == 1


def test_another_process_s_commits_ring_at_once(url: str, store: PostgresStore) -> None:
    heard = threading.Event()
    store.alert(heard.set)
    assert store._bell is not None
    assert store._bell.listens.wait(10)
    store.changed()
    with closing(PostgresStore(url)) as other:
        heard.clear()
        other.create([new("i")], owner=None, now=NOW)
        assert heard.wait(10)
        assert store.changed()


def test_a_bell_whose_connection_is_lost_is_hung_again(url: str, store: PostgresStore) -> None:
    store.alert(lambda: None)
    assert store._bell is not None
    assert store._bell.listens.wait(10)
    terminate(url)
    store._bell.listens.clear()
    assert store._bell.listens.wait(10)
    assert store.counts() == {}


# -- time


def test_the_server_s_time_is_told_without_regard_to_jumps_of_this_machine() -> None:
    ticks = [100.0]
    clock = ServerClock(lambda: ticks[0])
    clock.observe(5_000.0, 99.0, 101.0)
    assert clock() == 5_000.0
    ticks[0] = 160.0
    assert clock() == 5_060.0
    clock.observe(5_060.4, 159.0, 161.0)
    assert clock() == 5_060.0, "an answer that took two seconds proves nothing against it"
    clock.observe(5_070.0, 159.9, 160.0)
    assert 5_069.9 <= clock() <= 5_070.1


def test_the_clock_of_a_store_is_that_of_the_server(url: str, store: PostgresStore) -> None:
    before = query(url, "select extract(epoch from clock_timestamp())::float8")[0][0]
    shown = store.clock()
    after = query(url, "select extract(epoch from clock_timestamp())::float8")[0][0]
    assert before - 0.1 <= shown <= after + 0.1


# -- sessions

meeting = threading.Barrier(3)


@activity
def meet(n: int) -> int:
    session().execute("insert into met values (%s)", [n])
    meeting.wait(20)
    return n


@workflow
def together(ctx: Context) -> Flow[list[int]]:
    return (yield from gather(meet(1), meet(2), meet(3)))


@activity
def misuse(how: str) -> str:
    connection = session()
    assert isinstance(connection, psycopg.Connection)
    connection.execute("insert into met values (7)")
    kept.append(connection)
    if how == "commit":
        with pytest.raises(RuntimeError, match="leave that to Romancy"):
            connection.commit()
    if how == "nested":
        with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction():
            connection.execute("select 1 / 0")
    return how


kept: list[Any] = []


@workflow
def misused(ctx: Context, how: str) -> Flow[str]:
    return (yield from misuse(how))


def test_activities_hold_sessions_side_by_side_and_the_loop_goes_on(url: str) -> None:
    query(url, "create table met (n integer)")
    with Romancy(url) as app:
        assert app.run(together(), timeout=30) == [1, 2, 3]
    assert sorted(query(url, "select n from met")) == [(1,), (2,), (3,)]


@pytest.mark.parametrize("how", ["commit", "nested"])
def test_a_session_cannot_end_its_transaction_and_what_fails_inside_of_one_can_be_caught(url: str, how: str) -> None:
    query(url, "create table met (n integer)")
    with Romancy(url) as app:
        assert app.run(misused(how), timeout=30) == how
        with pytest.raises((RuntimeError, psycopg.Error)):
            kept.pop().execute("insert into met values (8)")
    assert query(url, "select n from met") == [(7,)]


def test_sql_that_ends_the_transaction_of_a_session_is_noticed(store: PostgresStore) -> None:
    token = store.register(worker(), NOW, NOW + 30)
    instance = store.create([new("i")], owner=token, now=NOW)[0].instance
    with (
        pytest.raises(RomancyError, match="leave commit and rollback"),
        store.recording(token, instance.number, 1) as it,
    ):
        it.handle.execute("commit")
        it.handle.execute("select 1")
        it.record(done("1"))
    assert len(store.history(instance.number, 1)) == 1


def test_what_a_session_sets_does_not_last(store: PostgresStore) -> None:
    token = store.register(worker(), NOW, NOW + 30)
    instance = store.create([new("i")], owner=token, now=NOW)[0].instance
    shown = []
    for place in (1, 2):
        with store.recording(token, instance.number, 1) as recording:
            shown.append(recording.handle.execute("show search_path").fetchone())
            recording.handle.execute("set search_path = nowhere")
            assert recording.record(done(str(place))) == place
    assert shown[0] == shown[1]


def test_a_letter_that_is_being_left_while_an_instance_goes_to_sleep_wakes_it(url: str, store: PostgresStore) -> None:
    token = store.register(worker(), NOW, NOW + 30)
    instance = store.create([new("i")], owner=token, now=NOW)[0].instance
    resting = Tick(NOW, states=[state(instance, "waiting", wake_at=NOW + 10**6)])
    with psycopg.connect(url) as other:
        other.execute("select number from romancy.instance where id = 'i' for no key update")
        other.execute(
            "insert into romancy.inbox (instance, kind, data, at) select number, 'note', '', 1 from romancy.instance"
        )
        sleeping = threading.Thread(target=store.commit, args=[token, resting])
        sleeping.start()
        while not query(url, "select 1 from pg_stat_activity where wait_event_type = 'Lock'"):
            assert sleeping.is_alive()
        other.commit()
    sleeping.join()
    assert [each.id for each in store.claim(token, ["order"], NOW, 10)] == ["i"]
