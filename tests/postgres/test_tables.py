"""Tables that are newer than a running worker, not all there, or another program's."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from romancy import Romancy
from romancy.cli import main
from romancy.errors import SchemaError, StoreError
from romancy.store.migrate import APPLICATION_ID
from romancy.store.postgres import PostgresStore
from romancy.testing import VirtualClock
from romancy.testing.contract import NOW, new, worker
from tests.postgres.server import query
from tests.postgres.stage import Stage
from tests.postgres.test_store import together
from tests.postgres.wire import terminate

NEWER = "insert into romancy.migration values (99, now())"
UPGRADE = r"has schema 99, and this Romancy knows 1: upgrade Romancy"


def test_a_running_worker_that_is_older_than_the_tables_ends_and_writes_nothing(stage: Stage) -> None:
    app = stage.open()
    app.run_until_idle()
    before = stage.sql("select token, until from worker")
    assert len(before) == 1
    stage.sql(NEWER)
    stage.clock.advance(11)
    with pytest.raises(SchemaError, match=UPGRADE):
        app.pump()
    assert stage.sql("select token, until from worker") == before


def test_a_worker_in_the_background_ends_at_the_first_refusal_and_its_app_says_why(url: str) -> None:
    with Romancy(url, lease=0.3) as app:
        query(url, NEWER)
        background = app._background
        assert background is not None
        background.join(30)
        assert isinstance(background.failure, SchemaError)
        with pytest.raises(StoreError, match=UPGRADE):
            app.start(together())
    assert query(url, "select count(*) from romancy.instance") == [(0,)]


def test_what_comes_back_to_newer_tables_writes_nothing(url: str) -> None:
    with closing(PostgresStore(url)) as store:
        token = store.register(worker(), NOW, NOW + 30)
        query(url, NEWER)
        terminate(url)
        for verb in (
            lambda: store.create([new("i")], owner=None, now=NOW),
            lambda: store.claim(token, ["order"], NOW, 1),
        ):
            with pytest.raises(SchemaError, match=UPGRADE):
                verb()
    assert query(url, "select count(*) from romancy.instance") == [(0,)]


def test_a_running_worker_on_a_file_ends_as_well(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.db", VirtualClock()
    app = Romancy(path, worker=False, clock=clock)
    app.run_until_idle()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        assert other.execute("pragma application_id").fetchone() == (APPLICATION_ID,)
        other.execute("pragma user_version = 99")
        before = other.execute("select token, until from worker").fetchall()
        clock.advance(11)
        with pytest.raises(SchemaError, match=UPGRADE):
            app.pump()
        assert other.execute("select token, until from worker").fetchall() == before
    app.close()


# -- not all there


@pytest.mark.parametrize("table", ["worker", "instance", "history", "inbox"])
def test_a_missing_table_is_found_by_whoever_opens(url: str, table: str) -> None:
    PostgresStore(url).close()
    query(url, f"drop table romancy.{table}")
    told = f"lacks the table {table} in its schema romancy: stop the workers and restore a backup"
    doctor = CliRunner().invoke(main, ["doctor", "--db", url, "--json"], prog_name="romancy")
    assert doctor.exit_code == 1
    assert told in json.loads(doctor.stdout)["checks"][0]["told"]
    for words in (["migrate"], ["list"]):
        refused = CliRunner().invoke(main, [*words, "--db", url], prog_name="romancy")
        assert refused.exit_code == 2
        assert told in refused.output


# -- another program's


@pytest.mark.parametrize(
    "made",
    [
        "create table shop.instance (id text)",
        "create table shop.inbox (id text)",
        "create table shop.migration (name text)",
        "create table shop.migration (version text)",
        "create table shop.migration as select 7 as version",
    ],
)
def test_tables_of_another_program_are_left_alone(url: str, made: str) -> None:
    query(url, "create schema shop")
    query(url, made)
    told = r"of another program in its schema shop: choose another schema with \?schema="
    for read_only in (False, True):
        with pytest.raises(SchemaError, match=told):
            PostgresStore(f"{url}&schema=shop", read_only=read_only)
    assert len(query(url, "select tablename from pg_tables where schemaname = 'shop'")) == 1
